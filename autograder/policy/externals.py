"""Calling what isn't the student's: the few functions that matter by name, and all the rest."""

from __future__ import annotations

import ast
from collections.abc import Callable

from autograder.policy import calls
from autograder.policy.analysis import Analysis, is_carried
from autograder.policy.attributes import Place, load, store
from autograder.policy.graph import ANY
from autograder.policy.hooks import ITERATION
from autograder.policy.solver import Node, TooIntricate
from autograder.policy.values import (
    Box,
    Call,
    Class,
    External,
    Forbidden,
    Function,
    Getter,
    Instance,
    Maker,
    Partial,
    Some,
    Super,
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
    looks_up: list[object] = []
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
        if isinstance(atom, External | Getter) and _looks_up(atom):
            looks_up.append(atom)
        if a.is_namespace(atom):
            modules.append(atom)
        if hit is not None and looks_up and modules:
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


def _looks_up(atom: External | Getter) -> bool:
    if isinstance(atom, Getter):
        return True
    return atom.path in ("builtins.getattr", "builtins.vars", "builtins.setattr")


# --- looking things up by name -----------------------------------------------------------------

Model = Callable[[Analysis, Call, str, Node], None]


def _arguments(a: Analysis, call: Call, count: int) -> list[Node]:
    """The first `count` positional arguments; with `*pair` each may be any element."""
    found: list[Node] = []
    for node, starred in call.positional:
        found += [calls.element(a, node)] * count if starred else [node]
    return found[:count]


def _getattr(a: Analysis, call: Call, path: str, result: Node) -> None:
    arguments = _arguments(a, call, 3)
    if len(arguments) < 2:
        a.solver.add(result, Some.OUTSIDE)
        return
    target, name = arguments[:2]
    if len(arguments) == 3:
        a.solver.link(arguments[2], result)
    seen: set[str] = set()
    objects: list[object] = []
    unknown: list[object] = []
    place = Place(call.unit, call.node, named=True)
    hit = a.rulebook.computed

    def check() -> None:
        if hit is not None and unknown and any(a.is_namespace(o) for o in objects):
            a.forbid(call.unit, hit, _module_name(a, objects), call.node, result)

    def named(atom: object) -> None:
        if isinstance(atom, Text):
            if isinstance(atom.value, str) and atom.value not in seen:
                seen.add(atom.value)
                load(a, place, target, atom.value, result)
        elif isinstance(atom, Some) and not unknown:
            unknown.append(atom)
            a.graph.ask(call.unit.owner, ANY)
            a.solver.add(result, Some.OUTSIDE)
            check()

    def of(atom: object) -> None:
        objects.append(atom)
        if isinstance(atom, Instance | Class | Function):
            a.solver.link(a.field(atom, ANY), result)
        elif isinstance(atom, Box):
            a.solver.link(atom.contents, result)
        check()

    a.solver.listen(name, named)
    a.solver.listen(target, of)


def _module_name(a: Analysis, objects: list[object]) -> str:
    for atom in objects:
        if isinstance(atom, External) and a.is_namespace(atom):
            return f"getattr({atom.path}, …)"
    return "getattr"


def _setattr(a: Analysis, call: Call, path: str, result: Node) -> None:
    arguments = _arguments(a, call, 3)
    if len(arguments) < 3:
        return
    target, name, value = arguments
    hit = a.rulebook.computed
    stored: set[str] = set()

    def named(atom: object) -> None:
        if isinstance(atom, Text) and isinstance(atom.value, str):
            if atom.value not in stored:
                stored.add(atom.value)
                store(a, call.unit, target, atom.value, value, call.node)
        elif isinstance(atom, Some):
            a.solver.listen(target, of)

    def of(atom: object) -> None:
        if hit is not None and a.is_namespace(atom):
            a.commit(call.unit, hit, "setattr", call.node)
        elif isinstance(atom, Instance | Class | Function) and not call.unit.dead:
            a.solver.link(value, a.field(atom, ANY))

    a.solver.listen(name, named)


def _vars(a: Analysis, call: Call, path: str, result: Node) -> None:
    hit = a.rulebook.scope
    a.graph.ask(call.unit.owner, ANY)
    box = a.box(call.node)
    a.solver.add(result, box)

    def of(atom: object) -> None:
        if a.is_namespace(atom) and hit is not None:
            a.forbid(call.unit, hit, "vars", call.node, result)
        elif isinstance(atom, Instance | Class | Function):
            a.solver.link(a.field(atom, ANY), box.contents)
        elif isinstance(atom, Box):
            a.solver.link(atom.contents, box.contents)

    if call.positional:
        a.solver.listen(_arguments(a, call, 1)[0], of)
    elif call.unit.importing:
        # At module level these are globals() by another name.
        if hit is not None:
            name = path.removeprefix("builtins.")
            a.forbid(call.unit, hit, name, call.node, result)
            a.commit(call.unit, hit, name, call.node)
    else:
        _locals(a, call, box)


def _locals(a: Analysis, call: Call, box: Box) -> None:
    owner = call.unit.owner
    if isinstance(owner, Function) and not call.unit.dead:
        for name, variable in owner.scope.variables.items():
            a.solver.link(variable, box.contents)
            a.solver.add(box.contents, Text(name))


def _attrgetter(a: Analysis, call: Call, path: str, result: Node) -> None:
    calls_it = path.endswith("methodcaller")
    wanted = call.positional[:1] if calls_it else call.positional

    def named(atom: object) -> None:
        if isinstance(atom, Text) and isinstance(atom.value, str):
            a.solver.add(result, Getter(atom.value, calls_it))
            for part in atom.value.split("."):
                a.graph.ask(call.unit.owner, part)
                hit = a.rulebook.attribute(part) or a.rulebook.method(part)
                if hit is not None and part not in a.own_names:
                    a.forbid(call.unit, hit, part, call.node, result)
        elif isinstance(atom, Some):
            a.graph.ask(call.unit.owner, ANY)
            a.solver.add(result, Getter(None, calls_it))

    for node, starred in wanted:
        a.solver.listen(calls.element(a, node) if starred else node, named)


def _partial(a: Analysis, call: Call, path: str, result: Node) -> None:
    if not call.positional:
        return
    (inner, starred), *rest = call.positional
    inner = calls.element(a, inner) if starred else inner
    bound = Call(call.node, call.unit, rest, call.named)
    a.solver.add(result, Partial(inner, bound))
    hit = a.rulebook.computed
    found: list[bool] = []

    def react(atom: object) -> None:
        # `partial(getattr, torch)`: the name comes later.
        if isinstance(atom, External) and _looks_up(atom):
            found.append(True)
            for node in bound.everything():
                a.solver.listen(node, of)

    def of(atom: object) -> None:
        if hit is not None and a.is_namespace(atom):
            a.forbid(call.unit, hit, "functools.partial", call.node, result)

    a.solver.listen(inner, react)


def _type(a: Analysis, call: Call, path: str, result: Node) -> None:
    if len(call.positional) != 1:
        # type(name, bases, namespace) makes a class.
        record = a.box(call.node, record=True)
        a.solver.add(result, record)
        calls.fill(a, call, record)
        for node, _ in call.positional:
            a.solver.link(calls.element(a, node), record.contents)
        return

    def of(atom: object) -> None:
        match atom:
            case Instance():
                a.solver.add(result, atom.of)
            case Class():
                a.solver.link(atom.metaclass or a.outside, result)
            case Some.TENSOR:
                a.solver.add(result, External("torch.Tensor"))
            case Forbidden():
                a.solver.add(result, atom)
            case Box(record=True):
                a.solver.add(result, atom)
            case _:
                a.solver.add(result, Some.OUTSIDE)

    a.solver.listen(call.positional[0][0], of)


def _super(a: Analysis, call: Call, path: str, result: Node) -> None:
    if call.unit.within is not None:
        a.solver.add(result, Super(call.unit.within))

    def of(atom: object) -> None:
        if isinstance(atom, Class):
            a.solver.add(result, Super(atom))

    for node, _ in call.positional[:1]:
        a.solver.listen(node, of)
    a.solver.add(result, Some.OUTSIDE)


def _same(a: Analysis, call: Call, path: str, result: Node) -> None:
    """Decorators and the like: what comes back is what went in."""
    for node, starred in call.positional:
        a.solver.link(calls.element(a, node) if starred else node, result)


def _wraps(a: Analysis, call: Call, path: str, result: Node) -> None:
    a.solver.add(result, External("functools.wraps()"))


def _first(a: Analysis, call: Call, path: str, result: Node) -> None:
    """next, min, max: one of the elements, or one of the arguments."""
    for node, _ in call.positional:
        calls.operate(a, call, node, ITERATION, result)
        a.solver.link(calls.element(a, node), result)
    _call_back(a, call, path, result)


def _text(a: Analysis, call: Call, path: str, result: Node) -> None:
    """str, bytes, chr: known if the argument is written out."""
    value = _literal(call.node)
    if value is not None:
        a.solver.add(result, Text(value))
        return
    if path == "builtins.str" and len(call.positional) == 1:
        for node, _ in call.positional:
            a.solver.listen(
                node,
                lambda atom: a.solver.add(
                    result,
                    atom
                    if isinstance(atom, Text) and isinstance(atom.value, str)
                    else Some.OUTSIDE,
                ),
            )
        return
    a.solver.add(result, Some.OUTSIDE)


def _literal(node: ast.AST) -> str | bytes | None:
    """`chr(97)` and `bytes([97, 117])` with their numbers written out."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
        return None
    argument = node.args[0]
    if node.func.id == "chr" and isinstance(argument, ast.Constant):
        value = argument.value
        return chr(value) if isinstance(value, int) and 0 <= value < 0x11_0000 else None
    if node.func.id in ("bytes", "bytearray") and isinstance(argument, ast.List | ast.Tuple):
        numbers = [e.value for e in argument.elts if isinstance(e, ast.Constant)]
        small = [n for n in numbers if isinstance(n, int) and 0 <= n < 256]
        return bytes(small) if len(small) == len(argument.elts) < 200 else None
    return None


_MODELS: dict[str, Model] = {
    "builtins.getattr": _getattr,
    "builtins.object.__getattribute__": _getattr,
    "builtins.type.__getattribute__": _getattr,
    "builtins.setattr": _setattr,
    "builtins.object.__setattr__": _setattr,
    "builtins.vars": _vars,
    "builtins.locals": _vars,
    "builtins.type": _type,
    "builtins.super": _super,
    "builtins.next": _first,
    "builtins.min": _first,
    "builtins.max": _first,
    "builtins.str": _text,
    "builtins.chr": _text,
    "builtins.bytes": _text,
    "builtins.bytearray": _text,
    "builtins.staticmethod": _same,
    "builtins.classmethod": _same,
    "builtins.property": _same,
    "functools.cached_property": _same,
    "abc.abstractmethod": _same,
    "copy.copy": _same,
    "copy.deepcopy": _same,
    "operator.attrgetter": _attrgetter,
    "operator.methodcaller": _attrgetter,
    "functools.partial": _partial,
    "functools.partialmethod": _partial,
    "functools.wraps": _wraps,
    "functools.wraps()": _same,
}
