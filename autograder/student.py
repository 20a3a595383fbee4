"""`student`: the one typed seam between a suite and the code it grades.

A suite calls `student.matmul(x, w)`. Where that call goes is the backend's business: to a
confined worker process (`autograder.sandbox`), or straight into an imported module
(`InProcess`, for `autograder check` and for debugging). Checks can't tell the difference:
both backends hand the student's function private copies of the arguments and turn whatever
goes wrong into a `StudentFault`.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from autograder.errors import AutograderError
from autograder.outcome import Failure, Outcome

if TYPE_CHECKING:
    from autograder.timing.timer import Timer

__all__ = [
    "Backend",
    "Call",
    "InProcess",
    "Reply",
    "Student",
    "StudentCrashed",
    "StudentFault",
    "StudentForbidden",
    "StudentMissing",
    "StudentOutOfMemory",
    "StudentRaised",
    "StudentReplyInvalid",
    "StudentTimedOut",
]


class StudentFault(AutograderError):
    """What student code did instead of answering.

    `failure` is what a report shows. `fatal` says that the worker is gone, so that every later
    call of the same check fails at once (hypothesis would otherwise shrink for minutes).
    """

    outcome = Outcome.RAISED
    fatal = False

    def __init__(self, failure: Failure | str) -> None:
        self.failure = Failure(failure) if isinstance(failure, str) else failure
        super().__init__(self.failure.rationale)


class StudentRaised(StudentFault):
    """The student's function raised an exception; `kind` is its type's name."""

    def __init__(self, failure: Failure | str, kind: str = "Exception") -> None:
        super().__init__(failure)
        self.kind = kind

    @property
    def not_implemented(self) -> bool:
        """Whether this is the stub's own NotImplementedError."""
        return self.kind == "NotImplementedError"


class StudentMissing(StudentFault):
    """The submission doesn't define the function, or it isn't callable."""

    outcome = Outcome.FAILED


class StudentReplyInvalid(StudentFault):
    """The function returned something that is not a value this exercise can have."""

    outcome = Outcome.FAILED


class StudentForbidden(StudentFault):
    """The function did what the assignment's policy forbids."""

    outcome = Outcome.FORBIDDEN


class StudentCrashed(StudentFault):
    """The worker process died, or broke the protocol."""

    outcome = Outcome.CRASHED
    fatal = True


class StudentTimedOut(StudentFault):
    """No answer within the deadline."""

    outcome = Outcome.TIMED_OUT
    fatal = True


class StudentOutOfMemory(StudentFault):
    """The function asked for more memory than the limit; `fatal` only if the worker died of it."""

    outcome = Outcome.OUT_OF_MEMORY


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back from one call.

    `mutated` names the inputs (by position or keyword, as text) whose values, shape or strides
    the call changed. `seconds` is the duration on the caller's clock; None for a call that was
    made ahead of its time, see `Student.timed`.
    """

    value: Any
    mutated: tuple[str, ...] = ()
    seconds: float | None = None


class Backend(Protocol):
    """Where calls go. Raises `StudentFault` for all that student code can do wrong.

    With `one_by_one` no call may begin before it is asked for.
    """

    one_by_one: bool

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One answered call: what the function was given and what it returned."""

    function: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    value: Any


class Student:
    """What a suite calls: `student.matmul(x, w)`.

    Arguments are never changed by the call, whatever the student's function does with its own
    copies. After a fault that took the worker down, every later call of the same check raises
    that fault again at once.
    """

    _KEPT_CALLS = 64

    def __init__(self, backend: Backend, functions: Sequence[str]) -> None:
        self._backend = backend
        self._functions = frozenset(functions)
        self._fatal: StudentFault | None = None
        self._calls: list[Call] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._functions:
            raise AttributeError(f"no exercise of this assignment has a function {name!r}")

        def call(*args: Any, **kwargs: Any) -> Any:
            return self.call(name, *args, **kwargs).value

        call.__name__ = name
        return call

    def call(self, function: str, /, *args: Any, **kwargs: Any) -> Reply:
        """Call `function` and return the whole reply. Raises StudentFault."""
        if self._fatal is not None:
            raise self._fatal
        try:
            reply = self._backend.call(function, args, kwargs)
        except StudentFault as fault:
            if fault.fatal:
                self._fatal = fault
            if isinstance(fault, StudentRaised) and fault.not_implemented:
                unwritten = Failure(f"`{function}` is not implemented yet")
                raise StudentRaised(unwritten, fault.kind) from None
            raise
        if len(self._calls) < self._KEPT_CALLS:
            self._calls.append(Call(function, args, kwargs, reply.value))
        return reply

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Within it every call begins when it is made, and its reply knows its duration."""
        self._backend.one_by_one = True
        try:
            yield
        finally:
            self._backend.one_by_one = False

    @property
    def timer(self) -> Timer | None:
        """What speed is measured with; None where nothing can be timed (in process)."""
        timer: Timer | None = getattr(self._backend, "timer", None)
        return timer

    @property
    def calls(self) -> tuple[Call, ...]:
        """The first answered calls of the current check (the evidence for a diagnosis)."""
        return tuple(self._calls)

    def begin_check(self) -> None:
        """Forget what the last check left behind."""
        self._fatal = None
        self._calls.clear()


class InProcess:
    """Calls functions of an already imported module: no sandbox, but breakpoints work."""

    one_by_one = False

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reply:
        target = getattr(self._module, function, None)
        name = self._module.__name__
        if target is None:
            raise StudentMissing(f"{name}.py does not define `{function}`")
        if not callable(target):
            raise StudentMissing(
                f"`{function}` in {name}.py is not a function but {type(target).__name__}"
            )
        own_args = tuple(_private_copy(value) for value in args)
        own_kwargs = {key: _private_copy(value) for key, value in kwargs.items()}
        began = time.perf_counter()
        try:
            value = target(*own_args, **own_kwargs)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise _raised(error, self._module) from error
        seconds = time.perf_counter() - began
        given = {**{str(i): v for i, v in enumerate(args)}, **kwargs}
        used = {**{str(i): v for i, v in enumerate(own_args)}, **own_kwargs}
        mutated = tuple(key for key in given if not _same(given[key], used[key]))
        return Reply(value, mutated, seconds)


def _private_copy(value: Any) -> Any:
    """A copy with the same values, shape, strides: a view of its own fresh storage."""
    import torch

    if isinstance(value, torch.Tensor):
        if value.numel() == 0:
            return value.detach().clone()
        span = 1 + sum((n - 1) * step for n, step in zip(value.shape, value.stride(), strict=True))
        flat = value.detach().as_strided((span,), (1,), value.storage_offset())
        return flat.clone().as_strided(value.shape, value.stride())
    if isinstance(value, tuple | list):
        copies = [_private_copy(element) for element in value]
        return value if isinstance(value, torch.Size) else type(value)(copies)
    if isinstance(value, dict):
        return {key: _private_copy(element) for key, element in value.items()}
    return value


def _same(given: Any, used: Any) -> bool:
    import torch

    if isinstance(given, torch.Tensor):
        return (
            isinstance(used, torch.Tensor)
            and used.shape == given.shape
            and (given.numel() == 0 or used.stride() == given.stride())
            and torch.equal(used.isnan(), given.isnan())
            and torch.equal(used.nan_to_num(0.0), given.nan_to_num(0.0))
        )
    if isinstance(given, tuple | list):
        return len(given) == len(used) and all(map(_same, given, used))
    if isinstance(given, dict):
        return given.keys() == used.keys() and all(_same(given[k], used[k]) for k in given)
    return bool(given == used)


def _raised(error: BaseException, module: ModuleType) -> StudentRaised:
    kind = type(error).__name__
    file = getattr(module, "__file__", None)
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    where = None
    if own:
        where = f"{Path(own[-1].filename).name}:{own[-1].lineno} in {own[-1].name}"
    text = str(error)[:500]
    rationale = f"raised {kind}: {text}" if text else f"raised {kind}"
    return StudentRaised(Failure(rationale, where=where), kind)
