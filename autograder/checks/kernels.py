"""The battery for GPU kernels: sizes that don't fit blocks, strides, launches, half precision.

    @exercise("softmax")
    class TestSoftmax(KernelChecks):
        function = "softmax"
        sizes = ((1, 1), (3, (5, 7)), (2, 300))
        long = ((1, 16384),)

        def draw(self, sizes, values):
            return {"x": values(sizes)}

        def oracle(self, x):
            return torch.softmax(x, -1)

Without a GPU kernels are interpreted: about a millisecond for each program that a launch consists
of. So cases are few, and chosen; numbers and some of the sizes come from the check's own seed. A
size given as a pair (low, high) is drawn.

Accuracy is measured against the largest element: 2e-5 of it in float32. Kernels add up in another
order than torch, and so do two launches of one kernel that uses atomics.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from gradescope_utils.autograder_utils import decorators
from torch import Tensor

from autograder.checks.cases import LAYOUTS, Case, laid_out
from autograder.checks.compare import CheckFailed, Mismatch, assert_form, assert_results, ordinal
from autograder.checks.forall import current_run, for_each
from autograder.checks.gradients import truth
from autograder.checks.marks import contract, weight
from autograder.checks.values import Values, normal
from autograder.outcome import Failure
from autograder.sandbox.kernels import LAUNCHES
from autograder.student import Student, StudentRaised

__all__ = ["NO_GPU", "KernelChecks", "Source"]

RTOL = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Of the largest element. The half precisions round each result by 5e-4 and 4e-3 of itself."""

NO_GPU = "not run: no GPU on this machine; these points are still to come"

Size = int | tuple[int, int]
Sizes = Sequence[Size]

_NAN = (
    "NaN is what unwritten memory holds here, and what lies around each tensor. Either no program "
    "wrote these elements (does the grid have enough of them? does the mask let them through?), or "
    "something read beyond the end of an input (a load without a mask, a wrong stride), or the "
    "arithmetic itself gave inf − inf or 0/0."
)


class Source:
    """Draws the tensors of one case."""

    def __init__(self, generator: torch.Generator, dtype: torch.dtype) -> None:
        self._generator = generator
        self._dtype = dtype

    def __call__(self, shape: Sequence[int], values: Values | None = None) -> Tensor:
        """A tensor of that shape, normal numbers by default; integers keep their dtype."""
        made = (normal() if values is None else values)(shape, self._generator)
        return made.to(self._dtype) if made.is_floating_point() else made

    def size(self, size: Size) -> int:
        """A size, drawn if a range is given."""
        if isinstance(size, int):
            return size
        low, high = size
        return int(torch.randint(low, high + 1, (), generator=self._generator))


class KernelChecks:
    """One function that launches kernels, compared with its oracle.

    `sizes` and `long` are what `draw` gets, one after the other: the plain cases, simplest first,
    and those that need many blocks or a long row. `launches` is how many it may make; None is any
    number but zero.
    """

    function: ClassVar[str]
    results: ClassVar[tuple[str, ...]] = ("the result",)
    sizes: ClassVar[Sequence[Sizes]]
    long: ClassVar[Sequence[Sizes]]
    strided: ClassVar[Sizes]
    launches: ClassVar[int | None] = None

    def draw(self, sizes: Sequence[int], values: Source) -> Mapping[str, Any]:
        """The arguments of a call, by name and in order, contiguous."""
        raise NotImplementedError

    def oracle(self, **arguments: Any) -> Any:
        """The truth, from float64 copies of the arguments."""
        raise NotImplementedError

    def natural_size(self, **arguments: Any) -> Any:
        """How large the terms are where they cancel: a tensor or None for each result."""
        return None

    def dtypes(self, arguments: Mapping[str, Any]) -> Sequence[torch.dtype]:
        """The dtype of each result; by default that of the first tensor."""
        first = next(value for value in arguments.values() if isinstance(value, Tensor))
        return (first.dtype,) * len(self.results)

    @weight(4)
    def test_values(self, student: Student) -> None:
        """`{function}` gives the right values, also where the sizes don't fit the blocks"""
        self.check_all(student, self.cases(self.sizes))

    @weight(2)
    def test_long(self, student: Student) -> None:
        """`{function}` is right for sizes of many blocks"""
        self.check_all(student, self.cases(self.long))

    @contract(after=("test_values",))
    def test_strided(self, student: Student) -> None:
        """`{function}` accepts non-contiguous and expanded inputs"""

        def cases() -> Iterator[Case]:
            (plain,) = self.cases([self.strided])
            for layout in LAYOUTS:
                yield Case(
                    {
                        name: laid_out(value, layout) if isinstance(value, Tensor) else value
                        for name, value in plain.arguments.items()
                    }
                )

        self.check_all(student, cases())

    @contract(after=("test_values",))
    def test_leaves_inputs_alone(self, student: Student) -> None:
        """`{function}` doesn't write into its inputs"""
        (case,) = self.cases([self.strided])
        changed = student.call(self.function, *case.values).mutated
        if changed:
            names = list(case.arguments)
            words = " and ".join(names[int(key)] for key in changed)
            raise CheckFailed(
                Failure(
                    f"`{self.function}` changed its input {words} in place",
                    help="A kernel stored into memory of an argument, which the caller still needs "
                    "(a backward pass reads it again, say). Allocate the result: torch.empty.",
                )
            )

    @contract(after=("test_values",))
    def test_keywords(self, student: Student) -> None:
        """`{function}` can be called with its parameters by name"""
        (case,) = self.cases([self.strided])
        self.compare(student.call(self.function, **case.arguments).value, case)

    @contract(after=("test_values",))
    def test_launches(self, student: Student) -> None:
        """`{function}` launches a Triton kernel, and its result is what that kernel wrote"""
        (case,) = self.cases([self.strided])
        count, result = self._observed(student, case, "count")
        self.compare(result, case)
        if count == 0:
            raise CheckFailed(
                Failure(
                    f"`{self.function}` launches no Triton kernel",
                    expected="a kernel that computes the result",
                    actual="no launch",
                    help="Decorate a function with @triton.jit and launch it: kernel[grid](…).",
                )
            )
        if self.launches is not None and count != self.launches:
            raise CheckFailed(
                Failure(
                    f"`{self.function}` makes {count} launches instead of {self.launches}",
                    expected=f"{self.launches} launch",
                    actual=f"{count} launches",
                    help="What one kernel writes and the next reads goes through memory twice. "
                    "Do all the steps in one kernel, on values that it has loaded already.",
                )
            )
        self._demand_kernels_work(student, case, result)

    @contract(after=("test_values",))
    @decorators.tags("timing", "gpu")  # type: ignore[untyped-decorator]
    @weight(2)
    def test_on_gpu(self, student: Student) -> None:
        """`{function}` is right on a GPU, in float32, float16 and bfloat16"""
        if not torch.cuda.is_available() or os.environ.get("TRITON_INTERPRET") == "1":
            pytest.skip(NO_GPU)
        sizes = [self.sizes[-1], self.long[-1]]
        for dtype in RTOL:
            self.check_all(student, self.cases(sizes, dtype))

    def cases(
        self, sizes: Sequence[Sizes], dtype: torch.dtype = torch.float32, **extra: Any
    ) -> Iterator[Case]:
        """The cases for these sizes; `extra` goes to `draw`."""
        generator = torch.Generator().manual_seed(current_run().seed % 2**63)
        source = Source(generator, dtype)
        for each in sizes:
            yield Case(dict(self.draw([source.size(size) for size in each], source, **extra)))

    def check_all(self, student: Student, cases: Iterator[Case]) -> None:
        """Compare the answers to all of these cases with the oracle."""
        for_each(cases, lambda case: self.compare(self._answer(student, case), case))

    def compare(self, answer: Any, case: Case) -> None:
        """Demand that `answer` is right for `case`. Raises CheckFailed."""
        expected = _tuple(truth(self.oracle, case.arguments))
        natural = _tuple(truth(self.natural_size, case.arguments)) or (None,) * len(expected)
        dtypes = self.dtypes(case.arguments)
        wanted = tuple(e.to(dtype) for e, dtype in zip(expected, dtypes, strict=True))
        first = next(v for v in case.arguments.values() if isinstance(v, Tensor))
        actual = answer
        if first.dtype is not torch.float32:
            wanted, actual = self._in_float32(answer, wanted)
        try:
            assert_results(
                actual,
                wanted if len(wanted) > 1 else wanted[0],
                function=self.function,
                names=self.results,
                scale=[_largest(e, size) for e, size in zip(expected, natural, strict=True)],
                rtol=RTOL[first.dtype],
            )
        except CheckFailed as failed:
            failure = failed.failure
            if any(isinstance(a, Tensor) and bool(a.isnan().any()) for a in _tuple(answer)):
                failure = replace(failure, help=_NAN)
            whole = expected if len(expected) > 1 else expected[0]
            raise CheckFailed(failure, Mismatch(self.function, answer, whole)) from None

    def _answer(self, student: Student, case: Case) -> Any:
        return student.call(self.function, *case.values).value

    def _in_float32(
        self, answer: Any, wanted: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], Any]:
        """The expected results and the answer in float32, if the answer has the right form."""
        given = _tuple(answer)
        if len(given) != len(wanted):
            return wanted, answer
        for i, (a, e) in enumerate(zip(given, wanted, strict=True)):
            several = f"{self.results[i]}, the {ordinal(i)} result of `{self.function}`,"
            assert_form(a, e, what=several if len(wanted) > 1 else f"`{self.function}`")
        floats = tuple(a.float() for a in given)
        return tuple(e.float() for e in wanted), floats if len(floats) > 1 else floats[0]

    def _observed(self, student: Student, case: Case, how: str) -> tuple[int, Any]:
        """How many launches a call made, by the worker's testimony, and its result."""
        reply = student.call(self.function, *case.values, **{LAUNCHES: how}).value
        count = reply.get("launches") if isinstance(reply, dict) else None
        if type(count) is not int:
            raise CheckFailed(f"`{self.function}` tampered with what counts its launches")
        return count, reply.get("result")

    def _demand_kernels_work(self, student: Student, case: Case, result: Any) -> None:
        try:
            _, idle = self._observed(student, case, "skip")
        except StudentRaised:
            return
        for name, with_kernel, without in zip(
            self.results, _tuple(result), _tuple(idle), strict=False
        ):
            if not isinstance(without, Tensor) or without.shape != with_kernel.shape:
                continue
            # Zeros may be right before a kernel has added anything to them.
            same = int(((with_kernel == without) & (with_kernel != 0)).sum())
            if same:
                raise CheckFailed(
                    Failure(
                        f"{name} of `{self.function}` doesn't come from a kernel: {same} of "
                        f"{with_kernel.numel()} values are the same when nothing is launched",
                        help="In this assignment the kernel does the computing; Python allocates, "
                        "makes views, and launches.",
                    )
                )


def _tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _largest(expected: Tensor, natural: Tensor | None) -> Tensor:
    """The scale that errors are measured by: one number for the whole result."""
    largest = expected.abs().max()
    return largest if natural is None else torch.maximum(largest, natural.abs().max())
