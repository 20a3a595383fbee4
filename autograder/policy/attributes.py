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

_DEEPEST_HIERARCHY = 20

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
            _of(a, place, atom, name, result)

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


def _of(a: Analysis, place: Place, atom: object, name: str, result: Node) -> None:
    match atom:
        case External(path=path):
            _of_external(a, place, path, name, result)
        case Forbidden():
            _of_forbidden(a, place, atom, name, result)
        case Some():
            _of_data(a, place, atom, name, result)
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
    if hit is not None and place.after:
        excepted = a.rulebook.excepted(canonical(f"{full}.{place.after}"))
        hit = None if excepted else hit
    if hit is None:
        a.solver.add(result, External(full) if _leads_on(a, path, full) else Some.OUTSIDE)
    elif not (place.compared and full.endswith(".grad_fn")):
        a.forbid(place.unit, hit, full, place.at, result)


def _leads_on(a: Analysis, path: str, full: str) -> bool:
    """Whether the attribute `full` of `path` may matter by its name.

    What a function or a class of torch has is data, as far as the rules care. Of the standard
    library's names it isn't known which are modules.
    """
    if a.is_namespace(External(path)) or a.is_namespace(External(full)):
        return True
    top, _, rest = path.partition(".")
    if top in ("torch", "numpy"):
        return False
    if top == "builtins":
        return rest in ("object", "type")
    return rest.islower() and "." not in rest


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


def _of_data(a: Analysis, place: Place, atom: Some, name: str, result: Node) -> None:
    if atom is Some.OUTSIDE:
        a.solver.link(a.modules_in(name), result)
    hit = a.rulebook.method(name)
    own = atom is Some.OUTSIDE and name in a.own_names
    if hit is None or own or place.compared:
        a.solver.add(result, atom)
    else:
        a.forbid(place.unit, hit, f"torch.Tensor.{name}", place.at, result)


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
    a: Analysis,
    place: Place,
    of: Class,
    name: str,
    found: Callable[[object], None],
    below: tuple[Class, ...] = (),
) -> None:
    """Call `found` with what `of` or its bases define as `name`.

    `below` are the derived classes that were asked before: a name that is defined twice can make a
    class look like its own base.
    """
    if name in of.scope.variables:
        a.solver.listen(of.scope.variables[name], found)
    else:
        _of_bases(a, place, of, name, found, below)


def _of_bases(
    a: Analysis,
    place: Place,
    of: Class,
    name: str,
    found: Callable[[object], None],
    below: tuple[Class, ...] = (),
) -> None:
    asked = (*below, of)

    def react(base: object) -> None:
        if isinstance(base, Class) and base not in asked and len(asked) < _DEEPEST_HIERARCHY:
            find_member(a, place, base, name, found, asked)
        elif isinstance(base, External):
            full = canonical(f"{base.path}.{name}")
            hit = a.rulebook.name(full)
            if hit is not None:
                found(Forbidden(a.site(place.unit, hit, full, place.at)))
            elif full.startswith("torch."):
                found(External(full))
        elif isinstance(base, Forbidden):
            found(base)

    for base in of.bases:
        a.solver.listen(base, react)


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
    a.solver.add(result, Bound(value, receiver))
    if value.is_property:
        a.runs(place.unit, value)
    if value.decorated:
        # Whatever its decorators make of it: a property, or a function without a receiver.
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
        own = own or (atom is Some.OUTSIDE and name in a.own_names)
        if hit is not None and not own and value is not a.no:
            a.commit(unit, hit, name, at)
        if unit.dead:
            return
        match atom:
            case Instance() | Class() | Function():
                a.solver.link(value, a.field(atom, name))
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
