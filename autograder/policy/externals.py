"""Calling what isn't the student's: the few functions that matter by name, and all the rest."""

from __future__ import annotations

from collections.abc import Callable

from autograder.policy import calls
from autograder.policy.analysis import Analysis, is_carried
from autograder.policy.hooks import ITERATION
from autograder.policy.lookups import (
    list_attributes,
    looks_up,
    make_getter,
    make_partial,
    read_attribute,
    set_attribute,
)
from autograder.policy.models import same, super_of, text_of, type_of, wraps
from autograder.policy.solver import Node, TooIntricate
from autograder.policy.values import (
    Box,
    Call,
    External,
    Forbidden,
    Function,
    Getter,
    Instance,
    Maker,
    Some,
    Text,
)

__all__ = ["call_external"]

# Return plain data, whatever they get.
_PURE = frozenset(
    f"builtins.{name}"
    for name in "abs all any ascii bin bool bytearray bytes callable chr complex dir divmod float "
    "format hasattr hash help hex id input int isinstance issubclass len oct open ord pow print "
    "range repr round str sum".split()
)

_CONTAINERS = frozenset(
    [f"builtins.{name}" for name in "dict frozenset list set tuple".split()]
    + [f"collections.{n}" for n in "ChainMap Counter OrderedDict defaultdict deque".split()]
    + ["types.MappingProxyType", "builtins.enumerate", "builtins.zip", "builtins.reversed"]
    + ["builtins.map", "builtins.filter", "builtins.sorted", "builtins.iter"]
)

_RECORDS = frozenset(("types.SimpleNamespace", "argparse.Namespace"))

_RECORD_MAKERS = frozenset(
    ("collections.namedtuple", "typing.NamedTuple", "dataclasses.make_dataclass", "enum.Enum")
)

# These call the functions that they get; other built-ins keep them.
_CALLERS = frozenset(f"builtins.{n}" for n in ("filter", "map", "max", "min", "sorted"))

# These may return the very objects that they get.
_PASSING_ON = (
    "builtins.",
    "collections.",
    "contextlib.",
    "copy.",
    "dataclasses.",
    "functools.",
    "itertools.",
    "operator.",
    "types.",
    "typing.",
    "weakref.",
)

# These don't call the functions that they get, or only later.
_KEEPERS = (
    "abc.",
    "atexit.",
    "copy.",
    "jaxtyping.",
    "numpy.frompyfunc",
    "numpy.vectorize",
    "torch.",
    "weakref.",
    "functools.",
    "collections.",
    "contextlib.",
    "dataclasses.",
    "enum.",
    "itertools.",
    "operator.",
    "types.",
    "typing.",
    "builtins.",
)


def call_external(a: Analysis, call: Call, path: str, result: Node) -> None:
    """Let `result` have what calling `path` returns."""
    model = _MODELS.get(path)
    if model is not None:
        model(a, call, path, result)
    elif path in _CONTAINERS:
        box = a.box(call.node)
        a.solver.add(result, box)
        calls.fill(a, call, box)
        for node, _ in call.positional:
            a.solver.link(calls.element(a, node), box.contents)
        _call_back(a, call, path, box.contents)
    elif path in _RECORDS:
        record = a.box(call.node, record=True)
        a.solver.add(result, record)
        calls.fill(a, call, record)
    elif path in _RECORD_MAKERS:
        a.solver.add(result, Maker(a.box(call.node, record=True)))
    elif path in _PURE:
        a.solver.add(result, Some.OUTSIDE)
        _call_back(a, call, path, Node())
    elif not a.is_namespace(External(path)):
        a.solver.add(result, Some.TENSOR if path.startswith("torch.") else Some.OUTSIDE)
        _call_back(a, call, path, result)


def _call_back(a: Analysis, call: Call, path: str, result: Node) -> None:
    """What an unknown function may do with its arguments: return them, call them, keep them."""
    arguments = [a.flat(node) for node in call.everything()]
    keeps = path.startswith(_KEEPERS) and path not in _CALLERS
    readers: list[object] = []
    modules: list[object] = []
    hit = a.rulebook.computed
    pool = a.solver.make(Some.OUTSIDE)
    if not call.unit.dead and a.passes:
        for node in arguments:
            a.solver.link(node, pool)
    # Most functions return something new, whatever the list was that they got.
    dropped = Text if path.startswith(_PASSING_ON) else Text | Box | Instance

    def react(atom: object) -> None:
        if not a.passes and modules and isinstance(atom, Function):
            raise TooIntricate
        if isinstance(atom, Function):
            # `map(lambda m: m.autograd, [torch])`
            for parameter in atom.positional if a.passes else ():
                a.solver.link(pool, parameter)
            a.solver.link(atom.returns, result)
            if not keeps:
                calls.ran(a, call, atom)
        elif isinstance(atom, Instance):
            a.graph.open_classes.add(atom.of)
        elif isinstance(atom, Forbidden) and not keeps:
            calls.ran(a, call, atom.site)
        if isinstance(atom, External | Getter) and looks_up(atom):
            readers.append(atom)
        if a.is_namespace(atom):
            modules.append(atom)
        if hit is not None and readers and modules:
            a.forbid(call.unit, hit, path, call.node, result)
        dull = isinstance(atom, External) and not (a.is_namespace(atom) or atom.path in _MODELS)
        if is_carried(atom) and not isinstance(atom, dropped) and not dull:
            a.solver.add(result, atom)
        if a.is_way_in(atom) and not call.unit.dead:
            # `ValueError(torch).args[0]`
            holder = a.box(call.node, record=True)
            a.solver.add(holder.contents, atom)
            a.solver.add(result, holder)

    for node in arguments:
        a.solver.listen(node, react)


Model = Callable[[Analysis, Call, str, Node], None]


def _first(a: Analysis, call: Call, path: str, result: Node) -> None:
    """next, min, max: one of the elements, or one of the arguments."""
    for node, _ in call.positional:
        calls.operate(a, call, node, ITERATION, result)
        a.solver.link(calls.element(a, node), result)
    _call_back(a, call, path, result)


_MODELS: dict[str, Model] = {
    "builtins.getattr": read_attribute,
    "builtins.object.__getattribute__": read_attribute,
    "builtins.type.__getattribute__": read_attribute,
    "builtins.setattr": set_attribute,
    "builtins.object.__setattr__": set_attribute,
    "builtins.vars": list_attributes,
    "builtins.locals": list_attributes,
    "builtins.type": type_of,
    "builtins.super": super_of,
    "builtins.next": _first,
    "builtins.min": _first,
    "builtins.max": _first,
    "builtins.str": text_of,
    "builtins.chr": text_of,
    "builtins.bytes": text_of,
    "builtins.bytearray": text_of,
    "builtins.staticmethod": same,
    "builtins.classmethod": same,
    "builtins.property": same,
    "functools.cached_property": same,
    "abc.abstractmethod": same,
    "copy.copy": same,
    "copy.deepcopy": same,
    "operator.attrgetter": make_getter,
    "operator.methodcaller": make_getter,
    "functools.partial": make_partial,
    "functools.partialmethod": make_partial,
    "functools.wraps": wraps,
    "functools.wraps()": same,
}
