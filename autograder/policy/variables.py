"""Reading names: which variable it is, or which built-in, or what a starred import brought."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from autograder.policy.names import canonical
from autograder.policy.scopes import BUILTINS, Kind, Scope
from autograder.policy.solver import Node
from autograder.policy.values import External, Function, Some

if TYPE_CHECKING:
    from autograder.policy.expressions import Reader

__all__ = ["read_name"]


def read_name(reader: Reader, node: ast.Name) -> Node:
    a, name = reader.a, node.id
    found = reader.scope.find(name)
    if found is None:
        return _unbound(reader, node)
    scope, variable = found
    elsewhere = [scope for scope in (reader.scope, scope) if scope.kind is Kind.CLASS]
    result = variable
    if not reader.unit.importing and _is_shared(reader, scope, name):
        a.graph.edge(reader.unit.owner, variable)
    for path in scope.imported.get(name, ()):
        hit = a.rulebook.name(canonical(path))
        if hit is not None:
            result = a.solver.make(sources=[result])
            a.forbid(reader.unit, hit, canonical(path), node, result)
    if elsewhere or (
        scope.kind in (Kind.MODULE, Kind.DEAD) and not _is_certain(reader, scope, node)
    ):
        outer = scope.parent.find(name) if elsewhere and scope.parent else None
        if outer is not None:
            result = a.solver.make(sources=[result, outer[1]])
        elif _paths(reader, node.id):
            result = a.solver.make(sources=[result, _unbound(reader, node)])
    return result


def _is_shared(reader: Reader, scope: Scope, name: str) -> bool:
    """Whether a variable outlives the call: a global, or what an enclosing function keeps."""
    if name in scope.parameters or scope.kind in (Kind.CLASS, Kind.COMPREHENSION):
        return False
    owner = reader.unit.owner
    return not (isinstance(owner, Function) and owner.scope is scope)


def _is_certain(reader: Reader, scope: Scope, node: ast.Name) -> bool:
    """Whether a global name surely means the student's own, not a built-in or starred one."""
    first = scope.first_bound.get(node.id)
    if first is None or (reader.unit.importing and node.lineno < first):
        return False
    last = scope.last_bound.get(node.id, first)
    return all(line <= last for _, line in scope.stars)


def _unbound(reader: Reader, node: ast.Name) -> Node:
    """A name that the student doesn't bind: a built-in, or from a starred import."""
    a = reader.a
    result = Node()
    paths = _paths(reader, node.id)
    for path in map(canonical, paths):
        hit = a.rulebook.name(path)
        if hit is not None:
            a.forbid(reader.unit, hit, path.removeprefix("builtins."), node, result)
        else:
            a.solver.add(result, External(path))
    attribute = a.rulebook.attribute(node.id)
    if attribute is not None and not paths:
        a.forbid(reader.unit, attribute, node.id, node, result)
    if not paths:
        a.solver.add(result, Some.OUTSIDE)
    return result


def _paths(reader: Reader, name: str) -> list[str]:
    """What a name that the student doesn't bind may be."""
    paths = [f"{module}.{name}" for module, _ in reader.scope.module.stars]
    return [*paths, f"builtins.{name}"] if name in BUILTINS else paths
