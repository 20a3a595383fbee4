"""Looking names up by string: getattr and its relatives, which see through known strings."""

from __future__ import annotations

from autograder.policy import calls
from autograder.policy.analysis import Analysis
from autograder.policy.attributes import Place, load, store
from autograder.policy.graph import ANY
from autograder.policy.solver import Node
from autograder.policy.values import (
    Box,
    Call,
    Class,
    External,
    Function,
    Getter,
    Instance,
    Partial,
    Some,
    Text,
)

__all__ = [
    "list_attributes",
    "looks_up",
    "make_getter",
    "make_partial",
    "read_attribute",
    "set_attribute",
]


def _arguments(a: Analysis, call: Call, count: int) -> list[Node]:
    """The first `count` positional arguments; with `*pair` each may be any element."""
    found: list[Node] = []
    for node, starred in call.positional:
        found += [calls.element(a, node)] * count if starred else [node]
    return found[:count]


def read_attribute(a: Analysis, call: Call, path: str, result: Node) -> None:
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


def set_attribute(a: Analysis, call: Call, path: str, result: Node) -> None:
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


def list_attributes(a: Analysis, call: Call, path: str, result: Node) -> None:
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


def make_getter(a: Analysis, call: Call, path: str, result: Node) -> None:
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


def make_partial(a: Analysis, call: Call, path: str, result: Node) -> None:
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
        if isinstance(atom, External) and looks_up(atom):
            found.append(True)
            for node in bound.everything():
                a.solver.listen(node, of)

    def of(atom: object) -> None:
        if hit is not None and a.is_namespace(atom):
            a.forbid(call.unit, hit, "functools.partial", call.node, result)

    a.solver.listen(inner, react)


def looks_up(atom: External | Getter) -> bool:
    if isinstance(atom, Getter):
        return True
    return atom.path in ("builtins.getattr", "builtins.vars", "builtins.setattr")
