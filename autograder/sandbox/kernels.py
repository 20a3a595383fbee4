"""What a worker watches while Triton kernels run: launches, unwritten memory, stray writes.

torch.empty may return memory in which an earlier, right answer still lies; a kernel that writes
nothing would pass. So fresh memory is filled with NaN. And a kernel that writes past the end of a
tensor changes whatever lies there, or crashes much later; so each tensor lies between two bands
that nobody may write to.

All of this is the worker's testimony: it shares a process with student code, which could undo it.
It serves honest students, whom a vague wrong value wouldn't help. What can't be got around is that
the values are compared elsewhere.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .encoder import Unsupported

__all__ = ["BAND", "LAUNCHES", "Launches", "Memory", "are_written_for", "call", "device"]

LAUNCHES = "autograder:launches"
"""The keyword of a call that asks for its launches: "count" them, or "skip" them all.

The answer is then a dict with the `result` and the number of `launches`. No parameter can have this
name, so it can't be mistaken for one.
"""

BAND = 1 << 14
"""Elements on either side of a tensor that no kernel may write to: more than a block has."""

_UNWRITTEN = frozenset(
    f"aten::{name}"
    for name in ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty")
) | {"aten::new_empty_strided"}
_WRITTEN = frozenset(
    f"aten::{stem}{end}" for stem in ("zeros", "ones", "full") for end in ("", "_like")
) | {"aten::new_zeros", "aten::new_ones", "aten::new_full", "aten::clone", "aten::_to_copy"}

_LAUNCHERS = (
    ("triton.runtime.jit", "JITFunction"),
    ("triton.runtime.interpreter", "InterpretedFunction"),
    ("triton.runtime.autotuner", "Autotuner"),
    ("triton.runtime.autotuner", "Heuristics"),
)


_OVERRUN = (
    "a kernel wrote outside of its tensors: before the first element of one, or behind the last. "
    "Blocks stick out at the edges, so the store needs a mask; then look at the strides"
)


def are_written_for(tripwires: Iterable[str]) -> bool:
    """Whether students write kernels in the assignment with these tripwires.

    Not whether Triton is loaded: parts of torch load it, too.
    """
    return any(name.startswith("triton.") for name in tripwires)


def device() -> str:
    """Where kernels run in this process: the interpreter's are on the CPU."""
    return "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"


def call(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    where: str,
    around: AbstractContextManager[Any],
) -> tuple[Any, list[str]]:
    """Call `function` with copies of the arguments on the device `where`, within `around`.

    Returns its result, and which arguments it changed (by position or keyword). With the keyword
    `LAUNCHES`, the result is a dict of the `result` and the number of `launches`. Raises what the
    function raises, and Unsupported if a kernel wrote where it must not.
    """
    given = dict(kwargs)
    wanted = given.pop(LAUNCHES, None)
    memory, launches = Memory(), Launches(skip=wanted == "skip")
    places: dict[str, _Place] = {}

    def place(name: str, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.numel() == 0:
            return value
        places[name] = made = memory.place(value, where)
        return made.tensor

    own_args = [place(str(index), value) for index, value in enumerate(args)]
    own_kwargs = {name: place(name, value) for name, value in given.items()}
    with contextlib.ExitStack() as stack:
        if wanted is not None:
            stack.enter_context(launches.watched())
        stack.enter_context(_causes())
        stack.enter_context(memory)
        stack.enter_context(around)
        result = function(*own_args, **own_kwargs)
    if memory.overrun():
        raise Unsupported(_OVERRUN)
    if wanted is not None:
        result = {"result": result, "launches": launches.count}
    return result, [name for name, made in places.items() if made.changed()]


class Launches:
    """Counts the launches of kernels; with `skip` they don't take place.

    A launch through triton.autotune or triton.heuristics is one, whatever these do to prepare it.
    """

    def __init__(self, *, skip: bool = False) -> None:
        self.count = 0
        self._skip = skip
        self._depth = 0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Within it launches are counted."""
        found = [getattr(importlib.import_module(module), name) for module, name in _LAUNCHERS]
        originals = [kind.run for kind in found]
        for kind, original in zip(found, originals, strict=True):
            kind.run = self._counted(original)
        try:
            yield
        finally:
            for kind, original in zip(found, originals, strict=True):
                kind.run = original

    def _counted(self, original: Any) -> Any:
        def run(kernel: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.get("warmup"):
                return original(kernel, *args, **kwargs)
            if self._depth == 0:
                self.count += 1
                if self._skip:
                    return None
            self._depth += 1
            try:
                return original(kernel, *args, **kwargs)
            finally:
                self._depth -= 1

        return run


@contextlib.contextmanager
def _causes() -> Iterator[None]:
    """Within it, what goes wrong in an interpreted kernel is raised as it was, at its own line.

    Triton wraps it into an error that only knows the line of the launch.
    """
    try:
        yield
    except Exception as error:
        inner = error
        while type(inner).__name__ == "InterpreterError" and isinstance(inner.__cause__, Exception):
            inner = inner.__cause__
        if inner is error:
            raise
        if isinstance(inner, NotImplementedError):
            # A stub says that too, and means something else by it.
            words = f"Triton can't do this: {inner}".rstrip(": ")
            inner = RuntimeError(words).with_traceback(inner.__traceback__)
        raise inner from None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a copy of an argument lies: `tensor` is what the function gets."""

    tensor: torch.Tensor
    flat: torch.Tensor
    original: torch.Tensor
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def changed(self) -> bool:
        """Whether its shape, its strides or one of its bytes are not what they were."""
        if (self.tensor.shape, self.tensor.stride()) != (self.shape, self.strides):
            return True
        # As bytes: NaN is not equal to itself.
        now = self.flat.cpu().view(torch.uint8)
        return not torch.equal(now, self.original.view(torch.uint8))


class Memory(TorchDispatchMode):
    """Gives out fresh tensors that show what was never written, and what lies beside them."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # See tripwires.OperatorWatch.
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bands: list[tuple[torch.Tensor, torch.Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        name = func._schema.name
        unwritten = name in _UNWRITTEN
        if not (unwritten or name in _WRITTEN) or (kwargs and "out" in kwargs):
            return made
        if made.layout is not torch.strided or made.numel() == 0:
            return made
        room = self._room(_span(made), made.dtype, made.device)
        guarded = room.as_strided(made.shape, made.stride(), BAND)
        if not unwritten:
            guarded.copy_(made)
        return guarded

    def place(self, tensor: torch.Tensor, where: str) -> _Place:
        """A copy of `tensor` on a device, with its strides, between bands of its own."""
        span = _span(tensor)
        original = tensor.as_strided((span,), (1,), tensor.storage_offset()).clone()
        room = self._room(span, tensor.dtype, torch.device(where))
        flat = room[BAND : BAND + span]
        flat.copy_(original)
        copy = room.as_strided(tensor.shape, tensor.stride(), BAND)
        return _Place(copy, flat, original, tuple(tensor.shape), tensor.stride())

    def overrun(self) -> bool:
        """Whether something wrote beside a tensor that was made since the last call of this."""
        bands, self._bands = self._bands, []
        return any(not _untouched(band) for pair in bands for band in pair)

    def _room(self, span: int, dtype: torch.dtype, where: torch.device) -> torch.Tensor:
        """Poisoned memory for `span` elements, and the bands around them."""
        room = torch.empty(span + 2 * BAND, dtype=dtype, device=where)
        room.fill_(_poison(dtype))
        self._bands.append((room[:BAND], room[BAND + span :]))
        return room


def _span(tensor: torch.Tensor) -> int:
    """From the first to the last element in memory, both counted."""
    return 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))


def _poison(dtype: torch.dtype) -> float | int | bool:
    if dtype.is_floating_point or dtype.is_complex:
        return float("nan")
    if dtype is torch.bool:
        return True
    # As an index it leads into a band, and nowhere else.
    return -1 if dtype.is_signed else torch.iinfo(dtype).max


def _untouched(band: torch.Tensor) -> bool:
    if band.dtype.is_floating_point or band.dtype.is_complex:
        return bool(band.isnan().all())
    return bool((band == _poison(band.dtype)).all())
