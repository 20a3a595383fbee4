"""From the bytes of a student's file to a syntax tree that is safe to walk."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings

from autograder.errors import SubmissionError

__all__ = ["MAXIMUM_BYTES", "MAXIMUM_DEPTH", "SourceError", "parse"]

# The longest honest solution is about a tenth of this; reading this much takes about a second.
MAXIMUM_BYTES = 256 * 1024
# Honest code stays below 30. Every walk over a tree this deep fits Python's recursion limit.
MAXIMUM_DEPTH = 100

# With these the text on the screen is the text that runs, which isn't so with utf-7.
_PLAIN_ENCODINGS = ("utf-8", "ascii", "iso-8859-", "iso8859", "latin", "cp125", "koi8", "mac-")


class SourceError(SubmissionError):
    """A file that isn't Python we can read; `line` counts from 1, None if it concerns the file."""

    def __init__(self, filename: str, line: int | None, message: str) -> None:
        self.filename = filename
        self.line = line
        self.message = message
        place = filename if line is None else f"{filename}:{line}"
        super().__init__(f"{place}: {message}")


def parse(source: str | bytes, filename: str) -> ast.Module:
    """The syntax tree of `source`, which is also known to compile.

    Raises SourceError for whatever can't be imported (syntax, null bytes, undecodable text) and
    for what no honest file has: an exotic encoding, more than MAXIMUM_BYTES, or nesting deeper
    than MAXIMUM_DEPTH.
    """
    size = len(source)
    if size > MAXIMUM_BYTES:
        raise SourceError(
            filename,
            None,
            f"{size // 1024} KiB is more than a solution needs (at most {MAXIMUM_BYTES // 1024}); "
            "move data out of the code",
        )
    text = decode(source, filename) if isinstance(source, bytes) else source
    try:
        with warnings.catch_warnings():
            # An invalid escape in a docstring is worth a warning in an editor, not here.
            warnings.simplefilter("ignore")
            tree = ast.parse(text, filename)
            _measure(tree, filename)
            # Also finds what only the compiler refuses, like `return` outside a function.
            compile(text, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceError(filename, error.lineno, f"syntax error: {error.msg}") from None
    except (RecursionError, MemoryError, OverflowError):
        raise SourceError(filename, None, _TOO_DEEP) from None
    except ValueError as error:
        raise SourceError(filename, None, f"{error}; save the file as UTF-8 text") from None
    return tree


_TOO_DEEP = "expressions or blocks are nested too deeply; split them up"


def decode(source: bytes, filename: str) -> str:
    """The text of a Python file, as Python itself would decode it. Raises SourceError."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        if not encoding.lower().replace("_", "-").startswith(_PLAIN_ENCODINGS):
            raise SourceError(
                filename, 1, f"the declared encoding {encoding[:40]!a} isn't accepted; use UTF-8"
            )
        text = source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise SourceError(
            filename, line, f"not valid {error.encoding} text; save the file as UTF-8"
        ) from None
    except (SyntaxError, LookupError) as error:
        raise SourceError(filename, 1, f"{error}; save the file as UTF-8 text") from None
    return io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)


def _measure(tree: ast.Module, filename: str) -> None:
    """Raise SourceError if `tree` is deeper than MAXIMUM_DEPTH; `elif` chains count once."""
    stack: list[tuple[ast.AST, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MAXIMUM_DEPTH:
            line = getattr(node, "lineno", None)
            raise SourceError(filename, line, _TOO_DEEP)
        for name in node._fields:
            child = getattr(node, name, None)
            if isinstance(child, ast.AST):
                stack.append((child, depth + 1))
            elif isinstance(child, list):
                chained = isinstance(node, ast.If) and name == "orelse" and len(child) == 1
                step = 0 if chained and isinstance(child[0], ast.If) else 1
                stack.extend((c, depth + step) for c in child if isinstance(c, ast.AST))
