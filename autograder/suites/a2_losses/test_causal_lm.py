"""causal_lm: each position predicts the token after it."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from autograder.checks import (
    StableOperatorChecks,
    assert_close,
    contract,
    custom,
    exercise,
    for_all,
)
from autograder.checks.logits import far_apart, natural_size
from autograder.checks.values import integers, normal, with_exact


def sequences(*, padding=0.6, ignore_index=None):
    """logits, tokens and ignore_index (by default any), which a share of the tokens equals."""

    @custom
    def build(drawer):
        b, t, v = drawer.size("b"), drawer.size("t") + 1, drawer.size("v")
        # Of a single token, to ignore it would leave no prediction.
        options = (-100, -1, 50256, *(range(v) if v > 1 else ()))
        ignored = drawer.draw(st.sampled_from(options)) if ignore_index is None else ignore_index

        def tokens(shape, generator):
            made = with_exact(integers(0, v - 1), ignored, share=padding)(shape, generator)
            made[0, :2] = 1 if ignored == 0 else 0
            return made

        hostile = drawer.variation.values == "extreme"
        return {
            "logits": drawer.tensor_of((b, t, v), far_apart() if hostile else normal(2.0)),
            "tokens": drawer.tensor_of((b, t), tokens),
            "ignore_index": ignored,
        }

    return build


@exercise("causal_lm")
class TestCausalLm(StableOperatorChecks):
    forward, backward = "causal_lm_loss", "causal_lm_loss_backward"
    cases = sequences(padding=0.0, ignore_index=-100)
    padded = sequences()
    defaults = {"ignore_index": -100}  # noqa: RUF012 (a constant of the class)
    default_cases = sequences(ignore_index=-100)
    # Padding has to become a token before it can be an index.
    tempting_cases = padded
    # A mean over no predictions isn't graded.
    test_empty = None

    def oracle(self, logits, tokens, ignore_index):
        return cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1),
            ignore_index=ignore_index,
        )  # fmt: skip

    def natural_size(self, logits, tokens, ignore_index):
        kept = (tokens[:, 1:] != ignore_index).sum()
        return natural_size(logits[:, :-1]).sum() / kept

    def natural_gradients(self, grad_output, logits, tokens, ignore_index):
        # What predicts nothing that counts has no terms at all.
        kept = tokens.roll(-1, 1) != ignore_index
        kept[:, -1] = False
        return [grad_output.abs() / kept.sum() * kept[..., None] * natural_size(logits)]

    @weight(3)
    def test_padding(self, student):
        """The mean is over all predictions of the batch whose target isn't ignore_index"""
        self.check_both(student, cases=self.padded, examples=16)

    @contract(after=("test_forward", "test_gradients"))
    def test_ends(self, student):
        """The last position predicts nothing, the first token is predicted by none"""

        def body(call):
            (grad,) = self._gradients(student, call)
            last = grad[:, -1]
            what = f"`{self.backward}` at the last position"
            assert_close(last, torch.zeros_like(last), what=what, scale=call.grad_output.abs())
            logits, tokens, ignored = call.case.values
            logits, tokens = logits.clone(), tokens.clone()
            logits[:, -1] += 1.0
            tokens[:, 0] = logits.shape[-1] - 1 - tokens[:, 0].clamp(0, logits.shape[-1] - 1)
            assert_close(
                student.call(self.forward, logits, tokens, ignored).value,
                self.oracle(**call.case.arguments),
                what=f"`{self.forward}` with another last position and first token",
                scale=natural_size(logits).max(),
            )

        for_all(self.pullbacks(cases=self.padded), body, examples=4)
