"""Wrong ideas that students really have about optimizer steps, each with the hint that helps.

Each keeps its memory under the same keys as the solution, because the functions of one exercise
share a state (`lookahead_point` reads what `lookahead_step` wrote).
"""

import math

import torch
from optimizers import (
    _adam_direction,
    _moments,
    _moving_average,
    adam_step,
    adamw_step,
    momentum_step,
    sgd_step,
)

from autograder.misconceptions import misconception

# --- sgd -----------------------------------------------------------------------------------------


@misconception(
    "sgd",
    replaces="sgd_step",
    hint="Your parameter goes uphill. The gradient points to where the loss grows fastest.",
)
def climbs_the_gradient(param, grad, state, *, lr, weight_decay=0.0):
    return param + lr * (grad + weight_decay * param), state


@misconception(
    "sgd",
    replaces="sgd_step",
    hint="Your decay forgets the learning rate. λθ is a part of the gradient: whatever happens to "
    "the gradient afterwards happens to it too.",
)
def decays_without_the_learning_rate(param, grad, state, *, lr, weight_decay=0.0):
    return param - lr * grad - weight_decay * param, state


@misconception(
    "sgd",
    replaces="sgd_step",
    hint="You decay the parameter after its step, so the step itself is decayed as well. Both "
    "terms of the gradient, loss and penalty, are taken at the old θ.",
)
def decays_after_the_step(param, grad, state, *, lr, weight_decay=0.0):
    stepped = param - lr * grad
    return stepped - lr * weight_decay * stepped, state


# --- momentum ------------------------------------------------------------------------------------


@misconception(
    "momentum",
    replaces="momentum_step",
    hint="Your first buffer is already dampened. In torch's form the very first buffer is the "
    "gradient as it is; dampening begins at the second step.",
)
def dampens_the_first_buffer(
    param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0
):
    previous = state.get("buffer", torch.zeros_like(param))
    buffer = momentum * previous + (1 - dampening) * (grad + weight_decay * param)
    return param - lr * buffer, {"buffer": buffer}


@misconception(
    "momentum",
    replaces="momentum_step",
    hint="Your buffer contains the learning rate. While lr stays the same nobody can tell, but "
    "when it changes, old gradients keep the rate of their own day. In torch's form the buffer "
    "holds gradients only, and the whole of it is multiplied by today's lr.",
)
def folds_lr_into_the_buffer(
    param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0
):
    direction = lr * (grad + weight_decay * param)
    buffer = direction
    if "buffer" in state:
        buffer = momentum * state["buffer"] + (1 - dampening) * direction
    return param - buffer, {"buffer": buffer}


@misconception(
    "momentum",
    replaces="momentum_step",
    hint="This is the moving average: it weighs a new gradient by 1 − momentum and starts at 0. "
    "torch's buffer is a sum and starts at the first gradient. The README has both side by side.",
)
def averages_in_the_torch_form(
    param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0
):
    previous = state.get("buffer", torch.zeros_like(param))
    buffer = momentum * previous + (1 - momentum) * (grad + weight_decay * param)
    return param - lr * buffer, {"buffer": buffer}


@misconception(
    "momentum",
    replaces="momentum_step",
    hint="Your first buffer *is* the gradient, the same tensor under a second name. An in-place "
    "operation on the one rewrites the other, so what you add afterwards is no longer the "
    "gradient. Make new tensors: nothing that comes in may change.",
)
def writes_into_the_gradient(
    param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0
):
    direction = grad.add_(param, alpha=weight_decay)
    buffer = state.get("buffer", direction)
    buffer.mul_(momentum).add_(direction, alpha=1 - dampening)
    return param - lr * buffer, {"buffer": buffer}


@misconception(
    "momentum",
    replaces="momentum_step",
    hint="Every step of yours looks like a first one: it is plain SGD. What your function puts "
    "into the state that it returns is all that it will know next time.",
)
def returns_an_empty_state(
    param, grad, state, *, lr, momentum=0.9, dampening=0.0, weight_decay=0.0
):
    new_param, _ = sgd_step(param, grad, {}, lr=lr, weight_decay=weight_decay)
    return new_param, {}


@misconception(
    "momentum",
    replaces="ema_momentum_step",
    hint="This is torch's form, which adds gradients up. In the moving average the new gradient "
    "has the weight 1 − β, so that all weights together stay below 1.",
)
def sums_in_the_average_form(param, grad, state, *, lr, beta=0.9):
    velocity = beta * state.get("velocity", torch.zeros_like(param)) + grad
    return param - lr * velocity, {"velocity": velocity}


@misconception(
    "momentum",
    replaces="ema_momentum_step",
    hint="Your average starts at the first gradient, as torch's buffer does. Here it starts at 0, "
    "so the first velocity is much smaller than the first gradient.",
)
def starts_the_average_at_the_first_gradient(param, grad, state, *, lr, beta=0.9):
    velocity = grad.clone()
    if "velocity" in state:
        velocity = beta * state["velocity"] + (1 - beta) * grad
    return param - lr * velocity, {"velocity": velocity}


# --- nesterov ------------------------------------------------------------------------------------


@misconception(
    "nesterov",
    replaces="nesterov_step",
    hint="This is plain momentum. Either you step along the buffer alone, or you add the gradient "
    "to momentum times last time's buffer, which comes to the same. Nesterov puts the gradient "
    "into the buffer first, and then adds it to the discounted *new* buffer.",
)
def steps_along_the_buffer_alone(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    return momentum_step(param, grad, state, lr=lr, momentum=momentum, weight_decay=weight_decay)


@misconception(
    "nesterov",
    replaces="nesterov_step",
    hint="You add the whole buffer to the gradient. What the next step will do with this buffer "
    "is discount it first, and that step is what Nesterov anticipates.",
)
def adds_the_buffer_undiscounted(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    direction = grad + weight_decay * param
    buffer = momentum * state.get("buffer", torch.zeros_like(param)) + direction
    return param - lr * (direction + buffer), {"buffer": buffer}


@misconception(
    "nesterov",
    replaces="nesterov_step",
    hint="The decay is in your buffer, but the gradient that you add to it at the end is the bare "
    "one. λθ is part of the gradient wherever the gradient appears.",
)
def adds_the_undecayed_gradient(param, grad, state, *, lr, momentum=0.9, weight_decay=0.0):
    previous = state.get("buffer", torch.zeros_like(param))
    buffer = momentum * previous + grad + weight_decay * param
    return param - lr * (grad + momentum * buffer), {"buffer": buffer}


@misconception(
    "nesterov",
    replaces="lookahead_point",
    hint="Your point lies behind the parameter, where it came from. Steps *subtract* the "
    "velocity, and so does the look-ahead.",
)
def looks_behind(param, state, *, lr, beta=0.9):
    return param + lr * beta * state.get("velocity", torch.zeros_like(param))


@misconception(
    "nesterov",
    replaces="lookahead_point",
    hint="You look ahead by the whole old velocity. Only the part that survives into the next "
    "step is known in advance.",
)
def looks_ahead_without_beta(param, state, *, lr, beta=0.9):
    return param - lr * state.get("velocity", torch.zeros_like(param))


@misconception(
    "nesterov",
    replaces="lookahead_step",
    hint="You step from the look-ahead point, so the old velocity moves you twice. The point is "
    "only where the gradient was taken; the step starts from θ, and the new velocity contains the "
    "old one already.",
)
def steps_from_the_lookahead_point(param, grad_at_lookahead, state, *, lr, beta=0.9):
    previous = state.get("velocity", torch.zeros_like(param))
    velocity = beta * previous + (1 - beta) * grad_at_lookahead
    return param - lr * beta * previous - lr * velocity, {"velocity": velocity}


# --- rmsprop -------------------------------------------------------------------------------------


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="Your eps is inside the root. Some papers write it so, torch adds it to the root: as a "
    "floor for the divisor 1e-8 is then 1e-8 and not 1e-4.",
)
def adds_eps_inside_the_root(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    squares = _moving_average(state, "square_average", alpha, direction**2)
    average = _moving_average(state, "average", alpha, direction)
    variance = (squares - average**2).clamp(min=0) if centered else squares
    step = direction / (variance + eps).sqrt()
    step = step + momentum * state.get("buffer", 0.0)
    return param - lr * step, {"square_average": squares, "average": average, "buffer": step}


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="You divide the average of squares by 1 − αᵗ. That correction belongs to Adam; RMSprop "
    "divides by the root of the average as it is, and its first steps are long.",
)
def corrects_the_bias_of_rmsprop(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    squares = _moving_average(state, "square_average", alpha, direction**2)
    average = _moving_average(state, "average", alpha, direction)
    steps = state.get("steps", 0) + 1
    correction = 1 - alpha**steps
    variance = squares / correction
    if centered:
        variance = (variance - (average / correction) ** 2).clamp(min=0)
    step = direction / (variance.sqrt() + eps)
    step = step + momentum * state.get("buffer", 0.0)
    new_state = {"square_average": squares, "average": average, "buffer": step, "steps": steps}
    return param - lr * step, new_state


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="Your centered form takes the root too early: √s − a². The variance is s − a², and the "
    "root is taken of all of it. (Units tell: s − a² are squares, √s and a² don't mix.)",
)
def takes_the_root_before_centering(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    squares = _moving_average(state, "square_average", alpha, direction**2)
    average = _moving_average(state, "average", alpha, direction)
    divisor = squares.sqrt() - average**2 if centered else squares.sqrt()
    step = direction / (divisor + eps)
    step = step + momentum * state.get("buffer", 0.0)
    return param - lr * step, {"square_average": squares, "average": average, "buffer": step}


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="Your momentum buffer contains the learning rate, as in TensorFlow's form. In torch's "
    "form it holds normalized gradients only, and all of it is multiplied by today's lr. While lr "
    "stays the same nobody can tell; a schedule shows it.",
)
def folds_lr_into_the_rmsprop_buffer(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    squares = _moving_average(state, "square_average", alpha, direction**2)
    average = _moving_average(state, "average", alpha, direction)
    variance = (squares - average**2).clamp(min=0) if centered else squares
    step = lr * direction / (variance.sqrt() + eps)
    step = step + momentum * state.get("buffer", 0.0)
    return param - step, {"square_average": squares, "average": average, "buffer": step}


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="You sum up raw gradients and divide the sum. Each gradient is divided by the root of "
    "its own step *before* it enters the momentum buffer.",
)
def normalizes_after_the_momentum(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    direction = grad + weight_decay * param
    squares = _moving_average(state, "square_average", alpha, direction**2)
    average = _moving_average(state, "average", alpha, direction)
    variance = (squares - average**2).clamp(min=0) if centered else squares
    buffer = direction + momentum * state.get("buffer", 0.0)
    step = buffer / (variance.sqrt() + eps)
    return param - lr * step, {"square_average": squares, "average": average, "buffer": buffer}


@misconception(
    "rmsprop",
    replaces="rmsprop_step",
    hint="Your averages see the gradient without weight decay, though the numerator has it. λθ is "
    "added before all else: there is only one gradient in the rest of the rule.",
)
def averages_the_undecayed_gradient(
    param, grad, state, *, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    squares = _moving_average(state, "square_average", alpha, grad**2)
    average = _moving_average(state, "average", alpha, grad)
    variance = (squares - average**2).clamp(min=0) if centered else squares
    step = (grad + weight_decay * param) / (variance.sqrt() + eps)
    step = step + momentum * state.get("buffer", 0.0)
    return param - lr * step, {"square_average": squares, "average": average, "buffer": step}


# --- adam ----------------------------------------------------------------------------------------


@misconception(
    "adam",
    replaces="adam_step",
    hint="Your averages aren't corrected. They start at 0 and are too small at first, v more so "
    "than m, so that with the default betas your first step is three times too long.",
)
def forgets_the_bias_correction(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
):
    new_state = _moments(grad + weight_decay * param, state, betas)
    first, second = new_state["first_moment"], new_state["second_moment"]
    return param - lr * first / (second.sqrt() + eps), new_state


@misconception(
    "adam",
    replaces="adam_step",
    hint="Your first step divides by 1 − β⁰ = 0, hence the NaN. t counts the gradients that the "
    "averages have seen, this step's included: it is 1 at the first step.",
)
def counts_steps_from_zero(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
):
    new_state = _moments(grad + weight_decay * param, state, betas)
    direction = _adam_direction({**new_state, "steps": new_state["steps"] - 1}, betas, eps)
    return param - lr * direction, new_state


@misconception(
    "adam",
    replaces="adam_step",
    hint="You keep the *corrected* averages and correct them again next time. Keep m and v as "
    "they are; m̂ and v̂ live for one step only.",
)
def keeps_the_corrected_moments(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
):
    new_state = _moments(grad + weight_decay * param, state, betas)
    steps = new_state["steps"]
    first = new_state["first_moment"] / (1 - betas[0] ** steps)
    second = new_state["second_moment"] / (1 - betas[1] ** steps)
    new_state = {"steps": steps, "first_moment": first, "second_moment": second}
    return param - lr * first / (second.sqrt() + eps), new_state


@misconception(
    "adam",
    replaces="adam_step",
    hint="Your eps is inside the root. Adam adds it to the root: in the units of a gradient, not "
    "of a squared gradient.",
)
def adds_eps_under_the_root_of_adam(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
):
    new_state = _moments(grad + weight_decay * param, state, betas)
    steps = new_state["steps"]
    first = new_state["first_moment"] / (1 - betas[0] ** steps)
    second = new_state["second_moment"] / (1 - betas[1] ** steps)
    return param - lr * first / (second + eps).sqrt(), new_state


@misconception(
    "adam",
    replaces="adam_step",
    hint="You add eps to √v and correct afterwards, so eps is corrected with it and is larger at "
    "first. (The paper's short form does that, with another eps.) Correct v first, take the root, "
    "then add eps.",
)
def adds_eps_before_the_correction(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0
):
    new_state = _moments(grad + weight_decay * param, state, betas)
    first, second = new_state["first_moment"], new_state["second_moment"]
    steps = new_state["steps"]
    rate = lr * math.sqrt(1 - betas[1] ** steps) / (1 - betas[0] ** steps)
    return param - rate * first / (second.sqrt() + eps), new_state


@misconception(
    "adam",
    replaces="adam_step",
    hint="This is AdamW: your weight decay goes straight to the parameter. In Adam it is part of "
    "the gradient, and so passes through both averages.",
)
def decouples_the_decay(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    return adamw_step(param, grad, state, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


# --- adamw ---------------------------------------------------------------------------------------


@misconception(
    "adamw",
    replaces="adamw_step",
    hint="This is Adam with an L2 penalty: your decay is part of the gradient and is averaged and "
    "normalized with it. Decoupled means that the averages never see it.",
)
def couples_the_decay(param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam_step(param, grad, state, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


@misconception(
    "adamw",
    replaces="adamw_step",
    hint="You shrink the parameter after the step, so the step shrinks as well. Shrink the old "
    "parameter, then step.",
)
def shrinks_after_the_step(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
):
    new_state = _moments(grad, state, betas)
    stepped = param - lr * _adam_direction(new_state, betas, eps)
    return stepped * (1 - lr * weight_decay), new_state


@misconception(
    "adamw",
    replaces="adamw_step",
    hint="Your parameter shrinks by 1 − λ, whatever the learning rate. In torch's AdamW the decay "
    "is scaled by lr: a schedule that lowers the one lowers the other.",
)
def shrinks_without_the_learning_rate(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
):
    new_state = _moments(grad, state, betas)
    shrunk = param * (1 - weight_decay)
    return shrunk - lr * _adam_direction(new_state, betas, eps), new_state


@misconception(
    "adamw",
    replaces="adamw_step",
    hint="Your decay is scaled by lr/(1 − β₁ᵗ), which is ten times lr at the first step of the "
    "default betas. The bias correction belongs to m; the decay is scaled by lr itself.",
)
def shrinks_by_the_corrected_rate(
    param, grad, state, *, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
):
    new_state = _moments(grad, state, betas)
    rate = lr / (1 - betas[0] ** new_state["steps"])
    shrunk = param * (1 - rate * weight_decay)
    return shrunk - lr * _adam_direction(new_state, betas, eps), new_state


# --- clipping ------------------------------------------------------------------------------------


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="You clip every tensor by its own norm. That turns the direction of the whole gradient: "
    "all tensors together have one norm, and share one factor.",
)
def clips_each_tensor_on_its_own(grads, max_norm, norm_type=2.0):
    norms = [torch.linalg.vector_norm(grad, norm_type) for grad in grads]
    if not norms:
        return [], torch.tensor(0.0)
    pairs = zip(grads, norms, strict=True)
    clipped = [grad * (max_norm / (norm + 1e-6)).clamp(max=1) for grad, norm in pairs]
    return clipped, torch.linalg.vector_norm(torch.stack(norms), norm_type)


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="Small gradients come out larger than they went in. Clipping is an upper limit: what is "
    "below it stays as it is.",
)
def scales_small_gradients_up(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    norms = [torch.linalg.vector_norm(grad, norm_type) for grad in grads]
    total_norm = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    return [grad * (max_norm / (total_norm + 1e-6)) for grad in grads], total_norm


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="You are off by about one part in a million: the 1e-6 beside the norm is missing in the "
    "factor.",
)
def forgets_the_small_constant(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    norms = [torch.linalg.vector_norm(grad, norm_type) for grad in grads]
    total_norm = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    if total_norm <= max_norm:
        return [grad.clone() for grad in grads], total_norm
    return [grad * (max_norm / total_norm) for grad in grads], total_norm


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="You add the norms of the tensors up. Norms don't add: what adds up are the powers "
    "inside the root, over all tensors, and then comes the root.",
)
def adds_the_norms(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    total_norm = sum(torch.linalg.vector_norm(grad, norm_type) for grad in grads)
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1)
    return [grad * factor for grad in grads], total_norm


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="For p = ∞ your norm is always 1: |x|^∞ is 0 or ∞, and with the exponent 1/∞ = 0 either "
    "becomes 1. Infinity is a limit and needs a case of its own. Which magnitude wins there?",
)
def puts_infinity_into_the_power(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    powers = torch.stack([(grad.abs() ** norm_type).sum() for grad in grads])
    total_norm = powers.sum() ** (1 / norm_type)
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1)
    return [grad * factor for grad in grads], total_norm


@misconception(
    "clipping",
    replaces="clip_grad_norm",
    hint="You return the norm after clipping. What one wants to log is the norm before: it says "
    "how much there was to clip.",
)
def returns_the_clipped_norm(grads, max_norm, norm_type=2.0):
    if not grads:
        return [], torch.tensor(0.0)
    norms = [torch.linalg.vector_norm(grad, norm_type) for grad in grads]
    total_norm = torch.linalg.vector_norm(torch.stack(norms), norm_type)
    factor = (max_norm / (total_norm + 1e-6)).clamp(max=1)
    return [grad * factor for grad in grads], total_norm * factor


# --- schedule ------------------------------------------------------------------------------------


@misconception(
    "schedule",
    replaces="warmup_cosine_lr",
    hint="Your warm-up is one step ahead: step 0 has the learning rate 0 here. (Many libraries "
    "count from 1; this contract doesn't.)",
)
def warms_up_one_step_ahead(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * (step + 1) / warmup_steps
    if step >= total_steps:
        return min_lr
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))


@misconception(
    "schedule",
    replaces="warmup_cosine_lr",
    hint="Your cosine has been running since step 0, so the learning rate jumps down when the "
    "warm-up ends. The cosine's own clock starts at the end of the warm-up.",
)
def starts_the_cosine_at_step_zero(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * step / total_steps))


@misconception(
    "schedule",
    replaces="warmup_cosine_lr",
    hint="After `total_steps` your learning rate comes up again: the cosine goes on waving. From "
    "there on it stays at min_lr.",
)
def lets_the_cosine_go_on(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))


@misconception(
    "schedule",
    replaces="warmup_cosine_lr",
    hint="Your cosine swings over the whole of max_lr and min_lr is added on top, so it starts "
    "above max_lr. It swings between the two: what is its amplitude then?",
)
def swings_over_the_whole_maximum(step, *, max_lr, min_lr, warmup_steps, total_steps):
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    if step >= total_steps:
        return min_lr
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + 0.5 * max_lr * (1 + math.cos(math.pi * progress))


# --- accumulation --------------------------------------------------------------------------------


@misconception(
    "accumulation",
    replaces="accumulate_gradients",
    hint="You take the mean of the means: every micro-batch has the same say, so each sample of a "
    "small one counts for more. It is right only where all sizes are equal.",
)
def averages_the_means(micro_grads, micro_sizes):
    return torch.stack(micro_grads).mean(dim=0)


@misconception(
    "accumulation",
    replaces="accumulate_gradients",
    hint="You add the gradients up, as several calls of backward() do. Each belongs to a *mean*, "
    "and a sum of means is no mean: it grows with the number of micro-batches.",
)
def sums_the_means(micro_grads, micro_sizes):
    return torch.stack(micro_grads).sum(dim=0)


@misconception(
    "accumulation",
    replaces="accumulate_gradients",
    hint="You weigh each gradient by its size, rightly, but then divide by the number of "
    "micro-batches. How many samples are in your sum?",
)
def divides_by_the_number_of_pieces(micro_grads, micro_sizes):
    pairs = zip(micro_grads, micro_sizes, strict=True)
    return sum(size * grad for grad, size in pairs) / len(micro_sizes)
