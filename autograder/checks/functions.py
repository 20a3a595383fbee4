"""The battery for one function: what every function is checked for, with or without a backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from autograder.checks import gradients
from autograder.checks.cases import Arguments, Case, Variation
from autograder.checks.compare import (
    CheckFailed,
    assert_results,
)
from autograder.checks.forall import for_all
from autograder.checks.marks import contract, weight
from autograder.outcome import Failure
from autograder.student import Student, StudentRaised

__all__ = [
    "FLOAT32",
    "FunctionChecks",
    "Scale",
    "StableFunctionChecks",
    "Truth",
    "absolute",
    "demand_unchanged",
    "exact",
    "is_floating",
    "unless_raised",
]

T = TypeVar("T")
FLOAT32 = Variation(dtype=torch.float32)
Truth = Tensor | tuple[Tensor, ...]
Scale = Tensor | Sequence[Tensor | None] | None


class FunctionChecks:
    """A function compared with its oracle.

    `defaults` are the parameters' stated defaults, which `test_keywords` leaves out wherever a
    case has them; `default_cases` are cases that have all of them, if ordinary ones rarely do.
    `tempting_cases` are cases where code is tempted to write into its inputs, if ordinary ones
    aren't.
    """

    function: ClassVar[str]
    cases: ClassVar[Arguments]
    results: ClassVar[tuple[str, ...]] = ("the result",)
    defaults: ClassVar[Mapping[str, Any]] = {}
    default_cases: ClassVar[Arguments | None] = None
    tempting_cases: ClassVar[Arguments | None] = None
    examples: ClassVar[int] = 16

    def oracle(self, **arguments: Any) -> Any:
        """The truth, from float64 copies of the arguments."""
        raise NotImplementedError

    def natural_size(self, **arguments: Any) -> Scale:
        """How large the terms of the formula are, per element of the result.

        By default the oracle of the arguments' absolute values: right for sums of products.
        """
        return self.oracle(**absolute(arguments))  # type: ignore[no-any-return]

    def prepare(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the student's function is given, where that differs from the oracle's arguments."""
        return arguments

    @weight(2)
    def test_forward(self, student: Student) -> None:
        """`{function}` gives the right values"""
        for_all(
            self.cases.cases(),
            lambda case: self.check_forward(student, case),
            examples=self.examples,
        )

    @weight(1)
    def test_float32(self, student: Student) -> None:
        """`{function}` keeps float32 inputs in float32, and is accurate there"""
        for_all(
            self.cases.cases(FLOAT32),
            lambda case: self.check_forward(student, case, dtype=torch.float32),
            examples=6,
        )

    @contract(after=("test_forward",))
    def test_strided(self, student: Student) -> None:
        """`{function}` accepts non-contiguous and expanded inputs"""
        for_all(
            self.cases.cases(Variation(strided=True)),
            lambda case: self.check_forward(student, case),
            examples=10,
        )

    @contract(after=("test_forward",))
    def test_empty(self, student: Student) -> None:
        """`{function}` handles dimensions of size 0"""
        for_all(
            self.cases.cases(Variation(empty=True)),
            lambda case: self.check_forward(student, case),
            examples=6,
        )

    @contract(after=("test_forward",))
    def test_keywords(self, student: Student) -> None:
        """`{function}` can be called with its parameters by name, and has the stated defaults"""

        def body(case: Case) -> None:
            given = self.prepare(case.arguments)
            named = {k: v for k, v in given.items() if not self._is_default(k, v)}
            answer = student.call(self.function, **named).value
            self._compare(answer, case, torch.float64)

        for cases in self._named_cases():
            for_all(cases.cases(), body, examples=3)

    @contract(after=("test_forward",))
    def test_leaves_inputs_alone(self, student: Student) -> None:
        """`{function}` does not change its inputs in place"""

        def body(case: Case) -> None:
            given = self.prepare(case.arguments)
            demand_unchanged(student, self.function, given)

        cases = self.tempting_cases or self.cases
        for_all(cases.cases(), body, examples=4)
        for_all(cases.cases(Variation(strided=True)), unless_raised(body), examples=10)

    def check_forward(
        self, student: Student, case: Case, dtype: torch.dtype = torch.float64
    ) -> None:
        given = self.prepare(case.arguments)
        answer = student.call(self.function, *given.values()).value
        self._compare(answer, case, dtype)

    def _compare(self, answer: Any, case: Case, dtype: torch.dtype) -> None:
        key = ("forward", self.function)
        if key not in case.memo:
            case.memo[key] = (
                gradients.truth(self.oracle, case.arguments),
                gradients.truth(self.natural_size, case.arguments),
            )
        expected, size = case.memo[key]
        assert_results(
            answer,
            expected,
            function=self.function,
            names=self.results,
            scale=size,
            dtype=dtype if is_floating(expected) else None,
        )

    def _named_cases(self) -> tuple[Arguments, ...]:
        return (self.cases,) if self.default_cases is None else (self.cases, self.default_cases)

    def _is_default(self, name: str, value: Any) -> bool:
        return name in self.defaults and self.defaults[name] == value


class StableFunctionChecks(FunctionChecks):
    """A function that must also be right where a naive formula overflows."""

    @weight(2)
    def test_extreme(self, student: Student) -> None:
        """`{function}` is finite and right for inputs of extreme size"""
        for dtype in (torch.float64, torch.float32):
            for_all(
                self.cases.cases(Variation(values="extreme", dtype=dtype)),
                partial(self.check_forward, student, dtype=dtype),
                examples=8,
            )


def unless_raised(body: Callable[[T], None]) -> Callable[[T], None]:
    """`body`, content with calls that raise: that views are refused is `test_strided`'s to say."""

    def lenient(given: T) -> None:
        with suppress(StudentRaised):
            body(given)

    return lenient


def demand_unchanged(student: Student, function: str, given: Mapping[str, Any]) -> None:
    reply = student.call(function, *given.values())
    if reply.mutated:
        names = list(given)
        changed = [names[int(key)] if key.isdigit() else key for key in reply.mutated]
        raise CheckFailed(
            Failure(
                f"`{function}` changed its input {' and '.join(changed)} in place",
                help="An in-place operation (`x += …`, `x[...] = …`, a method ending in _) wrote "
                "into an argument. The caller still needs it: work on a new tensor.",
            )
        )


def absolute(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _magnitude(value) for name, value in arguments.items()}


def _magnitude(value: Any) -> Any:
    if isinstance(value, list):
        return [_magnitude(element) for element in value]
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().double().abs()
    return value


def exact(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.detach().double()
        if isinstance(value, Tensor) and value.is_floating_point()
        else value
        for name, value in arguments.items()
    }


def is_floating(expected: Any) -> bool:
    first = expected[0] if isinstance(expected, tuple | list) and expected else expected
    return isinstance(first, Tensor) and first.is_floating_point()
