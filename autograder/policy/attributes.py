"""Reading and setting attributes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from autograder.policy import texts
from autograder.policy.analysis import Analysis
from autograder.policy.graph import ANY
from autograder.policy.names import canonical
from autograder.policy.solver import Node
from autograder.policy.units import Unit
from autograder.policy.values import (
    Bound,
    Box,
    BoxMethod,
    Call,
    Class,
    External,
    Forbidden,
    Function,
    Instance,
    Module,
    Partial,
    Some,
    Super,
    Text,
    TextMethod,
    Truth,
)

__all__ = ["Place", "find_member", "load", "store"]

# On the student's own objects these lead only to what is the student's.
_OWN_DUNDERS = frozenset(("__class__", "__dict__"))

_LOOK_UPS = {"__getattribute__": "builtins.getattr", "__setattr__": "builtins.setattr"}

# `x = x.flatten` would go on for ever if x were once taken for something with a name.
_DEEPEST_NAME = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attribute is read.

    `named` says that the object is written as a plain name or a chain of names, which isn't a
    parameter: then a longer forbidden name says more than the shorter one. `after` is the
    attribute asked of the result, if any. `compared` says that the result is only compared.
    """

    unit: Unit
    at: ast.AST
    named: bool = False
    after: str = ""
    compared: bool = False


def load(a: Analysis, place: Place, base: Node, name: str, result: Node) -> None:
    """Let `result` have the attribute `name` of whatever `base` has."""
    unit = place.unit
    a.graph.ask(unit.owner, name)
    if name in _LOOK_UPS:
        _look_up(a, place, base, name, result)
        return
    shared = a.shared(name)
    a.solver.link(shared, result)
    if not unit.importing:
        a.graph.edge(unit.owner, shared)
    hit = a.rulebook.attribute(name)

    def react(atom: object) -> None:
        own = isinstance(atom, Instance) and name in _OWN_DUNDERS
        own = own or (isinstance(atom, Some) and name in a.own_names)
        if hit and not own and not isinstance(atom, External | Forbidden):
            a.forbid(unit, hit, name, place.at, result)
        else:
            _of(a, place, base, atom, name, result)

    a.solver.listen(base, react)


def _look_up(a: Analysis, place: Place, base: Node, name: str, result: Node) -> None:
    """`torch.__getattribute__` is `getattr` with its first argument given."""

    def react(atom: object) -> None:
        if isinstance(atom, External) and atom.path.startswith("builtins."):
            a.solver.add(result, External(f"builtins.object.{name}"))
        elif isinstance(atom, Super):
            a.solver.add(result, Some.OUTSIDE)
        else:
            if atom is Some.OUTSIDE:
                # It may be a class: `type(torch).__getattribute__(torch, "autograd")`.
                a.solver.add(result, External(f"builtins.object.{name}"))
            inner = a.solver.make(External(_LOOK_UPS[name]))
            given = Call(place.at, place.unit, [(a.solver.make(atom), False)])
            a.solver.add(result, Partial(inner, given))

    a.solver.listen(base, react)


def _of(a: Analysis, place: Place, base: Node, atom: object, name: str, result: Node) -> None:
    match atom:
        case External(path=path):
            _of_external(a, place, path, name, result)
        case Forbidden():
            _of_forbidden(a, place, atom, name, result)
        case Some():
            _of_data(a, place, base, atom, name, result)
        case Instance():
            _of_instance(a, place, atom, name, result)
        case Class():
            a.solver.link(a.field(atom, name), result)
            a.solver.add(result, Some.OUTSIDE)
            find_member(a, place, atom, name, lambda found: _unbound(a, atom, found, result))
            if atom.metaclass is not None:
                _of_metaclass(a, place, atom, name, result)
        case Module():
            _of_file(a, place, atom, name, result)
        case Function():
            if name in ("__call__", "__get__"):
                a.solver.add(result, atom)
            a.solver.link(a.field(atom, name), result)
            a.solver.add(result, Some.OUTSIDE)
        case Box(record=True):
            a.solver.add(result, atom)
            a.solver.link(atom.contents, result)
        case Box():
            a.solver.add(result, BoxMethod(atom))
        case Partial() if name == "func":
            a.solver.link(atom.inner, result)
        case Partial():
            for node in atom.call.everything():
                a.solver.link(node, result)
        case Text(value=value):
            known = name in texts.METHODS
            a.solver.add(result, TextMethod(value, name) if known else Some.OUTSIDE)
        case Super():
            receiver = atom.of.generic
            _of_bases(a, place, atom.of, name, lambda f: _bind(a, place, f, receiver, result))
            a.solver.add(result, External(f"builtins.object.{name}"))
        case Truth():
            a.solver.add(result, Some.OUTSIDE)
        case _:
            a.solver.add(result, atom)


def _of_external(a: Analysis, place: Place, path: str, name: str, result: Node) -> None:
    full = canonical(f"{path}.{name}")
    hit = a.rulebook.name(full)
    if hit is not None and _excepted(a, full, place.after):
        hit = None
    if hit is None:
        known = a.leads_on(path) or a.is_namespace(External(full))
        a.solver.add(result, External(full) if known else Some.OUTSIDE)
    elif not (place.compared and full.endswith(".grad_fn")):
        a.forbid(place.unit, hit, full, place.at, result)


def _excepted(a: Analysis, full: str, after: str) -> bool:
    """Whether the code goes on to something that is allowed: `torch.autograd.no_grad`."""
    parts = after.split(".") if after else []
    longer = [".".join((full, *parts[: i + 1])) for i in range(len(parts))]
    return any(a.rulebook.excepted(canonical(path)) for path in (full, *longer)) or (
        not parts and a.rulebook.leads_to_allowed(full)
    )


def _of_forbidden(a: Analysis, place: Place, atom: Forbidden, name: str, result: Node) -> None:
    site = atom.site
    full = canonical(f"{site.name}.{name}")
    grows = place.named and site.at is not place.at and full.count(".") <= _DEEPEST_NAME
    hit = a.rulebook.name(full) if grows else None
    if hit is None:
        a.solver.add(result, atom)
        return
    longer = a.site(place.unit, hit, full, place.at)
    if site.unit is place.unit and (site.line, site.column) == (longer.line, longer.column):
        site.superseded = True
    a.solver.add(result, Forbidden(longer))


def _of_data(a: Analysis, place: Place, base: Node, atom: Some, name: str, result: Node) -> None:
    if atom is Some.OUTSIDE:
        a.solver.link(a.modules_in(name), result)
    hit = a.rulebook.method(name)
    if hit is None or place.compared:
        a.solver.add(result, atom)
    elif name not in a.own_names:
        a.forbid(place.unit, hit, f"torch.Tensor.{name}", place.at, result)
    else:
        a.solver.add(result, atom)
        if atom is Some.TENSOR:
            # Forbidden, unless it turns out that it may be an object of the student's as well.
            a.doubtful.append((place.unit, hit, name, place.at, base))


def _of_instance(a: Analysis, place: Place, atom: Instance, name: str, result: Node) -> None:
    a.solver.add(result, Some.OUTSIDE)
    if name == "__class__":
        a.solver.add(result, atom.of)
        return
    if name == "__dict__":
        a.graph.ask(place.unit.owner, ANY)
        box = a.box(atom.of.node)
        a.solver.link(a.field(atom, ANY), box.contents)
        a.solver.add(result, box)
        return
    a.solver.link(a.field(atom, name), result)
    a.solver.link(a.field(atom.of, name), result)

    def found(value: object) -> None:
        _bind(a, place, value, atom, result)

    def computed(value: object) -> None:
        if isinstance(value, Function):
            a.solver.link(value.returns, result)
            if len(value.positional) > 1:
                a.solver.add(value.positional[1], Text(name))

    find_member(a, place, atom.of, name, found)
    for hook in ("__getattr__", "__getattribute__"):
        find_member(a, place, atom.of, hook, computed)


def _of_metaclass(a: Analysis, place: Place, of: Class, name: str, result: Node) -> None:
    if of.metaclass is None:
        return

    def react(meta: object) -> None:
        if isinstance(meta, Class) and meta is not of:
            for wanted in (name, "__getattr__"):
                find_member(a, place, meta, wanted, lambda f: _bind(a, place, f, of, result))

    a.solver.listen(of.metaclass, react)


def _of_file(a: Analysis, place: Place, atom: Module, name: str, result: Node) -> None:
    scope = atom.file.scope
    for path in scope.imported.get(name, ()):
        hit = a.rulebook.name(canonical(path))
        if hit is not None:
            a.forbid(place.unit, hit, canonical(path), place.at, result)
    variable = scope.variables.setdefault(name, Node())
    a.solver.link(variable, result)
    if not place.unit.importing:
        a.graph.edge(place.unit.owner, variable)


def find_member(
    a: Analysis, place: Place, of: Class, name: str, found: Callable[[object], None]
) -> None:
    """Call `found` with what `of` or its bases define as `name`."""
    a.solver.listen(_member(a, of, name), _checked(a, place, found))


def _of_bases(
    a: Analysis, place: Place, of: Class, name: str, found: Callable[[object], None]
) -> None:
    a.solver.listen(_inherited(a, of, name), _checked(a, place, found))


def _checked(
    a: Analysis, place: Place, found: Callable[[object], None]
) -> Callable[[object], None]:
    def react(atom: object) -> None:
        if isinstance(atom, External) and atom.path.startswith("torch."):
            # Inherited from a class of torch: it may be forbidden under that name.
            hit = a.rulebook.name(atom.path)
            if hit is not None:
                found(Forbidden(a.site(place.unit, hit, atom.path, place.at)))
                return
        found(atom)

    return react


def _member(a: Analysis, of: Class, name: str) -> Node:
    """What a class or its bases define as `name`."""
    return of.scope.variables.get(name) or _inherited(a, of, name)


def _inherited(a: Analysis, of: Class, name: str) -> Node:
    """What the bases of a class define as `name`; asked for once for each class and name."""
    if name in of.inherited:
        return of.inherited[name]
    result = of.inherited[name] = Node()

    def react(base: object) -> None:
        if isinstance(base, Class):
            a.solver.link(_member(a, base, name), result)
        elif isinstance(base, External):
            full = canonical(f"{base.path}.{name}")
            if full.startswith("torch."):
                a.solver.add(result, External(full))
        elif isinstance(base, Forbidden):
            a.solver.add(result, base)

    for base in of.bases:
        a.solver.listen(base, react)
    return result


def _unbound(a: Analysis, of: Class, value: object, result: Node) -> None:
    a.solver.add(result, value)
    if a.is_namespace(value):
        # A member of an enumeration: `Kind.TORCH.value`.
        holder = a.box(of.node, record=True)
        a.solver.add(holder.contents, value)
        a.solver.add(result, holder)
    if isinstance(value, Function) and value.decorated:
        a.solver.add(result, Bound(value, of))


def _bind(
    a: Analysis, place: Place, value: object, receiver: Instance | Class | None, result: Node
) -> None:
    """Let `result` have a class attribute as seen through an object: methods know the object."""
    if not isinstance(value, Function) or receiver is None:
        a.solver.add(result, value)
        if isinstance(value, Instance):
            # A descriptor: what Python returns is what its `__get__` returns.
            find_member(a, place, value.of, "__get__", lambda f: _returned(a, f, value, result))
        return
    if value.is_property:
        a.runs(place.unit, value)
        _returned(a, value, receiver, result)
        return
    a.solver.add(result, Bound(value, receiver))
    if value.decorated:
        # Whatever its decorators make of it: it may have no receiver, or run when it is read.
        a.solver.add(result, value)
        _returned(a, value, receiver, result)


def _returned(a: Analysis, value: object, receiver: Instance | Class, result: Node) -> None:
    if isinstance(value, Function):
        if value.positional:
            a.solver.add(value.positional[0], receiver)
        a.solver.link(value.returns, result)


def store(a: Analysis, unit: Unit, base: Node, name: str, value: Node, at: ast.AST) -> None:
    """Let the attribute `name` of whatever `base` has have `value`."""
    hit = a.rulebook.store(name)

    def known(stored: object) -> None:
        if a.is_way_in(stored):
            a.solver.add(a.modules_in(name), stored)

    def react(atom: object) -> None:
        own = isinstance(atom, Instance | Class | Function | Box)
        if hit is not None and not own and value is not a.no:
            if name not in a.own_names:
                a.commit(unit, hit, name, at)
            elif atom is Some.TENSOR:
                a.doubtful.append((unit, hit, name, at, base))
        if unit.dead:
            return
        match atom:
            case Instance() | Class() | Function():
                a.solver.link(value, a.field(atom, name))
                if (value, name) not in a.kept:
                    a.kept.add((value, name))
                    a.solver.listen(value, known)
            case Box():
                a.solver.link(value, atom.contents)
            case Module(file=file):
                a.solver.link(value, file.scope.variables.setdefault(name, Node()))
            case External() | Some() | Forbidden():
                a.solver.link(value, a.shared(name))
            case _:
                pass

    a.solver.listen(base, react)
