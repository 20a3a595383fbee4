"""To NumPy and back: float64 inside, logaddexp.reduce, fancy indexing, transposed results."""

from __future__ import annotations

import numpy as np
import torch


def array(tensor):
    return tensor.numpy().astype(np.float64) if tensor.is_floating_point() else tensor.numpy()


def back(values, like):
    """A tensor of like's dtype, with the strides that NumPy happened to give it."""
    return torch.from_numpy(np.asarray(values)).to(like.dtype)


def mse_loss(pred, target, reduction="mean"):
    difference = (array(pred) - array(target)).reshape(-1)
    total = np.dot(difference, difference)
    scale = {"mean": 1 / max(difference.size, 1), "sum": 1.0, "half_sum": 0.5}[reduction]
    return back(total * scale, pred)


def mse_loss_backward(grad_output, pred, target, reduction="mean"):
    scale = {"mean": 2 / max(pred.numel(), 1), "sum": 2, "half_sum": 1}[reduction]
    return back((array(pred) - array(target)) * (scale * float(grad_output)), pred)


def bce_with_logits(logits, target):
    x, y = array(logits), array(target)
    return back(np.mean(np.logaddexp(0, x) - x * y), logits)


def bce_with_logits_backward(grad_output, logits, target):
    probs = (1 + np.tanh(array(logits) / 2)) / 2
    return back(float(grad_output) * (probs - array(target)) / logits.numel(), logits)


def log_probabilities(x, axis):
    return x - np.logaddexp.reduce(x, axis=axis, keepdims=True)


def softmax(x, dim=-1):
    return back(np.exp(log_probabilities(array(x), dim)), x)


def softmax_backward(grad_output, probs, dim=-1):
    g, p = (np.moveaxis(array(each), dim, -1) for each in (grad_output, probs))
    jacobian = p[..., :, None] * np.eye(p.shape[-1]) - p[..., :, None] * p[..., None, :]
    return back(np.moveaxis(np.einsum("...i,...ij->...j", g, jacobian), -1, dim), probs)


def log_softmax(x, dim=-1):
    return back(log_probabilities(array(x), dim), x)


def log_softmax_backward(grad_output, log_probs, dim=-1):
    g = np.moveaxis(array(grad_output), dim, 0)
    p = np.exp(np.moveaxis(array(log_probs), dim, 0))
    return back(np.moveaxis(g - p * g.sum(0), 0, dim), log_probs)


def cross_entropy_probs(probs, target_probs):
    p, y = (array(each).reshape(-1, each.shape[-1]) for each in (probs, target_probs))
    return back(np.trace(-y @ np.log(p).T) / len(p), probs)


def cross_entropy_probs_backward(grad_output, probs, target_probs):
    p, y = array(probs), array(target_probs)
    rows = np.prod(p.shape[:-1], dtype=int)
    return back(-float(grad_output) / rows * y / p, probs)


def targets(labels, classes, ignore_index, label_smoothing=0.0):
    """Which rows are kept, and the target distributions of all, in one row each."""
    kept = labels != ignore_index
    wanted = np.full((labels.size, classes), label_smoothing / classes)
    wanted[np.arange(labels.size), np.where(kept, labels, 0)] += 1 - label_smoothing
    return kept, wanted


def softmax_cross_entropy(logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    x = array(logits).reshape(-1, logits.shape[-1])
    kept, wanted = targets(array(target).reshape(-1), x.shape[1], ignore_index, label_smoothing)
    losses = np.where(kept, -(wanted * log_probabilities(x, -1)).sum(-1), 0)
    if reduction == "none":
        return back(losses.reshape(tuple(target.shape)), logits)
    return back(losses.sum() / (kept.sum() if reduction == "mean" else 1), logits)


def softmax_cross_entropy_backward(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    x = array(logits).reshape(-1, logits.shape[-1])
    kept, wanted = targets(array(target).reshape(-1), x.shape[1], ignore_index, label_smoothing)
    grad = np.exp(log_probabilities(x, -1)) - wanted
    grad[~kept] = 0
    grad = grad * array(grad_output).reshape(-1, 1)
    if reduction == "mean":
        grad /= kept.sum()
    # In Fortran's order: the result's strides are nobody's business.
    return back(grad.reshape(tuple(logits.shape)).copy(order="F"), logits)


def causal_lm_loss(logits, tokens, ignore_index=-100):
    labels = array(tokens)[:, 1:].reshape(-1)
    logs = log_probabilities(array(logits)[:, :-1].reshape(labels.size, -1), -1)
    kept = labels != ignore_index
    return back(-logs[kept, labels[kept]].mean(), logits)


def causal_lm_loss_backward(grad_output, logits, tokens, ignore_index=-100):
    # Every position gets a target, those that have none one that is ignored.
    labels = np.full(tuple(tokens.shape), ignore_index)
    labels[:, :-1] = array(tokens)[:, 1:]
    kept = labels != ignore_index
    kept[:, -1] = False
    grad = np.exp(log_probabilities(array(logits), -1))
    b, t = np.nonzero(kept)
    grad[b, t, labels[b, t]] -= 1
    grad[~kept] = 0
    return back(grad * float(grad_output) / kept.sum(), logits)


def l1_penalty(w, strength):
    return back(np.linalg.norm(array(w).reshape(-1), 1) * strength, w)


def l1_penalty_backward(grad_output, w, strength):
    return back(np.sign(array(w)) * (strength * float(grad_output)), w)


def l2_penalty(w, strength):
    return back(np.vdot(array(w), array(w)) * strength, w)


def l2_penalty_backward(grad_output, w, strength):
    grad = array(w) * (2.0 * strength * float(grad_output))
    return back(grad.copy(order="F"), w)
