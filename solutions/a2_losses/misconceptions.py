"""Wrong ideas that students really have about losses and softmax, each with the hint that helps.

The solution's own `_log_probabilities` (log softmax over the last dimension) and
`_target_distribution` (one-hot, smoothed) keep each idea down to the line in which it is wrong.
"""

from __future__ import annotations

import torch
from losses import (
    _log_probabilities,
    _target_distribution,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)

from autograder.misconceptions import misconception

# --- mse -----------------------------------------------------------------------------------------


@misconception(
    "mse",
    replaces="mse_loss",
    hint='Your "mean" adds up the last dimension and averages over the rest. Here the mean is '
    "over all elements: a (2, 3) input has six of them, whichever way they are arranged.",
)
def averages_over_rows_only(pred, target, reduction="mean"):
    squared = (pred - target) ** 2
    if reduction == "mean":
        return squared.sum(dim=-1).mean()
    return squared.sum() * (0.5 if reduction == "half_sum" else 1.0)


@misconception(
    "mse",
    replaces="mse_loss",
    hint="On paper p² − 2pt + t² is the same. In floats it subtracts two large numbers to get a "
    "small one, and where pred and target are large and close to each other, no digit of it is "
    "right. Take the difference first, then square it.",
)
def expands_the_square(pred, target, reduction="mean"):
    squared = pred * pred - 2 * pred * target + target * target
    if reduction == "mean":
        return squared.mean()
    return squared.sum() * (0.5 if reduction == "half_sum" else 1.0)


@misconception(
    "mse",
    replaces="mse_loss_backward",
    hint="The derivative of a square has a factor 2, and it is missing for mean and sum. Only in "
    "half_sum does something cancel it.",
)
def forgets_the_two_of_the_square(grad_output, pred, target, reduction="mean"):
    divisor = pred.numel() if reduction == "mean" else 1
    return grad_output * (pred - target) / divisor


@misconception(
    "mse",
    replaces="mse_loss_backward",
    hint="You differentiate half_sum as if it were sum: your gradient is twice as large as it "
    "should be. The ½ is in the loss, so it is in the gradient too.",
)
def half_sum_keeps_the_two(grad_output, pred, target, reduction="mean"):
    divisor = pred.numel() if reduction == "mean" else 1
    return grad_output * 2 * (pred - target) / divisor


@misconception(
    "mse",
    replaces="mse_loss_backward",
    hint="Your gradient of the mean is divided by the size of the first dimension, the batch. The "
    "forward pass averages over all elements, so the gradient has to be divided by their number.",
)
def divides_by_the_batch_size(grad_output, pred, target, reduction="mean"):
    factor = {"mean": 2.0, "sum": 2.0, "half_sum": 1.0}[reduction]
    rows = pred.shape[0] if reduction == "mean" and pred.dim() else 1
    return grad_output * factor * (pred - target) / rows


# --- bce -----------------------------------------------------------------------------------------


@misconception(
    "bce",
    replaces="bce_with_logits",
    hint="Your loss is infinite or nan for confident logits: either the sigmoid was rounded to "
    "exactly 0 or 1 before its logarithm was taken, or an e^x overflowed inside one. Expand log "
    "σ(x) on paper first, and arrange it so that no exponential has a positive exponent.",
)
def logarithm_of_the_sigmoid(logits, target):
    probs = torch.sigmoid(logits)
    return -(target * probs.log() + (1 - target) * (1 - probs).log()).mean()


@misconception(
    "bce",
    replaces="bce_with_logits",
    hint="Clamping the probability away from 0 and 1 gets rid of the infinity, but the loss is "
    "then wrong: it can't grow beyond −log of your clamp, however wrong the prediction is. "
    "Rewrite the formula instead of cutting off its values.",
)
def clamps_the_probability(logits, target):
    probs = torch.sigmoid(logits).clamp(1e-7, 1 - 1e-7)
    return -(target * probs.log() + (1 - target) * (1 - probs).log()).mean()


@misconception(
    "bce",
    replaces="bce_with_logits",
    hint="You keep only the term −y·log p. An element with target 0 then costs nothing, whatever "
    "is predicted: the term for 1 − y is missing.",
)
def drops_the_term_of_the_zeros(logits, target):
    softplus_of_minus = (-logits).clamp(min=0) + torch.log1p(torch.exp(-logits.abs()))
    return (target * softplus_of_minus).mean()


@misconception(
    "bce",
    replaces="bce_with_logits_backward",
    hint="This is the gradient with respect to the probability. The function takes logits, so "
    "there is one more step of the chain rule: through the sigmoid. Simplify the product on "
    "paper.",
)
def stops_at_the_probability(grad_output, logits, target):
    probs = torch.sigmoid(logits)
    return grad_output * (probs - target) / (probs * (1 - probs)) / logits.numel()


@misconception(
    "bce",
    replaces="bce_with_logits_backward",
    hint="The loss is a mean, so each element has only its share of it: the number of elements is "
    "missing in your gradient.",
)
def gradient_forgets_the_mean(grad_output, logits, target):
    return grad_output * (torch.sigmoid(logits) - target)


@misconception(
    "bce",
    replaces="bce_with_logits_backward",
    hint="Your sigmoid is e^x / (1 + e^x), which is ∞/∞ = nan for a large logit. Divide both "
    "parts by e^x and look which of the two forms overflows harmlessly, or use torch.sigmoid.",
)
def sigmoid_of_infinities(grad_output, logits, target):
    exponentials = torch.exp(logits)
    return grad_output * (exponentials / (1 + exponentials) - target) / logits.numel()


# --- softmax -------------------------------------------------------------------------------------


@misconception(
    "softmax",
    replaces="softmax",
    hint="You exponentiate x as it is. e^x is infinite from about 89 in float32 and 710 in "
    "float64, and ∞/∞ is nan. The result doesn't change if all entries of a slice are shifted by "
    "the same number: which number makes the largest exponent harmless?",
)
def exponentiates_without_shifting(x, dim=-1):
    exponentials = x.exp()
    return exponentials / exponentials.sum(dim=dim, keepdim=True)


@misconception(
    "softmax",
    replaces="softmax",
    hint="You shift by the maximum of the whole tensor. A row far below it is shifted so low that "
    "all its exponentials are rounded to 0, and 0/0 is nan. Each slice along dim needs its own "
    "maximum.",
)
def shifts_by_the_global_maximum(x, dim=-1):
    exponentials = (x - x.max()).exp()
    return exponentials / exponentials.sum(dim=dim, keepdim=True)


@misconception(
    "softmax",
    replaces="softmax",
    hint="Your result always adds up to 1 along the last dimension, whatever dim says.",
)
def normalises_the_last_dimension(x, dim=-1):
    exponentials = (x - x.amax(dim=-1, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="You use the diagonal of the Jacobian only, as if each probability depended on its own "
    "entry of x alone. It depends on all of its slice: they share the sum in the denominator. "
    "What is ∂pᵢ/∂xⱼ for i ≠ j?",
)
def diagonal_of_the_jacobian(grad_output, probs, dim=-1):
    return grad_output * probs * (1 - probs)


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="You differentiate the numerator and treat the denominator as a constant. It contains "
    "every x of the slice: the quotient rule has a second term.",
)
def treats_the_denominator_as_constant(grad_output, probs, dim=-1):
    return grad_output * probs


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="You add up over the whole tensor. A row's probabilities don't depend on another row's "
    "logits, so the sum runs along dim only.",
)
def mixes_the_rows(grad_output, probs, dim=-1):
    return probs * (grad_output - (grad_output * probs).sum())


# --- log_softmax ---------------------------------------------------------------------------------


@misconception(
    "log_softmax",
    replaces="log_softmax",
    hint="You compute softmax and then its logarithm. A probability that is too small for a float "
    "is 0 by then, and its logarithm −∞. The logarithm of a quotient of exponentials can be "
    "simplified on paper.",
)
def logarithm_of_the_softmax(x, dim=-1):
    exponentials = (x - x.amax(dim=dim, keepdim=True)).exp()
    return (exponentials / exponentials.sum(dim=dim, keepdim=True)).log()


@misconception(
    "log_softmax",
    replaces="log_softmax",
    hint="A small number added inside the logarithm hides log(0), but it changes every result, "
    "and small probabilities most: they all get the same floor. Rewrite the formula so that no 0 "
    "can occur.",
)
def adds_epsilon_inside_the_logarithm(x, dim=-1):
    exponentials = (x - x.amax(dim=dim, keepdim=True)).exp()
    return (exponentials / exponentials.sum(dim=dim, keepdim=True) + 1e-8).log()


@misconception(
    "log_softmax",
    replaces="log_softmax",
    hint="You add the maximum back to the logarithm before you subtract the sum from x. Around "
    "10,000, numbers in float32 are 0.001 apart: that is all that remains of a logarithm such as "
    "0.693. Subtract the maximum from x, and there is no need to add it back.",
)
def adds_the_maximum_back(x, dim=-1):
    maximum = x.amax(dim=dim, keepdim=True)
    return x - (maximum + (x - maximum).exp().sum(dim=dim, keepdim=True).log())


@misconception(
    "log_softmax",
    replaces="log_softmax",
    hint="You shifted x inside the exponential, but not the x that you subtract from (or you "
    "didn't add the shift back). Both terms have to be shifted by the same number.",
)
def shifts_one_term_only(x, dim=-1):
    return x - (x - x.amax(dim=dim, keepdim=True)).exp().sum(dim=dim, keepdim=True).log()


@misconception(
    "log_softmax",
    replaces="log_softmax_backward",
    hint="You multiply the probability by the same entry of grad_output only. xⱼ reaches every "
    "log pᵢ of its slice through the normaliser, so every entry of grad_output comes back to it: "
    "they have to be added up.",
)
def forgets_to_sum_the_upstream(grad_output, log_probs, dim=-1):
    return grad_output * (1 - log_probs.exp())


@misconception(
    "log_softmax",
    replaces="log_softmax_backward",
    hint="The second argument holds log-probabilities, the result of the forward pass. You use "
    "them as if they were probabilities.",
)
def takes_log_probs_for_probs(grad_output, log_probs, dim=-1):
    return grad_output - log_probs * grad_output.sum(dim=dim, keepdim=True)


# --- cross_entropy_probs -------------------------------------------------------------------------


@misconception(
    "cross_entropy_probs",
    replaces="cross_entropy_probs",
    hint="You average over the classes too. A row's loss is the sum over its classes; only the "
    "rows are averaged.",
)
def averages_over_classes_too(probs, target_probs):
    return -(target_probs * probs.log()).mean()


@misconception(
    "cross_entropy_probs",
    replaces="cross_entropy_probs",
    hint="A small number added inside the logarithm changes every result, also where p is large "
    "enough. The probabilities are positive: nothing has to be protected.",
)
def adds_epsilon_to_the_probabilities(probs, target_probs):
    return -(target_probs * (probs + 1e-8).log()).sum(dim=-1).mean()


@misconception(
    "cross_entropy_probs",
    replaces="cross_entropy_probs_backward",
    hint="p − y is the gradient with respect to *logits*, through a softmax. This function takes "
    "probabilities and differentiates with respect to them: there is no softmax here.",
)
def gradient_of_the_logits(grad_output, probs, target_probs):
    rows = probs.numel() // probs.shape[-1]
    return grad_output * (probs - target_probs) / rows


@misconception(
    "cross_entropy_probs",
    replaces="cross_entropy_probs_backward",
    hint="Your gradient isn't divided by the number of rows, but the loss is a mean over them.",
)
def gradient_forgets_the_rows(grad_output, probs, target_probs):
    return -grad_output * target_probs / probs


# --- softmax_cross_entropy -----------------------------------------------------------------------


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint="You divide by the number of all rows. Ignored rows don't count: the mean is over the "
    "others.",
)
def averages_over_ignored_rows_too(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    target_probs = _target_distribution(logits, target, label_smoothing)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1)
    row_losses = row_losses.masked_fill(target == ignore_index, 0.0)
    return {"none": row_losses, "sum": row_losses.sum(), "mean": row_losses.mean()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint="The rows that are ignored still have a loss in your result: it looks like that of class "
    "0, which stands in for ignore_index so that indexing works. Their loss has to be set to 0.",
)
def ignored_rows_cost_like_class_zero(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept = target != ignore_index
    target_probs = _target_distribution(logits, target.masked_fill(~kept, 0), label_smoothing)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1)
    total = row_losses.sum()
    return {"none": row_losses, "sum": total, "mean": total / kept.sum()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint="You ignore negative targets, or only -100. The row to ignore is the one whose target "
    "equals ignore_index, and that may be any int: -1, 255, or one of the classes.",
)
def ignores_only_negative_targets(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept = target >= 0
    target_probs = _target_distribution(logits, target, label_smoothing)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1).masked_fill(~kept, 0.0)
    total = row_losses.sum()
    return {"none": row_losses, "sum": total, "mean": total / kept.sum()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint='With reduction "none" you return the losses of the rows that are kept. The result has '
    "one entry for every row, in the target's shape; an ignored row has loss 0 and stays where it "
    "is.",
)
def leaves_ignored_rows_out(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    target_probs = _target_distribution(logits, target, label_smoothing)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1)[target != ignore_index]
    return {"none": row_losses, "sum": row_losses.sum(), "mean": row_losses.mean()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint="You share ε among the c − 1 other classes. That is another convention: here, as in "
    "torch, each of the c classes gets ε/c, the target's own class as well.",
)
def smooths_over_the_other_classes(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept, one_hot = target != ignore_index, _target_distribution(logits, target)
    share = label_smoothing / max(logits.shape[-1] - 1, 1)
    target_probs = (1 - label_smoothing) * one_hot + share * (1 - one_hot)
    row_losses = -(target_probs * _log_probabilities(logits)).sum(dim=-1).masked_fill(~kept, 0.0)
    total = row_losses.sum()
    return {"none": row_losses, "sum": total, "mean": total / kept.sum()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy",
    hint="Your loss is infinite where a class is far behind: either its probability was rounded "
    "to 0 before the logarithm, or an e^logit overflowed. Go from logits to log-probabilities "
    "directly, with the largest logit of the row taken out of the sum of exponentials.",
)
def logarithm_of_rounded_probabilities(
    logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept = target != ignore_index
    exponentials = (logits - logits.amax(dim=-1, keepdim=True)).exp()
    log_probs = (exponentials / exponentials.sum(dim=-1, keepdim=True)).log()
    target_probs = _target_distribution(logits, target, label_smoothing)
    row_losses = -torch.where(target_probs > 0, target_probs * log_probs, 0.0).sum(dim=-1)
    row_losses = row_losses.masked_fill(~kept, 0.0)
    total = row_losses.sum()
    return {"none": row_losses, "sum": total, "mean": total / kept.sum()}[reduction]


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy_backward",
    hint="You divide the gradient by the number of all rows. The mean is over the rows that "
    "aren't ignored, and so is its gradient.",
)
def gradient_counts_ignored_rows(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    target_probs = _target_distribution(logits, target, label_smoothing)
    weights = grad_output / target.numel() if reduction == "mean" else grad_output
    weights = torch.where(target != ignore_index, weights, 0.0)
    return weights.unsqueeze(-1) * (_log_probabilities(logits).exp() - target_probs)


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy_backward",
    hint="Ignored rows have a gradient in your result. Their loss is a constant 0, so nothing may "
    "flow back into their logits.",
)
def ignored_rows_still_pull(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    target_probs = _target_distribution(logits, target, label_smoothing)
    weights = grad_output / (target != ignore_index).sum() if reduction == "mean" else grad_output
    return weights.expand(target.shape).unsqueeze(-1) * (
        _log_probabilities(logits).exp() - target_probs
    )


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy_backward",
    hint="Your gradient is that of the loss without label smoothing. The target distribution "
    "isn't one-hot when ε > 0, in the gradient no more than in the loss.",
)
def gradient_forgets_label_smoothing(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept = target != ignore_index
    weights = torch.where(kept, grad_output / kept.sum() if reduction == "mean" else grad_output, 0)
    one_hot = _target_distribution(logits, target)
    return weights.unsqueeze(-1) * (_log_probabilities(logits).exp() - one_hot)


@misconception(
    "softmax_cross_entropy",
    replaces="softmax_cross_entropy_backward",
    hint="You divide by the number of rows in every reduction. Only the mean divides in the "
    'forward pass; "sum" and "none" hand each row its gradient whole.',
)
def every_reduction_divides(
    grad_output, logits, target, ignore_index=-100, label_smoothing=0.0, reduction="mean"
):
    kept = target != ignore_index
    target_probs = _target_distribution(logits, target, label_smoothing)
    weights = torch.where(kept, grad_output / kept.sum(), 0.0)
    return weights.unsqueeze(-1) * (_log_probabilities(logits).exp() - target_probs)


# --- causal_lm -----------------------------------------------------------------------------------
# A student would call softmax_cross_entropy here, and so do these.


@misconception(
    "causal_lm",
    replaces="causal_lm_loss",
    hint="You compare the logits of a position with the token of the same position: the token "
    "that the model has just read. Position i predicts the token after it.",
)
def predicts_the_token_just_read(logits, tokens, ignore_index=-100):
    return softmax_cross_entropy(logits, tokens, ignore_index)


@misconception(
    "causal_lm",
    replaces="causal_lm_loss",
    hint="Your shift goes the wrong way: position i + 1 is asked for token i, which lies in its "
    "past. Which logits have no target, the first or the last? And which token does no one "
    "predict?",
)
def shifts_the_wrong_way(logits, tokens, ignore_index=-100):
    return softmax_cross_entropy(logits[:, 1:], tokens[:, :-1], ignore_index)


@misconception(
    "causal_lm",
    replaces="causal_lm_loss",
    hint="You roll the tokens around: the last position is asked for the first token of its "
    "sequence. It has no target; leave it out.",
)
def last_position_predicts_the_first_token(logits, tokens, ignore_index=-100):
    return softmax_cross_entropy(logits, tokens.roll(-1, dims=1), ignore_index)


@misconception(
    "causal_lm",
    replaces="causal_lm_loss",
    hint="You leave out predictions whose *input* token is ignore_index. What counts is the token "
    "that is to be predicted.",
)
def ignores_by_the_input_token(logits, tokens, ignore_index=-100):
    kept, target_probs = tokens[:, :-1] != ignore_index, _target_distribution(logits, tokens)
    losses = -(target_probs[:, 1:] * _log_probabilities(logits[:, :-1])).sum(dim=-1)
    return losses.masked_fill(~kept, 0.0).sum() / kept.sum()


@misconception(
    "causal_lm",
    replaces="causal_lm_loss",
    hint="You average within each sequence first, then over the sequences. A token of a short "
    "sequence then weighs more than one of a long sequence. All predictions of the batch have one "
    "common mean.",
)
def averages_every_sequence_first(logits, tokens, ignore_index=-100):
    targets = tokens[:, 1:]
    losses = softmax_cross_entropy(logits[:, :-1], targets, ignore_index, reduction="none")
    return (losses.sum(dim=1) / (targets != ignore_index).sum(dim=1).clamp(min=1)).mean()


@misconception(
    "causal_lm",
    replaces="causal_lm_loss_backward",
    hint="Your gradient has t − 1 positions. It must have the shape of the logits: the position "
    "that was sliced off had no influence on the loss. What is its gradient?",
)
def gradient_is_one_position_short(grad_output, logits, tokens, ignore_index=-100):
    return softmax_cross_entropy_backward(grad_output, logits[:, :-1], tokens[:, 1:], ignore_index)


@misconception(
    "causal_lm",
    replaces="causal_lm_loss_backward",
    hint="The gradients are right, one position too late: they lie where the target tokens are. "
    "They belong to the positions that predicted them, and it is the last position that gets 0.",
)
def gradient_lies_at_the_target(grad_output, logits, tokens, ignore_index=-100):
    grad_logits = torch.zeros_like(logits)
    grad_logits[:, 1:] = softmax_cross_entropy_backward(
        grad_output, logits[:, :-1], tokens[:, 1:], ignore_index
    )
    return grad_logits


# --- penalties -----------------------------------------------------------------------------------


@misconception(
    "penalties",
    replaces="l1_penalty_backward",
    hint="A weight that is exactly 0 gets the gradient of a positive one. The slope of |w| jumps "
    "from −1 to 1 there, and the subgradient that we choose is 0: nothing pulls at a zero weight.",
)
def zero_counts_as_positive(grad_output, w, strength):
    return grad_output * strength * torch.where(w >= 0, 1.0, -1.0).to(w.dtype)


@misconception(
    "penalties",
    replaces="l1_penalty_backward",
    hint="You divide w by its absolute value to get the sign, and 0/0 is nan. A weight that is "
    "exactly 0 is nothing unusual; its gradient here is 0.",
)
def divides_by_the_absolute_value(grad_output, w, strength):
    return grad_output * strength * w / w.abs()


@misconception(
    "penalties",
    replaces="l2_penalty",
    hint="You take the l2 *norm*, with its square root. The penalty is the sum of squares itself.",
)
def takes_the_norm(w, strength):
    return strength * (w * w).sum().sqrt()


@misconception(
    "penalties",
    replaces="l2_penalty_backward",
    hint="Your gradient is half of what it should be. It would be right with a ½ in the penalty, "
    "but there is none here.",
)
def expects_a_half_in_front(grad_output, w, strength):
    return grad_output * strength * w
