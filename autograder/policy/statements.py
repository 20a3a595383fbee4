"""Reading statements: what they bind, what they import, what they run."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from autograder.policy.analysis import Analysis
from autograder.policy.attributes import Place, find_member, load
from autograder.policy.expressions import Reader
from autograder.policy.functions import make_class, make_function
from autograder.policy.graph import ANY
from autograder.policy.hooks import ENTER
from autograder.policy.imports import read_import
from autograder.policy.scopes import Kind, Scope, bindings_of, is_main_guard
from autograder.policy.solver import Node
from autograder.policy.units import File, Run, Unit
from autograder.policy.values import (
    Call,
    Class,
    External,
    Forbidden,
    Function,
    Instance,
    Text,
)

__all__ = ["Statements"]


class Statements:
    """Reads the statements of one file. `guards` are the `if` statements that never are entered."""

    def __init__(self, a: Analysis, file: File, guards: frozenset[ast.If]) -> None:
        self._a = a
        self._file = file
        self._guards = guards
        self._dead = Run(file.filename)

    def read_module(self) -> None:
        """Read what runs when the file is imported; bodies of functions are left pending."""
        unit = Unit(self._file, self._file.run, importing=True)
        self.block(Reader(self._a, self._file.scope, unit), self._file.tree.body)

    def read_function(self, function: Function) -> None:
        """Read the body of a function."""
        reader = Reader(self._a, function.scope, function.unit)
        node = function.node
        if isinstance(node, ast.Lambda):
            self._a.solver.link(reader.read(node.body), function.returns)
        else:
            self.block(reader, node.body)

    def block(self, reader: Reader, statements: Iterable[ast.stmt]) -> None:
        """Read statements in order."""
        for statement in statements:
            self._statement(reader, statement)

    def _statement(self, reader: Reader, node: ast.stmt) -> None:
        a = self._a
        match node:
            case ast.Expr(value=value):
                reader.read(value)
            case ast.Assign(targets=targets, value=value):
                self._assign(reader, targets, value)
            case ast.AnnAssign(target=target, annotation=annotation, value=value):
                reader.annotation(annotation)
                if value is not None:
                    reader.assign(target, reader.read(value))
            case ast.AugAssign(target=target, op=op, value=value):
                combined = ast.BinOp(left=_as_load(target), op=op, right=value)
                reader.assign(target, reader.read(ast.copy_location(combined, node)))
            case ast.Return(value=value):
                made = reader.read(value)
                if isinstance(reader.unit.owner, Function):
                    a.solver.link(made, reader.unit.owner.returns)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(reader, node)
            case ast.ClassDef():
                self._class(reader, node)
            case ast.Import() | ast.ImportFrom():
                read_import(reader, node)
            case ast.If():
                self._if(reader, node)
            case ast.For(target=target, iter=iterable) | ast.AsyncFor(target=target, iter=iterable):
                reader.assign(target, reader.iterate(iterable, reader.read(iterable)))
                self.block(reader, node.body)
                self.block(reader, node.orelse)
            case ast.While(test=test):
                reader.read(test)
                self.block(reader, node.body)
                self.block(reader, node.orelse)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    made = reader.read(item.context_expr)
                    manager = reader.iterate(item.context_expr, made, ENTER)
                    if item.optional_vars is not None:
                        reader.assign(item.optional_vars, manager)
                self.block(reader, node.body)
            case ast.Try() | ast.TryStar():
                self.block(reader, node.body)
                for handler in node.handlers:
                    if handler.type is not None:
                        reader.read(handler.type)
                    if handler.name:
                        a.solver.link(a.raised, reader.scope.variable(handler.name))
                    self.block(reader, handler.body)
                self.block(reader, node.orelse)
                self.block(reader, node.finalbody)
            case ast.Match(subject=subject, cases=cases):
                matched = reader.read(subject)
                for case in cases:
                    self._pattern(reader, case.pattern, matched)
                    if case.guard is not None:
                        reader.read(case.guard)
                    self.block(reader, case.body)
            case ast.Raise(exc=error, cause=cause):
                reader.read(cause)
                a.solver.link(reader.read(error), a.raised)
            case ast.Delete(targets=targets):
                for target in targets:
                    if not isinstance(target, ast.Name):
                        reader.read(_as_load(target))
            case ast.Global() | ast.Nonlocal() | ast.Pass() | ast.Break() | ast.Continue():
                pass
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        reader.read(child)

    def _assign(self, reader: Reader, targets: list[ast.expr], value: ast.expr) -> None:
        """Assign; `a, b = x, y` keeps its pairs apart."""
        made = None
        for target in targets:
            pairs = _pairs(target, value)
            if pairs is None:
                if made is None:
                    made = reader.read(value)
                reader.assign(target, made)
            else:
                values = [reader.read(v) for _, v in pairs]
                for (part, _), part_value in zip(pairs, values, strict=True):
                    reader.assign(part, part_value)
            if isinstance(target, ast.Name) and target.id == "__match_args__":
                self._a.solver.link(
                    self._a.flat(made or reader.read(value)), self._a.match_arguments
                )

    def _if(self, reader: Reader, node: ast.If) -> None:
        # `elif` chains can be long: no recursion for them.
        while True:
            if node in self._guards:
                if is_main_guard(node.test):
                    self._never(reader, node.body)
            else:
                reader.read(node.test)
                self.block(reader, node.body)
            if len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
                node = node.orelse[0]
                continue
            self.block(reader, node.orelse)
            return

    def _never(self, reader: Reader, body: list[ast.stmt]) -> None:
        scope = Scope(Kind.DEAD, reader.scope)
        scope.declare(bindings_of(body, frozenset()))
        unit = reader.unit.inside(owner=self._dead, importing=False, dead=True)
        self.block(Reader(self._a, scope, unit), body)

    # --- definitions ---------------------------------------------------------------------------

    def _function(self, reader: Reader, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for argument in (*every, arguments.vararg, arguments.kwarg):
            if argument is not None:
                reader.annotation(argument.annotation)
        reader.annotation(node.returns)
        function = make_function(reader, node)
        self._bind(reader, node, function)

    def _class(self, reader: Reader, node: ast.ClassDef) -> None:
        made, inside = make_class(reader, node)
        self.block(inside, node.body)
        self._created(reader, made)
        self._bind(reader, node, made)

    def _bind(
        self,
        reader: Reader,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        made: Function | Class,
    ) -> None:
        """Bind a definition's name to what its decorators return, and to the definition itself."""
        value = self._a.solver.make(made)
        for decorator in reversed(node.decorator_list):
            call = Call(decorator, reader.unit, [(value, False)])
            value = reader.call(reader.read(decorator), call)
        variable = reader.scope.variable(node.name)
        self._a.solver.add(variable, made)
        self._a.solver.link(value, variable)

    def _created(self, reader: Reader, made: Class) -> None:
        """Making a class runs hooks of its bases and its metaclass."""
        a, unit = self._a, reader.unit
        place = Place(unit, made.node)

        def base(atom: object) -> None:
            if isinstance(atom, Forbidden):
                a.runs(unit, atom.site)
            elif isinstance(atom, Class):
                find_member(a, place, atom, "__init_subclass__", hook)
            elif isinstance(atom, External) and not atom.path.startswith("builtins."):
                # Someone else's class calls the methods that it knows.
                a.graph.open_classes.add(made)

        def hook(value: object) -> None:
            if isinstance(value, Function):
                a.runs(unit, value)

        def meta(atom: object) -> None:
            if isinstance(atom, Class):
                a.graph.edge(made, atom)
                for name in ("__new__", "__init__", "__prepare__"):
                    find_member(a, place, atom, name, hook)
            elif isinstance(atom, Function):
                a.runs(unit, atom)

        def member(atom: object) -> None:
            if isinstance(atom, Instance):
                find_member(a, place, atom.of, "__set_name__", hook)

        for node in made.bases:
            a.solver.listen(node, base)
        if made.metaclass is not None:
            a.solver.listen(made.metaclass, meta)
        for variable in made.scope.variables.values():
            a.solver.listen(variable, member)

    # --- patterns ------------------------------------------------------------------------------

    def _pattern(self, reader: Reader, node: ast.pattern | None, value: Node) -> None:
        a = self._a
        match node:
            case ast.MatchValue(value=constant):
                reader.read(constant)
            case ast.MatchAs(pattern=inner, name=name):
                self._pattern(reader, inner, value)
                if name:
                    a.solver.link(value, reader.scope.variable(name))
            case ast.MatchStar(name=name):
                if name:
                    a.solver.link(value, reader.scope.variable(name))
            case ast.MatchOr(patterns=patterns):
                for inner in patterns:
                    self._pattern(reader, inner, value)
            case ast.MatchSequence(patterns=patterns) | ast.MatchMapping(patterns=patterns):
                inside = reader.iterate(node, value)
                for inner in patterns:
                    self._pattern(reader, inner, inside)
                if isinstance(node, ast.MatchMapping):
                    for key in node.keys:
                        reader.read(key)
                    if node.rest:
                        a.solver.link(value, reader.scope.variable(node.rest))
            case ast.MatchClass(cls=kind, patterns=patterns, kwd_attrs=names, kwd_patterns=named):
                reader.read(kind)
                for name, inner in zip(names, named, strict=True):
                    self._pattern(reader, inner, self._member(reader, inner, value, name))
                if patterns:
                    self._positional(reader, node, patterns, value)

    def _member(self, reader: Reader, at: ast.AST, value: Node, name: str) -> Node:
        result = Node()
        load(self._a, Place(reader.unit, at, named=True), value, name, result)
        return result

    def _positional(
        self, reader: Reader, node: ast.MatchClass, patterns: list[ast.pattern], value: Node
    ) -> None:
        """Positional patterns ask for the attributes that `__match_args__` names."""
        found = self._a.solver.make(sources=[value])

        def react(atom: object) -> None:
            if isinstance(atom, Text) and isinstance(atom.value, str):
                asked = self._member(reader, node, value, atom.value)
                self._a.solver.link(asked, found)

        self._a.graph.ask(reader.unit.owner, ANY)
        self._a.solver.listen(self._a.match_arguments, react)
        for pattern in patterns:
            self._pattern(reader, pattern, found)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]] | None:
    sequence = ast.Tuple | ast.List
    if not (isinstance(target, sequence) and isinstance(value, sequence)):
        return None
    if len(target.elts) != len(value.elts):
        return None
    if any(isinstance(part, ast.Starred) for part in (*target.elts, *value.elts)):
        return None
    return list(zip(target.elts, value.elts, strict=True))


def _as_load(target: ast.expr) -> ast.expr:
    """The same expression, read instead of set."""
    match target:
        case ast.Name(id=name):
            made: ast.expr = ast.Name(id=name, ctx=ast.Load())
        case ast.Attribute(value=value, attr=attribute):
            made = ast.Attribute(value=value, attr=attribute, ctx=ast.Load())
        case ast.Subscript(value=value, slice=index):
            made = ast.Subscript(value=value, slice=index, ctx=ast.Load())
        case _:
            return target
    return ast.copy_location(made, target)
