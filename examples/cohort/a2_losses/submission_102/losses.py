"""Losses and softmax, forward and backward, by hand.

Notation: (*) is any shape, (..., c) any leading dimensions (none is fine) and c classes last.
A backward function takes `grad_output` first. It is the derivative of the final loss with respect
to what the forward function returned: it has that result's shape and dtype, and it isn't
always 1. What comes back has the shape and dtype of the input that it is the gradient of.

Inputs are float32 or float64 and stay as they are: no function changes its arguments. Results
have the dtype of the input. All of them stay accurate for logits between -10,000 and 10,000.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor


# --- mse -----------------------------------------------------------------------------------------


def mse_loss(
    pred: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    reduction: Literal["mean", "sum", "half_sum"] = "mean",
) -> Float[Tensor, ""]:
    """Squared error between predictions and targets, as one number.

    pred, target: (*), the same shape.
    reduction: "sum" adds up the squared differences; "mean" divides that by the number of
        elements, all of them, however many dimensions there are; "half_sum" is ½‖pred − target‖².
    Returns a 0-dim tensor.
    """
    raise NotImplementedError("mse_loss")


def mse_loss_backward(
    grad_output: Float[Tensor, ""],
    pred: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
    reduction: Literal["mean", "sum", "half_sum"] = "mean",
) -> Float[Tensor, "*shape"]:
    """Gradient of `mse_loss` with respect to `pred`.

    grad_output: 0-dim. pred, target: (*), the same shape. Returns grad_pred: (*).

    To derive: pick one element of pred and ask how the loss changes when only it does. Do it for
    each of the three reductions; they differ by a constant.
    """
    raise NotImplementedError("mse_loss_backward")


# --- bce -----------------------------------------------------------------------------------------


def bce_with_logits(
    logits: Float[Tensor, "*shape"], target: Float[Tensor, "*shape"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the probabilities σ(logits), averaged over all elements.

    logits, target: (*), the same shape and dtype; target is anywhere in [0, 1], not only 0 or 1.
    Returns a 0-dim tensor: the mean of −(y·log p + (1 − y)·log(1 − p)) with p = σ(logit).

    To derive: log σ(x) and log(1 − σ(x)) in a form in which no exponential can overflow and no
    logarithm can meet a 0.
    """
    raise NotImplementedError("bce_with_logits")


def bce_with_logits_backward(
    grad_output: Float[Tensor, ""],
    logits: Float[Tensor, "*shape"],
    target: Float[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    """Gradient of `bce_with_logits` with respect to `logits`.

    grad_output: 0-dim. logits, target: (*), the same shape and dtype. Returns grad_logits: (*).

    To derive: differentiate through both steps, p = σ(x) and the loss as a function of p, and
    simplify *before* you write code. What remains has no logarithm and no division by p.
    """
    raise NotImplementedError("bce_with_logits_backward")


# --- softmax -------------------------------------------------------------------------------------


def softmax(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """Turn numbers into probabilities along one dimension: e^x divided by the sum of all e^x.

    x: (*), at least 1-D. dim: one int, may be negative.
    Returns probabilities, (*): positive and adding up to 1 along `dim`.

    To derive: a form that gives the same probabilities for x = 10⁴, where e^x is infinite. What
    can be added to all entries along `dim` without changing the result?
    """
    raise NotImplementedError("softmax")


def softmax_backward(
    grad_output: Float[Tensor, "*shape"], probs: Float[Tensor, "*shape"], dim: int = -1
) -> Float[Tensor, "*shape"]:
    """Gradient of `softmax` with respect to its input, given its *result*.

    grad_output, probs: (*), the same shape, where probs = softmax(x, dim). Returns grad_x: (*).

    To derive: ∂pᵢ/∂xⱼ for i = j and for i ≠ j, then the sum over i of grad_outputᵢ · ∂pᵢ/∂xⱼ.
    It can be written without ever building the c × c matrix.
    """
    raise NotImplementedError("softmax_backward")


# --- log_softmax ---------------------------------------------------------------------------------


def log_softmax(x: Float[Tensor, "*shape"], dim: int = -1) -> Float[Tensor, "*shape"]:
    """Logarithm of `softmax` along one dimension, finite wherever x is.

    x: (*), at least 1-D. dim: one int, may be negative. Returns log-probabilities, (*), all ≤ 0.

    To derive: expand log(e^x / Σ e^x) on paper until no probability is left that could have been
    rounded to 0 before its logarithm is taken.
    """
    raise NotImplementedError("log_softmax")


def log_softmax_backward(
    grad_output: Float[Tensor, "*shape"], log_probs: Float[Tensor, "*shape"], dim: int = -1
) -> Float[Tensor, "*shape"]:
    """Gradient of `log_softmax` with respect to its input, given its *result*.

    grad_output, log_probs: (*), the same shape, log_probs = log_softmax(x, dim).
    Returns grad_x: (*).

    To derive: ∂(log pᵢ)/∂xⱼ, then the sum over i of grad_outputᵢ times it. Every xⱼ reaches
    every log pᵢ of its slice through the normaliser.
    """
    raise NotImplementedError("log_softmax_backward")


# --- cross_entropy_probs -------------------------------------------------------------------------


def cross_entropy_probs(
    probs: Float[Tensor, "*batch c"], target_probs: Float[Tensor, "*batch c"]
) -> Float[Tensor, ""]:
    """Cross-entropy −Σ y·log p of each row, averaged over the rows.

    probs, target_probs: (..., c), classes last; probs > 0, target_probs ≥ 0. Rows of either need
        not add up to 1: take the formula as it stands.
    Returns a 0-dim tensor: summed over classes, then the mean over all rows of all leading dims.
    """
    raise NotImplementedError("cross_entropy_probs")


def cross_entropy_probs_backward(
    grad_output: Float[Tensor, ""],
    probs: Float[Tensor, "*batch c"],
    target_probs: Float[Tensor, "*batch c"],
) -> Float[Tensor, "*batch c"]:
    """Gradient of `cross_entropy_probs` with respect to `probs`.

    grad_output: 0-dim. probs, target_probs: (..., c). Returns grad_probs: (..., c).

    To derive: each entry of probs is a free variable here. Nothing ties it to the rest of its row:
    that tie is softmax, and softmax isn't part of this function.
    """
    raise NotImplementedError("cross_entropy_probs_backward")


# --- softmax_cross_entropy -----------------------------------------------------------------------


def softmax_cross_entropy(
    logits: Float[Tensor, "*batch c"],
    target: Int[Tensor, "*batch"],
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, ""] | Float[Tensor, "*batch"]:
    """Cross-entropy between softmax(logits) and class labels: the loss of every classifier.

    logits: (..., c), classes last. target: (...), int64, each a class in [0, c) or ignore_index.
    ignore_index: a row whose target equals it has loss 0 and isn't counted. Any int: it may be
        negative, and it may also be one of the classes.
    label_smoothing: ε in [0, 1]. The target distribution is (1 − ε)·onehot(target) + ε/c.
    reduction: "none" gives one loss per row, (...), with 0 in ignored rows; "sum" adds them up;
        "mean" divides that by the number of rows *not ignored*.
    Returns a 0-dim tensor, or (...) for "none".

    To derive: the loss of one row from log-probabilities that never were probabilities.
    """
    raise NotImplementedError("softmax_cross_entropy")


def softmax_cross_entropy_backward(
    grad_output: Float[Tensor, ""] | Float[Tensor, "*batch"],
    logits: Float[Tensor, "*batch c"],
    target: Int[Tensor, "*batch"],
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*batch c"]:
    """Gradient of `softmax_cross_entropy` with respect to `logits`.

    grad_output: 0-dim, or (...) like target for reduction "none": one number per row.
    logits: (..., c). target: (...). Returns grad_logits: (..., c), with 0 in ignored rows.

    To derive: one row first, with any target distribution q that adds up to 1; the result is
    short. Then ask what each reduction does to a row, and what an ignored row contributes.
    """
    raise NotImplementedError("softmax_cross_entropy_backward")


# --- causal_lm -----------------------------------------------------------------------------------


def causal_lm_loss(
    logits: Float[Tensor, "b t v"], tokens: Int[Tensor, "b t"], ignore_index: int = -100
) -> Float[Tensor, ""]:
    """Next-token loss of a language model: position i predicts token i + 1.

    logits: (b, t, v), t ≥ 2: at each position a score for each of the v tokens.
    tokens: (b, t), int64: what the model read. A prediction whose *target* token is
        ignore_index (padding) doesn't count.
    Returns a 0-dim tensor: the mean cross-entropy over the b·(t − 1) predictions less the ignored.

    To derive: which positions have a target, and which token it is.
    """
    raise NotImplementedError("causal_lm_loss")


def causal_lm_loss_backward(
    grad_output: Float[Tensor, ""],
    logits: Float[Tensor, "b t v"],
    tokens: Int[Tensor, "b t"],
    ignore_index: int = -100,
) -> Float[Tensor, "b t v"]:
    """Gradient of `causal_lm_loss` with respect to `logits`.

    grad_output: 0-dim. logits: (b, t, v). tokens: (b, t).
    Returns grad_logits: (b, t, v), as many positions as logits has.

    To derive: the gradient of each prediction, then of the positions that predict nothing.
    """
    raise NotImplementedError("causal_lm_loss_backward")


# --- penalties -----------------------------------------------------------------------------------


def l1_penalty(w: Float[Tensor, "*shape"], strength: float) -> Float[Tensor, ""]:
    """strength · Σ|w|, over all elements.

    w: (*). strength: a Python number ≥ 0. Returns a 0-dim tensor.
    """
    raise NotImplementedError("l1_penalty")


def l1_penalty_backward(
    grad_output: Float[Tensor, ""], w: Float[Tensor, "*shape"], strength: float
) -> Float[Tensor, "*shape"]:
    """Gradient of `l1_penalty` with respect to `w`.

    grad_output: 0-dim. w: (*). Returns grad_w: (*).

    To derive: the slope of |w| left and right of 0. At exactly 0 any slope between the two is a
    subgradient; we choose 0, as torch does.
    """
    raise NotImplementedError("l1_penalty_backward")


def l2_penalty(w: Float[Tensor, "*shape"], strength: float) -> Float[Tensor, ""]:
    """strength · Σw², over all elements: no ½, no square root.

    w: (*). strength: a Python number ≥ 0. Returns a 0-dim tensor.
    """
    raise NotImplementedError("l2_penalty")


def l2_penalty_backward(
    grad_output: Float[Tensor, ""], w: Float[Tensor, "*shape"], strength: float
) -> Float[Tensor, "*shape"]:
    """Gradient of `l2_penalty` with respect to `w`.

    grad_output: 0-dim. w: (*). Returns grad_w: (*).

    To derive: as for mse with "sum", if you read w as a distance from 0.
    """
    raise NotImplementedError("l2_penalty_backward")
