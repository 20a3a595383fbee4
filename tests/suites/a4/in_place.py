"""As torch.optim does it: in-place arithmetic, but on clones; results as lists."""

import math

import torch


def decayed(param, grad, weight_decay):
    return grad.add(param, alpha=weight_decay) if weight_decay else grad.clone()


def sgd_step(param, grad, state, *, lr, weight_decay=0.0):
    new = param.clone()
    new.add_(decayed(param, grad, weight_decay), alpha=-lr)
    return [new, state]


def momentum_step(param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0):
    direction = decayed(param, grad, weight_decay)
    buffer = state.get("momentum_buffer")
    if buffer is None:
        buffer = direction
    else:
        buffer = buffer.clone().mul_(momentum).add_(direction, alpha=1 - dampening)
    return [param.clone().add_(buffer, alpha=-lr), {"momentum_buffer": buffer}]


def ema_momentum_step(param, grad, state, *, lr, beta=0.9):
    velocity = state["v"].lerp(grad, 1 - beta) if state else grad * (1 - beta)
    return [torch.sub(param, velocity, alpha=lr), {"v": velocity}]


def nesterov_step(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    direction = decayed(param, grad, weight_decay)
    buffer = state.get("momentum_buffer")
    buffer = direction.clone() if buffer is None else buffer.mul(momentum).add_(direction)
    step = direction.add_(buffer, alpha=momentum)
    return [param.sub(step, alpha=lr), {"momentum_buffer": buffer}]


def lookahead_point(param, state, *, lr, beta=0.9):
    return param.sub(state["v"], alpha=lr * beta) if "v" in state else param


def lookahead_step(param, grad_at_lookahead, state, *, lr, beta=0.9):
    return ema_momentum_step(param, grad_at_lookahead, state, lr=lr, beta=beta)


def rmsprop_step(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    grad = decayed(param, grad, weight_decay)
    zeros = torch.zeros_like(param)
    new = {name: state.get(name, zeros).clone() for name in ("square_avg", "grad_avg", "buf")}
    new["square_avg"].mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
    root = new["square_avg"].clone()
    if centered:
        new["grad_avg"].lerp_(grad, 1 - alpha)
        root.addcmul_(new["grad_avg"], new["grad_avg"], value=-1)
    root.sqrt_().add_(eps)
    param = param.clone()
    if momentum:
        new["buf"].mul_(momentum).addcdiv_(grad, root)
        param.add_(new["buf"], alpha=-lr)
    else:
        param.addcdiv_(grad, root, value=-lr)
    return [param, new]


def adam(param, grad, state, lr, betas, eps):
    exp_avg = state.get("exp_avg", torch.zeros_like(param)).clone()
    exp_avg_sq = state.get("exp_avg_sq", torch.zeros_like(param)).clone()
    step = state.get("step", torch.tensor(0.0)) + 1
    exp_avg.lerp_(grad, 1 - betas[0])
    exp_avg_sq.mul_(betas[1]).addcmul_(grad, grad, value=1 - betas[1])
    size = lr / (1 - betas[0] ** step.item())
    denominator = (exp_avg_sq.sqrt() / math.sqrt(1 - betas[1] ** step.item())).add_(eps)
    new = param.clone().addcdiv_(exp_avg, denominator, value=-size)
    return [new, {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}]


def adam_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    return adam(param, decayed(param, grad, weight_decay), state, lr, betas, eps)


def adamw_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam(param.clone().mul_(1 - lr * weight_decay), grad, state, lr, betas, eps)


def clip_grad_norm(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    norms = [torch.linalg.vector_norm(grad, norm_type) for grad in grads if grad.numel()]
    if not norms:
        return grads, torch.zeros((), dtype=grads[0].dtype)
    total_norm = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    factor = torch.clamp(max_norm / (total_norm + 1e-6), max=1.0)
    return [grad.clone().mul_(factor) for grad in grads], total_norm


def warmup_cosine_lr(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * (step / warmup_steps)
    done = min(1.0, (step - warmup_steps) / (total_steps - warmup_steps))
    return min_lr + (max_lr - min_lr) * math.cos(math.pi / 2 * done) ** 2


def accumulate_gradients(micro_grads, micro_sizes):
    total = torch.zeros_like(micro_grads[0])
    for grad, size in zip(micro_grads, micro_sizes, strict=True):
        total.add_(grad, alpha=size)
    return total.div_(sum(micro_sizes))
