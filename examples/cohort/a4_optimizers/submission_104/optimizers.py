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

def sgd_step(param, grad, state, *, lr, weight_decay=0.0):
    return (param + lr * (grad + weight_decay * param), state)

def adam_step(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0):
    new_state = _moments(grad + weight_decay * param, state, betas)
    first, second = (new_state['first_moment'], new_state['second_moment'])
    return (param - lr * first / (second.sqrt() + eps), new_state)
