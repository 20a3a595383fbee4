"""clip_grad_norm: one norm and one factor for all gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st

from autograder.checks import (
    Case,
    CheckFailed,
    Failure,
    FunctionChecks,
    assert_close,
    contract,
    custom,
    exercise,
    for_each,
)
from autograder.checks.cases import TensorDrawer
from autograder.checks.compare import Mismatch, describe, ordinal
from autograder.checks.values import normal

NORM_TYPES = (2.0, 1.0, math.inf, 3.0, 1.5)
# max_norm as a multiple of the norm: well over the limit, a little, under it.
RATIOS = (0.3, 0.97, 1.03, 3.0)


def norm_of(grads, p):
    """The p-norm of all elements, as one long vector."""
    if not grads:
        return torch.zeros((), dtype=torch.float64)
    whole = torch.cat([grad.double().flatten() for grad in grads])
    return torch.linalg.vector_norm(whole, p) if whole.numel() else whole.sum()


def gradients_of(drawer):
    """One to four tensors, each of a shape of its own; where asked for, some without elements."""
    full = drawer
    if drawer.variation.empty:
        full = TensorDrawer(drawer.draw, replace(drawer.variation, empty=False))
    made = []
    for i in range(drawer.draw(st.integers(1, 4))):
        source = full if i % 2 else drawer
        size = drawer.draw(st.sampled_from((1.0, 10.0, 0.01)))
        made.append(source.tensor_of(source.leading(f"shape {i}"), normal(size)))
    return made


def clippings(norm_types):
    """clip_grad_norm's arguments."""

    @custom
    def build(drawer):
        grads, p = gradients_of(drawer), drawer.draw(st.sampled_from(norm_types))
        ratio = drawer.draw(st.sampled_from(RATIOS))
        return {"grads": grads, "max_norm": ratio * float(norm_of(grads, p)) or 1.0, "norm_type": p}

    return build


@exercise("clipping")
class TestClipping(FunctionChecks):
    function = "clip_grad_norm"
    cases = clippings(NORM_TYPES)
    defaults = {"norm_type": 2.0}  # noqa: RUF012 (a constant of the class)
    default_cases = clippings((2.0,))

    def oracle(self, grads, max_norm, norm_type):
        total_norm = norm_of(grads, norm_type)
        factor = min(1.0, max_norm / (float(total_norm) + 1e-6))
        return [grad.double() * factor for grad in grads], total_norm

    @weight(2)
    def test_every_norm(self, student):
        """`{function}` takes every norm: p = 1, 1.5, 2, 3 and infinity"""
        generator = torch.Generator().manual_seed(3)
        several = [normal()(shape, generator) for shape in ((3,), (2, 2), ())]
        norms = [
            (grads, p, float(norm_of(grads, p))) for grads in (several, several[:1])
            for p in NORM_TYPES
        ]  # fmt: skip
        for_each(
            (
                Case({"grads": grads, "max_norm": ratio * norm, "norm_type": p})
                for grads, p, norm in norms
                for ratio in (0.5, 2.0)
            ),
            lambda case: self.check_forward(student, case),
        )

    @weight(2)
    def test_at_the_limit(self, student):
        """`{function}` is exact where the norm is just under, at and just over max_norm"""
        grads = [torch.tensor([3.0, 0.0]).double(), torch.tensor([[0.0], [-4.0]]).double()]
        cases = [
            Case({"grads": grads, "max_norm": 5.0 + gap, "norm_type": 2.0})
            for gap in (1e-3, -1e-3, 2e-6, 1e-6, 5e-7, 0.0, -5e-7)
        ]
        nothing = [torch.zeros(2).double()]
        cases.append(Case({"grads": nothing, "max_norm": 1.0, "norm_type": 2.0}))
        for_each(cases, lambda case: self.check_forward(student, case))

    @contract(after=("test_forward",))
    def test_empty_list(self, student):
        """`{function}` of no gradients at all is an empty list and 0"""
        for p in NORM_TYPES:
            self.check_forward(student, Case({"grads": [], "max_norm": 1.0, "norm_type": p}))

    def _compare(self, answer, case, dtype):
        grads = case.arguments["grads"]
        expected = self.oracle(**case.arguments)
        try:
            clipped, total_norm = self._parts(answer, len(grads))
            if isinstance(total_norm, int | float) or not grads:
                # A number is accepted, and no gradients have no dtype.
                total_norm = torch.as_tensor(total_norm, dtype=dtype)
            # The norm first: without it no gradient can be right.
            assert_close(total_norm, expected[1], what="total_norm", dtype=dtype)
            for i, (actual, truth) in enumerate(zip(clipped, expected[0], strict=True)):
                assert_close(actual, truth, what=f"the {ordinal(i)} clipped gradient", dtype=dtype)
        except CheckFailed as failed:
            mismatch = Mismatch(self.function, answer, expected)
            raise CheckFailed(failed.failure, mismatch) from None

    def _parts(self, answer, count):
        """The clipped gradients and the norm. Raises CheckFailed for another structure."""
        two = isinstance(answer, tuple | list) and len(answer) == 2
        listed = two and isinstance(answer[0], tuple | list) and len(answer[0]) == count
        if listed and isinstance(answer[1], torch.Tensor | int | float):
            return answer
        raise CheckFailed(
            Failure(
                f"`{self.function}` must return two things: the list of clipped gradients, as many "
                "as it was given, and their total norm, a 0-dim tensor",
                expected=f"a tuple of 2 (a list of {count}, a tensor)",
                actual=describe(answer),
            )
        )
