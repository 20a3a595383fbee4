"""All arithmetic in NumPy's float64; the state holds nested lists of Python floats and ints."""

import math

import numpy as np
import torch


def to_numpy(tensor):
    return tensor.numpy().astype(np.float64)


def back(array, like):
    return torch.from_numpy(np.asarray(array)).to(like.dtype).reshape(like.shape)


def kept(state, name, like):
    # Of an empty array, nested lists forget the shape.
    if name not in state:
        return np.zeros(tuple(like.shape))
    return np.array(state[name], dtype=np.float64).reshape(tuple(like.shape))


def sgd_step(param, grad, state, *, lr, weight_decay=0.0):
    theta = to_numpy(param)
    return back((1 - lr * weight_decay) * theta - lr * to_numpy(grad), param), {}


def momentum_step(param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0):
    theta = to_numpy(param)
    direction = to_numpy(grad) + weight_decay * theta
    gain = 1 - dampening if state else 1.0
    buffer = momentum * kept(state, "buffer", param) + gain * direction
    return back(theta - lr * buffer, param), {"buffer": buffer.tolist()}


def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    velocity = beta * kept(state, "velocity", param) + (1 - beta) * to_numpy(grad)
    return back(to_numpy(param) - lr * velocity, param), {"velocity": velocity.tolist()}


def nesterov_step(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    theta = to_numpy(param)
    direction = to_numpy(grad) + weight_decay * theta
    old = kept(state, "buffer", param)
    # d + μ·(μ·b + d)
    step = (1 + momentum) * direction + momentum**2 * old
    return back(theta - lr * step, param), {"buffer": (momentum * old + direction).tolist()}


def lookahead_point(param, state, *, lr, beta=0.9):
    return back(to_numpy(param) - lr * beta * kept(state, "velocity", param), param)


def lookahead_step(param, grad_at_lookahead, state, *, lr, beta=0.9):
    return ema_momentum_step(param, grad_at_lookahead, state, lr=lr, beta=beta)


def rmsprop_step(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    theta = to_numpy(param)
    direction = to_numpy(grad) + weight_decay * theta
    squares = alpha * kept(state, "squares", param) + (1 - alpha) * direction**2
    mean = alpha * kept(state, "mean", param) + (1 - alpha) * direction
    variance = np.maximum(squares - mean**2, 0) if centered else squares
    buffer = momentum * kept(state, "buffer", param) + direction / (np.sqrt(variance) + eps)
    new_state = {"squares": squares.tolist(), "mean": mean.tolist(), "buffer": buffer.tolist()}
    return back(theta - lr * buffer, param), new_state


def adam_direction(grad, state, betas, eps, like):
    """The paper's short form, with its own eps."""
    first = betas[0] * kept(state, "m", like) + (1 - betas[0]) * grad
    second = betas[1] * kept(state, "v", like) + (1 - betas[1]) * grad**2
    t = state.get("t", 0) + 1
    correction = math.sqrt(1 - betas[1] ** t)
    rate = correction / (1 - betas[0] ** t)
    new_state = {"m": first.tolist(), "v": second.tolist(), "t": t}
    return rate * first / (np.sqrt(second) + eps * correction), new_state


def adam_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    theta = to_numpy(param)
    gradient = to_numpy(grad) + weight_decay * theta
    direction, new_state = adam_direction(gradient, state, betas, eps, param)
    return back(theta - lr * direction, param), new_state


def adamw_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    theta = to_numpy(param)
    direction, new_state = adam_direction(to_numpy(grad), state, betas, eps, param)
    return back(theta - lr * (direction + weight_decay * theta), param), new_state


def clip_grad_norm(grads, max_norm, norm_type=2.0):
    arrays = [to_numpy(grad) for grad in grads]
    if norm_type == math.inf:
        total = max((np.abs(a).max() for a in arrays if a.size), default=0.0)
    else:
        total = sum((np.abs(a) ** norm_type).sum() for a in arrays) ** (1 / norm_type)
    factor = min(1.0, max_norm / (total + 1e-6))
    return [back(a * factor, g) for a, g in zip(arrays, grads, strict=True)], float(total)


def warmup_cosine_lr(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return float(np.interp(step, [0, warmup_steps], [0.0, max_lr]))
    if step < total_steps:
        progress = (step - warmup_steps) / (total_steps - warmup_steps)
        return min_lr + 0.5 * (max_lr - min_lr) * (1 + np.cos(np.pi * progress))
    return min_lr


def accumulate_gradients(micro_grads, micro_sizes):
    stacked = np.stack([to_numpy(grad) for grad in micro_grads])
    return back(np.average(stacked, axis=0, weights=micro_sizes), micro_grads[0])
