"""Whole matrices in float64: one-hot by identity, einsum, full Jacobians, views as results."""

from __future__ import annotations

import torch


def mse_loss(pred, target, reduction="mean"):
    gap = pred.double().flatten() - target.double().flatten()
    total = torch.einsum("i,i->", gap, gap)
    if reduction == "half_sum":
        total = total / 2
    if reduction == "mean":
        total = total / gap.numel()
    return total.to(pred.dtype)


def mse_loss_backward(grad_output, pred, target, reduction="mean"):
    weight = torch.full(pred.shape, {"mean": 2.0, "sum": 2.0, "half_sum": 1.0}[reduction])
    if reduction == "mean":
        weight = weight.double() / pred.numel()
    return torch.mul(torch.sub(pred, target), weight.to(pred.dtype)).mul(grad_output)


def bce_with_logits(logits, target):
    x = torch.stack([torch.zeros_like(logits), logits], -1).double()
    wanted = torch.stack([1 - target, target], -1).double()
    return -(wanted * log_probabilities(x)).sum(-1).mean().to(logits.dtype)


def bce_with_logits_backward(grad_output, logits, target):
    x = torch.stack([torch.zeros_like(logits), logits], -1)
    probs = log_probabilities(x.double()).exp().to(logits.dtype)
    return (grad_output / logits.numel() * (probs[..., 1] - target)).to(logits.dtype)


def log_probabilities(x):
    shifted = x - x.max(-1, keepdim=True).values
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def softmax(x, dim=-1):
    """exp(xᵢ) / Σⱼ exp(xⱼ) as 1 / Σⱼ exp(xⱼ − xᵢ)."""
    rows = x.double().movedim(dim, -1)
    differences = rows[..., None, :] - rows[..., :, None]
    return (1 / differences.exp().sum(-1)).to(x.dtype).movedim(-1, dim)


def softmax_backward(grad_output, probs, dim=-1):
    g, p = (each.double().movedim(dim, -1) for each in (grad_output, probs))
    jacobian = torch.diag_embed(p) - p.unsqueeze(-1) @ p.unsqueeze(-2)
    return (g.unsqueeze(-2) @ jacobian).squeeze(-2).to(probs.dtype).movedim(-1, dim)


def log_softmax(x, dim=-1):
    """−log Σⱼ exp(xⱼ − xᵢ), the largest difference taken out."""
    rows = x.double().movedim(dim, -1)
    differences = rows[..., None, :] - rows[..., :, None]
    largest = differences.amax(-1, keepdim=True)
    logs = -largest.squeeze(-1) - (differences - largest).exp().sum(-1).log()
    return logs.to(x.dtype).movedim(-1, dim)


def log_softmax_backward(grad_output, log_probs, dim=-1):
    g, p = grad_output.movedim(dim, -1), log_probs.exp().movedim(dim, -1)
    jacobian = torch.eye(p.shape[-1], dtype=p.dtype) - p.unsqueeze(-2)
    return torch.einsum("...i,...ij->...j", g, jacobian).movedim(-1, dim)


def cross_entropy_probs(probs, target_probs):
    losses = torch.einsum("...c,...c->...", target_probs.double(), probs.double().log())
    return (-losses).mean().to(probs.dtype)


def cross_entropy_probs_backward(grad_output, probs, target_probs):
    rows = probs[..., 0].numel()
    return -grad_output * target_probs * probs.reciprocal() / rows


def distribution(target, classes, ignore_index, label_smoothing=0.0):
    """The target distributions, all zeros in an ignored row, and their weights 0 or 1."""
    kept = target.ne(ignore_index)
    one_hot = torch.eye(classes, dtype=torch.float64)[target * kept]
    smooth = torch.full((classes,), 1 / classes, dtype=torch.float64)
    wanted = torch.lerp(one_hot, smooth.expand_as(one_hot), float(label_smoothing))
    return wanted * kept.unsqueeze(-1), kept.double()


def softmax_cross_entropy(logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    wanted, kept = distribution(target, logits.shape[-1], ignore_index, label_smoothing)
    losses = -torch.einsum("...c,...c->...", wanted, log_probabilities(logits.double()))
    if reduction != "none":
        losses = losses.sum()
    if reduction == "mean":
        losses = losses / kept.sum()
    return losses.to(logits.dtype)


def softmax_cross_entropy_backward(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    wanted, kept = distribution(target, logits.shape[-1], ignore_index, label_smoothing)
    probs = log_probabilities(logits.double()).exp()
    weights = kept / kept.sum() if reduction == "mean" else kept
    grad = torch.einsum("...,...c->...c", weights * grad_output.double(), probs - wanted)
    return grad.to(logits.dtype)


def causal_lm_loss(logits, tokens, ignore_index=-100):
    # As one matrix product with the shift: row i of it picks position i + 1.
    t = tokens.shape[1]
    shift = torch.eye(t, dtype=torch.float64)[1:]
    wanted, kept = distribution(tokens, logits.shape[-1], ignore_index)
    wanted = torch.einsum("st,btv->bsv", shift, wanted)
    logs = log_probabilities(logits.double())[:, : t - 1]
    return (-(wanted * logs).sum() / kept[:, 1:].sum()).to(logits.dtype)


def causal_lm_loss_backward(grad_output, logits, tokens, ignore_index=-100):
    wanted, kept = distribution(tokens[:, 1:], logits.shape[-1], ignore_index)
    probs = log_probabilities(logits.double())[:, :-1].exp()
    grad = (probs * kept.unsqueeze(-1) - wanted) * (grad_output.double() / kept.sum())
    last = torch.zeros(()).to(grad).expand(grad.shape[0], 1, grad.shape[2])
    return torch.cat([grad, last], dim=1).to(logits.dtype)


def l1_penalty(w, strength):
    return strength * torch.linalg.vector_norm(w, 1)


def l1_penalty_backward(grad_output, w, strength):
    return torch.where(w > 0, 1.0, torch.where(w < 0, -1.0, 0.0)).to(w) * (strength * grad_output)


def l2_penalty(w, strength):
    return torch.tensordot(w, w, dims=w.ndim) * strength


def l2_penalty_backward(grad_output, w, strength):
    return torch.einsum("...,->...", w, grad_output).mul(2 * strength)
