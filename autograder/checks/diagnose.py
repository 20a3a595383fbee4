"""Why an answer is wrong: a known misconception that reproduces it, else a generic pattern.

A misconception is named only if it reproduces *every* answer the student's function gave during
the check, the right ones included, and is itself wrong on at least one of them: on a single
small input many wrong ideas coincide. Where answers build on earlier ones, as in a trajectory of
steps, the misconception has to go the whole way itself, from the start and with a memory of its own
(`Mismatch.replay`): it couldn't read what the student's function keeps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from autograder.checks.compare import Mismatch
from autograder.outcome import Failure
from autograder.student import Call

__all__ = ["KnownMistake", "diagnose"]

_RTOL = 1e-6
# How much of a deviation from the truth a misconception may leave unexplained.
_UNEXPLAINED = 1e-2


class KnownMistake(Protocol):
    """What a diagnosis needs of a misconception."""

    @property
    def id(self) -> str: ...
    @property
    def replaces(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def function(self) -> Callable[..., Any]: ...


def diagnose(
    failure: Failure,
    mismatches: Sequence[Mismatch],
    calls: Sequence[Call],
    misconceptions: Sequence[KnownMistake],
) -> Failure:
    """`failure` with the hint of the misconception that explains it, if one does."""
    if not mismatches:
        return failure
    function = mismatches[-1].function
    own = [m for m in mismatches if m.function == function]
    evidence = [call for call in calls if call.function == function]
    replayed = all(m.replay is not None for m in own)
    for known in misconceptions:
        if known.replaces != function:
            continue
        if all(_replays(known, m) for m in own) if replayed else _reproduces(known, evidence, own):
            return replace(failure, help=known.hint, misconception=known.id)
    if failure.help is not None:
        return failure
    for pattern in _PATTERNS:
        if all(pattern.matches(mismatch) for mismatch in own):
            return replace(failure, help=pattern.hint)
    return failure


def _reproduces(
    known: KnownMistake, evidence: Sequence[Call], mismatches: Sequence[Mismatch]
) -> bool:
    if not evidence:
        return False
    explains = False
    for call in evidence:
        try:
            with torch.no_grad():
                imitation = known.function(*_copies(call.args), **_copies(call.kwargs))
        except Exception:
            # A wrong idea may well not be able to digest an input; then it isn't this one.
            return False
        if not close(imitation, call.value):
            return False
        explains = explains or any(
            call.value is wrong.actual and _is_nearer(imitation, wrong) for wrong in mismatches
        )
    return explains


def _is_nearer(imitation: Any, wrong: Mismatch) -> bool:
    """Whether the imitation is nearer to the wrong answer than to the truth.

    Where the answer is off by a little only, the right idea would pass for an imitation.
    """
    return _distance(imitation, wrong.actual) < _distance(imitation, wrong.expected)


def _distance(left: Any, right: Any) -> float:
    """The largest difference of two answers; infinite if they can't be compared."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.shape != right.shape:
            return float("inf")
        ours, theirs = left.double(), right.double()
        same = (ours == theirs) | (ours.isnan() & theirs.isnan())
        apart = torch.where(same, 0.0, (ours - theirs).abs()).nan_to_num(float("inf"))
        return float(apart.max()) if apart.numel() else 0.0
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        if len(left) != len(right):
            return float("inf")
        return max((_distance(a, b) for a, b in zip(left, right, strict=True)), default=0.0)
    return 0.0 if close(left, right) else float("inf")


def _replays(known: KnownMistake, mismatch: Mismatch) -> bool:
    if mismatch.replay is None:
        return False
    try:
        with torch.no_grad():
            imitation = mismatch.replay(known.function)
    except Exception:
        return False
    actual = mismatch.actual
    wrong_by = _gap(actual, mismatch.expected)
    # Both: a deviation may itself be smaller than what counts as rounding elsewhere.
    rounding = min(_UNEXPLAINED * wrong_by, _rounding(actual))
    return wrong_by > 0 and _gap(imitation, actual) <= rounding


def _gap(left: Any, right: Any) -> float:
    """The largest difference between two answers; infinite if their structures differ."""
    if isinstance(left, Tensor) and isinstance(right, Tensor) and left.shape == right.shape:
        one, other = left.double(), right.double()
        same = (one == other) | (one.isnan() & other.isnan())
        apart = torch.where(same, 0.0, (one - other).abs()).nan_to_num(nan=torch.inf)
        return float(apart.max()) if apart.numel() else 0.0
    several = isinstance(left, tuple | list) and isinstance(right, tuple | list)
    if several and len(left) == len(right):
        return max(map(_gap, left, right), default=0.0)
    return 0.0 if close(left, right) else torch.inf


def _rounding(value: Any) -> float:
    """How much of an answer is surely rounding, beside its largest element."""
    if isinstance(value, tuple | list):
        return max(map(_rounding, value), default=0.0)
    if isinstance(value, Tensor) and value.numel():
        finite = value.double().abs().nan_to_num(nan=0.0, posinf=0.0)
        return _rtol(value) * float(finite.max())
    return 0.0


def close(left: Any, right: Any) -> bool:
    """Whether two answers have the same structure, shapes and (nearly) values.

    A 0-dim tensor may stand for a number.
    """
    if isinstance(left, Tensor) and isinstance(right, int | float):
        right = _number_like(left, right)
    elif isinstance(right, Tensor) and isinstance(left, int | float):
        left = _number_like(right, left)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.is_complex() or right.is_complex():
            return False  # no right answer is, and none is near one
        return left.shape == right.shape and torch.allclose(
            left.double(), right.double(), rtol=_rtol(right), atol=1e-12, equal_nan=True
        )
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(close(left[k], right[k]) for k in left)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(close, left, right))
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right or abs(_float(left) - _float(right)) <= (
            _RTOL * abs(_float(right)) + 1e-12
        )
    return bool(type(left) is type(right) and left == right)


def _number_like(tensor: Tensor, value: float) -> Tensor:
    dtype = tensor.dtype if tensor.is_floating_point() else torch.float64
    return torch.tensor(_float(value), dtype=dtype)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an int beyond every float
        return math.inf if value > 0 else -math.inf


def _rtol(value: Tensor) -> float:
    return (
        1e-3
        if value.dtype in (torch.float16, torch.bfloat16)
        else _RTOL * (100 if value.dtype == torch.float32 else 1)
    )


def _copies(values: Any) -> Any:
    if isinstance(values, Tensor):
        return values.detach().clone()
    if isinstance(values, torch.Size):
        return values
    if isinstance(values, tuple | list):
        return type(values)(_copies(value) for value in values)
    if isinstance(values, dict):
        return {key: _copies(value) for key, value in values.items()}
    return values


class _Pattern:
    """A generic way to be wrong: a transformation of the truth that gives the answer."""

    def __init__(self, hint: str, imitate: Callable[[Mismatch], Any]) -> None:
        self.hint = hint
        self._imitate = imitate

    def matches(self, mismatch: Mismatch) -> bool:
        try:
            imitation = self._imitate(mismatch)
        except (RuntimeError, TypeError, IndexError, ValueError):
            return False
        return imitation is not None and close(imitation, mismatch.actual)


def _each(transform: Callable[[Tensor, Tensor], Tensor | None]) -> Callable[[Mismatch], Any]:
    """Apply `transform(expected, actual)` to every wrong result of a call."""

    def imitate(mismatch: Mismatch) -> Any:
        actual, expected = mismatch.actual, mismatch.expected
        if isinstance(expected, Tensor):
            return transform(expected, actual) if _is_real(actual) else None
        made = []
        for e, a in zip(expected, actual, strict=True):
            right = isinstance(a, Tensor) and a.shape == e.shape and close(e, a)
            one = e if right else transform(e, a) if _is_real(a) else None
            if one is None:
                return None
            made.append(one)
        return made

    return imitate


def _is_real(answer: Any) -> bool:
    return isinstance(answer, Tensor) and not answer.is_complex()


def _scaled(expected: Tensor, actual: Tensor) -> Tensor | None:
    if expected.shape != actual.shape:
        return None
    flat, answer = expected.flatten().double(), actual.flatten().double()
    largest = int(flat.abs().argmax())
    factor = answer[largest] / flat[largest]
    sizes = {1.0, *map(float, expected.shape), float(expected.numel())}
    known = {2.0, 0.5, *sizes, *(1 / n for n in sizes if n)} - {1.0}
    if not any(abs(float(factor) - k) <= 1e-6 * k for k in known):
        return None
    return expected * factor


def _unreduced(expected: Tensor, actual: Tensor) -> Tensor | None:
    extra = actual.ndim - expected.ndim
    if extra > 0:
        total = actual.double().sum(tuple(range(extra)))
        same = total.shape == expected.shape and close(total, expected.double())
        return actual if same else None
    if extra == 0 and actual.shape != expected.shape:
        dims = [i for i, n in enumerate(expected.shape) if n == 1 and actual.shape[i] != 1]
        total = actual.double().sum(dims, keepdim=True) if dims else actual.double()
        same = total.shape == expected.shape and close(total, expected.double())
        return actual if same else None
    return None


def _swapped(mismatch: Mismatch) -> Any:
    expected = mismatch.expected
    if isinstance(expected, Tensor) or len(expected) != 2:
        return None
    return [expected[1], expected[0]]


def _ignoring_upstream(mismatch: Mismatch) -> Any:
    return None if mismatch.unit_upstream is None else mismatch.unit_upstream()


def _of_gradients(pattern: Callable[[Mismatch], Any]) -> Callable[[Mismatch], Any]:
    """The pattern, for results that are gradients."""
    return lambda mismatch: None if mismatch.unit_upstream is None else pattern(mismatch)


_PATTERNS = (
    _Pattern(
        "Your answer is the right one for an upstream gradient of ones: grad_output is what the "
        "rest of the network sends back, and every gradient has it as a factor.",
        _ignoring_upstream,
    ),
    _Pattern("The two results come in the other order: see the docstring.", _swapped),
    _Pattern("Your answer is the right one with the opposite sign.", _each(lambda e, a: -e)),
    _Pattern(
        "Your answer is the right one transposed: check the order of the factors, and write "
        "down the shape of each.",
        _each(lambda e, a: e.transpose(-1, -2) if e.ndim > 1 else None),
    ),
    _Pattern(
        "Summing your answer over its extra dimensions gives the right one: an input that was "
        "used several times (broadcast) collects the gradients of all its uses.",
        _of_gradients(_each(_unreduced)),
    ),
    _Pattern(
        "Summing your answer over its extra dimensions gives the right one: check which "
        "dimensions the result keeps.",
        _each(_unreduced),
    ),
    _Pattern(
        "Your answer is the right one times a constant: look for a missing or extra factor, "
        "such as 2, or a division by the number of elements.",
        _each(_scaled),
    ),
    _Pattern(
        "Your answer is the right one with its last two dimensions flipped: correlation and "
        "convolution differ by exactly that.",
        _each(lambda e, a: e.flip(-1, -2) if e.ndim > 1 else None),
    ),
)
