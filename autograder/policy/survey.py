"""A first look at a file: which names its own objects have, and which blocks never run."""

from __future__ import annotations

import ast
import re

from autograder.policy.scopes import Kind, Scope, bindings_of, is_main_guard

__all__ = ["dead_blocks", "declare_module", "own_names"]

# Calls that make objects whose attributes are named by strings or keywords.
_RECORD_CALLS = frozenset(
    ("namedtuple", "NamedTuple", "make_dataclass", "SimpleNamespace", "Namespace", "Enum", "type")
)


def own_names(tree: ast.Module) -> set[str]:
    """The names of methods and attributes that the student's own classes and records define."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found |= bindings_of(node.body, frozenset()).names
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found |= _set_on_first_parameter(node)
        elif isinstance(node, ast.Call) and _last_name(node.func) in _RECORD_CALLS:
            found |= _record_names(node)
    return found


def _set_on_first_parameter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """`self.softmax = …`"""
    ordered = [*node.args.posonlyargs, *node.args.args]
    if not ordered or ordered[0].arg not in ("self", "cls"):
        return set()
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == ordered[0].arg
    }


def _record_names(node: ast.Call) -> set[str]:
    """The field names of a named tuple and its like: keywords, and words in strings."""
    found = {keyword.arg for keyword in node.keywords if keyword.arg}
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.update(re.split(r"[\s,]+", part.value[:1000]))
    return found


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def dead_blocks(tree: ast.Module) -> frozenset[ast.If]:
    """The top-level `if` statements whose body doesn't run on import.

    They are `if __name__ == "__main__":` and `if TYPE_CHECKING:`, unless the file gives these
    names a meaning of its own.
    """
    rebound: dict[str, int] = {}
    for node in ast.walk(tree):
        for name in _bound_by(node):
            rebound[name] = rebound.get(name, 0) + 1
    main = "__name__" not in rebound
    typing = [
        alias
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "typing"
        for alias in node.names
        if alias.name == "TYPE_CHECKING" and alias.asname is None
    ]
    checking = len(typing) == rebound.get("TYPE_CHECKING", 0)
    found: set[ast.If] = set()
    for node in tree.body:
        while isinstance(node, ast.If):
            if (main and is_main_guard(node.test)) or (checking and _is_type_checking(node.test)):
                found.add(node)
            if len(node.orelse) != 1:
                break
            node = node.orelse[0]
    return frozenset(found)


def _bound_by(node: ast.AST) -> list[str]:
    """Names among `__name__` and TYPE_CHECKING that a node gives a value, in any scope."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
            names = [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            names = [name]
        case ast.Global(names=several) | ast.Nonlocal(names=several):
            names = list(several)
        case ast.alias(name=name, asname=asname):
            names = [asname or name]
        case ast.Attribute(attr="TYPE_CHECKING" as name, ctx=ast.Store()):
            names = [name]
        case ast.Constant(value="TYPE_CHECKING" as name):
            names = [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            names = [name]
        case _:
            names = []
    return [name for name in names if name in ("__name__", "TYPE_CHECKING")]


def _is_type_checking(test: ast.expr) -> bool:
    match test:
        case ast.Name(id="TYPE_CHECKING"):
            return True
        case ast.Attribute(value=ast.Name(id="typing" | "t"), attr="TYPE_CHECKING"):
            return True
    return False


def declare_module(tree: ast.Module, guards: frozenset[ast.If]) -> Scope:
    """The outermost scope of a file, with what it binds and where that is certain."""
    scope = Scope(Kind.MODULE, None)
    bindings = bindings_of(tree.body, guards)
    scope.declare(bindings)
    deleted = set(bindings.deleted)
    for node in ast.walk(tree):
        if isinstance(node, ast.Delete):
            deleted |= {t.id for t in node.targets if isinstance(t, ast.Name)}
    for statement in tree.body:
        certain = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import
        if not isinstance(statement, certain | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            continue
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            continue
        for name in bindings_of([statement], guards).names - deleted:
            scope.first_bound.setdefault(name, statement.lineno)
            scope.last_bound[name] = statement.lineno
    return scope
