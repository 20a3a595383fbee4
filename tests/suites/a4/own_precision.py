"""Every number becomes a tensor of the parameter's own dtype, powers of β included."""

import torch


def numbers(like, *values):
    return [torch.tensor(value, dtype=like.dtype) for value in values]


def sgd_step(param, grad, state, *, lr, weight_decay=0.0):
    lr, decay = numbers(param, lr, weight_decay)
    return param - lr * (grad + decay * param), state


def momentum_step(param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0):
    lr, momentum, gain, decay = numbers(param, lr, momentum, 1 - dampening, weight_decay)
    direction = grad + decay * param
    if state.get("buffer") is None:
        state = {"buffer": direction, "steps": 1, "dampened": False}
    else:
        buffer = momentum * state["buffer"] + gain * direction
        state = {"buffer": buffer, "steps": state["steps"] + 1, "dampened": True}
    return param - lr * state["buffer"], state


def average(state, name, decay, value):
    decay = torch.tensor(decay, dtype=value.dtype)
    old = state[name] if name in state else torch.zeros_like(value)
    return old + (1 - decay) * (value - old)


def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    velocity = average(state, "velocity", beta, grad)
    return param - torch.tensor(lr, dtype=param.dtype) * velocity, {"velocity": velocity}


def nesterov_step(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    lr, momentum, decay = numbers(param, lr, momentum, weight_decay)
    direction = grad + decay * param
    buffer = direction if not state else momentum * state["b"] + direction
    return param - (lr * direction + lr * momentum * buffer), {"b": buffer}


def lookahead_point(param, state, *, lr, beta=0.9):
    if not state:
        return param
    lr, beta = numbers(param, lr, beta)
    return param - lr * (beta * state["velocity"])


def lookahead_step(param, grad_at_lookahead, state, *, lr, beta=0.9):
    return ema_momentum_step(param, grad_at_lookahead, state, lr=lr, beta=beta)


def rmsprop_step(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    lr, eps, decay, momentum = numbers(param, lr, eps, weight_decay, momentum)
    direction = grad + decay * param
    new = {"s": average(state, "s", alpha, direction * direction)}
    new["a"] = average(state, "a", alpha, direction)
    # No clamp: only (nearly) constant gradients would need it.
    root = (new["s"] - new["a"] * new["a"] if centered else new["s"]).sqrt()
    new["b"] = momentum * state.get("b", torch.zeros_like(param)) + direction / (root + eps)
    return param - lr * new["b"], new


def adam_direction(grad, state, betas, eps):
    one, two, eps = numbers(grad, *betas, eps)
    powers = state.get("powers", {"first": torch.ones_like(one), "second": torch.ones_like(two)})
    powers = {"first": powers["first"] * one, "second": powers["second"] * two}
    new = {"powers": powers, "m": average(state, "m", betas[0], grad)}
    new["v"] = average(state, "v", betas[1], grad * grad)
    first, second = new["m"] / (1 - powers["first"]), new["v"] / (1 - powers["second"])
    return first / (second.sqrt() + eps), new


def adam_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    lr, decay = numbers(param, lr, weight_decay)
    direction, new = adam_direction(grad + decay * param, state, betas, eps)
    return param - lr * direction, new


def adamw_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    lr, decay = numbers(param, lr, weight_decay)
    direction, new = adam_direction(grad, state, betas, eps)
    return param * (1 - lr * decay) - lr * direction, new


def clip_grad_norm(grads, max_norm, norm_type=2.0):
    total = torch.zeros((), dtype=grads[0].dtype if grads else torch.float32)
    for grad in grads:
        for number in grad.abs().flatten():
            infinite = norm_type == float("inf")
            total = torch.maximum(total, number) if infinite else total + number**norm_type
    if norm_type != float("inf"):
        total = total ** (1 / norm_type)
    factor = max_norm / (total + 1e-6)
    return [grad * factor if factor < 1 else grad for grad in grads], total


def accumulate_gradients(micro_grads, micro_sizes):
    mean, seen = torch.zeros_like(micro_grads[0]), 0
    for grad, size in zip(micro_grads, micro_sizes, strict=True):
        seen += size
        mean = mean + (grad - mean) * (size / seen)
    return mean
