"""Tripwires: what an assignment forbids raises when student code reaches it, by whatever alias.

A static rule sees names; a tripwire sees the call. Two kinds: a named function or method of torch
is replaced by one that looks at its caller, and operators are watched where torch dispatches them.
Both are a second line behind the static rules, not a boundary: code that shares a process with them
can undo them. The boundary is that no answer is trusted.
"""

from __future__ import annotations

import _thread
import contextlib
import importlib
import inspect
import sys
import sysconfig
import threading
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .limits import Tripwires
from .testimony import place_of_frame

__all__ = ["Alarm", "Forbidden", "OperatorWatch", "install", "watch_threads"]


class Forbidden(BaseException):
    """Student code reached something forbidden.

    Not an Exception, so that an `except Exception` in student code doesn't swallow it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is forbidden in this assignment")
        self.name = name


class Alarm:
    """Remembers the first thing that tripped, because student code may swallow the exception."""

    __slots__ = ("files", "name", "place")

    def __init__(self) -> None:
        self.files: Collection[str] = ()
        self.name: str | None = None
        self.place: list[Any] | None = None

    def trip(self, name: str, frame: FrameType | None) -> Forbidden:
        """Record what was called and where, and return the exception to raise."""
        if self.name is None:
            self.name = name
            self.place = place_of_frame(frame, self.files)
        return Forbidden(name)

    def reset(self) -> None:
        """Forget what tripped."""
        self.name = self.place = None


# Files whose own calls are never the student's: torch, and the harness that wraps each call.
_TRUSTED = (f"{torch.__path__[0]}/", f"{Path(__file__).parent}/")
_STANDARD = tuple({f"{sysconfig.get_path(key)}/" for key in ("stdlib", "platstdlib")})
_SITE = tuple({f"{sysconfig.get_path(key)}/" for key in ("purelib", "platlib")})


def _is_trusted(frame: FrameType | None) -> bool:
    """Whether a call came from torch's own Python code (or from ours).

    The standard library is looked through, since a thread pool or `copy` calls on someone's
    behalf; and this file, since one replaced function may call another.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        standard = file.startswith(_STANDARD) and not file.startswith(_SITE)
        if not (standard or file == __file__ or file.startswith("<frozen ")):
            return file.startswith(_TRUSTED)
        frame = frame.f_back
    return False


def install(tripwires: Tripwires, alarm: Alarm) -> list[str]:
    """Replace every named function. Returns the names that don't exist in this torch."""
    missing = []
    for name in tripwires.names:
        try:
            targets = list(_targets(name))
        except (ImportError, AttributeError):
            missing.append(name)
            continue
        for owner, attribute, full_name in targets:
            _replace(owner, attribute, full_name, alarm)
    return missing


def _targets(name: str) -> Iterator[tuple[Any, str, str]]:
    owner_name, _, attribute = name.rpartition(".")
    owner = _resolve(owner_name)
    if attribute != "*":
        inspect.getattr_static(owner, attribute)
        yield owner, attribute, name
        return
    for public in list(vars(owner)):
        if public.startswith("_"):
            continue
        value = inspect.getattr_static(owner, public)
        if isinstance(value, ModuleType):
            continue
        # A class is guarded in place, under all its names; no_grad is also torch.autograd's.
        if isinstance(value, type) and getattr(torch, public, None) is value:
            continue
        # A module also holds what it imports: typing's Optional is not one of its functions.
        origin = getattr(value, "__module__", None)
        if isinstance(origin, str) and not origin.startswith("torch"):
            continue
        if callable(value) or isinstance(value, staticmethod | classmethod):
            yield owner, public, f"{owner_name}.{public}"


def _resolve(name: str) -> Any:
    """A module, class or other object by its dotted name. Raises ImportError, AttributeError."""
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for index, part in enumerate(parts[1:], start=2):
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, ModuleType):
                raise
            found = importlib.import_module(".".join(parts[:index]))
    return found


def _replace(owner: Any, attribute: str, name: str, alarm: Alarm) -> None:
    original = inspect.getattr_static(owner, attribute)
    replacement: Any
    if isinstance(original, type):
        _guard_class(original, name, alarm)
        return
    if isinstance(original, staticmethod | classmethod):
        replacement = type(original)(_guarded(original.__func__, name, alarm))
    elif inspect.isdatadescriptor(original):
        replacement = _guarded_property(original, name, alarm)
    elif callable(original):
        replacement = _guarded(original, name, alarm)
    else:
        return
    try:
        setattr(owner, attribute, replacement)
    except (AttributeError, TypeError):
        # A built-in type can't be changed; the operators behind it can still be watched.
        return


def _guarded(original: Callable[..., Any], name: str, alarm: Alarm) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        if _is_trusted(frame):
            return original(*args, **kwargs)
        raise alarm.trip(name, frame)

    with contextlib.suppress(AttributeError, TypeError):
        # Not functools.wraps: the way back to the original would be one attribute long.
        guarded.__name__ = original.__name__
        guarded.__qualname__ = original.__qualname__
        guarded.__doc__ = original.__doc__
        guarded.__module__ = original.__module__
    return guarded


def _guarded_property(original: Any, name: str, alarm: Alarm) -> property:
    """Reading goes on as before; assigning trips."""

    def read(self: Any) -> Any:
        return original.__get__(self, type(self))

    def assign(self: Any, value: Any) -> None:
        frame = sys._getframe(1)
        if not _is_trusted(frame):
            raise alarm.trip(name, frame)
        original.__set__(self, value)

    return property(read, assign)


def _guard_class(original: Any, name: str, alarm: Alarm) -> None:
    """Making an instance or a subclass trips; isinstance and torch's own use go on."""
    initialise = original.__init__
    derive = original.__init_subclass__

    def guarded_init(self: Any, *args: Any, **kwargs: Any) -> None:
        frame = sys._getframe(1)
        if not _is_trusted(frame):
            raise alarm.trip(name, frame)
        initialise(self, *args, **kwargs)

    def guarded_derive(cls: Any, /, **kwargs: Any) -> None:
        frame = sys._getframe(1)
        if not _is_trusted(frame):
            raise alarm.trip(name, frame)
        getattr(derive, "__func__", lambda _, **rest: derive(**rest))(cls, **kwargs)

    with contextlib.suppress(AttributeError, TypeError):
        original.__init__ = guarded_init
        original.__init_subclass__ = classmethod(guarded_derive)


class OperatorWatch(TorchDispatchMode):
    """Raises when an ATen operator runs whose name matches one of the patterns.

    Patterns that begin with `!` are exceptions from the others.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # By default the first call imports torch's compiler (1.3 s, 90 MiB) only to switch it off.
        return False

    def __init__(self, patterns: tuple[str, ...], alarm: Alarm) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._patterns = tuple(p for p in patterns if not p.startswith("!"))
        self._exceptions = tuple(p[1:] for p in patterns if p.startswith("!"))
        self._alarm = alarm
        self._verdicts: dict[str, bool] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func._schema.name
        forbidden = self._verdicts.get(name)
        if forbidden is None:
            forbidden = _matches(name, self._patterns) and not _matches(name, self._exceptions)
            self._verdicts[name] = forbidden
        if forbidden:
            raise self._alarm.trip(name, sys._getframe(1))
        return func(*args, **(kwargs or {}))


def watch_threads(patterns: tuple[str, ...], alarm: Alarm) -> None:
    """Have every thread that Python starts from here on watched, each by a watch of its own.

    Which modes are active is a matter of each thread; a new one begins with none.
    """
    start = _thread.start_new_thread

    def start_watched(
        function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> int:
        def run() -> None:
            with torch.no_grad(), OperatorWatch(patterns, alarm):
                function(*args, **(kwargs or {}))

        return start(run, ())

    for module, name in (
        (_thread, "start_new_thread"),
        (_thread, "start_new"),
        (threading, "_start_new_thread"),
    ):
        setattr(module, name, start_watched)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
