"""The solution with a misconception in it: a module to be graded like a submission."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Set

from autograder.bindings import COMPREHENSIONS, bound_by, bound_names, names_in
from autograder.errors import SuiteError
from autograder.misconceptions import Misconception

__all__ = ["swapped_source"]


def swapped_source(solution_source: str, misconception: Misconception) -> str:
    """The solution's module with one function replaced, to be graded like a submission.

    The misconception's code is appended under the name of the function that it replaces. What it
    imports from the solution is there already; if that is the replaced function itself, it gets
    the original. Its helpers, constants and imports get other names where the solution uses theirs.
    Raises SuiteError if the result isn't valid Python.
    """
    solution, code = ast.parse(solution_source), ast.parse(misconception.source)
    taken = names_in(solution) | bound_names(solution) | {misconception.replaces}
    own = names_in(code) | bound_names(code)
    imported = _imports(solution.body)
    renamed: dict[str, str] = {}
    aliases: list[ast.stmt] = []
    moved: list[ast.stmt] = []

    def name_for(name: str) -> str:
        renamed[name] = f"_{misconception.id}_{name.lstrip('_')}"
        while renamed[name] in taken | own:
            renamed[name] += "_"
        own.add(renamed[name])
        return renamed[name]

    for statement in code.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == misconception.module:
            for alias in statement.names:
                name = bound_by(alias)
                if alias.name == misconception.replaces or (name in taken and name != alias.name):
                    name = name_for(name)
                if name != alias.name:
                    aliases += ast.parse(f"{name} = {alias.name}").body
            continue
        same = {
            name for name, origin in _imports([statement]).items() if imported.get(name) == origin
        }
        for name in sorted((bound_names(statement) - same) & taken):
            name_for(name)
        moved.append(statement)
    renamed[misconception.id] = misconception.replaces
    moved = [_Renamer(renamed).visit(statement) for statement in moved]
    source = (
        f"{solution_source.rstrip()}\n\n\n# What follows is the misconception {misconception.id}.\n"
        f"{ast.unparse(ast.Module([*aliases, *moved], []))}\n"
    )
    try:
        compile(source, misconception.where, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SuiteError(
            f"{misconception.where}: `{misconception.id}` can't be moved into the solution "
            f"({error.msg}); write it more simply."
        ) from None
    return source


def _imports(statements: Iterable[ast.stmt]) -> dict[str, tuple[str, ...]]:
    """What each name that these import statements bind stands for."""
    origins: dict[str, tuple[str, ...]] = {}
    for node in statements:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = (node.module or "",) if isinstance(node, ast.ImportFrom) else ()
            for alias in node.names:
                whole = alias.name if alias.asname or module else bound_by(alias)
                origins[bound_by(alias)] = (*module, whole)
    return origins


class _Renamer(ast.NodeTransformer):
    """Renames a module's own names wherever they mean these, and no local ones of the same name."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        bound = bound_by(node)
        if bound in self._names:
            node.name = node.name if node.asname else bound  # `import a.b` binds a
            node.asname = self._names[bound]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self._names.get(node.name, node.name)
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        self.visit(node.args)  # defaults and annotations: they belong to the scope around
        inner = self._inside(_parameters_of(node.args) | _bound_in(node.body))
        node.body = [inner.visit(each) for each in node.body]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.visit(node.args)
        node.body = self._inside(_parameters_of(node.args)).visit(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self._names.get(node.name, node.name)
        node.bases = [self.visit(each) for each in node.bases]
        node.keywords = [self.visit(each) for each in node.keywords]
        node.decorator_list = [self.visit(each) for each in node.decorator_list]
        own = _bound_in(node.body)
        for index, each in enumerate(node.body):
            if isinstance(each, ast.FunctionDef):  # its code doesn't see the class's names
                name = each.name
                node.body[index] = self.visit_FunctionDef(each)
                each.name = name
            else:
                node.body[index] = self._inside(own).visit(each)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name is not None:
            node.name = self._names.get(node.name, node.name)
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, COMPREHENSIONS):
            first = node.generators[0]
            outside = self.visit(first.iter)  # evaluated before the targets exist
            first.iter = ast.Constant(None)
            targets = {name for each in node.generators for name in bound_names(each.target)}
            ast.NodeTransformer.generic_visit(self._inside(targets), node)
            first.iter = outside
            return node
        return super().generic_visit(node)

    def _inside(self, local: Set[str]) -> _Renamer:
        return _Renamer({old: new for old, new in self._names.items() if old not in local})


def _parameters_of(arguments: ast.arguments) -> set[str]:
    return {node.arg for node in ast.walk(arguments) if isinstance(node, ast.arg)}


def _bound_in(statements: Iterable[ast.stmt]) -> set[str]:
    return {name for each in statements for name in bound_names(each)}
