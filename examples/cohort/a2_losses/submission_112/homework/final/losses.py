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

def _log_probabilities(logits: Float[Tensor, '*batch c']) -> Float[Tensor, '*batch c']:
    """log softmax along the last dimension; `log_softmax` below says why it is written this way."""
    shifted = logits - logits.amax(dim=-1, keepdim=True)
    return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()

def _target_distribution(logits: Float[Tensor, '*batch c'], target: Int[Tensor, '*batch'], label_smoothing: float=0.0) -> Float[Tensor, '*batch c']:
    """(1 − ε)·onehot(target) + ε/c (label smoothing: Szegedy et al., 2016, section 7).

    Comparing with every class, rather than writing at index `target`, needs no care for an
    ignore_index such as -100: it equals no class, and its row is masked out later anyway.
    """
    class_count = logits.shape[-1]
    classes = torch.arange(class_count, device=logits.device)
    one_hot = (target.unsqueeze(-1) == classes).to(logits.dtype)
    return (1 - label_smoothing) * one_hot + label_smoothing / class_count

def mse_loss(pred: Float[Tensor, '*shape'], target: Float[Tensor, '*shape'], reduction: Literal['mean', 'sum', 'half_sum']='mean') -> Float[Tensor, '']:
    """Squared error between predictions and targets, as one number.

    pred, target: (*), the same shape.
    reduction: "sum" adds up the squared differences; "mean" divides that by the number of
        elements, all of them, however many dimensions there are; "half_sum" is ½‖pred − target‖².
    Returns a 0-dim tensor.
    """
    squared = (pred - target) ** 2
    if reduction == 'mean':
        return squared.mean()
    if reduction == 'sum':
        return squared.sum()
    if reduction == 'half_sum':
        return 0.5 * squared.sum()
    raise ValueError(f'reduction must be "mean", "sum" or "half_sum", not {reduction!r}')

def mse_loss_backward(grad_output: Float[Tensor, ''], pred: Float[Tensor, '*shape'], target: Float[Tensor, '*shape'], reduction: Literal['mean', 'sum', 'half_sum']='mean') -> Float[Tensor, '*shape']:
    """Gradient of `mse_loss` with respect to `pred`.

    grad_output: 0-dim. pred, target: (*), the same shape. Returns grad_pred: (*).

    To derive: pick one element of pred and ask how the loss changes when only it does. Do it for
    each of the three reductions; they differ by a constant.
    """
    difference = pred - target
    if reduction == 'mean':
        return grad_output * 2 * difference / pred.numel()
    if reduction == 'sum':
        return grad_output * 2 * difference
    if reduction == 'half_sum':
        return grad_output * difference
    raise ValueError(f'reduction must be "mean", "sum" or "half_sum", not {reduction!r}')

def bce_with_logits(logits: Float[Tensor, '*shape'], target: Float[Tensor, '*shape']) -> Float[Tensor, '']:
    """Binary cross-entropy of the probabilities σ(logits), averaged over all elements.

    logits, target: (*), the same shape and dtype; target is anywhere in [0, 1], not only 0 or 1.
    Returns a 0-dim tensor: the mean of −(y·log p + (1 − y)·log(1 − p)) with p = σ(logit).

    To derive: log σ(x) and log(1 − σ(x)) in a form in which no exponential can overflow and no
    logarithm can meet a 0.
    """
    wrong_side = target * (-logits).clamp(min=0) + (1 - target) * logits.clamp(min=0)
    return (wrong_side + torch.log1p(torch.exp(-logits.abs()))).mean()

def bce_with_logits_backward(grad_output: Float[Tensor, ''], logits: Float[Tensor, '*shape'], target: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    """Gradient of `bce_with_logits` with respect to `logits`.

    grad_output: 0-dim. logits, target: (*), the same shape and dtype. Returns grad_logits: (*).

    To derive: differentiate through both steps, p = σ(x) and the loss as a function of p, and
    simplify *before* you write code. What remains has no logarithm and no division by p.
    """
    return grad_output * (torch.sigmoid(logits) - target) / logits.numel()

def softmax(x: Float[Tensor, '*shape'], dim: int=-1) -> Float[Tensor, '*shape']:
    """Turn numbers into probabilities along one dimension: e^x divided by the sum of all e^x.

    x: (*), at least 1-D. dim: one int, may be negative.
    Returns probabilities, (*): positive and adding up to 1 along `dim`.

    To derive: a form that gives the same probabilities for x = 10⁴, where e^x is infinite. What
    can be added to all entries along `dim` without changing the result?
    """
    exponentials = (x - x.amax(dim=dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=dim, keepdim=True)

def softmax_backward(grad_output: Float[Tensor, '*shape'], probs: Float[Tensor, '*shape'], dim: int=-1) -> Float[Tensor, '*shape']:
    """Gradient of `softmax` with respect to its input, given its *result*.

    grad_output, probs: (*), the same shape, where probs = softmax(x, dim). Returns grad_x: (*).

    To derive: ∂pᵢ/∂xⱼ for i = j and for i ≠ j, then the sum over i of grad_outputᵢ · ∂pᵢ/∂xⱼ.
    It can be written without ever building the c × c matrix.
    """
    weighted_mean = (grad_output * probs).sum(dim=dim, keepdim=True)
    return probs * (grad_output - weighted_mean)

def log_softmax(x: Float[Tensor, '*shape'], dim: int=-1) -> Float[Tensor, '*shape']:
    """Logarithm of `softmax` along one dimension, finite wherever x is.

    x: (*), at least 1-D. dim: one int, may be negative. Returns log-probabilities, (*), all ≤ 0.

    To derive: expand log(e^x / Σ e^x) on paper until no probability is left that could have been
    rounded to 0 before its logarithm is taken.
    """
    shifted = x - x.amax(dim=dim, keepdim=True)
    return shifted - shifted.exp().sum(dim=dim, keepdim=True).log()

def log_softmax_backward(grad_output: Float[Tensor, '*shape'], log_probs: Float[Tensor, '*shape'], dim: int=-1) -> Float[Tensor, '*shape']:
    """Gradient of `log_softmax` with respect to its input, given its *result*.

    grad_output, log_probs: (*), the same shape, log_probs = log_softmax(x, dim).
    Returns grad_x: (*).

    To derive: ∂(log pᵢ)/∂xⱼ, then the sum over i of grad_outputᵢ times it. Every xⱼ reaches
    every log pᵢ of its slice through the normaliser.
    """
    return grad_output - log_probs.exp() * grad_output.sum(dim=dim, keepdim=True)

def cross_entropy_probs(probs: Float[Tensor, '*batch c'], target_probs: Float[Tensor, '*batch c']) -> Float[Tensor, '']:
    """Cross-entropy −Σ y·log p of each row, averaged over the rows.

    probs, target_probs: (..., c), classes last; probs > 0, target_probs ≥ 0. Rows of either need
        not add up to 1: take the formula as it stands.
    Returns a 0-dim tensor: summed over classes, then the mean over all rows of all leading dims.
    """
    return -(target_probs * probs.log()).sum(dim=-1).mean()

def cross_entropy_probs_backward(grad_output: Float[Tensor, ''], probs: Float[Tensor, '*batch c'], target_probs: Float[Tensor, '*batch c']) -> Float[Tensor, '*batch c']:
    """Gradient of `cross_entropy_probs` with respect to `probs`.

    grad_output: 0-dim. probs, target_probs: (..., c). Returns grad_probs: (..., c).

    To derive: each entry of probs is a free variable here. Nothing ties it to the rest of its row:
    that tie is softmax, and softmax isn't part of this function.
    """
    rows = probs.numel() // probs.shape[-1]
    return -grad_output * (target_probs / probs) / rows

def softmax_cross_entropy(logits: Float[Tensor, '*batch c'], target: Int[Tensor, '*batch'], ignore_index: int=-100, label_smoothing: float=0.0, reduction: Literal['mean', 'sum', 'none']='mean') -> Float[Tensor, ''] | Float[Tensor, '*batch']:
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
    kept = target != ignore_index
    target_probs = _target_distribution(logits, target, label_smoothing)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1)
    row_losses = row_losses.masked_fill(~kept, 0.0)
    if reduction == 'none':
        return row_losses
    if reduction == 'sum':
        return row_losses.sum()
    if reduction == 'mean':
        return row_losses.sum() / kept.sum()
    raise ValueError(f'reduction must be "mean", "sum" or "none", not {reduction!r}')

def softmax_cross_entropy_backward(grad_output: Float[Tensor, ''] | Float[Tensor, '*batch'], logits: Float[Tensor, '*batch c'], target: Int[Tensor, '*batch'], ignore_index: int=-100, label_smoothing: float=0.0, reduction: Literal['mean', 'sum', 'none']='mean') -> Float[Tensor, '*batch c']:
    """Gradient of `softmax_cross_entropy` with respect to `logits`.

    grad_output: 0-dim, or (...) like target for reduction "none": one number per row.
    logits: (..., c). target: (...). Returns grad_logits: (..., c), with 0 in ignored rows.

    To derive: one row first, with any target distribution q that adds up to 1; the result is
    short. Then ask what each reduction does to a row, and what an ignored row contributes.
    """
    kept = target != ignore_index
    if reduction == 'mean':
        row_weights = grad_output / kept.sum()
    elif reduction in ('sum', 'none'):
        row_weights = grad_output
    else:
        raise ValueError(f'reduction must be "mean", "sum" or "none", not {reduction!r}')
    row_weights = torch.where(kept, row_weights, 0.0)
    target_probs = _target_distribution(logits, target, label_smoothing)
    return row_weights.unsqueeze(-1) * (_log_probabilities(logits).exp() - target_probs)

def causal_lm_loss(logits: Float[Tensor, 'b t v'], tokens: Int[Tensor, 'b t'], ignore_index: int=-100) -> Float[Tensor, '']:
    """Next-token loss of a language model: position i predicts token i + 1.

    logits: (b, t, v), t ≥ 2: at each position a score for each of the v tokens.
    tokens: (b, t), int64: what the model read. A prediction whose *target* token is
        ignore_index (padding) doesn't count.
    Returns a 0-dim tensor: the mean cross-entropy over the b·(t − 1) predictions less the ignored.

    To derive: which positions have a target, and which token it is.
    """
    predictions, targets = (logits[:, :-1], tokens[:, 1:])
    kept = targets != ignore_index
    target_probs = _target_distribution(predictions, targets)
    losses = -(target_probs * _log_probabilities(predictions)).sum(dim=-1)
    return losses.masked_fill(~kept, 0.0).sum() / kept.sum()

def causal_lm_loss_backward(grad_output: Float[Tensor, ''], logits: Float[Tensor, 'b t v'], tokens: Int[Tensor, 'b t'], ignore_index: int=-100) -> Float[Tensor, 'b t v']:
    """Gradient of `causal_lm_loss` with respect to `logits`.

    grad_output: 0-dim. logits: (b, t, v). tokens: (b, t).
    Returns grad_logits: (b, t, v), as many positions as logits has.

    To derive: the gradient of each prediction, then of the positions that predict nothing.
    """
    predictions, targets = (logits[:, :-1], tokens[:, 1:])
    kept = targets != ignore_index
    target_probs = _target_distribution(predictions, targets)
    weights = torch.where(kept, grad_output / kept.sum(), 0.0).unsqueeze(-1)
    grad_logits = torch.zeros_like(logits)
    grad_logits[:, :-1] = weights * (_log_probabilities(predictions).exp() - target_probs)
    return grad_logits

def l1_penalty(w: Float[Tensor, '*shape'], strength: float) -> Float[Tensor, '']:
    """strength · Σ|w|, over all elements.

    w: (*). strength: a Python number ≥ 0. Returns a 0-dim tensor.
    """
    return strength * w.abs().sum()

def l1_penalty_backward(grad_output: Float[Tensor, ''], w: Float[Tensor, '*shape'], strength: float) -> Float[Tensor, '*shape']:
    """Gradient of `l1_penalty` with respect to `w`.

    grad_output: 0-dim. w: (*). Returns grad_w: (*).

    To derive: the slope of |w| left and right of 0. At exactly 0 any slope between the two is a
    subgradient; we choose 0, as torch does.
    """
    return grad_output * strength * w.sign()

def l2_penalty(w: Float[Tensor, '*shape'], strength: float) -> Float[Tensor, '']:
    """strength · Σw², over all elements: no ½, no square root.

    w: (*). strength: a Python number ≥ 0. Returns a 0-dim tensor.
    """
    return strength * (w * w).sum()

def l2_penalty_backward(grad_output: Float[Tensor, ''], w: Float[Tensor, '*shape'], strength: float) -> Float[Tensor, '*shape']:
    """Gradient of `l2_penalty` with respect to `w`.

    grad_output: 0-dim. w: (*). Returns grad_w: (*).

    To derive: as for mse with "sum", if you read w as a distance from 0.
    """
    return grad_output * strength * 2 * w
