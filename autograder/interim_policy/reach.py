"""Which code runs at import, and which a graded function can reach: by the names it mentions.

The unit is a top-level name: a function, a class, or a variable. What mentions a name may use it,
so reachability is the closure of mentioning. Import-time code reaches what it calls; only putting a
function into a table or a partial doesn't run it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

__all__ = ["TopLevel", "top_level"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_NOT_RUN = ("partial", "dict", "list", "tuple", "property", "staticmethod", "classmethod")


class TopLevel:
    """The module's top-level names, what each mentions, and what runs at import."""

    def __init__(self) -> None:
        self.mentions: dict[str, set[str]] = {}
        self.called_at_import: set[str] = set()
        self.scope_of: dict[ast.AST, str | None] = {}
        self.guarded: set[ast.AST] = set()

    def reachable(self, start: Iterable[str]) -> set[str]:
        """Every top-level name that code of the names in `start` can reach."""
        found: set[str] = set()
        pending = list(start)
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                pending.extend(self.mentions.get(name, ()))
        return found


def top_level(tree: ast.Module, functions: Collection[str]) -> TopLevel:
    """Analyse a module. Lambdas and nested functions belong to the name that holds them."""
    top = TopLevel()
    main_is_fixed = not _assigns_name(tree)
    for statement in _statements(tree.body):
        if main_is_fixed and _is_main_guard(statement):
            _mark(top, ast.walk(statement), "__main__")
            top.guarded.update(ast.walk(statement))
            continue
        _analyse(statement, top)
    return top


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Top-level statements, looking into if, try, with and loops."""
    for statement in body:
        if isinstance(statement, ast.If) and not _is_main_guard(statement):
            yield ast.Expr(statement.test)
            yield from _statements([*statement.body, *statement.orelse])
        elif isinstance(statement, ast.Try):
            yield from _statements([*statement.body, *statement.orelse, *statement.finalbody])
            for handler in statement.handlers:
                if handler.type is not None:
                    yield ast.Expr(handler.type)
                yield from _statements(handler.body)
        elif isinstance(statement, ast.With | ast.For | ast.While):
            heads: list[ast.expr] = []
            if isinstance(statement, ast.With):
                heads = [item.context_expr for item in statement.items]
            else:
                heads = [statement.iter if isinstance(statement, ast.For) else statement.test]
            yield from (ast.Expr(head) for head in heads)
            yield from _statements([*statement.body, *getattr(statement, "orelse", [])])
        else:
            yield statement


def _analyse(statement: ast.stmt, top: TopLevel) -> None:
    if isinstance(statement, _FUNCTIONS):
        _define(statement.name, statement.body, top)
        _at_import([*statement.decorator_list, *_defaults(statement.args)], top)
        for decorator in statement.decorator_list:
            top.mentions[statement.name] |= _names(decorator)
    elif isinstance(statement, ast.ClassDef):
        methods = [node for node in statement.body if isinstance(node, _FUNCTIONS)]
        rest = [node for node in statement.body if node not in methods]
        _define(statement.name, methods, top)
        _at_import([*statement.decorator_list, *statement.bases, *statement.keywords, *rest], top)
        for method in methods:
            _at_import([*method.decorator_list, *_defaults(method.args)], top)
        top.mentions[statement.name] |= {n for node in statement.body for n in _names(node)}
        top.mentions[statement.name] |= {n for base in statement.bases for n in _names(base)}
    else:
        for target in _targets(statement):
            top.mentions.setdefault(target, set()).update(_names(statement))
        held = _targets(statement)
        lambdas = [node for node in ast.walk(statement) if isinstance(node, ast.Lambda)]
        for function in lambdas:
            _mark(top, ast.walk(function.body), held[0] if held else None)
        _at_import([statement], top)


def _define(name: str, body: Iterable[ast.AST], top: TopLevel) -> None:
    mentioned = top.mentions.setdefault(name, set())
    for node in body:
        mentioned |= _names(node)
        _mark(top, ast.walk(node), name)


def _mark(top: TopLevel, nodes: Iterable[ast.AST], name: str | None) -> None:
    for node in nodes:
        top.scope_of.setdefault(node, name)


def _at_import(nodes: Iterable[ast.AST], top: TopLevel) -> None:
    """Note what these nodes call (directly, or by handing a function to something that calls)."""
    for root in nodes:
        for node in _outside_functions(root):
            if isinstance(node, ast.Call):
                top.called_at_import |= _names(node.func)
                if not _only_holds(node.func):
                    for argument in (*node.args, *(k.value for k in node.keywords)):
                        top.called_at_import |= _names(argument)
        if isinstance(root, ast.Name | ast.Attribute):
            # A bare decorator or base class is called.
            top.called_at_import |= _names(root)


def _outside_functions(root: ast.AST) -> Iterator[ast.AST]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, (*_FUNCTIONS, ast.Lambda)):
                pending.append(child)


def _only_holds(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _NOT_RUN


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _targets(statement: ast.stmt) -> list[str]:
    found = []
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
    if isinstance(statement, ast.Assign):
        # `table["relu"] = helper` and `module.f = helper` reach the table's name.
        for target in statement.targets:
            while isinstance(target, ast.Subscript | ast.Attribute):
                target = target.value
            if isinstance(target, ast.Name):
                found.append(target.id)
    return found


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]


def _is_main_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    test = statement.test
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
    )


def _assigns_name(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == "__name__" and isinstance(node.ctx, ast.Store))
        or (isinstance(node, ast.alias) and "__name__" in (node.asname, node.name))
        or (isinstance(node, ast.Constant) and node.value == "__name__")
        for node in ast.walk(tree)
    )
