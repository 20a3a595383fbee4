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
    """One step of gradient descent, θ ← θ − lr·g.

    Weight decay adds the gradient of the penalty ½λ‖θ‖² to g before anything else happens.

    Args:
        param: θ, any shape (0-dim too).
        grad: the gradient of the loss at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first. There is nothing to keep
            here, so you may return the dict that you got.
        lr: the step size; it may differ from step to step.
        weight_decay: λ ≥ 0.

    Returns:
        The new parameter and the new state.
    """
    direction = grad + weight_decay * param
    return (param - lr * direction, state)

def momentum_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, momentum: float=0.9, dampening: float=0.0, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of SGD with momentum, in the form of `torch.optim.SGD`.

        d = g + λθ
        b ← d                                  at the first step, undampened
        b ← momentum·b + (1 − dampening)·d     at every later step
        θ ← θ − lr·b                           with the new b and this step's lr

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step.
        momentum: 0 < momentum < 1.
        dampening: 0 ≤ dampening ≤ 1.
        weight_decay: λ ≥ 0.

    Returns:
        The new parameter and the new state.
    """
    direction = grad + weight_decay * param
    if 'buffer' in state:
        buffer = momentum * state['buffer'] + (1 - dampening) * direction
    else:
        buffer = direction
    return (param - lr * buffer, {'buffer': buffer})

def ema_momentum_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> tuple[Float[Tensor, '*shape'], State]:
    """One step along an exponential moving average of the gradients.

        v ← β·v + (1 − β)·g        v = 0 before the first step
        θ ← θ − lr·v               with the new v

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step.
        beta: β, 0 ≤ β < 1.

    Returns:
        The new parameter and the new state.
    """
    velocity = _moving_average(state, 'velocity', beta, grad)
    return (param - lr * velocity, {'velocity': velocity})

def nesterov_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, momentum: float=0.9, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of Nesterov momentum, in the form of `torch.optim.SGD(nesterov=True)`.

        d = g + λθ
        b ← d                      at the first step
        b ← momentum·b + d         at every later step
        θ ← θ − lr·(d + momentum·b)        with the new b

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step.
        momentum: 0 < momentum < 1.
        weight_decay: λ ≥ 0.

    Returns:
        The new parameter and the new state.
    """
    direction = grad + weight_decay * param
    buffer = momentum * state['buffer'] + direction if 'buffer' in state else direction
    return (param - lr * (direction + momentum * buffer), {'buffer': buffer})

def lookahead_point(param: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> Float[Tensor, '*shape']:
    """Where Nesterov's own form takes its gradient: the point θ − lr·β·v.

    v is the velocity that the last `lookahead_step` left in `state`, 0 before the first. Asking for
    the point changes nothing, and a caller may skip it.

    Args:
        param: θ, any shape.
        state: what the previous `lookahead_step` returned, `{}` before the first.
        lr: the step size of the step to come.
        beta: β, 0 ≤ β < 1.

    Returns:
        The look-ahead point, shaped like `param`.
    """
    velocity = state.get('velocity', torch.zeros_like(param))
    return param - lr * beta * velocity

def lookahead_step(param: Float[Tensor, '*shape'], grad_at_lookahead: Float[Tensor, '*shape'], state: State, *, lr: float, beta: float=0.9) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of Nesterov momentum in its look-ahead form.

        v ← β·v + (1 − β)·g        v = 0 before the first step
        θ ← θ − lr·v               with the new v

    Here g is the gradient at `lookahead_point(θ, …)`, while the step starts from θ itself.

    Args:
        param: θ, any shape (not the look-ahead point).
        grad_at_lookahead: the gradient at the look-ahead point, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size, the same as the one given to `lookahead_point`.
        beta: β, 0 ≤ β < 1.

    Returns:
        The new parameter and the new state.
    """
    velocity = _moving_average(state, 'velocity', beta, grad_at_lookahead)
    return (param - lr * velocity, {'velocity': velocity})

def rmsprop_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, alpha: float=0.99, eps: float=1e-08, weight_decay: float=0.0, momentum: float=0.0, centered: bool=False) -> tuple[Float[Tensor, '*shape'], State]:
    """One step of RMSprop, in the form of `torch.optim.RMSprop`.

        d = g + λθ
        s ← α·s + (1 − α)·d²                 s = 0 before the first step
        a ← α·a + (1 − α)·d                  centered only; a = 0 before the first step
        r = √s + eps                         centered: √(s − a²) + eps
        θ ← θ − lr·d/r                       if momentum is 0
        b ← momentum·b + d/r; θ ← θ − lr·b   otherwise; b = 0 before the first step

    Args:
        param: θ, any shape.
        grad: the gradient at θ, shaped like `param`.
        state: what the previous step returned, `{}` before the first.
        lr: the step size; it may differ from step to step.
        alpha: α, how much of the old average stays.
        eps: added to the root, in the units of a gradient. It may be large.
        weight_decay: λ ≥ 0.
        momentum: 0 ≤ momentum < 1.
        centered: whether to divide by the standard deviation in place of the root mean square.

    Returns:
        The new parameter and the new state.
    """
    direction = grad + weight_decay * param
    square_average = _moving_average(state, 'square_average', alpha, direction ** 2)
    new_state: State = {'square_average': square_average}
    variance = square_average
    if centered:
        average = _moving_average(state, 'average', alpha, direction)
        new_state['average'] = average
        variance = (square_average - average ** 2).clamp(min=0)
    step = direction / (variance.sqrt() + eps)
    if momentum > 0:
        step = momentum * state.get('buffer', torch.zeros_like(param)) + step
        new_state['buffer'] = step
    return (param - lr * step, new_state)

def _moments(grad: Float[Tensor, '*shape'], state: State, betas: tuple[float, float]) -> State:
    """The state after one more gradient: the number of steps and the averages of g and of g²."""
    return {'steps': state.get('steps', 0) + 1, 'first_moment': _moving_average(state, 'first_moment', betas[0], grad), 'second_moment': _moving_average(state, 'second_moment', betas[1], grad ** 2)}

def _adam_direction(state: State, betas: tuple[float, float], eps: float) -> Tensor:
    """m̂ / (√v̂ + eps), shaped like the parameter."""
    first = state['first_moment'] / (1 - betas[0] ** state['steps'])
    second = state['second_moment'] / (1 - betas[1] ** state['steps'])
    return first / (second.sqrt() + eps)

def adam_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, betas: tuple[float, float]=(0.9, 0.999), eps: float=1e-08, weight_decay: float=0.0) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('adam_step')

def adamw_step(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], state: State, *, lr: float, betas: tuple[float, float]=(0.9, 0.999), eps: float=1e-08, weight_decay: float=0.01) -> tuple[Float[Tensor, '*shape'], State]:
    raise NotImplementedError('adamw_step')

def clip_grad_norm(grads: list[Float[Tensor, ...]], max_norm: float, norm_type: float=2.0) -> tuple[list[Float[Tensor, ...]], Float[Tensor, '']]:
    raise NotImplementedError('clip_grad_norm')

def warmup_cosine_lr(step: int, *, max_lr: float, min_lr: float, warmup_steps: int, total_steps: int) -> float:
    raise NotImplementedError('warmup_cosine_lr')

def accumulate_gradients(micro_grads: list[Float[Tensor, '*shape']], micro_sizes: list[int]) -> Float[Tensor, '*shape']:
    raise NotImplementedError('accumulate_gradients')
