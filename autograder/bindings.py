"""Which names a piece of Python binds, and which it mentions."""

from __future__ import annotations

import ast

__all__ = ["COMPREHENSIONS", "SCOPES", "bound_by", "bound_names", "names_in"]

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def bound_names(node: ast.AST) -> set[str]:
    """The names that this code binds in its own scope."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {bound_by(alias) for alias in node.names}
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, SCOPES):
        return set() if isinstance(node, ast.Lambda) else {node.name}
    if isinstance(node, COMPREHENSIONS):
        walrus = [each for each in ast.walk(node) if isinstance(each, ast.NamedExpr)]
        return {name for each in walrus for name in bound_names(each.target)}
    bound = {name for child in ast.iter_child_nodes(node) for name in bound_names(child)}
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        bound.add(node.name)
    if isinstance(node, ast.MatchMapping) and node.rest:
        bound.add(node.rest)
    return bound


def names_in(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
