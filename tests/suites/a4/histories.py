"""Nothing is updated: the state keeps all gradients (and rates), and every sum is taken anew."""

import math

import torch


def remembered(state, entry):
    return {"past": [*state.get("past", []), entry]}


def weighted(values, decay):
    """Σ decayᵏ·(the value k steps ago)."""
    count = len(values)
    return sum(decay ** (count - 1 - i) * value for i, value in enumerate(values))


def sgd_step(param, grad, state, *, lr, weight_decay=0.0):
    return (param - lr * grad) - lr * weight_decay * param, remembered(state, {"grad": grad})


def momentum_step(param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0):
    new = remembered(state, {"direction": grad + weight_decay * param, "first": not state})
    terms = [
        entry["direction"] * (1.0 if entry["first"] else 1 - dampening) for entry in new["past"]
    ]
    return param - lr * weighted(terms, momentum), new


def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    new = remembered(state, grad)
    return param - lr * (1 - beta) * weighted(new["past"], beta), new


def nesterov_step(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    new = remembered(state, (grad + weight_decay * param, None))
    directions = [entry[0] for entry in new["past"]]
    step = directions[-1] + momentum * weighted(directions, momentum)
    return param - lr * step, new


def lookahead_point(param, state, *, lr, beta=0.9):
    past = state.get("past")
    return param - lr * beta * (1 - beta) * weighted(past, beta) if past else param.clone()


def lookahead_step(param, grad_at_lookahead, state, *, lr, beta=0.9):
    point = lookahead_point(param, state, lr=lr, beta=beta)
    return point - lr * (1 - beta) * grad_at_lookahead, remembered(state, grad_at_lookahead)


def rmsprop_step(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    past = [*state.get("past", ()), direction]
    variance = (1 - alpha) * weighted([d**2 for d in past], alpha)
    if centered:
        variance = variance - ((1 - alpha) * weighted(past, alpha)) ** 2
    steps = [*state.get("steps", ()), direction / (variance.sqrt() + eps)]
    new_state = {"past": tuple(past), "steps": tuple(steps)}
    return param - lr * weighted(steps, momentum), new_state


def adam_direction(past, betas, eps):
    ones = [1.0] * len(past)
    mean = weighted(past, betas[0]) / weighted(ones, betas[0])
    mean_square = weighted([d**2 for d in past], betas[1]) / weighted(ones, betas[1])
    return mean / (mean_square.sqrt() + eps)


def adam_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    new = remembered(state, grad + weight_decay * param)
    return param - lr * adam_direction(new["past"], betas, eps), new


def adamw_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    new = remembered(state, grad)
    step = lr * adam_direction(new["past"], betas, eps)
    return param - lr * weight_decay * param - step, new


def clip_grad_norm(grads, max_norm, norm_type=2.0):
    if not grads:
        return (), 0
    whole = torch.cat([grad.reshape(-1) for grad in grads])
    norm = whole.norm(norm_type) if whole.numel() else whole.sum()
    if max_norm / (norm + 1e-6) < 1:
        whole = whole * (max_norm / (norm + 1e-6))
    pieces = whole.split([grad.numel() for grad in grads])
    return tuple(p.reshape(g.shape) for p, g in zip(pieces, grads, strict=True)), norm


def warmup_cosine_lr(step, *, max_lr, min_lr, warmup_steps, total_steps):
    length = total_steps - warmup_steps
    table = [max_lr * i / warmup_steps for i in range(warmup_steps)]
    table += [
        (max_lr + min_lr) / 2 + (max_lr - min_lr) / 2 * math.cos(math.pi * i / length)
        for i in range(length)
    ]
    return table[step] if step < total_steps else min_lr


def accumulate_gradients(micro_grads, micro_sizes):
    repeated = [
        grad.expand(size, *grad.shape) for grad, size in zip(micro_grads, micro_sizes, strict=True)
    ]
    return torch.cat(repeated).mean(dim=0)
