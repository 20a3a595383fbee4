"""cross_entropy_probs and softmax_cross_entropy: the loss of a row, and what becomes of rows."""

from __future__ import annotations

import math

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from autograder.checks import (
    Case,
    StableOperatorChecks,
    arguments,
    combinations,
    contract,
    custom,
    exercise,
    for_all,
    for_each,
    tensors,
)
from autograder.checks.logits import far_apart, natural_size
from autograder.checks.values import integers, log_uniform, normal, probabilities, uniform, with_exact

DEFAULTS = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean"}
EVERY_SWITCH = combinations(
    reduction=("mean", "sum", "none"), label_smoothing=(0.0, 0.1, 1.0),
    ignore_index=(-100, -1, 2, 255),
)  # fmt: skip


@exercise("cross_entropy_probs")
class TestCrossEntropyProbs(StableOperatorChecks):
    forward, backward = "cross_entropy_probs", "cross_entropy_probs_backward"
    wrt = ("probs",)
    cases = arguments(
        probs=tensors(
            "*batch c", log_uniform(1e-3, 2.0), smooth=uniform(0.3, 2.0),
            extreme=log_uniform(1e-30, 1e3),
        ),
        target_probs=tensors("*batch c", with_exact(uniform(0.0, 2.0), 0.0, 1.0)),
    )  # fmt: skip
    distributions = arguments(
        probs=tensors("*batch c", probabilities()),
        target_probs=tensors("*batch c", probabilities(0.0)),
    )
    # A mean over no rows isn't graded.
    test_empty = None

    def oracle(self, probs, target_probs):
        return -(target_probs * probs.log()).sum(-1).mean()

    def natural_size(self, probs, target_probs):
        return (target_probs * probs.log().abs()).sum(-1).mean()

    def natural_gradients(self, grad_output, probs, target_probs):
        # One product per element: its own size is the natural one.
        return [None]

    @weight(2)
    def test_distributions(self, student):
        """`{forward}` and `{backward}` are right where rows add up to 1"""

        def body(call):
            self.check_forward(student, call.case)
            self.check_gradients(student, call)

        for_all(self.pullbacks(cases=self.distributions), body, examples=8)


def labels(classes, ignore_index, share=0.4):
    """Class labels of which a share is ignored, but never the first one, if that is possible."""

    def make(shape, generator):
        target = with_exact(integers(0, classes - 1), ignore_index, share=share)(shape, generator)
        first = 1 % classes if ignore_index == 0 else 0
        return target.index_put((torch.arange(target.numel() > 0),) * 1, first)

    return make


def classifications(**fixed):
    """softmax_cross_entropy's arguments; those in `fixed` are the same in every call."""

    @custom
    def build(drawer):
        batch, classes = drawer.leading("batch"), drawer.size("c")
        hostile = drawer.variation.values == "extreme"
        logits = drawer.tensor_of((*batch, classes), far_apart() if hostile else normal(2.0))
        # Of a single class, to ignore it would leave no row.
        valid = range(classes) if classes > 1 else ()
        choices = {
            "ignore_index": (-100, -1, 255, *valid),
            "label_smoothing": (0.0, 0.1, 0.3, 1.0),
            # A mean over no rows isn't graded.
            "reduction": ("mean", "sum", "none") if math.prod(batch) else ("sum", "none"),
        }
        given = {
            name: fixed[name] if name in fixed else drawer.draw(st.sampled_from(options))
            for name, options in choices.items()
        }
        target = drawer.tensor_of(batch, labels(classes, given["ignore_index"]))
        return {"logits": logits, "target": target, **given}

    return build
