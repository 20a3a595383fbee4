"""What a worker says about an exception: its type, a short message, the student's line.

Exceptions are student code too. Their `__str__` may raise, loop, or return megabytes, and their
class may lie about its name; nothing here trusts them, and nothing here may fail.
"""

from __future__ import annotations

from collections.abc import Collection
from types import FrameType, TracebackType
from typing import Any

__all__ = ["describe", "is_out_of_memory", "place_of_frame", "place_of_traceback"]

_MAX_MESSAGE = 500
_MAX_NAME = 80
_CUT_MESSAGE = 2000
"""What is read of a message at most, before it is cleaned and shortened."""


def describe(error: BaseException) -> dict[str, str]:
    """Type name and message of an exception, both plain, short text."""
    # From the slot itself: a metaclass may have put another `__name__` in front of it.
    kind = _text(type.__dict__["__name__"].__get__(type(error)), _MAX_NAME)
    try:
        message = str(error)
    except BaseException as broken:
        message = f"(its message can't be shown: {type(broken).__name__})"
    return {"type": kind, "message": _text(message, _MAX_MESSAGE)}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that the memory limit was hit."""
    # Not isinstance, which would ask the exception for its `__class__`.
    if issubclass(type(error), MemoryError):
        return True
    if not issubclass(type(error), RuntimeError):
        return False
    try:
        message = str(error)
    except BaseException:
        return False
    return "DefaultCPUAllocator" in message or "std::bad_alloc" in message


def place_of_traceback(traceback: TracebackType | None, files: Collection[str]) -> list[Any] | None:
    """The deepest place of a traceback within `files`: [file, line, function]."""
    found = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename in files:
            found = traceback
        traceback = traceback.tb_next
    if found is None:
        return None
    code = found.tb_frame.f_code
    return [code.co_filename, found.tb_lineno, _text(code.co_name, _MAX_NAME)]


def place_of_frame(frame: FrameType | None, files: Collection[str]) -> list[Any] | None:
    """The same, for a stack that is still running: the innermost frame within `files`."""
    while frame is not None:
        if frame.f_code.co_filename in files:
            line = frame.f_lineno
            return [frame.f_code.co_filename, line, _text(frame.f_code.co_name, _MAX_NAME)]
        frame = frame.f_back
    return None


def _text(value: Any, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    # A slice of a str subclass is a plain str unless the subclass interferes.
    plain = str.__getitem__(value, slice(0, _CUT_MESSAGE))
    if len(plain) > limit:
        plain = plain[: limit - 1] + "…"
    return plain
