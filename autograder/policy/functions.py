"""The student's own functions and classes, as values."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from autograder.policy.scopes import Kind, Scope, bindings_of
from autograder.policy.solver import Node
from autograder.policy.values import Box, Class, Forbidden, Function, Instance, Some

if TYPE_CHECKING:
    from autograder.policy.expressions import Reader

__all__ = ["make_class", "make_function"]

_NO_SKIP: frozenset[ast.If] = frozenset()

# These get the class, not an object of it.
_CLASS_METHODS = frozenset(("__new__", "__init_subclass__", "__class_getitem__"))


def make_function(
    reader: Reader, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
) -> Function:
    """The function that a `def` or `lambda` makes; its body is read later."""
    a, unit = reader.a, reader.unit
    scope = Scope(Kind.FUNCTION, reader.scope)
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    scope.declare(bindings_of(body, _NO_SKIP))
    function = Function(node, scope, unit, Node())
    function.unit = unit.inside(
        owner=function, importing=False, scope_name=unit.scope_name or _named(node)
    )
    if not isinstance(node, ast.Lambda):
        function.decorated = bool(node.decorator_list)
        function.is_property = any(_is_property(d) for d in node.decorator_list)
    arguments = node.args
    graded = reader.scope.kind is Kind.MODULE and _named(node) in a.graded
    ordered = [*arguments.posonlyargs, *arguments.args]
    for argument in [*ordered, *arguments.kwonlyargs]:
        variable = scope.variables.setdefault(argument.arg, Node())
        scope.parameters.add(argument.arg)
        if argument in ordered:
            function.positional.append(variable)
        function.named[argument.arg] = variable
        given = graded and not _names_a_class(reader, argument.annotation)
        a.solver.add(variable, Some.TENSOR if given else Some.OUTSIDE)
        a.graph.parameters.add(variable)
    for extra, several in ((arguments.vararg, False), (arguments.kwarg, True)):
        if extra is not None:
            box = Box(a.solver.make(Some.OUTSIDE))
            scope.variables[extra.arg] = a.solver.make(box)
            scope.parameters.add(extra.arg)
            if several:
                function.rest_named = box.contents
            else:
                function.rest = box.contents
    if reader.scope.kind is Kind.CLASS and not isinstance(node, ast.Lambda) and ordered:
        _receive(reader, node, function, ordered[0].arg)
    for default, variable in _defaults(arguments, function):
        value = reader.read(default)
        a.solver.link(value, variable)
        # A default lives as long as its function.
        a.graph.edge(function, value)
    if not unit.importing:
        a.graph.edge(unit.owner, function)
    a.functions.append(function)

    def carried(atom: object) -> None:
        # A coroutine's result comes with a StopIteration.
        if a.is_namespace(atom) or isinstance(atom, Forbidden):
            a.solver.add(a.carried.contents, atom)

    a.solver.listen(function.returns, carried)
    a.pending.append(function)
    return function


def _names_a_class(reader: Reader, annotation: ast.expr | None) -> bool:
    """Whether an annotation names a class of the student: then it isn't about tensors."""
    names = [n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)] if annotation else []
    classes = {n.name for n in reader.unit.file.tree.body if isinstance(n, ast.ClassDef)}
    return not classes.isdisjoint(names)


def _is_property(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in ("property", "cached_property", "getter", "setter", "deleter")
    return False


def _named(node: ast.AST) -> str | None:
    return getattr(node, "name", None)


def _receive(
    reader: Reader,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    function: Function,
    first: str,
) -> None:
    """Let a method's first parameter have the object that Python passes."""
    decorators = [d.id for d in node.decorator_list if isinstance(d, ast.Name)]
    of = reader.unit.within
    if of is None or "staticmethod" in decorators:
        return
    receiver = Node()
    function.scope.variables[first] = function.positional[0] = function.named[first] = receiver
    if "classmethod" in decorators or node.name in _CLASS_METHODS:
        reader.a.solver.add(receiver, of)
    elif of.generic is not None:
        reader.a.solver.add(receiver, of.generic)


def _defaults(arguments: ast.arguments, function: Function) -> list[tuple[ast.expr, Node]]:
    found: list[tuple[ast.expr, Node]] = []
    if arguments.defaults:
        last = function.positional[-len(arguments.defaults) :]
        found += zip(arguments.defaults, last, strict=True)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            found.append((default, function.named[argument.arg]))
    return found


def make_class(reader: Reader, node: ast.ClassDef) -> tuple[Class, Reader]:
    """The class that a `class` statement makes, and the reader of its body."""
    a, unit = reader.a, reader.unit
    scope = Scope(Kind.CLASS, reader.scope)
    scope.declare(bindings_of(node.body, _NO_SKIP))
    made = Class(node, scope)
    made.generic = Instance(made)
    made.bases = [reader.read(base) for base in node.bases]
    for keyword in node.keywords:
        value = reader.read(keyword.value)
        if keyword.arg == "metaclass":
            made.metaclass = value
    if not unit.importing:
        a.graph.edge(unit.owner, made)
    inside = unit.inside(within=made, scope_name=unit.scope_name or node.name)
    return made, type(reader)(a, scope, inside)
