"""What a name in the source may stand for: imports and aliases, through scopes.

Flow-insensitive: a name stands for everything that its scope ever binds it to. That errs towards
seeing an alias where control flow would rule it out, never the other way round. Values are dotted
names (`torch.autograd`); what isn't known to be (part of) a module has none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

# What nobody binds is a builtin; the mark keeps it apart from `import builtins`.
BUILTIN = "<builtin>."

__all__ = ["BUILTIN", "FunctionNode", "Scope", "fold", "scopes_of"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_ScopeNode = (
    ast.Module | FunctionNode | ast.ClassDef | ast.ListComp | ast.SetComp | ast.DictComp
    | ast.GeneratorExp
)  # fmt: skip
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_CONTAINERS = (ast.Tuple, ast.List, ast.Set)


class Scope:
    """One lexical scope: which names it binds, and to which expressions or dotted names."""

    def __init__(self, node: _ScopeNode, parent: Scope | None) -> None:
        self.node = node
        self.parent = parent
        self.bound: dict[str, list[ast.expr | str | None]] = {}
        self.outer: set[str] = set()
        self.stars: list[str] = []

    def bind(self, name: str, value: ast.expr | str | None) -> None:
        """Note that this scope binds `name`: to an expression, a dotted name, or who knows."""
        self._owner(name).bound.setdefault(name, []).append(value)

    def _owner(self, name: str) -> Scope:
        scope: Scope = self
        while name in scope.outer and scope.parent is not None:
            scope = scope.parent
        return scope

    def find(self, name: str) -> Scope | None:
        """The scope that binds `name` as seen from here (class scopes only from themselves)."""
        scope: Scope | None = self
        while scope is not None:
            hidden = isinstance(scope.node, ast.ClassDef) and scope is not self
            if name in scope.bound and not hidden:
                return scope
            scope = scope.parent
        return None

    def values(self, node: ast.expr, depth: int = 0) -> frozenset[str]:
        """The dotted names that an expression may stand for."""
        if depth > 24:
            return frozenset()
        return frozenset(self._values(node, depth + 1))

    def lookup(self, name: str, depth: int = 0) -> frozenset[str]:
        """The dotted names that a name may stand for."""
        if depth > 24:
            return frozenset()
        scope = self.find(name)
        if scope is None:
            root = self
            while root.parent is not None:
                root = root.parent
            return frozenset([f"{BUILTIN}{name}", *(f"{star}.{name}" for star in root.stars)])
        found: set[str] = set()
        for value in scope.bound[name]:
            if isinstance(value, str):
                found.add(value)
            elif value is not None:
                found |= scope.values(value, depth + 1)
        return frozenset(found)

    def _values(self, node: ast.expr, depth: int) -> Iterator[str]:
        if isinstance(node, _Elsewhere):
            yield from node.scope.values(node.node, depth)
        elif isinstance(node, ast.Name):
            yield from self.lookup(node.id, depth)
        elif isinstance(node, ast.Attribute):
            for base in self.values(node.value, depth):
                yield f"{base}.{node.attr}"
        elif isinstance(node, ast.Call):
            yield from self._call(node, depth)
        elif isinstance(node, ast.IfExp):
            yield from self.values(node.body, depth) | self.values(node.orelse, depth)
        elif isinstance(node, ast.BoolOp):
            for value in node.values:
                yield from self.values(value, depth)
        elif isinstance(node, ast.NamedExpr | ast.Starred | ast.Await):
            yield from self.values(node.value, depth)
        elif isinstance(node, ast.Subscript):
            yield from self.values(node.value, depth)
        elif isinstance(node, _CONTAINERS):
            for element in node.elts:
                yield from self.values(element, depth)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                yield from self.values(value, depth)

    def _call(self, node: ast.Call, depth: int) -> Iterator[str]:
        functions = self.values(node.func, depth)
        if f"{BUILTIN}getattr" in functions and len(node.args) >= 2:
            name = fold(node.args[1], self)
            for base in self.values(node.args[0], depth):
                yield f"{base}.{name}" if name is not None else base
        for wrapper in ("functools.partial", f"{BUILTIN}vars", "copy.copy"):
            if wrapper in functions and node.args:
                yield from self.values(node.args[0], depth)


def fold(node: ast.expr, scope: Scope, depth: int = 0) -> str | None:
    """The text of a constant string expression, built by whatever means we can follow."""
    if depth > 12:
        return None
    if isinstance(node, _Elsewhere):
        return fold(node.node, node.scope, depth + 1)
    if isinstance(node, ast.Constant):
        return str(node.value) if isinstance(node.value, str | int) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = fold(node.left, scope, depth + 1), fold(node.right, scope, depth + 1)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [fold(value, scope, depth + 1) for value in node.values]
        return None if None in parts else "".join(part for part in parts if part is not None)
    if isinstance(node, ast.FormattedValue):
        return fold(node.value, scope, depth + 1)
    if isinstance(node, ast.Name):
        owner = scope.find(node.id)
        values = owner.bound[node.id] if owner is not None else []
        if owner is not None and len(values) == 1 and isinstance(values[0], ast.expr):
            return fold(values[0], owner, depth + 1)
    return None


def scopes_of(tree: ast.Module) -> dict[ast.AST, Scope]:
    """The scope in which each node of the module is evaluated."""
    found: dict[ast.AST, Scope] = {}
    pending: list[tuple[ast.AST, Scope]] = [(tree, Scope(tree, None))]
    order: list[tuple[ast.AST, Scope]] = []
    while pending:
        node, scope = pending.pop()
        found[node] = scope
        order.append((node, scope))
        inside = scope
        if node is not tree and isinstance(node, (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)):
            inside = Scope(node, scope)
            found[node] = scope
        for name, child in _children(node):
            # Defaults, decorators, bases and annotations are evaluated outside.
            pending.append((child, inside if _is_inside(node, name) else scope))
        if inside is not scope and isinstance(node, _FUNCTIONS):
            for argument in _arguments(node.args):
                inside.bind(argument, None)
    for node, scope in order:
        if isinstance(node, ast.Global | ast.Nonlocal):
            scope.outer |= set(node.names)
    for node, scope in order:
        _bind(node, scope)
    _bind_parameters(order)
    return found


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield name, child


def _is_inside(node: ast.AST, field: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return field == "body"
    if isinstance(node, ast.Lambda):
        return field == "body"
    return isinstance(node, _COMPREHENSIONS)


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        yield argument.arg
    for special in (arguments.vararg, arguments.kwarg):
        if special is not None:
            yield special.arg


def _bind(node: ast.AST, scope: Scope) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name if alias.asname else alias.name.partition(".")[0]
            scope.bind(alias.asname or top, top)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if alias.name == "*":
                scope.stars.append(node.module or "")
            else:
                scope.bind(alias.asname or alias.name, f"{node.module or ''}.{alias.name}")
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            _assign(target, node.value, scope)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        _assign(node.target, node.value, scope)
    elif isinstance(node, ast.NamedExpr):
        # A walrus in a comprehension binds in the scope around it.
        while isinstance(scope.node, _COMPREHENSIONS) and scope.parent is not None:
            scope = scope.parent
        _assign(node.target, node.value, scope)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        _assign_any(node.target, node.iter, scope)
    elif isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            if item.optional_vars is not None:
                _assign(item.optional_vars, item.context_expr, scope)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope.bind(node.name, None)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        scope.bind(node.name, None)
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        scope.bind(node.name, None)


def _assign(target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        scope.bind(target.id, value)
    elif isinstance(target, ast.Starred):
        _assign_any(target.value, value, scope)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, _CONTAINERS) else None
        if parts is not None and len(parts) == len(target.elts):
            for one, part in zip(target.elts, parts, strict=True):
                _assign(one, part, scope)
        else:
            _assign_any(target, value, scope)


def _assign_any(target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
    """Bind every name of `target` to whatever `value` holds."""
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            scope.bind(node.id, value)


def _bind_parameters(order: list[tuple[ast.AST, Scope]]) -> None:
    """Parameters stand for their defaults, and for what the module's own calls pass."""
    functions: dict[str, list[tuple[FunctionNode, Scope]]] = {}
    inner: dict[ast.AST, Scope] = {}
    for _, scope in order:
        inner[scope.node] = scope
    for node, scope in order:
        if isinstance(node, _FUNCTIONS) and node in inner:
            own = inner[node]
            positional = [*node.args.posonlyargs, *node.args.args]
            for argument, default in zip(
                reversed(positional), reversed(node.args.defaults), strict=False
            ):
                own.bound[argument.arg].append(_Elsewhere(default, scope))
            for argument, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if given is not None:
                    own.bound[argument.arg].append(_Elsewhere(given, scope))
            if not isinstance(node, ast.Lambda):
                functions.setdefault(node.name, []).append((node, own))
    for node, scope in order:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            for function, own in functions.get(node.func.id, ()):
                _bind_call(node, scope, function, own)


def _bind_call(call: ast.Call, scope: Scope, function: FunctionNode, own: Scope) -> None:
    positional = [*function.args.posonlyargs, *function.args.args]
    for argument, given in zip(positional, call.args, strict=False):
        own.bound[argument.arg].append(_Elsewhere(given, scope))
    for keyword in call.keywords:
        if keyword.arg is not None and keyword.arg in own.bound:
            own.bound[keyword.arg].append(_Elsewhere(keyword.value, scope))


class _Elsewhere(ast.expr):
    """An expression that has to be evaluated in another scope."""

    _fields = ()

    def __init__(self, node: ast.expr, scope: Scope) -> None:
        super().__init__()
        self.node = node
        self.scope = scope
