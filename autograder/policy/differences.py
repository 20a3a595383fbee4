"""Numerical differentiation, in the forms that can't be anything else.

- `(f(x + h) - f(x - h)) / (2 * h)`, its one-sided and stepwise variants;
- `f(x + e) - f(x - e)` of a function of the file, whatever is divided by: a term of any stencil;
- the complex step `f(x + 1j * h).imag / h`, and every complex literal.

Other ways to write it are caught, if at all, by the accuracy asked for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TypeGuard

from autograder.policy.analysis import Analysis
from autograder.policy.values import Function

__all__ = ["find_differences"]

# A step larger than this makes a difference, not a derivative.
_LARGEST_STEP = 1e-2


def find_differences(a: Analysis) -> None:
    """Record every difference quotient in the functions that were read."""
    hit = a.rulebook.numerical
    if hit is None:
        return
    constants: dict[object, dict[str, list[ast.expr]]] = {}
    for function in a.functions:
        if isinstance(function.node, ast.Lambda):
            continue
        file = function.unit.file
        if file not in constants:
            constants[file] = _assigned(file.tree.body)
        for part in _quotients(function, constants[file]):
            a.site(function.unit, hit, "numerical differentiation", part)
        own = {each.name for each in file.tree.body if isinstance(each, ast.FunctionDef)}
        # A function that is handed over is somebody's derivative in the making, too.
        own |= {each.arg for each in ast.walk(function.node.args) if isinstance(each, ast.arg)}
        values = _assigned(function.node.body) if isinstance(function.node.body, list) else {}
        for node in ast.walk(function.node):
            if _is_stencil(node, own, values):
                a.site(function.unit, hit, "numerical differentiation", node)


def _is_stencil(
    node: ast.AST, own: set[str], values: dict[str, list[ast.expr]]
) -> TypeGuard[ast.expr]:
    """Whether a node is a complex literal, or f(x + e) - f(x - e) for f in `own`."""
    match node:
        case ast.Constant(value=complex()):
            return True
        case ast.BinOp(left=first, op=ast.Sub(), right=second):
            return _are_nearby(_value(first, values), _value(second, values), own)
    return False


def _are_nearby(first: ast.expr, second: ast.expr, own: set[str]) -> bool:
    match first, second:
        case (
            ast.Call(func=ast.Name(id=name), args=left),
            ast.Call(func=ast.Name(id=other), args=right),
        ) if name == other and name in own and len(left) == len(right):
            pairs = [(a, b) for a, b in zip(left, right, strict=True) if ast.dump(a) != ast.dump(b)]
            return len(pairs) == 1 and _are_mirrored(*pairs[0])
    return False


def _are_mirrored(a: ast.expr, b: ast.expr) -> bool:
    """Whether the two are x + e and x - e, in either order."""
    match a, b:
        case (
            ast.BinOp(left=x, op=ast.Add(), right=e),
            ast.BinOp(left=y, op=ast.Sub(), right=f),
        ) | (
            ast.BinOp(left=x, op=ast.Sub(), right=e),
            ast.BinOp(left=y, op=ast.Add(), right=f),
        ):
            # f(n + 1) - f(n - 1) counts something; nobody differentiates with a step of 1.
            whole = isinstance(e, ast.Constant) and isinstance(e.value, int)
            return not whole and ast.dump(x) == ast.dump(y) and ast.dump(e) == ast.dump(f)
    return False


def _quotients(function: Function, globals_: dict[str, list[ast.expr]]) -> list[ast.BinOp]:
    node = function.node
    if isinstance(node, ast.Lambda):
        return []
    values = {**globals_, **_defaults(node.args), **_assigned(node.body)}
    nudged = {
        ast.dump(part.value)
        for part in ast.walk(node)
        if isinstance(part, ast.AugAssign) and isinstance(part.op, ast.Add | ast.Sub)
    }
    nudged_names = {
        _root(part.target)
        for part in ast.walk(node)
        if isinstance(part, ast.AugAssign) and isinstance(part.op, ast.Add | ast.Sub)
    }
    found = []
    for part in ast.walk(node):
        if not (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div)):
            continue
        step = _step(part.right)
        if step is None or not _is_tiny(step, values):
            continue
        top = _value(part.left, values)
        if _is_imaginary(top, values) or _is_difference(top, step, values, nudged, nudged_names):
            found.append(part)
    return found


def _is_difference(
    node: ast.expr,
    step: ast.expr,
    values: dict[str, list[ast.expr]],
    nudged: set[str],
    nudged_names: set[str],
) -> bool:
    """Whether `node` is f(a) - f(b), where a and b differ by the step."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.BinOp(op=ast.Sub()) as inner, attr="sum" | "item")
        ):
            node = inner
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)):
        return False
    left, right = (_reduced(_value(side, values)) for side in (node.left, node.right))
    if not (isinstance(left, ast.Call) and isinstance(right, ast.Call)):
        return False
    if ast.dump(left.func) != ast.dump(right.func) or len(left.args) != len(right.args):
        return False
    differing = [
        (_value(a, values), _value(b, values), a, b)
        for a, b in zip(left.args, right.args, strict=True)
        if ast.dump(a) != ast.dump(b)
    ]
    if len(differing) != 1:
        return False
    a, b, written_a, written_b = differing[0]
    if ast.dump(_without(a, step)) == ast.dump(_without(b, step)):
        return True
    # `plus[i] += h` before the calls
    in_place = {_root(written_a), _root(written_b)} & nudged_names - {""}
    return bool(in_place) and ast.dump(step) in nudged


def _is_imaginary(node: ast.expr, values: dict[str, list[ast.expr]]) -> bool:
    match node:
        case ast.Attribute(value=inner, attr="imag"):
            return isinstance(_value(inner, values), ast.Call)
        case ast.Call(func=ast.Attribute(attr="imag"), args=[inner]):
            return isinstance(_value(inner, values), ast.Call)
    return False


def _reduced(node: ast.expr) -> ast.expr:
    """Without what only picks or sums: `f(x).sum()`, `f(x).item()`, `(f(x) * g).sum()`."""
    while True:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Call() as inner, attr="sum" | "item")):
                node = inner
            case ast.Call(func=ast.Attribute(value=ast.BinOp(left=inner), attr="sum" | "item")):
                node = inner
            case ast.BinOp(left=ast.Call() as inner, op=ast.Mult()):
                node = inner
            case _:
                return node


def _step(node: ast.expr) -> ast.expr | None:
    """h of `h`, `2 * h` and `h * 2`."""
    match node:
        case ast.BinOp(left=ast.Constant(value=2 | 2.0), op=ast.Mult(), right=right):
            return right
        case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=2 | 2.0)):
            return left
        case ast.Name() | ast.Constant():
            return node
    return None


def _is_tiny(node: ast.expr, values: dict[str, list[ast.expr]], depth: int = 0) -> bool:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return 0 < number <= _LARGEST_STEP
        case ast.Name(id=name) if name in values and depth < 4:
            return any(_is_tiny(value, values, depth + 1) for value in values[name])
        case ast.BinOp(left=ast.Constant(value=10 | 10.0), op=ast.Pow(), right=ast.UnaryOp()):
            return True
    return False


def _without(node: ast.expr, step: ast.expr) -> ast.expr:
    """x of `x + h`, `x - h`, `h + x`, `x + 1j * h`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        if ast.dump(node.right) == ast.dump(step):
            return node.left
        if ast.dump(node.left) == ast.dump(step) and isinstance(node.op, ast.Add):
            return node.right
    return node


def _value(node: ast.expr, values: dict[str, list[ast.expr]]) -> ast.expr:
    """What a name that is assigned once stands for."""
    if isinstance(node, ast.Name):
        assigned = values.get(node.id, [])
        if len(assigned) == 1:
            return assigned[0]
    return node


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _assigned(body: list[ast.stmt]) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    for name, value in _pairs(target, node.value):
                        found.setdefault(name, []).append(value)
            match node:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    found.setdefault(name, []).append(value)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The names that an assignment binds, each with what is written for it."""
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for each, written in zip(targets, values, strict=True):
                yield from _pairs(each, written)


def _defaults(arguments: ast.arguments) -> dict[str, list[ast.expr]]:
    ordered = [*arguments.posonlyargs, *arguments.args]
    found: dict[str, list[ast.expr]] = {}
    if arguments.defaults:
        for argument, default in zip(
            ordered[-len(arguments.defaults) :], arguments.defaults, strict=True
        ):
            found[argument.arg] = [default]
    for argument, keyword in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if keyword is not None:
            found[argument.arg] = [keyword]
    return found
