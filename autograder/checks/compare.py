"""Strict comparison of an answer with the truth: structure, shape, dtype, finiteness, values.

The accuracy rule: an element may differ from the expected one by at most `RTOL` times
max(|expected|, natural size), where the natural size is what the terms of the formula have.
Rounding in any sensible order of evaluation stays orders of magnitude below it (float64 has
eps 2.2e-16, float32 1.2e-7); a wrong formula, float32 inside a float64 answer, or a finite
difference (1e-8 at best) does not. Nothing is broadcast, and −0.0 equals 0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from autograder.errors import AutograderError
from autograder.outcome import Failure

__all__ = [
    "RTOL",
    "CheckFailed",
    "Mismatch",
    "assert_close",
    "assert_form",
    "assert_forms",
    "assert_results",
    "describe",
    "ordinal",
]

RTOL = {torch.float64: 1e-9, torch.float32: 1e-4}
# What is this small beside the largest natural size of the tensor counts as zero.
ZERO = {torch.float64: 1e-13, torch.float32: 1e-6}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What a wrong answer looked like, for the diagnosis: never shown as it is.

    `unit_upstream` computes the gradients for an upstream gradient of ones. `replay` is for answers
    that depend on earlier ones: given a stand-in for the function, it returns what `actual` would
    have been, had the stand-in given all of them.
    """

    function: str
    actual: Any
    expected: Any
    unit_upstream: Callable[[], Any] | None = None
    replay: Callable[[Callable[..., Any]], Any] | None = None


class CheckFailed(AutograderError):
    """An answer is wrong; `failure` says how, `mismatch` keeps the values for the diagnosis."""

    def __init__(self, failure: Failure | str, mismatch: Mismatch | None = None) -> None:
        self.failure = Failure(failure) if isinstance(failure, str) else failure
        self.mismatch = mismatch
        super().__init__(self.failure.rationale)

    def with_example(self, example: str) -> CheckFailed:
        """The same failure with a description of the input that shows it."""
        return CheckFailed(replace(self.failure, example=example), self.mismatch)


def assert_results(
    actual: Any,
    expected: Tensor | Sequence[Tensor],
    *,
    function: str,
    names: Sequence[str],
    scale: Tensor | Sequence[Tensor | None] | None = None,
    dtype: torch.dtype | None = None,
    rtol: float | None = None,
    unit_upstream: Callable[[], Any] | None = None,
) -> None:
    """Compare everything that `function` returned with the truth.

    One expected tensor demands a bare tensor; several demand a tuple (or list) of that length.
    `names` are the results' names, for the message. Raises CheckFailed.
    """
    mismatch = Mismatch(function, actual, expected, unit_upstream)
    try:
        if isinstance(expected, Tensor):
            one = scale if isinstance(scale, Tensor) or scale is None else scale[0]
            assert_close(actual, expected, what=f"`{function}`", scale=one, dtype=dtype, rtol=rtol)
            return
        _assert_count(actual, len(expected), function, names)
        scales = [None] * len(expected) if scale is None else list(scale)
        for i, (a, e, s) in enumerate(zip(actual, expected, scales, strict=True)):
            what = f"{names[i]}, the {ordinal(i)} result of `{function}`,"
            assert_close(a, e, what=what, scale=s, dtype=dtype, rtol=rtol)
    except CheckFailed as failed:
        raise CheckFailed(failed.failure, mismatch) from None


def assert_forms(
    actual: Any, like: Sequence[Tensor], *, function: str, names: Sequence[str]
) -> tuple[Tensor, ...]:
    """Demand that `function` returned tensors of the shapes and dtypes of `like`, and return them.

    One tensor in `like` demands a bare tensor, several a tuple (or list) of that length. For
    checks that go on to compute with an answer: what isn't a tensor of the right shape would
    break them, as if the fault were ours. Raises CheckFailed.
    """
    if len(like) == 1:
        assert_form(actual, like[0], what=f"`{function}`")
        return (actual,)
    _assert_count(actual, len(like), function, names)
    for i, (a, e) in enumerate(zip(actual, like, strict=True)):
        assert_form(a, e, what=f"{names[i]}, the {ordinal(i)} result of `{function}`,")
    return tuple(actual)


def assert_form(actual: Any, like: Tensor, *, what: str, dtype: torch.dtype | None = None) -> None:
    """Demand that `actual` is a tensor with the shape of `like`, and `dtype` (default: its dtype).

    Raises CheckFailed.
    """
    if not isinstance(actual, Tensor):
        raise CheckFailed(
            Failure(f"{what} must be a torch.Tensor", "a torch.Tensor", describe(actual))
        )
    shape, wanted_shape = tuple(actual.shape), tuple(like.shape)
    if shape != wanted_shape:
        raise CheckFailed(
            Failure(f"{what} has the wrong shape", f"shape {wanted_shape}", f"shape {shape}")
        )
    wanted = like.dtype if dtype is None else dtype
    if actual.dtype != wanted:
        raise CheckFailed(
            Failure(f"{what} has the wrong dtype", _dtype_name(wanted), _dtype_name(actual.dtype))
        )


def _assert_count(actual: Any, count: int, function: str, names: Sequence[str]) -> None:
    wanted = f"({', '.join(names)})"
    if not isinstance(actual, tuple | list):
        raise CheckFailed(
            Failure(
                f"`{function}` must return a tuple of {count} tensors {wanted}",
                expected=f"a tuple of {count}",
                actual=describe(actual),
            )
        )
    if len(actual) != count:
        raise CheckFailed(
            Failure(
                f"`{function}` must return {count} tensors {wanted}",
                expected=f"{count} results",
                actual=f"{len(actual)} results",
            )
        )


def assert_close(
    actual: Any,
    expected: Tensor,
    *,
    what: str,
    scale: Tensor | float | None = None,
    dtype: torch.dtype | None = None,
    rtol: float | None = None,
) -> None:
    """Demand that `actual` is a tensor of `expected`'s shape with the same values.

    `dtype` is the dtype the answer must have (default: that of `expected`); `expected` may be
    more precise than that. `scale` is the natural size, a number or a tensor of the same shape.
    Raises CheckFailed with the worst element.
    """
    assert_form(actual, expected, what=what, dtype=dtype)
    wanted = expected.dtype if dtype is None else dtype
    if actual.numel() == 0:
        return
    if not wanted.is_floating_point:
        bad = actual != expected
        if bool(bad.any()):
            _fail(what, actual, expected, bad, bad.double())
        return
    tolerance = RTOL[wanted] if rtol is None else rtol
    truth, answer = expected.double(), actual.double()
    # Most answers are right, and right beside |expected| alone. A NaN never is; where the truth is
    # infinite both sides of the comparison are, so there the error must be finite too.
    error = (answer - truth).abs()
    if bool(((error <= tolerance * truth.abs()) & (error < torch.inf)).all()):
        return
    finite = torch.isfinite(truth)
    unequal = finite != torch.isfinite(answer)
    special = ~finite & ~((answer == truth) | (answer.isnan() & truth.isnan()))
    if bool((unequal | special).any()):
        bad = unequal | special
        _fail(what, actual, expected, bad, bad.double())
    size = truth.abs()
    if scale is not None:
        natural = torch.as_tensor(scale, dtype=torch.float64)
        size = torch.maximum(size, natural.expand_as(size))
    size = torch.where(finite, size, 0.0)
    error = torch.where(finite, error, 0.0)
    bad = error > torch.clamp(tolerance * size, min=ZERO[wanted] * float(size.max()))
    if bool(bad.any()):
        _fail(what, actual, expected, bad, torch.where(size > 0, error / size, torch.inf))


def _fail(what: str, actual: Tensor, expected: Tensor, bad: Tensor, badness: Tensor) -> None:
    count, total = int(bad.sum()), bad.numel()
    flat = int(torch.where(bad, badness, -1.0).argmax())
    index = tuple(int(i) for i in torch.unravel_index(torch.tensor(flat), bad.shape))
    place = f"at index {list(index)}" if index else "(a 0-dim tensor)"
    if total == 1:
        rationale = f"{what} is wrong"
    elif count == total:
        rationale = f"{what} is wrong in all {total} values; the worst is {place}"
    else:
        rationale = f"{what} is wrong in {count} of {total} values; the worst is {place}"
    raise CheckFailed(Failure(rationale, *numbers(expected[index].item(), actual[index].item())))


def numbers(expected: float, actual: float) -> tuple[str, str]:
    """Two different numbers as a student reads them: with as many digits as show the difference."""
    for digits in (6, 9, 12, 17):
        texts = number(expected, digits), number(actual, digits)
        if texts[0] != texts[1]:
            break
    return texts


def number(value: float, digits: int = 6) -> str:
    """A number as a student reads it."""
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def ordinal(i: int) -> str:
    """0 -> first."""
    words = ("first", "second", "third", "fourth", "fifth")
    return words[i] if i < len(words) else f"{i + 1}th"


def describe(value: Any, *, within: bool = False) -> str:
    """What a value is, in a few words; `within` a container, containers are only counted."""
    if isinstance(value, Tensor):
        return f"a {_dtype_name(value.dtype)} tensor of shape {tuple(value.shape)}"
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "a dict"
    if isinstance(value, tuple | list):
        if within:
            return f"a {type(value).__name__} of {len(value)}"
        inside = ", ".join(describe(element, within=True) for element in value[:4])
        more = ", …" if len(value) > 4 else ""
        return f"a {type(value).__name__} of {len(value)} ({inside}{more})"
    if isinstance(value, bool | int | float):
        return f"the {type(value).__name__} {number(value)}"
    return f"an object of type {type(value).__name__}"


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
