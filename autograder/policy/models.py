"""Built-in functions whose results the rules follow: type, super, str, and decorators."""

from __future__ import annotations

import ast

from autograder.policy import calls
from autograder.policy.analysis import Analysis
from autograder.policy.solver import Node
from autograder.policy.values import (
    Box,
    Call,
    Class,
    External,
    Forbidden,
    Instance,
    Some,
    Super,
    Text,
)

__all__ = ["same", "super_of", "text_of", "type_of", "wraps"]


def type_of(a: Analysis, call: Call, path: str, result: Node) -> None:
    if len(call.positional) != 1:
        # type(name, bases, namespace) makes a class.
        record = a.box(call.node, record=True)
        a.solver.add(result, record)
        calls.fill(a, call, record)
        for node, _ in call.positional:
            a.solver.link(calls.element(a, node), record.contents)
        return

    def of(atom: object) -> None:
        match atom:
            case Instance():
                a.solver.add(result, atom.of)
            case Class():
                a.solver.link(atom.metaclass or a.outside, result)
            case Some.TENSOR:
                a.solver.add(result, External("torch.Tensor"))
            case Forbidden():
                a.solver.add(result, atom)
            case Box(record=True):
                a.solver.add(result, atom)
            case _:
                a.solver.add(result, Some.OUTSIDE)

    a.solver.listen(call.positional[0][0], of)


def super_of(a: Analysis, call: Call, path: str, result: Node) -> None:
    if call.unit.within is not None:
        a.solver.add(result, Super(call.unit.within))

    def of(atom: object) -> None:
        if isinstance(atom, Class):
            a.solver.add(result, Super(atom))

    for node, _ in call.positional[:1]:
        a.solver.listen(node, of)
    a.solver.add(result, Some.OUTSIDE)


def same(a: Analysis, call: Call, path: str, result: Node) -> None:
    """Decorators and the like: what comes back is what went in."""
    for node, starred in call.positional:
        a.solver.link(calls.element(a, node) if starred else node, result)


def wraps(a: Analysis, call: Call, path: str, result: Node) -> None:
    a.solver.add(result, External("functools.wraps()"))


def text_of(a: Analysis, call: Call, path: str, result: Node) -> None:
    """str, bytes, chr: known if the argument is written out."""
    value = _literal(call.node)
    if value is not None:
        a.solver.add(result, Text(value))
        return
    if path == "builtins.str" and len(call.positional) == 1:
        for node, _ in call.positional:
            a.solver.listen(
                node,
                lambda atom: a.solver.add(
                    result,
                    atom
                    if isinstance(atom, Text) and isinstance(atom.value, str)
                    else Some.OUTSIDE,
                ),
            )
        return
    a.solver.add(result, Some.OUTSIDE)


def _literal(node: ast.AST) -> str | bytes | None:
    """`chr(97)` and `bytes([97, 117])` with their numbers written out."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
        return None
    argument = node.args[0]
    if node.func.id == "chr" and isinstance(argument, ast.Constant):
        value = argument.value
        return chr(value) if isinstance(value, int) and 0 <= value < 0x11_0000 else None
    if node.func.id in ("bytes", "bytearray") and isinstance(argument, ast.List | ast.Tuple):
        numbers = [e.value for e in argument.elts if isinstance(e, ast.Constant)]
        small = [n for n in numbers if isinstance(n, int) and 0 <= n < 256]
        return bytes(small) if len(small) == len(argument.elts) < 200 else None
    return None
