"""Imports a submission from memory; its files never lie on a disk that student code can reach.

The main module and its helpers are found by a finder that comes *after* the standard ones, so that
a submission's `torch.py` or `json.py` is never imported in place of the real one. Sources are kept
in `linecache`, so that tracebacks, `inspect.getsource` and Triton see them as if they were files.
"""

from __future__ import annotations

import codecs
import io
import linecache
import sys
import tokenize
from collections.abc import Collection, Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import CodeType, ModuleType

__all__ = ["OtherPackages", "SourceError", "Submission", "decode_source"]


class OtherPackages(MetaPathFinder):
    """Refuses every top-level module that is neither Python's own nor one of `allowed`.

    It comes first, so that student code gets "No module named 'pandas'" whether that package is
    installed beside torch, unreadable there, or absent.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed) | sys.stdlib_module_names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Part of the import system. Raises ModuleNotFoundError for what isn't allowed."""
        if path is None and fullname not in self._allowed:
            text = f"No module named {fullname!r} (the grader has Python's own, torch and numpy)"
            raise ModuleNotFoundError(text, name=fullname)


class SourceError(Exception):
    """A source file that can't be read as Python text; `line` is where, if it is known."""

    def __init__(self, text: str, file: str, line: int | None = None) -> None:
        super().__init__(text)
        self.file = file
        self.line = line


class Submission(MetaPathFinder, InspectLoader):
    """The Python files of one submission, as importable modules."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = frozenset(
            name for name in files if name.endswith(".py") and name[:-3].isidentifier()
        )
        self._contents = {name[:-3]: files[name] for name in self.files}

    def install(self, packages: Collection[str]) -> None:
        """Make the modules importable, after Python's own and `packages`, and nothing else."""
        sys.meta_path.insert(0, OtherPackages({*packages, *self._contents}))
        sys.meta_path.append(self)

    def load(self, module: str) -> ModuleType:
        """Import `module` under its own name, whatever else might have that name.

        Raises SourceError, SyntaxError, or whatever the module's own code raises.
        """
        loaded = module_from_spec(self._spec(module))
        sys.modules[module] = loaded
        try:
            self.exec_module(loaded)
        except BaseException:
            sys.modules.pop(module, None)
            raise
        return loaded

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import system: a spec for a file of the submission."""
        if path is not None or fullname not in self._contents:
            return None
        return self._spec(fullname)

    def get_source(self, fullname: str) -> str:
        """Part of the import system: the decoded text of a module."""
        return decode_source(self._contents[fullname], f"{fullname}.py")

    def get_code(self, fullname: str) -> CodeType:
        """Part of the import system: compiles a module and shows its lines to `linecache`."""
        file = f"{fullname}.py"
        source = self.get_source(fullname)
        # A modification time of None tells linecache to keep lines that no file backs.
        lines = source.splitlines(keepends=True)
        linecache.cache[file] = (len(source), None, lines, file)
        return compile(source, file, "exec", dont_inherit=True)

    def _spec(self, module: str) -> ModuleSpec:
        spec = ModuleSpec(module, self, origin=f"{module}.py")
        spec.has_location = True
        return spec


def decode_source(data: bytes, file: str) -> str:
    """The text of a Python file, newlines as \\n (byte order mark and PEP 263 cookie honoured).

    Raises SourceError with a line that names what is wrong and where.
    """
    null = data.find(b"\0")
    if null >= 0:
        hint = ""
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            hint = " (it looks like UTF-16)"
        line = data.count(b"\n", 0, null) + 1
        raise SourceError(f"{file} contains a null byte{hint}; save it as UTF-8 text", file, line)
    try:
        text = data.decode(_declared_encoding(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise SourceError(
            f"{file} is not valid {error.encoding} (byte 0x{byte:02x} on line {line});"
            " save it as UTF-8 text",
            file,
            line,
        ) from None
    except SyntaxError as error:
        raise SourceError(f"{file}: {error}; save it as UTF-8 text", file, 1) from None
    return io.IncrementalNewlineDecoder(None, translate=True).decode(text, final=True)


def _declared_encoding(data: bytes) -> str:
    """The encoding that Python would read a file in. Raises SyntaxError if it knows none such."""
    try:
        return tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    except SyntaxError as error:
        # Also raised where the first line is no UTF-8, but decoding will say that better.
        if "invalid or missing" in str(error):
            return "utf-8"
        raise
