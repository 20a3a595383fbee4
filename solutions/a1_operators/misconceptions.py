"""Wrong ideas that students really have about operators and gradients, each with its hint.

Each function stands in for a whole function of the solution, and only one idea in it is wrong.
Where two of them give the same answer to an input, the first may be what a student reads about,
so the more common mistake comes first.
"""

from __future__ import annotations

import math

import torch
from operators import (
    reduce_max,
    reduce_mean_backward,
    reduce_sum,
    reduce_sum_backward,
    relu,
    sigmoid,
    tanh,
    unbroadcast,
)

from autograder.misconceptions import misconception

# --- matmul --------------------------------------------------------------------------------------


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="grad_w has one matrix for each batch, but there is only one w, and every batch used it. "
    "An entry of w reaches every row of the result, so its gradient is a sum over all rows, "
    "whichever leading dimensions they sit in. Fold the leading dimensions into rows first.",
)
def keeps_one_grad_w_per_batch(grad_output, x, w):
    if x.dim() == 1:
        return grad_output @ w.T, torch.outer(x, grad_output)
    return grad_output @ w.T, x.mT @ grad_output


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="This grad_w is right for exactly one leading dimension in front of the rows. x may be "
    "(d,), (n, d) or have many leading dimensions. Don't sum over one fixed dimension: turn "
    "everything in front of d into rows, then there is one case only.",
)
def sums_grad_w_over_the_first_dimension(grad_output, x, w):
    if x.dim() == 1:
        return grad_output @ w.T, torch.outer(x, grad_output)
    return grad_output @ w.T, (x.mT @ grad_output).sum(dim=0)


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="You return grad_w as (e, d); w is (d, e). In Σ_n x[n, k] g[n, j] the row index k of w "
    "belongs to x and the column index j to grad_output: which of the two has to come first?",
)
def transposes_grad_w(grad_output, x, w):
    d, e = w.shape
    return grad_output @ w.T, grad_output.reshape(-1, e).T @ x.reshape(-1, d)


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="The two gradients come out in each other's place. Backward functions return them in the "
    "order of the inputs: first grad_x with x's shape, then grad_w with w's.",
)
def returns_grad_w_first(grad_output, x, w):
    d, e = w.shape
    return x.reshape(-1, d).T @ grad_output.reshape(-1, e), grad_output @ w.T


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="Reshape and transpose aren't the same: reshape keeps the order of the numbers in memory "
    "and cuts it into rows of another length, so (d, e) becomes an (e, d) of jumbled entries. The "
    "shapes fit, the values don't. You want rows to become columns.",
)
def reshapes_where_a_transpose_is_due(grad_output, x, w):
    d, e = w.shape
    rows = math.prod(x.shape[:-1])
    return grad_output @ w.reshape(e, d), x.reshape(d, rows) @ grad_output.reshape(-1, e)


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="grad_w is divided by the number of rows. The chain rule only adds up: w reaches the loss "
    "through every row, and the contributions sum. If the loss is a mean over the batch, its 1/N "
    "is in grad_output already.",
)
def averages_grad_w_over_the_rows(grad_output, x, w):
    d, e = w.shape
    rows = math.prod(x.shape[:-1])
    grad_w = x.reshape(-1, d).T @ grad_output.reshape(-1, e)
    return grad_output @ w.T, grad_w / max(rows, 1)


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="This is the gradient of y.sum(), as if every entry of the result counted 1. What each "
    "entry counts is what grad_output says: by the chain rule it is a factor in every term.",
)
def differentiates_the_sum_of_the_result(grad_output, x, w):
    d, e = w.shape
    ones = torch.ones_like(grad_output)
    return ones @ w.T, x.reshape(-1, d).T @ ones.reshape(-1, e)


# --- batched_matmul ------------------------------------------------------------------------------


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="The gradients have the broadcast leading dimensions, not their input's own. A matrix "
    "that broadcasting used for several batch indices gets the sum of all their gradients.",
)
def forgets_that_batches_were_broadcast(grad_output, a, b):
    return grad_output @ b.mT, a.mT @ grad_output


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="You sum over the leading dimensions that an input lacks, but not over those where it has "
    "size 1 and the other input more. Such a dimension was stretched: the same matrix was used "
    "along all of it. Sum there too, and keep the dimension with size 1.",
)
def overlooks_batch_dimensions_of_size_one(grad_output, a, b):
    grad_a, grad_b = grad_output @ b.mT, a.mT @ grad_output
    while grad_a.dim() > a.dim():
        grad_a = grad_a.sum(dim=0)
    while grad_b.dim() > b.dim():
        grad_b = grad_b.sum(dim=0)
    return grad_a, grad_b


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="You sum over leading dimensions where an input has size 1, but not over those that it "
    "doesn't have at all. Broadcasting adds missing dimensions on the left; the gradient mustn't "
    "have them any more.",
)
def overlooks_missing_batch_dimensions(grad_output, a, b):
    grad_a, grad_b = grad_output @ b.mT, a.mT @ grad_output
    for i in range(-a.dim(), 0):
        if a.shape[i] == 1:
            grad_a = grad_a.sum(dim=i, keepdim=True)
    for i in range(-b.dim(), 0):
        if b.shape[i] == 1:
            grad_b = grad_b.sum(dim=i, keepdim=True)
    return grad_a, grad_b


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="Each of your gradients is averaged over the batch indices that shared a matrix. A value "
    "that is used several times gets the sum of what flows back, not the mean.",
)
def averages_the_shared_batches(grad_output, a, b):
    grad_a, grad_b = grad_output @ b.mT, a.mT @ grad_output
    uses_of_a = math.prod(grad_a.shape[:-2]) / max(math.prod(a.shape[:-2]), 1)
    uses_of_b = math.prod(grad_b.shape[:-2]) / max(math.prod(b.shape[:-2]), 1)
    return (
        unbroadcast(grad_a, a.shape) / max(uses_of_a, 1),
        unbroadcast(grad_b, b.shape) / max(uses_of_b, 1),
    )


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="Your grad_b is (m, k) in its last two dimensions; b is (k, m). In Σ_i a[i, p] g[i, j] "
    "the row index p of b comes from a: the factor that brings the row index stands on the left.",
)
def transposes_grad_b(grad_output, a, b):
    grad_a = unbroadcast(grad_output @ b.mT, a.shape)
    return grad_a, unbroadcast(grad_output.mT @ a, b.mT.shape)


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="The two gradients come out in each other's place: return grad_a first, then grad_b.",
)
def returns_grad_b_first(grad_output, a, b):
    return unbroadcast(a.mT @ grad_output, b.shape), unbroadcast(grad_output @ b.mT, a.shape)


@misconception(
    "batched_matmul",
    replaces="batched_matmul_backward",
    hint="This is the gradient of the sum of all entries of the result. grad_output says how much "
    "each entry counts; without it the chain rule is missing its first factor.",
)
def differentiates_the_sum_of_the_batches(grad_output, a, b):
    ones = torch.ones_like(grad_output)
    return unbroadcast(ones @ b.mT, a.shape), unbroadcast(a.mT @ ones, b.shape)


# --- linear --------------------------------------------------------------------------------------


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your grad_weight is (d, e), but here weight is stored as (e, d), one row per output "
    "feature. The formula from matmul has to be transposed too: redo it with weight[j, k].",
)
def treats_weight_as_input_by_output(grad_output, x, weight):
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    return grad_output @ weight, x.reshape(-1, d).T @ rows, rows.sum(dim=0)


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your grad_weight has one matrix for each batch. There is one weight, used by every row "
    "of every batch, so its gradient sums over all of them: fold the leading dimensions into rows.",
)
def keeps_one_grad_weight_per_batch(grad_output, x, weight):
    grad_bias = grad_output.reshape(-1, weight.shape[0]).sum(dim=0)
    if x.dim() == 1:
        return grad_output @ weight, torch.outer(grad_output, x), grad_bias
    return grad_output @ weight, grad_output.mT @ x, grad_bias


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your grad_bias is summed over the first dimension only. That is right for x of (n, d) "
    "and for no other: with no leading dimension there is nothing to sum, with two there are two "
    "to sum over. Work with rows, then there is one case only.",
)
def sums_grad_bias_over_the_first_dimension(grad_output, x, weight):
    e, d = weight.shape
    grad_weight = grad_output.reshape(-1, e).T @ x.reshape(-1, d)
    return grad_output @ weight, grad_weight, grad_output.sum(dim=0)


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your grad_bias still has all the leading dimensions. bias is (e,), one number per output "
    "feature, and it was added to every row: each row sends a gradient back, and they add up.",
)
def leaves_grad_bias_unsummed(grad_output, x, weight):
    e, d = weight.shape
    return grad_output @ weight, grad_output.reshape(-1, e).T @ x.reshape(-1, d), grad_output


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your gradients of weight and bias are divided by the number of rows. They are sums: if "
    "the loss is a mean over the batch, that factor has come in with grad_output already.",
)
def averages_the_parameters_over_the_rows(grad_output, x, weight):
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    count = max(rows.shape[0], 1)
    grad_weight = rows.T @ x.reshape(-1, d)
    return grad_output @ weight, grad_weight / count, rows.sum(dim=0) / count


@misconception(
    "linear",
    replaces="linear_backward",
    hint="Your grad_bias counts the rows. It is true that dy/dbias = 1, but that is the local "
    "derivative: the chain rule multiplies it by grad_output before anything is summed.",
)
def takes_grad_bias_for_a_count_of_rows(grad_output, x, weight):
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    return grad_output @ weight, rows.T @ x.reshape(-1, d), torch.ones_like(rows).sum(dim=0)


@misconception(
    "linear",
    replaces="linear_backward",
    hint="You return the parameters' gradients first. The order is that of the forward function's "
    "inputs: x, weight, bias.",
)
def returns_the_parameters_first(grad_output, x, weight):
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    return rows.T @ x.reshape(-1, d), rows.sum(dim=0), grad_output @ weight


@misconception(
    "linear",
    replaces="linear",
    hint="The shapes fit, but reshaping weight from (e, d) to (d, e) doesn't transpose it: the "
    "numbers stay in the order they have in memory. Output feature j is the dot product of x with "
    "*row* j of weight.",
)
def reshapes_weight_to_make_it_fit(x, weight, bias):
    e, d = weight.shape
    return x @ weight.reshape(d, e) + bias


# --- bias ----------------------------------------------------------------------------------------


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="You sum grad_b over the first dimension only. x may have several leading dimensions or "
    "none, and b was added along all of them: everything in front of d has to be summed, d stays.",
)
def sums_grad_b_over_the_first_dimension(grad_output):
    return grad_output, grad_output.sum(dim=0)


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="Your grad_b has the shape of the whole result. b is (d,): one number reached every row, "
    "so what comes back from the rows has to be added up into one number again.",
)
def leaves_grad_b_unsummed(grad_output):
    return grad_output, grad_output


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="Your grad_b is the mean over the rows, it should be the sum. Nudge one entry of b by ε: "
    "every row moves by ε, not by ε/N.",
)
def averages_grad_b_over_the_rows(grad_output):
    rows = grad_output.reshape(-1, grad_output.shape[-1])
    return grad_output, rows.sum(dim=0) / max(rows.shape[0], 1)


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="Your grad_b is summed over the features, which leaves one number per row. It is the "
    "other way round: b has one entry per feature and is shared by the rows, so the rows are "
    "summed.",
)
def sums_grad_b_over_the_features(grad_output):
    rows = grad_output.reshape(-1, grad_output.shape[-1])
    return grad_output, rows.sum(dim=1)


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="The values of grad_b are right, but summed dimensions are still there with size 1. A "
    "gradient has exactly its input's shape, and b is (d,).",
)
def keeps_the_summed_dimensions_of_grad_b(grad_output):
    grad_b = grad_output
    for dim in range(grad_output.dim() - 1):
        grad_b = grad_b.sum(dim=dim, keepdim=True)
    return grad_output, grad_b


@misconception(
    "bias",
    replaces="add_bias_backward",
    hint="You return a count of rows. The derivative of the result by b is 1 in every row, but "
    "what you need is the derivative of the *loss*: each of these ones is multiplied by its entry "
    "of grad_output before the sum.",
)
def takes_grad_b_for_a_count_of_rows(grad_output):
    rows = grad_output.reshape(-1, grad_output.shape[-1])
    return grad_output, torch.ones_like(rows).sum(dim=0)


# --- broadcasting --------------------------------------------------------------------------------


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="You sum over the dimensions that broadcasting added on the left, but not over those that "
    "it stretched from size 1. There the same entry was read several times as well. Sum over them "
    "and keep them, with size 1.",
)
def undoes_added_dimensions_only(grad, shape):
    while grad.dim() > len(shape):
        grad = grad.sum(dim=0)
    return grad


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="You sum over dimensions that were stretched from size 1, but not over those that shape "
    "doesn't have at all. Broadcasting adds them on the left; sum over them and let them go.",
)
def undoes_stretched_dimensions_only(grad, shape):
    for i in range(-len(shape), 0):
        if shape[i] == 1:
            grad = grad.sum(dim=i, keepdim=True)
    return grad


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="Dimensions of size 1 have disappeared that belong to shape. squeeze() removes every "
    "dimension of size 1, wherever it came from. Drop only the dimensions that broadcasting added.",
)
def squeezes_dimensions_that_belong_to_the_input(grad, shape):
    padded = (1,) * (grad.dim() - len(shape)) + tuple(shape)
    for i, size in enumerate(padded):
        if size == 1:
            grad = grad.sum(dim=i, keepdim=True)
    return grad.squeeze()


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="The sums are right, but the dimensions that broadcasting added are still there with size "
    "1. The result must have exactly the shape that was asked for.",
)
def keeps_added_dimensions_with_size_one(grad, shape):
    padded = (1,) * (grad.dim() - len(shape)) + tuple(shape)
    for i, size in enumerate(padded):
        if size == 1:
            grad = grad.sum(dim=i, keepdim=True)
    return grad


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="You take the mean over the copies, it should be the sum. An entry that was used five "
    "times influences the loss in five places, and the chain rule adds them.",
)
def averages_the_copies(grad, shape):
    padded = (1,) * (grad.dim() - len(shape)) + tuple(shape)
    copies = 1
    for i, size in enumerate(padded):
        if size == 1:
            copies *= grad.shape[i]
            grad = grad.sum(dim=i, keepdim=True)
    return grad.reshape(shape) / max(copies, 1)


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="You line the shapes up on the left. Broadcasting lines them up on the right: with (4, 3) "
    "and (3,) it is the 4 that was added. The dimensions to drop are the first ones.",
)
def aligns_the_shapes_on_the_left(grad, shape):
    while grad.dim() > len(shape):
        grad = grad.sum(dim=-1)
    for i, size in enumerate(shape):
        if size == 1:
            grad = grad.sum(dim=i, keepdim=True)
    return grad


@misconception(
    "broadcasting",
    replaces="unbroadcast",
    hint="When there is nothing to undo you return the sum of everything. In torch, a sum over an "
    "empty tuple of dimensions means *all* dimensions, not none. Treat that case on its own.",
)
def sums_everything_over_an_empty_tuple(grad, shape):
    added = grad.dim() - len(shape)
    padded = (1,) * added + tuple(shape)
    dims = tuple(i for i, size in enumerate(padded) if size != grad.shape[i])
    grad = grad.sum(dim=dims, keepdim=True)
    return grad.reshape(grad.shape[added:])


@misconception(
    "broadcasting",
    replaces="add_backward",
    hint="You return grad_output for both inputs. That is right for inputs of the result's shape. "
    "One that was broadcast has fewer entries than the result; its gradient has its own shape.",
)
def passes_grad_output_to_both_terms(grad_output, x, y):
    return grad_output, grad_output


@misconception(
    "broadcasting",
    replaces="add_backward",
    hint="Your gradients ignore grad_output: they count how often each entry was used. It is true "
    "that each use has derivative 1, but the chain rule weights it with grad_output's entry there.",
)
def counts_the_uses_of_each_term(grad_output, x, y):
    ones = torch.ones_like(grad_output)
    return unbroadcast(ones, x.shape), unbroadcast(ones, y.shape)


@misconception(
    "broadcasting",
    replaces="multiply_backward",
    hint="The factors are swapped: you multiply by the input itself. The derivative of x·y by x is "
    "what x was multiplied with.",
)
def multiplies_by_the_same_factor(grad_output, x, y):
    return unbroadcast(grad_output * x, x.shape), unbroadcast(grad_output * y, y.shape)


@misconception(
    "broadcasting",
    replaces="multiply_backward",
    hint="The products are right where nothing was broadcast, but your gradients have the shape of "
    "the result instead of their input's. Add up the copies that broadcasting made.",
)
def leaves_the_products_broadcast(grad_output, x, y):
    return grad_output * y, grad_output * x


@misconception(
    "broadcasting",
    replaces="multiply_backward",
    hint="You sum grad_output first and multiply afterwards. But the copies of an entry met "
    "different factors: Σ g·y is not (Σ g)·(Σ y). Each product first, the sum last.",
)
def sums_before_it_multiplies(grad_output, x, y):
    summed_x = unbroadcast(grad_output, x.shape)
    summed_y = unbroadcast(grad_output, y.shape)
    return unbroadcast(summed_x * y, x.shape), unbroadcast(summed_y * x, y.shape)


@misconception(
    "broadcasting",
    replaces="multiply_backward",
    hint="grad_output doesn't occur in your answer, only the other factor does. That is the local "
    "derivative; the chain rule multiplies it by grad_output.",
)
def stops_at_the_local_derivative_of_a_product(grad_output, x, y):
    ones = torch.ones_like(grad_output)
    return unbroadcast(ones * y, x.shape), unbroadcast(ones * x, y.shape)


# --- activations: relu ---------------------------------------------------------------------------


@misconception(
    "activations",
    replaces="relu_backward",
    hint="At x = 0 exactly you let the gradient pass. There is no derivative at the kink; by "
    "convention, here and in torch, relu'(0) is 0. Look at your comparison.",
)
def opens_the_relu_at_zero(grad_output, x):
    return grad_output * (x >= 0)


@misconception(
    "activations",
    replaces="relu_backward",
    hint="You return the derivative of relu itself, ones and zeros. The gradient of the loss is "
    "that times grad_output.",
)
def returns_the_relu_mask(grad_output, x):
    return (x > 0).to(x.dtype)


@misconception(
    "activations",
    replaces="relu_backward",
    hint="You set negative entries of grad_output to zero. A gradient may well be negative; it is "
    "the sign of the *input x* that decides whether it passes.",
)
def gates_the_relu_on_the_gradient(grad_output, x):
    return relu(grad_output)


@misconception(
    "activations",
    replaces="relu_backward",
    hint="You multiply grad_output by relu(x), so the gradient grows with x. The derivative of "
    "relu is its slope: where x > 0 the line rises by 1 for every 1, however large x is.",
)
def takes_relu_for_its_own_derivative(grad_output, x):
    return grad_output * relu(x)


# --- activations: sigmoid ------------------------------------------------------------------------


@misconception(
    "activations",
    replaces="sigmoid_backward",
    hint="σ' = σ (1 − σ) is a formula in the *output* of sigmoid, and you put the input in. x is "
    "what went into sigmoid; compute σ(x) first.",
)
def takes_x_for_the_sigmoid(grad_output, x):
    return grad_output * x * (1 - x)


@misconception(
    "activations",
    replaces="sigmoid_backward",
    hint="The second factor is missing. Differentiating 1/(1 + e^(−x)) gives e^(−x)/(1 + e^(−x))²: "
    "one factor of that is σ. What is the rest?",
)
def loses_one_minus_sigmoid(grad_output, x):
    return grad_output * sigmoid(x)


@misconception(
    "activations",
    replaces="sigmoid_backward",
    hint="Right for small x, nan for very negative x: e^(−x) overflows to inf, and inf/inf is nan. "
    "Express the derivative by values of σ, which never leave [0, 1].",
)
def overflows_in_the_sigmoid_gradient(grad_output, x):
    return grad_output * torch.exp(-x) / (1 + torch.exp(-x)) ** 2


@misconception(
    "activations",
    replaces="sigmoid",
    hint="Right for small x, nan for large x: e^x overflows to inf, and inf/inf is nan. Find a "
    "form whose exponentials have a negative argument wherever they could be large.",
)
def overflows_in_the_sigmoid(x):
    return torch.exp(x) / (1 + torch.exp(x))


# --- activations: tanh ---------------------------------------------------------------------------


@misconception(
    "activations",
    replaces="tanh_backward",
    hint="1 − y² is a formula in the *output* y = tanh(x), and you put the input x in.",
)
def takes_x_for_the_tanh(grad_output, x):
    return grad_output * (1 - x**2)


@misconception(
    "activations",
    replaces="tanh_backward",
    hint="You have 1 − tanh, without the square. Check it: tanh is odd, so its slope must be the "
    "same at x and at −x.",
)
def forgets_to_square_the_tanh(grad_output, x):
    return grad_output * (1 - tanh(x))


@misconception(
    "activations",
    replaces="tanh_backward",
    hint="You used the derivative of sigmoid, y (1 − y). tanh is a stretched sigmoid, tanh(x) = "
    "2σ(2x) − 1, and its derivative is another one: use the quotient rule.",
)
def differentiates_tanh_like_sigmoid(grad_output, x):
    return grad_output * tanh(x) * (1 - tanh(x))


@misconception(
    "activations",
    replaces="tanh",
    hint="Right for small x, nan for large |x|: e^x or e^(−x) overflows to inf, and inf/inf is "
    "nan. Divide numerator and denominator by the larger of the two exponentials.",
)
def overflows_in_the_tanh(x):
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


# --- activations: gelu ---------------------------------------------------------------------------


@misconception(
    "activations",
    replaces="gelu",
    hint="This is the tanh approximation of gelu, off by up to 5e-4. The exercise asks for the "
    "exact form, with erf.",
)
def approximates_gelu_by_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@misconception(
    "activations",
    replaces="gelu",
    hint="This is the sigmoid approximation of gelu, x σ(1.702 x), off by up to 0.02. The exercise "
    "asks for the exact form, with erf.",
)
def approximates_gelu_by_sigmoid(x):
    return x * sigmoid(1.702 * x)


@misconception(
    "activations",
    replaces="gelu",
    hint="Inside erf, √2 is missing. erf belongs to a normal distribution with variance ½; the "
    "standard normal has variance 1, and the change of scale goes into the argument.",
)
def forgets_root_two_in_erf(x):
    return 0.5 * x * (1 + torch.erf(x))


@misconception(
    "activations",
    replaces="gelu_backward",
    hint="This is the derivative of gelu's tanh approximation. Differentiate the exact form, x "
    "Φ(x): it is much shorter.",
)
def differentiates_the_tanh_approximation(grad_output, x):
    scale = math.sqrt(2 / math.pi)
    t = torch.tanh(scale * (x + 0.044715 * x**3))
    slope = scale * (1 + 3 * 0.044715 * x**2)
    return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


@misconception(
    "activations",
    replaces="gelu_backward",
    hint="You have Φ(x), the first term of the product rule. x occurs twice in x Φ(x): the second "
    "term, with the derivative of Φ, is missing.",
)
def holds_the_normal_cdf_constant(grad_output, x):
    return grad_output * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


@misconception(
    "activations",
    replaces="gelu_backward",
    hint="Your density isn't normalised: e^(−x²/2) alone integrates to √(2π), not to 1.",
)
def forgets_to_normalise_the_density(grad_output, x):
    cumulative = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return grad_output * (cumulative + x * torch.exp(-(x**2) / 2))


@misconception(
    "activations",
    replaces="gelu_backward",
    hint="The product rule on x Φ(x) gives two terms, and in the one with Φ' the factor x stays.",
)
def drops_x_before_the_density(grad_output, x):
    cumulative = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    return grad_output * (cumulative + torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))


# --- activations: silu ---------------------------------------------------------------------------


@misconception(
    "activations",
    replaces="silu_backward",
    hint="You have σ(x), the first term of the product rule. x occurs twice in x σ(x): the term "
    "with the derivative of σ is missing.",
)
def holds_the_sigmoid_constant(grad_output, x):
    return grad_output * sigmoid(x)


@misconception(
    "activations",
    replaces="silu_backward",
    hint="You have x σ'(x), the second term of the product rule. The first one, from the factor x "
    "in front, is missing.",
)
def holds_the_factor_x_constant(grad_output, x):
    return grad_output * x * sigmoid(x) * (1 - sigmoid(x))


@misconception(
    "activations",
    replaces="silu_backward",
    hint="The product rule on x σ(x) gives two terms, and in the one with σ' the factor x stays.",
)
def drops_x_before_the_sigmoid_slope(grad_output, x):
    return grad_output * (sigmoid(x) + sigmoid(x) * (1 - sigmoid(x)))


# --- activations: exp and log --------------------------------------------------------------------


@misconception(
    "activations",
    replaces="exp_backward",
    hint="You multiply by x. What is its own derivative is the *value* e^x; many libraries pass "
    "that value on to the backward function, but here you get the input.",
)
def takes_x_for_the_exponential(grad_output, x):
    return grad_output * x


@misconception(
    "activations",
    replaces="exp_backward",
    hint="You used the power rule, which is for x^k with x in the base. Here x is in the exponent.",
)
def applies_the_power_rule_to_exp(grad_output, x):
    return grad_output * x * torch.exp(x - 1)


@misconception(
    "activations",
    replaces="log_backward",
    hint="You return 1/x, the derivative of log. The gradient of the loss is that times "
    "grad_output.",
)
def returns_the_reciprocal_alone(grad_output, x):
    return 1 / x


@misconception(
    "activations",
    replaces="log_backward",
    hint="You multiply by x. That would undo what the logarithm does to small changes: its slope "
    "is steep for small x and flat for large x.",
)
def multiplies_where_log_divides(grad_output, x):
    return grad_output * x


# --- power ---------------------------------------------------------------------------------------


@misconception(
    "power",
    replaces="power_backward",
    hint="The exponent has to go down by one: the derivative of x² is 2x, not 2x².",
)
def keeps_the_exponent(grad_output, x, k):
    return grad_output * k * x**k


@misconception(
    "power",
    replaces="power_backward",
    hint="The factor k is missing: the exponent goes down by one, and its old value comes in "
    "front.",
)
def loses_the_factor_k(grad_output, x, k):
    if k == 0:
        return torch.zeros_like(grad_output)
    return grad_output * x ** (k - 1)


@misconception(
    "power",
    replaces="power_backward",
    hint="nan at x = 0 when k = 0: the formula then reads 0 · 0^(−1), and 0 · inf is nan. But x⁰ "
    "is constant, so think about what its slope is, and give that case a line of its own.",
)
def divides_by_zero_when_k_is_zero(grad_output, x, k):
    return grad_output * k * x ** (k - 1)


@misconception(
    "power",
    replaces="power_backward",
    hint="This is the derivative by k, as for an exponential. The gradient asked for is the one "
    "with respect to x; k is a constant.",
)
def differentiates_by_the_exponent(grad_output, x, k):
    return grad_output * x**k * torch.log(x)


@misconception(
    "power",
    replaces="power_backward",
    hint="You return the derivative of x^k. The gradient of the loss is that times grad_output.",
)
def stops_at_the_power_rule(grad_output, x, k):
    return torch.zeros_like(x) if k == 0 else k * x ** (k - 1)


@misconception(
    "power",
    replaces="power",
    hint="e^(k log x) is x^k only for x > 0. For negative x the logarithm is nan, and 0⁰ becomes "
    "nan as well, yet (−2)² is 4 and 0⁰ is 1 here.",
)
def goes_through_the_logarithm(x, k):
    return torch.exp(k * torch.log(x))


# --- reductions: sum -----------------------------------------------------------------------------


@misconception(
    "reductions",
    replaces="reduce_sum_backward",
    hint="The right numbers in the wrong places: you fill the gradient in memory order, so all "
    "copies of one entry land next to each other. That fits only when the last dimensions were "
    "reduced. Put each reduced dimension back where it was, with size 1, then broadcast.",
)
def repeats_entries_in_memory_order(grad_output, x, dim=None, keepdim=False):
    copies = x.numel() // max(grad_output.numel(), 1)
    return grad_output.flatten().repeat_interleave(copies).reshape(x.shape)


@misconception(
    "reductions",
    replaces="reduce_sum_backward",
    hint="You insert the reduced dimension although keepdim=True has kept it, so your gradient has "
    "a dimension too many. Look at keepdim, or work out the shape from x and dim alone.",
)
def restores_a_dimension_that_was_kept(grad_output, x, dim=None, keepdim=False):
    dims = range(x.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    for d in sorted(d % x.dim() for d in dims):
        grad_output = grad_output.unsqueeze(d)
    return grad_output * torch.ones_like(x)


@misconception(
    "reductions",
    replaces="reduce_sum_backward",
    hint="You return ones. They are the derivatives of each sum by its terms; the gradient of the "
    "loss is that times grad_output, whose entries say how much each sum counts.",
)
def returns_ones_for_a_sum(grad_output, x, dim=None, keepdim=False):
    return torch.ones_like(x)


@misconception(
    "reductions",
    replaces="reduce_sum_backward",
    hint="The values are right, but the reduced dimensions have size 1 (or are missing). A "
    "gradient has exactly the shape of its input: each entry of x gets a copy.",
)
def leaves_the_sum_reduced(grad_output, x, dim=None, keepdim=False):
    kept = reduce_sum(x, dim, keepdim=True)
    return grad_output.reshape(kept.shape)


@misconception(
    "reductions",
    replaces="reduce_sum",
    hint="keepdim=True is ignored: the reduced dimensions should stay in the result, with size 1.",
)
def drops_the_dimension_despite_keepdim(x, dim=None, keepdim=False):
    return x.sum(dim=dim)


# --- reductions: mean ----------------------------------------------------------------------------


@misconception(
    "reductions",
    replaces="reduce_mean_backward",
    hint="This is the gradient of the sum (or you divide by a count that is 1 here). Each entry "
    "enters its mean with weight 1/N, where N is the number of entries in one mean.",
)
def forgets_to_divide_by_n(grad_output, x, dim=None, keepdim=False):
    return reduce_sum_backward(grad_output, x, dim, keepdim)


@misconception(
    "reductions",
    replaces="reduce_mean_backward",
    hint="You divide by the number of all entries of x. With dim given there are several means, "
    "and each has fewer entries: N is the number that goes into *one* of them.",
)
def divides_by_all_elements(grad_output, x, dim=None, keepdim=False):
    return reduce_sum_backward(grad_output, x, dim, keepdim) / max(x.numel(), 1)


@misconception(
    "reductions",
    replaces="reduce_mean_backward",
    hint="You divide by x's first size, the batch size. The mean is over dim, which may be another "
    "dimension or several: N is the product of the sizes that were reduced.",
)
def divides_by_the_batch_size(grad_output, x, dim=None, keepdim=False):
    batch_size = x.shape[0] if x.dim() > 0 else 1
    return reduce_sum_backward(grad_output, x, dim, keepdim) / max(batch_size, 1)


@misconception(
    "reductions",
    replaces="reduce_mean_backward",
    hint="You divide by the number of means, that is by the size of the *result*. N is the number "
    "of entries that go into one mean: the sizes that were reduced, not those that are left.",
)
def divides_by_the_number_of_means(grad_output, x, dim=None, keepdim=False):
    return reduce_sum_backward(grad_output, x, dim, keepdim) / max(grad_output.numel(), 1)


# --- reductions: max -----------------------------------------------------------------------------


@misconception(
    "reductions",
    replaces="reduce_max_backward",
    hint="Every one of several equal maxima gets the whole gradient, so more flows back than came "
    "in. Tied entries share it equally.",
)
def gives_all_to_every_tied_maximum(grad_output, x, dim=None, keepdim=False):
    winners = x == reduce_max(x, dim, keepdim=True)
    return reduce_sum_backward(grad_output, x, dim, keepdim) * winners


@misconception(
    "reductions",
    replaces="reduce_max_backward",
    hint="The first of several equal maxima takes the whole gradient and the others get nothing. "
    "Here, as in torch.amax, tied entries share it equally.",
)
def gives_all_to_the_first_maximum(grad_output, x, dim=None, keepdim=False):
    first = x == reduce_max(x, dim, keepdim=True)
    dims = range(x.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    reduced = sorted(d % x.dim() for d in dims)
    for i, d in enumerate(reduced):  # the first slice with a winner, one dimension at a time
        later = tuple(reduced[i + 1 :])
        has_winner = first.sum(dim=later, keepdim=True) > 0 if later else first
        first = first & has_winner & (has_winner.cumsum(dim=d) == 1)
    return reduce_sum_backward(grad_output, x, dim, keepdim) * first


@misconception(
    "reductions",
    replaces="reduce_max_backward",
    hint="You look for the largest entry of the whole tensor. With dim given there is one maximum "
    "in each group, and each has its own gradient.",
)
def looks_for_one_maximum_overall(grad_output, x, dim=None, keepdim=False):
    winners = x == x.max() if x.numel() > 0 else torch.zeros_like(x)
    return reduce_sum_backward(grad_output, x, dim, keepdim) * winners / max(winners.sum(), 1)


@misconception(
    "reductions",
    replaces="reduce_max_backward",
    hint="You share each gradient among the maxima of *all* groups. Each group has its own "
    "maximum, and only entries that tie within that group share its gradient.",
)
def counts_ties_over_all_groups(grad_output, x, dim=None, keepdim=False):
    winners = x == reduce_max(x, dim, keepdim=True)
    return reduce_sum_backward(grad_output, x, dim, keepdim) * winners / max(winners.sum(), 1)


@misconception(
    "reductions",
    replaces="reduce_max_backward",
    hint="Every entry gets a gradient, as if the result were a mean. Nudge an entry that isn't the "
    "largest of its group: the maximum doesn't move, so its gradient is 0.",
)
def spreads_the_maximum_over_all_entries(grad_output, x, dim=None, keepdim=False):
    return reduce_mean_backward(grad_output, x, dim, keepdim)


# --- einsum --------------------------------------------------------------------------------------


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="An index that one operand alone has, and that was summed out, has size 1 in your "
    "gradient. Its entries were added up with equal weight, so each of them gets the same "
    "gradient: the dimension needs its full size.",
)
def leaves_summed_out_indices_at_size_one(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    gradients = []
    for own, tensor, others, other in ((a_indices, a, b_indices, b), (b_indices, b, a_indices, a)):
        known = "".join(index for index in own if index in output + others)
        grad = torch.einsum(f"{output},{others}->{known}", grad_output, other)
        sizes = [n if i in known else 1 for i, n in zip(own, tensor.shape, strict=True)]
        gradients.append(grad.reshape(sizes))
    return tuple(gradients)


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="An index that one operand alone has, and that was summed out, is missing from your "
    "gradient. No einsum over grad_output and the other operand can produce it: put its dimension "
    "back yourself, at its place, and think about what its entries get.",
)
def loses_summed_out_indices(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    for_a = "".join(index for index in a_indices if index in output + b_indices)
    for_b = "".join(index for index in b_indices if index in output + a_indices)
    grad_a = torch.einsum(f"{output},{b_indices}->{for_a}", grad_output, b)
    grad_b = torch.einsum(f"{output},{a_indices}->{for_b}", grad_output, a)
    return grad_a, grad_b


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="You divide the gradient among the entries of an index that was summed out. A sum isn't a "
    "mean: each entry enters it with weight 1, so each gets the whole gradient.",
)
def divides_by_the_summed_out_sizes(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    gradients = []
    for own, tensor, others, other in ((a_indices, a, b_indices, b), (b_indices, b, a_indices, a)):
        known = "".join(index for index in own if index in output + others)
        grad = torch.einsum(f"{output},{others}->{known}", grad_output, other)
        sizes = [n if i in known else 1 for i, n in zip(own, tensor.shape, strict=True)]
        count = math.prod(n for i, n in zip(own, tensor.shape, strict=True) if i not in known)
        gradients.append((grad.reshape(sizes) / max(count, 1)).expand(tensor.shape))
    return tuple(gradients)


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="The values are right, their dimensions are in the wrong order. The indices of a gradient "
    "come in the order in which the *operand* has them, whatever order the output has.",
)
def orders_indices_as_the_output_does(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    gradients = []
    for own, tensor, others, other in ((a_indices, a, b_indices, b), (b_indices, b, a_indices, a)):
        size = dict(zip(own, tensor.shape, strict=True))
        known = [i for i in dict.fromkeys(output + others) if i in own]
        summed_out = [i for i in own if i not in known]
        grad = torch.einsum(f"{output},{others}->{''.join(known)}", grad_output, other)
        grad = grad.reshape([size[i] for i in known] + [1] * len(summed_out))
        gradients.append(grad.expand([size[i] for i in known + summed_out]))
    return tuple(gradients)


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="The two gradients come out in each other's place. grad_a, which has a's shape, is made "
    "of grad_output and *b*; it comes first.",
)
def returns_the_second_operand_first(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    gradients = []
    for own, tensor, others, other in ((b_indices, b, a_indices, a), (a_indices, a, b_indices, b)):
        known = "".join(index for index in own if index in output + others)
        grad = torch.einsum(f"{output},{others}->{known}", grad_output, other)
        sizes = [n if i in known else 1 for i, n in zip(own, tensor.shape, strict=True)]
        gradients.append(grad.reshape(sizes).expand(tensor.shape))
    return tuple(gradients)


@misconception(
    "einsum",
    replaces="einsum_backward",
    hint="This is the gradient of the sum of all entries of the result. grad_output belongs into "
    "both einsums, as the operand that carries the output's indices.",
)
def differentiates_the_sum_of_the_einsum(grad_output, equation, a, b):
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")
    ones = torch.ones_like(grad_output)
    gradients = []
    for own, tensor, others, other in ((a_indices, a, b_indices, b), (b_indices, b, a_indices, a)):
        known = "".join(index for index in own if index in output + others)
        grad = torch.einsum(f"{output},{others}->{known}", ones, other)
        sizes = [n if i in known else 1 for i, n in zip(own, tensor.shape, strict=True)]
        gradients.append(grad.reshape(sizes).expand(tensor.shape))
    return tuple(gradients)
