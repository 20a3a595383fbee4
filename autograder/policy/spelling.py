"""How the student wrote it: a short piece of code for a message."""

from __future__ import annotations

import ast

__all__ = ["spell"]

_MOST = 48


def spell(node: ast.AST) -> str:
    """The code of `node` on one line, shortened to its outline; plain ASCII, whatever it holds."""
    text = _outline(node, 0)
    plain = text.encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _MOST else f"{plain[:_MOST]}…"


def _outline(node: ast.AST, depth: int) -> str:
    if depth > 6:
        return "…"
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_outline(value, depth + 1)}.{attribute}"
        case ast.Call(func=function, args=[], keywords=[]):
            return f"{_outline(function, depth + 1)}()"
        case ast.Call(func=function, args=arguments):
            inner = ", ".join(_outline(argument, depth + 3) for argument in arguments[:3])
            return f"{_outline(function, depth + 1)}({inner or '…'})"
        case ast.Constant(value=str() | bytes() as text):
            return repr(text[:30])
        case ast.Constant(value=value):
            return repr(value)[:30]
        case ast.Subscript(value=value):
            return f"{_outline(value, depth + 1)}[…]"
        case _:
            return "…"
