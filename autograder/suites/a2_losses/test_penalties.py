"""penalties: l1 and l2, at weights that are exactly 0 too."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st

from autograder.checks import OperatorChecks, arguments, exercise, tensors
from autograder.checks.values import away_from, normal, with_exact

STRENGTHS = st.sampled_from((0.0, 0.01, 0.3, 0.5, 1.0, 2.5, 7.0, 0, 1, 3))


class PenaltyChecks(OperatorChecks):
    """What both penalties have in common."""

    cases = arguments(w=tensors("*shape", smooth=away_from(0.0)), strength=STRENGTHS)
    with_zeros = arguments(w=tensors("*shape n", with_exact(normal(), 0.0)), strength=STRENGTHS)

    @weight(2)
    def test_zero_weights(self, student):
        """`{backward}` is 0 where a weight is exactly 0"""
        self.check_both(student, cases=self.with_zeros, examples=10)


@exercise("penalties")
class TestL1Penalty(PenaltyChecks):
    forward, backward = "l1_penalty", "l1_penalty_backward"

    def oracle(self, w, strength):
        return strength * w.abs().sum()

    def natural_gradients(self, grad_output, w, strength):
        # |w| has one slope: the gradient is one product, and 0 exactly where w is.
        return [None]


@exercise("penalties")
class TestL2Penalty(PenaltyChecks):
    forward, backward = "l2_penalty", "l2_penalty_backward"

    def oracle(self, w, strength):
        return strength * w.square().sum()
