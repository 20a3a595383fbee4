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
    Variation,
    arguments,
    combinations,
    contract,
    custom,
    exercise,
    for_each,
    tensors,
)
from autograder.checks.logits import far_apart, natural_size
from autograder.checks.values import (
    integers,
    log_uniform,
    normal,
    probabilities,
    uniform,
    with_exact,
)

DEFAULTS = {"ignore_index": -100, "label_smoothing": 0.0, "reduction": "mean"}
EVERY_SWITCH = combinations(
    ignore_index=(-100, -1, 2, 255), label_smoothing=(0.0, 0.1, 1.0),
    reduction=("mean", "sum", "none"),
)  # fmt: skip
# Stands for ignore_index.
IGNORED = 9
SOME_IGNORED = torch.tensor([[0, 1, 2, 3], [IGNORED, 4, IGNORED, 0], [2, IGNORED, IGNORED, 1]])
ALL_IGNORED = torch.full((2, 3), IGNORED)


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
        self.check_both(student, cases=self.distributions, examples=8)


def labels(classes, ignore_index, share):
    """Class labels of which a share is to be ignored, but never the first one."""

    def make(shape, generator):
        target = with_exact(integers(0, classes - 1), ignore_index, share=share)(shape, generator)
        if target.numel():
            target.view(-1)[0] = 1 if ignore_index == 0 else 0
        return target

    return make


def classifications(*, ignored=0.5, **fixed):
    """softmax_cross_entropy's arguments, with a share of `ignored` rows.

    Those in `fixed` are the same in every call.
    """

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
        target = drawer.tensor_of(batch, labels(classes, given["ignore_index"], ignored))
        return {"logits": logits, "target": target, **given}

    return build


def labelled(labels, every_switch):
    """Cases of softmax_cross_entropy with these labels, one for each setting of its switches."""
    logits = normal(2.0)((*labels.shape, 5), torch.Generator().manual_seed(5))
    for switches in every_switch:
        target = labels.where(labels != IGNORED, switches["ignore_index"])
        yield Case({"logits": logits, "target": target, **switches})


@exercise("softmax_cross_entropy")
class TestSoftmaxCrossEntropy(StableOperatorChecks):
    forward, backward = "softmax_cross_entropy", "softmax_cross_entropy_backward"
    cases = classifications(ignored=0.0, ignore_index=-100, label_smoothing=0.0)
    with_ignored_rows = classifications(label_smoothing=0.0)
    smoothed = classifications(ignored=0.0, ignore_index=-100)
    defaults = DEFAULTS
    default_cases = classifications(**DEFAULTS)
    # An ignored label has to become a class before it can be an index.
    tempting_cases = with_ignored_rows

    def oracle(self, logits, target, ignore_index, label_smoothing, reduction):
        losses = cross_entropy(
            logits.reshape(-1, logits.shape[-1]), target.reshape(-1), ignore_index=ignore_index,
            label_smoothing=label_smoothing, reduction=reduction,
        )  # fmt: skip
        return losses.reshape(target.shape) if reduction == "none" else losses

    def natural_size(self, logits, target, ignore_index, reduction, **_):
        rows = natural_size(logits).squeeze(-1)
        if reduction == "none":
            return rows
        return rows.sum() / ((target != ignore_index).sum() if reduction == "mean" else 1)

    def natural_gradients(self, grad_output, logits, target, ignore_index, reduction, **_):
        # p − q is a difference of two numbers up to 1; an ignored row has no terms at all.
        kept = target != ignore_index
        rows = grad_output.abs() / (kept.sum() if reduction == "mean" else 1) * kept
        return [rows[..., None] * natural_size(logits)]

    @weight(4)
    def test_extreme(self, student):
        """`{forward}` and `{backward}` stay finite and right for logits up to ±10,000"""
        super().test_extreme(student)

    @weight(3)
    def test_ignored_rows(self, student):
        """A row whose target is ignore_index has loss 0 and gradient 0, and doesn't count"""
        self.check_both(student, cases=self.with_ignored_rows, examples=20)

    @weight(3)
    def test_label_smoothing(self, student):
        """With label smoothing, `{forward}` and `{backward}` are right (for large logits too)"""
        self.check_both(student, cases=self.smoothed, examples=12)
        self.check_both(student, Variation(values="extreme"), cases=self.smoothed, examples=6)

    @weight(3)
    def test_every_combination(self, student):
        """`{forward}` and `{backward}` are right for every combination of their switches"""
        self.check_each(student, labelled(SOME_IGNORED, EVERY_SWITCH))

    @contract(after=("test_forward", "test_gradients"))
    def test_all_ignored(self, student):
        """If all rows are ignored, sum is 0, none is zeros, and the gradient is zeros"""
        # A mean over no rows isn't graded.
        switches = [given for given in EVERY_SWITCH if given["reduction"] != "mean"]
        self.check_each(student, labelled(ALL_IGNORED, switches))

    def check_each(self, student, cases):
        def body(case):
            self.check_forward(student, case)
            self.check_gradients(student, self.pullback(case))

        for_each(cases, body)
