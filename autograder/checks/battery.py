"""The battery for a pair: what every forward and its backward are checked for.

A suite's class inherits one of these and states only what differs: which functions, how their
arguments are drawn, the oracle, and the natural size of the terms where it isn't the obvious one.

    @exercise("matmul")
    class TestMatmul(OperatorChecks):
        forward, backward = "matmul", "matmul_backward"
        cases = arguments(x=tensors("*batch d"), w=tensors("d e"))

        def oracle(self, x, w):
            return x @ w

To drop a check that makes no sense for an exercise, set it to None (`test_empty = None`). The
docstring of a check is the sentence a student reads; `{function}`, `{forward}` and `{backward}`
stand for the functions' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks import gradients
from autograder.checks.cases import LAYOUTS, Arguments, Case, Variation, laid_out
from autograder.checks.compare import (
    assert_close,
    assert_form,
    assert_forms,
    assert_results,
)
from autograder.checks.forall import for_all
from autograder.checks.functions import (
    FLOAT32,
    FunctionChecks,
    absolute,
    demand_unchanged,
    exact,
    unless_raised,
)
from autograder.checks.marks import contract, weight
from autograder.student import Student

__all__ = ["OperatorChecks", "Pullback", "StableOperatorChecks"]

SMOOTH = Variation(sides=(2, 2), leading=1, smooth=True)


@dataclass(frozen=True, slots=True)
class Pullback:
    """A call of a backward function: the forward's case and an upstream gradient."""

    case: Case
    grad_output: Tensor
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    def describe(self) -> str:
        return self.case.describe({"grad_output": self.grad_output})


@st.composite
def _pullback(
    draw: Callable[[st.SearchStrategy[Any]], Any],
    oracle: Callable[..., Tensor],
    cases: Arguments,
    variation: Variation,
) -> Pullback:
    case = draw(cases.cases(variation))
    output = gradients.truth(oracle, case.arguments)
    grad = gradients.upstream_like(output, draw(st.integers(0, 2**32 - 1)), variation.dtype)
    if variation.strided:
        grad = laid_out(grad, draw(st.sampled_from(LAYOUTS)))
    return Pullback(case, grad)


class OperatorChecks(FunctionChecks):
    """A forward function and its backward, compared with torch.autograd and gradcheck."""

    forward: ClassVar[str]
    backward: ClassVar[str]
    wrt: ClassVar[tuple[str, ...] | None] = None
    gradcheck_cases: ClassVar[Arguments | None] = None

    def __init_subclass__(cls) -> None:
        if "forward" in cls.__dict__:
            cls.function = cls.forward

    def backward_arguments(self, arguments: Mapping[str, Any], output: Any) -> Mapping[str, Any]:
        """What the backward function is given after grad_output; by default what the forward was.

        `output` is the forward's right result, for functions whose backward takes it.
        """
        return arguments

    def natural_gradients(self, grad_output: Tensor, **arguments: Any) -> Sequence[Tensor | None]:
        """How large the terms of each gradient are.

        By default the oracle's gradients at absolute values: right for sums of products.
        """
        sizes = absolute(arguments)
        return gradients.vjp(self.oracle, sizes, self._wrt(arguments), grad_output.abs())

    @weight(4)
    def test_gradients(self, student: Student) -> None:
        """`{backward}` equals torch.autograd for random upstream gradients"""
        for_all(
            self.pullbacks(), lambda call: self.check_gradients(student, call),
            examples=self.examples + 8,
        )  # fmt: skip

    @contract(after=("test_forward", "test_gradients"))
    def test_gradcheck(self, student: Student) -> None:
        """`{backward}` agrees with numerical derivatives of `{forward}` (gradcheck)"""
        source = self.cases if self.gradcheck_cases is None else self.gradcheck_cases

        def body(case: Case) -> None:
            wrt = self._wrt(case.arguments)
            like = [exact(case.arguments)[name] for name in wrt]
            names = self._gradient_names(case)

            # gradcheck computes with the answers: what it can't digest must not look like ours.
            def forward(**given: Any) -> Tensor:
                answer = student.call(self.forward, *self.prepare(given).values()).value
                assert_form(answer, self._output(case), what=f"`{self.forward}`")
                return answer  # type: ignore[no-any-return]

            def backward(grad: Tensor, given: Mapping[str, Any], output: Any) -> Any:
                answer = self._call_backward(student, grad, given, output)
                return assert_forms(answer, like, function=self.backward, names=names)

            gradients.gradcheck(
                forward,
                backward,
                case.arguments,
                wrt,
                forward_name=self.forward,
                backward_name=self.backward,
            )

        for_all(source.cases(SMOOTH), body, examples=1)

    @contract(after=("test_gradients",))
    def test_linear_in_upstream(self, student: Student) -> None:
        """`{backward}` is linear in the upstream gradient"""

        def body(call: Pullback) -> None:
            first, case = call.grad_output, call.case
            second = gradients.upstream_like(first, 1, first.dtype)
            mixed = Pullback(case, 2.0 * first - 3.0 * second)
            parts = [self._gradients(student, Pullback(case, grad)) for grad in (first, second)]
            names = self._gradient_names(case)
            expected = tuple(2.0 * a - 3.0 * b for a, b in zip(*parts, strict=True))
            sizes = self.natural_gradients(
                2.0 * first.abs() + 3.0 * second.abs(), **exact(case.arguments)
            )
            answer = self._gradients(student, mixed)
            for name, a, e, size in zip(names, answer, expected, sizes, strict=True):
                assert_close(a, e, what=f"{name} for 2·g₁ − 3·g₂", scale=size)

        for_all(self.pullbacks(), body, examples=3)

    @weight(2)
    def test_float32(self, student: Student) -> None:
        """`{forward}` and `{backward}` keep float32 inputs in float32, and are accurate there"""
        self.check_both(student, FLOAT32, examples=6)

    @contract(after=("test_forward", "test_gradients"))
    def test_strided(self, student: Student) -> None:
        """`{forward}` and `{backward}` accept non-contiguous and expanded inputs"""
        self.check_both(student, Variation(strided=True), examples=10)

    @contract(after=("test_forward", "test_gradients"))
    def test_empty(self, student: Student) -> None:
        """`{forward}` and `{backward}` handle dimensions of size 0"""
        self.check_both(student, Variation(empty=True), examples=6)

    @contract(after=("test_forward", "test_gradients"))
    def test_keywords(self, student: Student) -> None:
        """`{forward}` and `{backward}` take parameters by name and have the stated defaults"""
        super().test_keywords(student)

        def body(call: Pullback) -> None:
            output = self._output(call.case)
            given = self.backward_arguments(call.case.arguments, output)
            named = {k: v for k, v in given.items() if not self._is_default(k, v)}
            answer = student.call(self.backward, grad_output=call.grad_output, **named).value
            self.compare_gradients(answer, call)

        for cases in self._named_cases():
            for_all(self.pullbacks(cases=cases), body, examples=3)

    @contract(after=("test_forward", "test_gradients"))
    def test_leaves_inputs_alone(self, student: Student) -> None:
        """`{forward}` and `{backward}` do not change their inputs in place"""
        super().test_leaves_inputs_alone(student)

        def body(call: Pullback) -> None:
            output = self._output(call.case)
            given = self.backward_arguments(call.case.arguments, output)
            demand_unchanged(student, self.backward, {"grad_output": call.grad_output, **given})

        for_all(self.pullbacks(cases=self.tempting_cases), body, examples=4)
        strided = self.pullbacks(Variation(strided=True), self.tempting_cases)
        for_all(strided, unless_raised(body), examples=10)

    def check_both(
        self,
        student: Student,
        variation: Variation | None = None,
        *,
        examples: int,
        cases: Arguments | None = None,
    ) -> None:
        """Check values and gradients on `cases` (by default the class's) under a variation."""

        def body(call: Pullback) -> None:
            self.check_forward(student, call.case, dtype=call.grad_output.dtype)
            self.check_gradients(student, call)

        for_all(self.pullbacks(variation, cases), body, examples=examples)

    def pullbacks(
        self, variation: Variation | None = None, cases: Arguments | None = None
    ) -> st.SearchStrategy[Pullback]:
        """Calls of the backward function, each with a random upstream gradient."""
        return _pullback(
            self.oracle,
            self.cases if cases is None else cases,
            Variation() if variation is None else variation,
        )

    def pullback(self, case: Case, seed: int = 0) -> Pullback:
        """The backward's call that belongs to `case`, with a random upstream gradient."""
        output = self._output(case)
        return Pullback(case, gradients.upstream_like(output, seed, output.dtype))

    def check_gradients(self, student: Student, call: Pullback) -> None:
        output = self._output(call.case)
        answer = self._call_backward(student, call.grad_output, call.case.arguments, output)
        self.compare_gradients(answer, call)

    def compare_gradients(self, answer: Any, call: Pullback) -> None:
        arguments, grad = call.case.arguments, call.grad_output
        wrt = self._wrt(arguments)

        def pull(upstream: Tensor) -> Tensor | tuple[Tensor, ...]:
            found = gradients.vjp(self.oracle, arguments, wrt, upstream)
            return found if len(found) > 1 else found[0]

        key = ("gradients", self.backward)
        if key not in call.memo:
            sizes = self.natural_gradients(grad.detach().double(), **exact(arguments))
            call.memo[key] = pull(grad), sizes
        expected, size = call.memo[key]
        assert_results(
            answer,
            expected,
            function=self.backward,
            names=self._gradient_names(call.case),
            scale=size,
            dtype=grad.dtype,
            unit_upstream=lambda: pull(torch.ones_like(grad)),
        )

    def _call_backward(
        self, student: Student, grad: Tensor, arguments: Mapping[str, Any], output: Any
    ) -> Any:
        if isinstance(output, Tensor):
            output = output.to(grad.dtype)
        given = self.backward_arguments(arguments, output)
        return student.call(self.backward, grad, *given.values()).value

    def _gradients(self, student: Student, call: Pullback) -> tuple[Tensor, ...]:
        output = self._output(call.case)
        answer = self._call_backward(student, call.grad_output, call.case.arguments, output)
        arguments = call.case.arguments
        like = [arguments[name] for name in self._wrt(arguments)]
        return assert_forms(
            answer, like, function=self.backward, names=self._gradient_names(call.case)
        )

    def _output(self, case: Case) -> Any:
        """The forward's right result."""
        key = ("output", self.function)
        if key not in case.memo:
            case.memo[key] = gradients.truth(self.oracle, case.arguments)
        return case.memo[key]

    def _wrt(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        if self.wrt is not None:
            return self.wrt
        return tuple(
            name
            for name, value in arguments.items()
            if isinstance(value, Tensor) and value.is_floating_point()
        )

    def _gradient_names(self, case: Case) -> tuple[str, ...]:
        return tuple(f"grad_{name}" for name in self._wrt(case.arguments))


class StableOperatorChecks(OperatorChecks):
    """A pair whose forward and gradient must also be right where a naive formula overflows."""

    @weight(2)
    def test_extreme(self, student: Student) -> None:
        """`{forward}` and `{backward}` are finite and right for inputs of extreme size"""
        for dtype in (torch.float64, torch.float32):
            self.check_both(student, Variation(values="extreme", dtype=dtype), examples=8)
