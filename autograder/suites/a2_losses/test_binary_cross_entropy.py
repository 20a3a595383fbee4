"""bce: from a logit and a soft label, however confident the logit."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import weight
from torch.nn.functional import binary_cross_entropy_with_logits

from autograder.checks import StableOperatorChecks, arguments, exercise, tensors
from autograder.checks.logits import natural_size
from autograder.checks.values import extreme, normal, uniform, with_exact


@exercise("bce")
class TestBce(StableOperatorChecks):
    forward, backward = "bce_with_logits", "bce_with_logits_backward"
    wrt = ("logits",)
    cases = arguments(
        logits=tensors("*shape", normal(3.0), extreme=extreme(1e4)),
        target=tensors("*shape", with_exact(uniform(0.0, 1.0), 0.0, 1.0)),
    )
    # A mean over nothing isn't graded.
    test_empty = None

    def oracle(self, logits, target):
        return binary_cross_entropy_with_logits(logits, target)

    def natural_size(self, logits, target):
        return natural_size(logits, dim=None).mean()

    def natural_gradients(self, grad_output, logits, target):
        # σ(x) − y is a difference of two numbers up to 1.
        return [grad_output.abs().expand_as(logits) / logits.numel()]

    @weight(4)
    def test_extreme(self, student):
        """`{forward}` and `{backward}` stay finite and right for logits up to ±10,000"""
        super().test_extreme(student)
