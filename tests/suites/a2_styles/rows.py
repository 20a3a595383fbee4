"""One number after the other, in Python's own floats: loops over rows, the math module."""

from __future__ import annotations

import math

import torch


def numbers(tensor):
    return tensor.reshape(-1).tolist()


def rows_of(tensor):
    """The rows along the last dimension, as lists."""
    return tensor.reshape(-1, tensor.shape[-1]).tolist()


def like(values, tensor):
    return torch.tensor(values, dtype=tensor.dtype).reshape(tensor.shape)


def number_like(value, tensor):
    return torch.tensor(value, dtype=tensor.dtype)


def mse_loss(pred, target, reduction="mean"):
    squares = [(p - t) ** 2 for p, t in zip(numbers(pred), numbers(target), strict=True)]
    factor = {"mean": 1 / max(len(squares), 1), "sum": 1.0, "half_sum": 0.5}[reduction]
    return number_like(factor * math.fsum(squares), pred)


def mse_loss_backward(grad_output, pred, target, reduction="mean"):
    factor = {"mean": 2 / max(pred.numel(), 1), "sum": 2.0, "half_sum": 1.0}[reduction]
    factor *= grad_output.item()
    pairs = zip(numbers(pred), numbers(target), strict=True)
    return like([factor * p - factor * t for p, t in pairs], pred)


def softplus(x):
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def bce_with_logits(logits, target):
    losses = [
        y * softplus(-x) + (1 - y) * softplus(x)
        for x, y in zip(numbers(logits), numbers(target), strict=True)
    ]
    return number_like(sum(losses) / len(losses), logits)


def bce_with_logits_backward(grad_output, logits, target):
    share = grad_output.item() / logits.numel()
    pairs = zip(numbers(logits), numbers(target), strict=True)
    return like([share * (sigmoid(x) - y) for x, y in pairs], logits)


def by_rows(function, *tensors, dim):
    """`function` of lists, applied to every slice along `dim`."""
    moved = [tensor.movedim(dim, -1) for tensor in tensors]
    made = [function(*slices) for slices in zip(*map(rows_of, moved), strict=True)]
    return like(made, moved[0]).movedim(-1, dim)


def row_softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def row_log_softmax(row):
    total = sum(math.exp(x - max(row)) for x in row)
    return [x - max(row) - math.log(total) for x in row]


def softmax(x, dim=-1):
    return by_rows(row_softmax, x, dim=dim)


def softmax_backward(grad_output, probs, dim=-1):
    def row(upstream, p):
        return [
            sum(g * p[i] * ((i == j) - p[j]) for i, g in enumerate(upstream)) for j in range(len(p))
        ]

    return by_rows(row, grad_output, probs, dim=dim)


def log_softmax(x, dim=-1):
    return by_rows(row_log_softmax, x, dim=dim)


def log_softmax_backward(grad_output, log_probs, dim=-1):
    def row(upstream, logs):
        return [g - math.exp(log) * sum(upstream) for g, log in zip(upstream, logs, strict=True)]

    return by_rows(row, grad_output, log_probs, dim=dim)


def cross_entropy_probs(probs, target_probs):
    losses = [
        -sum(y * math.log(p) for y, p in zip(wanted, row, strict=True))
        for wanted, row in zip(rows_of(target_probs), rows_of(probs), strict=True)
    ]
    return number_like(sum(losses) / len(losses), probs)


def cross_entropy_probs_backward(grad_output, probs, target_probs):
    share = grad_output.item() / max(len(rows_of(probs)), 1)
    pairs = zip(numbers(probs), numbers(target_probs), strict=True)
    return like([-share * y / p for p, y in pairs], probs)


def softmax_cross_entropy(logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    losses = []
    for row, label in zip(rows_of(logits), numbers(target), strict=True):
        loss = 0.0
        if label != ignore_index:
            logs = row_log_softmax(row)
            loss = -(1 - label_smoothing) * logs[label] - label_smoothing * sum(logs) / len(logs)
        losses.append(loss)
    if reduction == "none":
        return torch.tensor(losses, dtype=logits.dtype).reshape(target.shape)
    kept = sum(label != ignore_index for label in numbers(target))
    return number_like(sum(losses) / (kept if reduction == "mean" else 1), logits)


def softmax_cross_entropy_backward(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    labels = numbers(target)
    kept = sum(label != ignore_index for label in labels)
    upstream = numbers(grad_output) if reduction == "none" else [grad_output.item()] * len(labels)
    grads = []
    for row, label, g in zip(rows_of(logits), labels, upstream, strict=True):
        share = 0.0 if label == ignore_index else g / (kept if reduction == "mean" else 1)
        smooth = label_smoothing / len(row)
        wanted = [smooth + (1 - label_smoothing) * (j == label) for j in range(len(row))]
        grads.append([share * (p - q) for p, q in zip(row_softmax(row), wanted, strict=True)])
    return like(grads, logits)


def causal_lm_loss(logits, tokens, ignore_index=-100):
    losses = []
    for scores, read in zip(logits.tolist(), tokens.tolist(), strict=True):
        for row, wanted in zip(scores, read[1:], strict=False):
            if wanted != ignore_index:
                losses.append(-row_log_softmax(row)[wanted])
    return number_like(sum(losses) / len(losses), logits)


def causal_lm_loss_backward(grad_output, logits, tokens, ignore_index=-100):
    grad = torch.zeros(logits.shape, dtype=logits.dtype)
    places = [
        (b, t)
        for b in range(tokens.shape[0])
        for t in range(tokens.shape[1] - 1)
        if tokens[b, t + 1] != ignore_index
    ]
    for b, t in places:
        row = torch.tensor(row_softmax(logits[b, t].tolist()), dtype=logits.dtype)
        row[tokens[b, t + 1]] -= 1
        grad[b, t] = row * grad_output.item() / len(places)
    return grad


def l1_penalty(w, strength):
    return number_like(strength * sum(map(abs, numbers(w))), w)


def l1_penalty_backward(grad_output, w, strength):
    g = grad_output.item()
    return like([g * strength * ((x > 0) - (x < 0)) for x in numbers(w)], w)


def l2_penalty(w, strength):
    return number_like(sum(strength * x * x for x in numbers(w)), w)


def l2_penalty_backward(grad_output, w, strength):
    return like([2 * strength * x * grad_output.item() for x in numbers(w)], w)
