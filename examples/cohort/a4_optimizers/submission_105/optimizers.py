"""Optimizer steps by hand: what `torch.optim` does between `backward()` and the next batch.

Every `*_step` function is pure: it takes a parameter, its gradient and the state that the previous
step returned (`{}` before the first), and returns a new parameter and a new state. Nothing that
comes in is changed in place, so an old state stays good: one can go back to it and step again.

θ is the parameter, g its gradient, λ the weight decay. All operations are elementwise.
"""
from __future__ import annotations
import math
from typing import Any
import torch
from jaxtyping import Float
from torch import Tensor
State = dict[str, Any]

def _moving_average(state: State, name: str, decay: float, value: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    """decay·old + (1 − decay)·value, where old is `state[name]`, or 0 before the first step.

    The one idea behind every optimizer here but SGD: after t steps the values that came in have the
    weights (1 − decay)·decayᵏ, k steps back in time. They add up to 1 − decayᵗ, so this is an
    average with a memory of about 1/(1 − decay) steps, held back at first by the 0 it starts from.
    """
    return decay * state.get(name, torch.zeros_like(value)) + (1 - decay) * value

def sgd_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('sgd_step')

def momentum_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, momentum: float=0.9, dampening: float=0.0, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('momentum_step')

def ema_momentum_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('ema_momentum_step')

def nesterov_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, momentum: float=0.9, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('nesterov_step')

def lookahead_point(param: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> Float[Tensor, '*shape']:
    raise NotImplementedError('lookahead_point')

def lookahead_step(param: Float[Tensor, '*shape'], grad_at_lookahead: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('lookahead_step')

def rmsprop_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, alpha: float=0.99, eps: float=1e-08, weight_decay: float=0.0, momentum: float=0.0, centered: bool=False) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('rmsprop_step')

def _moments(grad: Float[Tensor, '*shape'], state: State, betas: tuple[float, float]) -> State:
    """The state after one more gradient: the number of steps and the averages of g and of g²."""
    return {'steps': state.get('steps', 0) + 1, 'first_moment': _moving_average(state, 'first_moment', betas[0], grad), 'second_moment': _moving_average(state, 'second_moment', betas[1], grad ** 2)}

def _adam_direction(state: State, betas: tuple[float, float], eps: float) -> Tensor:
    """m̂ / (√v̂ + eps), shaped like the parameter."""
    first = state['first_moment'] / (1 - betas[0] ** state['steps'])
    second = state['second_moment'] / (1 - betas[1] ** state['steps'])
    return first / (second.sqrt() + eps)

def adam_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, betas: tuple[float, float]=(0.9, 0.999), eps: float=1e-08, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of Adam, in the form of `torch.optim.Adam`.

    At step t = 1, 2, 3, …, with m = v = 0 before the first:

        d = g + λθ
        m ← β₁·m + (1 − β₁)·d
        v ← β₂·v + (1 − β₂)·d²
        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)
        θ ← θ − lr·m̂ / (√v̂ + eps)

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step.
        betas: (β₁, β₂), each at least 0 and below 1.
        eps: added to the root of the corrected average. It may be large.
        weight_decay: λ ≥ 0, coupled: it goes through both averages.

    Returns:
        The new parameter and the new state.
    """
    new_state = _moments(grad + weight_decay * param, state, betas)
    return (param - lr * _adam_direction(new_state, betas, eps), new_state)

def adamw_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, betas: tuple[float, float]=(0.9, 0.999), eps: float=1e-08, weight_decay: float=0.01) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of AdamW, in the form of `torch.optim.AdamW`: Adam with decoupled weight decay.

    The averages m and v see the gradient g alone. The parameter shrinks by the factor
    1 − lr·λ, and Adam's step (see `adam_step`, with d = g) is then taken from the shrunk parameter.

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step, and scales the decay as well.
        betas: (β₁, β₂), each at least 0 and below 1.
        eps: added to the root of the corrected average. It may be large.
        weight_decay: λ ≥ 0, decoupled: it never meets the averages.

    Returns:
        The new parameter and the new state.
    """
    new_state = _moments(grad, state, betas)
    shrunk = param * (1 - lr * weight_decay)
    return (shrunk - lr * _adam_direction(new_state, betas, eps), new_state)

def clip_grad_norm(grads: list[Float[Tensor, ...]], max_norm: float, norm_type: float=2.0) -> tuple[list[Float[Tensor, ...]], Float[Tensor, '']]:
    """Scale all gradients by one factor, so that their total norm is at most `max_norm`.

    The total norm is the p-norm of all elements of all tensors, taken as one long vector:
    (Σ|x|ᵖ)^(1/p), or the largest |x| for p = ∞. The factor is

        min(1, max_norm / (total_norm + 1e-6))

    so gradients are never scaled up.

    Args:
        grads: tensors of any shapes and of one dtype; the list may be empty.
        max_norm: the largest total norm to let through, > 0.
        norm_type: p ≥ 1, or `math.inf`.

    Returns:
        The list of clipped gradients in the order given, and the total norm *before* clipping as a
        0-dim tensor (a float is accepted). For an empty list: `[]` and 0.
    """
    magnitudes = [grad.abs() for grad in grads if grad.numel() > 0]
    if not magnitudes:
        return (list(grads), torch.zeros((), dtype=grads[0].dtype if grads else None))
    largest = torch.stack([magnitude.amax() for magnitude in magnitudes]).amax()
    if norm_type == math.inf or largest == 0:
        total_norm = largest
    else:
        powers = [((magnitude / largest) ** norm_type).sum() for magnitude in magnitudes]
        total_norm = largest * torch.stack(powers).sum() ** (1 / norm_type)
    factor = (max_norm / (total_norm + 1e-06)).clamp(max=1)
    return ([grad * factor for grad in grads], total_norm)

def warmup_cosine_lr(step: int, *, max_lr: float, min_lr: float, warmup_steps: int, total_steps: int) -> float:
    """The learning rate at `step`: a linear warm-up, then half a period of a cosine.

        step < warmup_steps:   max_lr·step / warmup_steps
        step ≥ total_steps:    min_lr
        in between:            min_lr + ½(max_lr − min_lr)·(1 + cos πq),
                               q = (step − warmup_steps) / (total_steps − warmup_steps)

    Args:
        step: the step's number, from 0.
        max_lr: the learning rate at the end of the warm-up.
        min_lr: the learning rate from `total_steps` on.
        warmup_steps: the length of the warm-up, ≥ 0; 0 means none, step 0 then has `max_lr`.
        total_steps: the length of warm-up and cosine together, > `warmup_steps`.

    Returns:
        The learning rate, a float.
    """
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))

def accumulate_gradients(micro_grads: list[Float[Tensor, '*shape']], micro_sizes: list[int]) -> Float[Tensor, '*shape']:
    """The gradient of the mean loss over a whole batch, from those of its micro-batches.

    The batch was too big for memory and was cut into pieces, not all of one size. For each piece
    you have the gradient of *its own mean* loss. Put them together so that the result is what one
    pass over the whole batch would have given.

    Args:
        micro_grads: one gradient per micro-batch, all of one shape; at least one.
        micro_sizes: how many samples each micro-batch has, each ≥ 1, in the same order.

    Returns:
        The gradient of the mean loss over all samples, of the same shape.
    """
    batch_size = sum(micro_sizes)
    total = torch.zeros_like(micro_grads[0])
    for grad, size in zip(micro_grads, micro_sizes, strict=True):
        total = total + size / batch_size * grad
    return total
