"""Python's scopes: which variable a name means, and what is bound where."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from autograder.policy.solver import Node

__all__ = ["BUILTINS", "Bindings", "Kind", "Scope", "bindings_of", "is_main_guard"]

BUILTINS = frozenset(dir(builtins)) | {"__loader__", "__spec__", "__builtins__"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class Kind(Enum):
    """What a scope belongs to. `DEAD` is a block that never runs, with names of its own."""

    MODULE = auto()
    FUNCTION = auto()
    CLASS = auto()
    COMPREHENSION = auto()
    DEAD = auto()


@dataclass(slots=True)
class Bindings:
    """The names that a block binds, not counting blocks with a scope of their own."""

    names: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    imports: list[tuple[str, str]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Scope:
    """One scope with its variables.

    `parameters` are its variables that hold what a caller passes. `imported` maps a name to the
    dotted paths of `from module import name`. `stars` are modules of `from module import *` with
    their lines. `first_bound` maps the names that are certain to be bound (by a statement that is
    not within a branch, and never deleted) to the line of that statement.
    """

    kind: Kind
    parent: Scope | None
    variables: dict[str, Node] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)
    imported: dict[str, list[str]] = field(default_factory=dict)
    stars: list[tuple[str, int]] = field(default_factory=list)
    first_bound: dict[str, int] = field(default_factory=dict)
    last_bound: dict[str, int] = field(default_factory=dict)

    def declare(self, bindings: Bindings) -> None:
        """Take in what a block binds."""
        self.globals |= bindings.globals
        self.nonlocals |= bindings.nonlocals
        for name in bindings.names - bindings.globals - bindings.nonlocals:
            self.variables.setdefault(name, Node())
        for name, path in bindings.imports:
            self.imported.setdefault(name, []).append(path)

    @property
    def module(self) -> Scope:
        """The file's outermost scope."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def variable(self, name: str) -> Node:
        """The variable that an assignment to `name` in this scope sets."""
        scope = self
        while scope.kind is Kind.COMPREHENSION and name not in scope.variables and scope.parent:
            scope = scope.parent
        if name in scope.globals:
            return scope.module.variables.setdefault(name, Node())
        if name in scope.nonlocals and scope.parent is not None:
            found = scope.parent.find(name)
            if found is not None:
                found[0].parameters.discard(name)
                return found[1]
        return scope.variables.setdefault(name, Node())

    def find(self, name: str) -> tuple[Scope, Node] | None:
        """The innermost scope that has `name`, with its variable, as Python looks names up."""
        scope: Scope | None = self
        if name in self.globals:
            scope = self.module
        while scope is not None:
            if name in scope.variables and (scope is self or scope.kind is not Kind.CLASS):
                return scope, scope.variables[name]
            if name in scope.globals:
                scope = scope.module
                return (scope, scope.variables[name]) if name in scope.variables else None
            scope = scope.parent
        return None


def is_main_guard(test: ast.expr) -> bool:
    """Whether an `if` with this test is never entered when the file is imported."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(is_main_guard(value) for value in test.values)
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return False
    sides = [test.left, test.comparators[0]]
    names = [s for s in sides if isinstance(s, ast.Name) and s.id == "__name__"]
    texts = [s for s in sides if isinstance(s, ast.Constant) and s.value == "__main__"]
    return isinstance(test.ops[0], ast.Eq) and len(names) == 1 and len(texts) == 1


def bindings_of(block: Iterable[ast.AST], skip: frozenset[ast.If]) -> Bindings:
    """What a block binds. The bodies of the `if` statements in `skip` don't count."""
    found = Bindings()
    stack = list(block)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                found.names.add(node.id)
            if isinstance(node.ctx, ast.Del):
                found.deleted.add(node.id)
        elif isinstance(node, Definition):
            found.names.add(node.name)
            stack.extend(_outside(node))
        elif isinstance(node, ast.Lambda):
            stack.extend(_defaults(node.args))
        elif isinstance(node, Comprehension):
            # Its targets are its own; a walrus inside it binds out here.
            stack.extend(_without_targets(node))
        elif isinstance(node, ast.Global):
            found.globals.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            found.nonlocals.update(node.names)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _import(node, found)
        else:
            if isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler) and node.name:
                found.names.add(node.name)
            elif isinstance(node, ast.MatchMapping) and node.rest:
                found.names.add(node.rest)
            if isinstance(node, ast.If) and node in skip:
                stack.append(node.test)
                stack.extend(node.orelse)
            else:
                stack.extend(ast.iter_child_nodes(node))
    return found


def _outside(node: Definition) -> Iterator[ast.AST]:
    yield from node.decorator_list
    if isinstance(node, ast.ClassDef):
        yield from node.bases
        yield from (keyword.value for keyword in node.keywords)
    else:
        yield from _defaults(node.args)


def _defaults(arguments: ast.arguments) -> Iterator[ast.AST]:
    yield from arguments.defaults
    yield from (default for default in arguments.kw_defaults if default is not None)


def _without_targets(node: Comprehension) -> Iterator[ast.AST]:
    if isinstance(node, ast.DictComp):
        yield node.key
        yield node.value
    else:
        yield node.elt
    for generator in node.generators:
        yield generator.iter
        yield from generator.ifs


def _import(node: ast.Import | ast.ImportFrom, found: Bindings) -> None:
    for alias in node.names:
        if alias.name == "*":
            continue
        if isinstance(node, ast.Import):
            found.names.add(alias.asname or alias.name.partition(".")[0])
        else:
            name = alias.asname or alias.name
            found.names.add(name)
            if node.module and not node.level:
                found.imports.append((name, f"{node.module}.{alias.name}"))
