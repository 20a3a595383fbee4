"""Formulas as textbooks and libraries have them: maximum added back, gather, scatter, logaddexp."""

from __future__ import annotations

import functools

import torch


def mse_loss(pred, target, reduction="mean"):
    loss = 0.5 * torch.linalg.vector_norm(pred - target) ** 2
    if reduction == "half_sum":
        return loss
    return 2 * loss / (pred.numel() if reduction == "mean" else 1)


def mse_loss_backward(grad_output, pred, target, reduction="mean"):
    grad = pred.clone().sub_(target)
    if reduction != "half_sum":
        grad *= 2
    if reduction == "mean":
        grad /= grad.numel()
    return grad.mul_(grad_output)


def bce_with_logits(logits, target):
    """max(x, 0) − x·y + log(1 + e^−|x|)."""
    losses = logits.clamp(min=0) - logits * target + torch.log1p(torch.exp(-logits.abs()))
    return losses.sum() / losses.numel()


def bce_with_logits_backward(grad_output, logits, target):
    small = torch.exp(-logits.abs())
    probs = torch.where(logits < 0, small, torch.ones_like(small)) / (1 + small)
    return (probs - target).mul(grad_output).div(logits.numel())


def log_sum_exp(x, dim):
    """With the maximum added back: rounded to the spacing of numbers around it."""
    largest = x.amax(dim, keepdim=True)
    return largest + (x - largest).exp().sum(dim, keepdim=True).log()


def softmax(x, dim=-1):
    return torch.exp(x - log_sum_exp(x, dim))


def softmax_backward(grad_output, probs, dim=-1):
    scaled = grad_output * probs
    return scaled - probs * scaled.sum(dim, keepdim=True)


def log_softmax(x, dim=-1):
    """Folded up, two entries at a time."""
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - functools.reduce(torch.logaddexp, shifted.unbind(dim)).unsqueeze(dim)


def log_softmax_backward(grad_output, log_probs, dim=-1):
    return torch.addcmul(
        grad_output, log_probs.exp(), grad_output.sum(dim, keepdim=True), value=-1.0
    )


def cross_entropy_probs(probs, target_probs):
    return -torch.special.xlogy(target_probs, probs).sum() / probs.shape[:-1].numel()


def cross_entropy_probs_backward(grad_output, probs, target_probs):
    rows = probs[..., 0].numel()
    return torch.where(target_probs == 0, 0.0, -target_probs / probs) * (grad_output / rows)


def softmax_cross_entropy(logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    """(1 − ε)·(lse − x_target) + ε·(lse − mean of x), each a difference of logits."""
    kept = target != ignore_index
    index = target.clone()
    index[~kept] = 0
    normaliser = log_sum_exp(logits, -1).squeeze(-1)
    own = normaliser - logits.gather(-1, index.unsqueeze(-1)).squeeze(-1)
    every = normaliser - logits.mean(-1)
    losses = torch.where(kept, (1 - label_smoothing) * own + label_smoothing * every, 0.0)
    if reduction == "none":
        return losses
    return losses[kept].mean() if reduction == "mean" else losses[kept].sum()


def softmax_cross_entropy_backward(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    classes = logits.shape[-1]
    kept = (target != ignore_index).reshape(-1)
    grad = torch.exp(logits - log_sum_exp(logits, -1)).reshape(-1, classes)
    grad -= label_smoothing / classes
    index = torch.where(kept, target.reshape(-1), 0).unsqueeze(-1)
    grad.scatter_add_(-1, index, torch.full(index.shape, label_smoothing - 1.0, dtype=grad.dtype))
    grad[~kept] = 0
    grad *= grad_output.reshape(-1, 1)
    return (grad / kept.sum() if reduction == "mean" else grad).reshape(logits.shape)


def causal_lm_loss(logits, tokens, ignore_index=-100):
    return softmax_cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), ignore_index
    )


def causal_lm_loss_backward(grad_output, logits, tokens, ignore_index=-100):
    grad = torch.zeros_like(logits)
    grad[:, :-1] = softmax_cross_entropy_backward(
        grad_output, logits[:, :-1], tokens[:, 1:], ignore_index
    )
    return grad


def l1_penalty(w, strength):
    return (w * w.sign()).sum() * strength


def l1_penalty_backward(grad_output, w, strength):
    return torch.copysign(torch.full_like(w, strength), w).masked_fill(w == 0, 0) * grad_output


def l2_penalty(w, strength):
    return torch.linalg.vector_norm(w).square() * strength


def l2_penalty_backward(grad_output, w, strength):
    return (w + w) * strength * grad_output
