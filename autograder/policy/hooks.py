"""The special methods that Python calls for its operators and statements."""

from __future__ import annotations

import ast

__all__ = ["AWAIT", "COMPARISON", "ENTER", "FORMAT", "ITERATION", "SUBSCRIPT", "of_operator"]

ITERATION = ("__iter__", "__next__", "__getitem__", "__aiter__", "__anext__")
SUBSCRIPT = ("__getitem__", "__missing__")
ENTER = ("__enter__", "__aenter__", "__exit__", "__aexit__")
AWAIT = ("__await__",)
FORMAT = ("__format__", "__str__", "__repr__")
COMPARISON = (
    "__eq__",
    "__ne__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
    "__contains__",
    "__bool__",
)

_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.MatMult: "matmul",
    ast.Div: "truediv",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.LShift: "lshift",
    ast.RShift: "rshift",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
}

_UNARY: dict[type[ast.unaryop], tuple[str, ...]] = {
    ast.USub: ("__neg__",),
    ast.UAdd: ("__pos__",),
    ast.Invert: ("__invert__",),
    ast.Not: ("__bool__", "__len__"),
}


def of_operator(op: ast.operator | ast.unaryop) -> tuple[str, ...]:
    """The special methods of an operator: plain, reflected, in place."""
    if isinstance(op, ast.unaryop):
        return _UNARY[type(op)]
    name = _BINARY[type(op)]
    return f"__{name}__", f"__r{name}__", f"__i{name}__"
