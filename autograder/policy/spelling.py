"""How the student wrote it: a short piece of code for a message."""

from __future__ import annotations

import ast

__all__ = ["printable", "spell"]

_MOST = 48


def spell(node: ast.AST) -> str:
    """The code of `node` on one line, shortened to its outline."""
    text = printable(_outline(node, 0))
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def printable(text: str) -> str:
    """`text` without what could garble a line: control characters, changes of direction."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


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
