"""Wrong ideas that students really have about GPU kernels, each with the hint that helps.

Each is a launch of kernels, like the real thing: of the solution's own where only the numbers or
views that it is given are wrong, of a wrong one otherwise. None reads outside its tensors: what
lies there is different every time, so no answer could be recognised by it.
"""

import warnings

import torch

# Triton too: the solution tells it whether there is a GPU before it imports it.
from kernels import (
    _adamw_kernel,
    _normal_cdf,
    _sum_rows_kernel,
    _tile,
    matmul,
    tl,
    triton,
)

from autograder.misconceptions import misconception

# Some of these ideas overflow. When one is tried out on a student's input, nobody wants to hear.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"triton\.runtime\.interpreter")

# --- bias_gelu ------------------------------------------------------------------------------------


@triton.jit
def _other_bias_gelu_kernel(
    x, b, y, m, n, x_row, x_column, b_column,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, IDEA: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    z = tl.load(x + rows[:, None] * x_row + columns[None, :] * x_column, mask=inside, other=0.0)
    by_column = tl.load(b + columns * b_column, mask=columns < n, other=0.0)[None, :]
    by_row = tl.load(b + rows * b_column, mask=rows < n, other=0.0)[:, None]
    if IDEA == "tanh":
        z += by_column
        inner = 0.7978845608028654 * (z + 0.044715 * z * z * z)
        result = z * tl.sigmoid(2 * inner)
    elif IDEA == "by_row":
        z += by_row
        result = z * _normal_cdf(z)
    else:
        result = z * _normal_cdf(z) + by_column
    tl.store(y + rows[:, None] * n + columns[None, :], result, mask=inside)


def _other_bias_gelu(x, b, idea):
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    tile = _tile(n, 1024, 4096)
    grid = (triton.cdiv(m, tile["ROWS"]), triton.cdiv(n, tile["COLUMNS"]))
    _other_bias_gelu_kernel[grid](x, b, y, m, n, *x.stride(), *b.stride(), **tile, IDEA=idea)
    return y


@misconception(
    "bias_gelu",
    replaces="bias_gelu",
    hint="This is the approximation of gelu with tanh, off by up to a thousandth. Here gelu is the "
    "exact one: z times the probability that a normal number is below z, which takes erf.",
)
def approximates_gelu_by_tanh(x, b):
    return _other_bias_gelu(x, b, "tanh")


@misconception(
    "bias_gelu",
    replaces="bias_gelu",
    hint="The bias is looked up by the row of an element; it belongs to the column. In a tile of "
    "rows × columns, a vector over columns lies along the second axis: [None, :].",
)
def looks_the_bias_up_by_row(x, b):
    return _other_bias_gelu(x, b, "by_row")


@misconception(
    "bias_gelu",
    replaces="bias_gelu",
    hint="The bias is added to gelu's result. It goes into gelu, together with x: add first, then "
    "apply the function to the sum.",
)
def adds_the_bias_after_gelu(x, b):
    return _other_bias_gelu(x, b, "after")


@triton.jit
def _other_gelu_slope_kernel(
    grad_output, x, b, grad_x, partial, m, n, g_row, g_column, x_row, x_column, b_column,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, IDEA: tl.constexpr,
):  # fmt: skip
    # Each block of rows leaves its column sums in a row of `partial`.
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    bias = tl.load(b + columns * b_column, mask=columns < n, other=0.0)[None, :]
    g_at = grad_output + rows[:, None] * g_row + columns[None, :] * g_column
    g = tl.load(g_at, mask=inside, other=0.0)
    z = tl.load(x + rows[:, None] * x_row + columns[None, :] * x_column, mask=inside, other=0.0)
    if IDEA != "no_bias":
        z += bias
    slope = _normal_cdf(z)
    if IDEA != "one_term":
        slope += z * tl.exp(-0.5 * z * z) * 0.3989422804014327
    grad = g * slope
    tl.store(grad_x + rows[:, None] * n + columns[None, :], grad, mask=inside)
    share = tl.sum(g if IDEA == "upstream" else grad, axis=0)
    tl.store(partial + tl.program_id(0) * n + columns, share, mask=columns < n)


def _other_bias_gelu_backward(grad_output, x, b, idea, rows=32):
    m, n = x.shape
    grad_x = torch.empty((m, n), dtype=x.dtype, device=x.device)
    grad_b = torch.empty((n,), dtype=b.dtype, device=b.device)
    down, across = triton.cdiv(m, rows), triton.cdiv(n, 128)
    partial = torch.empty((down, n), dtype=torch.float32, device=x.device)
    _other_gelu_slope_kernel[(down, across)](
        grad_output, x, b, grad_x, partial, m, n,
        *grad_output.stride(), *x.stride(), *b.stride(), ROWS=rows, COLUMNS=128, IDEA=idea,
    )  # fmt: skip
    return grad_x, grad_b, partial


def _with_sums(grad_x, grad_b, partial):
    down, n = partial.shape
    _sum_rows_kernel[(triton.cdiv(n, 64),)](partial, grad_b, down, n, ROWS=32, COLUMNS=64)
    return grad_x, grad_b


@misconception(
    "bias_gelu",
    replaces="bias_gelu_backward",
    hint="The slope has only one of its two terms. gelu is a product, z · Φ(z), and both factors "
    "depend on z: the product rule also differentiates Φ, whose derivative is the bell curve.",
)
def forgets_that_phi_depends_on_z(grad_output, x, b):
    return _with_sums(*_other_bias_gelu_backward(grad_output, x, b, "one_term"))


@misconception(
    "bias_gelu",
    replaces="bias_gelu_backward",
    hint="The slope is taken at x. gelu was applied to x + b, so that is where its slope belongs: "
    "the backward has to add the bias again (cheaper than having stored the sum).",
)
def takes_the_slope_without_the_bias(grad_output, x, b):
    return _with_sums(*_other_bias_gelu_backward(grad_output, x, b, "no_bias"))


@misconception(
    "bias_gelu",
    replaces="bias_gelu_backward",
    hint="grad_b is the sum of grad_output alone. The bias goes through gelu as well: what arrives "
    "at it is grad_output times the slope, the very numbers of grad_x, summed over the rows.",
)
def sums_the_upstream_gradient_for_the_bias(grad_output, x, b):
    return _with_sums(*_other_bias_gelu_backward(grad_output, x, b, "upstream"))


@misconception(
    "bias_gelu",
    replaces="bias_gelu_backward",
    hint="grad_b holds the sum over one block of rows only: every program writes its own sum to "
    "the same place, and the last one stays. Programs that share a result have to add: each into "
    "a row of its own that a second kernel sums, or with tl.atomic_add into zeros.",
)
def keeps_the_bias_gradient_of_the_last_block(grad_output, x, b):
    grad_x, _, partial = _other_bias_gelu_backward(grad_output, x, b, "right")
    return grad_x, partial[-1].to(b.dtype).clone()


# --- softmax --------------------------------------------------------------------------------------


@triton.jit
def _other_softmax_kernel(
    x, y, n, x_row, x_column, BLOCK: tl.constexpr, SHIFTED: tl.constexpr, PADDING: tl.constexpr
):
    row = tl.program_id(0)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    z = tl.load(x + row * x_row + columns * x_column, mask=columns < n, other=PADDING)
    if SHIFTED:
        z -= tl.max(z, axis=0)
    powers = tl.exp(z)
    tl.store(y + row * n + columns, powers / tl.sum(powers, axis=0), mask=columns < n)


def _other_softmax(x, strides=None, block=None, shifted=True, padding=float("-inf")):
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    block = triton.next_power_of_2(n) if block is None else block
    _other_softmax_kernel[(m, triton.cdiv(n, block))](
        x, y, n, *(x.stride() if strides is None else strides),
        BLOCK=block, SHIFTED=shifted, PADDING=padding,
    )  # fmt: skip
    return y


@misconception(
    "softmax",
    replaces="softmax",
    hint="The padding takes part: the masked lanes of the load hold 0, so they add exp(0 − max) to "
    "the sum, and win the maximum of a row of negative numbers. Give the load an `other` that can "
    "do neither.",
)
def lets_the_padding_count(x):
    return _other_softmax(x, padding=0.0)


@misconception(
    "softmax",
    replaces="softmax",
    hint="exp overflows beyond 88, and a row far below zero has a sum of 0: both end in NaN. "
    "Subtract the row's maximum first. It cancels in the quotient, and no power exceeds 1.",
)
def subtracts_no_maximum(x):
    return _other_softmax(x, shifted=False)


@misconception(
    "softmax",
    replaces="softmax",
    hint="Long rows come out as several softmaxes, one per block, each with a sum of 1. The sum "
    "goes over the whole row: either one block holds all of it, or the blocks' maxima and sums "
    "have to be combined before anything is divided.",
)
def normalises_every_block_by_itself(x):
    return _other_softmax(x, block=1024)


@misconception(
    "softmax",
    replaces="softmax",
    hint="Right for contiguous inputs only: row i is read from i · n on, one element after the "
    "other. A view may have any strides. Pass x.stride(0) and x.stride(1) to the kernel and use "
    "both.",
)
def reads_every_input_as_contiguous(x):
    return _other_softmax(x, strides=(x.shape[1], 1))


@misconception(
    "softmax",
    replaces="softmax",
    hint="The columns of a row are read as if they were neighbours in memory. The row's stride is "
    "used, but columns have one of their own: x.stride(1), which is 1 only in a contiguous tensor.",
)
def forgets_the_stride_of_columns(x):
    return _other_softmax(x, strides=(x.stride(0), 1))


@triton.jit
def _other_softmax_backward_kernel(
    grad_output, probs, grad_x, n, g_row, g_column, p_row, p_column,
    BLOCK: tl.constexpr, IDEA: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < n
    g = tl.load(grad_output + row * g_row + columns * g_column, mask=inside, other=0.0)
    p = tl.load(probs + row * p_row + columns * p_column, mask=inside, other=0.0)
    if IDEA == "diagonal":
        grad = g * p * (1 - p)
    elif IDEA == "mean":
        grad = p * (g - tl.sum(g * p, axis=0) / n)
    else:
        grad = p * (g - tl.sum(g, axis=0))
    tl.store(grad_x + row * n + columns, grad, mask=inside)


def _other_softmax_backward(grad_output, probs, idea):
    m, n = probs.shape
    grad_x = torch.empty((m, n), dtype=probs.dtype, device=probs.device)
    _other_softmax_backward_kernel[(m,)](
        grad_output, probs, grad_x, n, *grad_output.stride(), *probs.stride(),
        BLOCK=triton.next_power_of_2(n), IDEA=idea,
    )  # fmt: skip
    return grad_x


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="Each input is treated as if it only moved its own probability. It moves all of its row, "
    "because all share one sum: the off-diagonal derivatives −pᵢpⱼ are missing, which add up to "
    "one number per row.",
)
def knows_only_the_diagonal(grad_output, probs):
    return _other_softmax_backward(grad_output, probs, "diagonal")


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="The number subtracted in each row is divided by n. It is a sum of grad_output, weighted "
    "by the probabilities; these add up to 1, so it is an average already.",
)
def divides_the_weighted_sum_by_n(grad_output, probs):
    return _other_softmax_backward(grad_output, probs, "mean")


@misconception(
    "softmax",
    replaces="softmax_backward",
    hint="From each row its plain sum of grad_output is subtracted. Each term of that sum has its "
    "probability as a weight: write Σᵢ gᵢ ∂pᵢ/∂xⱼ out and look at what stands beside gᵢ.",
)
def sums_without_the_probabilities(grad_output, probs):
    return _other_softmax_backward(grad_output, probs, "plain")


# --- matmul ---------------------------------------------------------------------------------------


@triton.jit
def _other_matmul_kernel(
    a, b, c, m, n, k, a_m, a_k, b_k, b_n, steps,
    BLOCK: tl.constexpr, IDEA: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), DTYPE)
    for step in range(steps):
        depth = step * BLOCK + tl.arange(0, BLOCK)
        a_in = (rows[:, None] < m) & (depth[None, :] < k)
        b_in = (depth[:, None] < k) & (columns[None, :] < n)
        left = tl.load(a + rows[:, None] * a_m + depth[None, :] * a_k, mask=a_in, other=0.0)
        right = tl.load(b + depth[:, None] * b_k + columns[None, :] * b_n, mask=b_in, other=0.0)
        product = tl.dot(left, right, input_precision="ieee")
        total = product if IDEA == "overwrite" else (total + product).to(DTYPE)
    c_in = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c + rows[:, None] * n + columns[None, :], total.to(tl.float32), mask=c_in)


def _other_matmul(a, b, idea="right", b_strides=None, steps=None, dtype=tl.float32):
    (m, k), n, block = a.shape, b.shape[1], 32
    c = torch.empty((m, n), dtype=a.dtype, device=a.device)
    _other_matmul_kernel[(triton.cdiv(m, block), triton.cdiv(n, block))](
        a, b, c, m, n, k, *a.stride(), *(b.stride() if b_strides is None else b_strides),
        triton.cdiv(k, block) if steps is None else steps,
        BLOCK=block, IDEA=idea, DTYPE=dtype,
    )  # fmt: skip
    return c


@misconception(
    "matmul",
    replaces="matmul",
    hint="The last part of the inner dimension is missing: where no whole block of it is left, the "
    "loop ends. Round the number of steps up, and mask what sticks out with zeros.",
)
def drops_the_last_partial_block(a, b):
    return _other_matmul(a, b, steps=a.shape[1] // 32)


@misconception(
    "matmul",
    replaces="matmul",
    hint="Only the last block of the inner dimension is in the result: each step of the loop "
    "replaces the accumulator. A product of blocks is one term of a sum over blocks; add it.",
)
def overwrites_the_accumulator(a, b):
    return _other_matmul(a, b, "overwrite")


@misconception(
    "matmul",
    replaces="matmul",
    hint="The sum is kept in half precision, which has 11 bits: a long sum swallows its small "
    "terms. Let the accumulator be float32, whatever the inputs are, and round once, at the end.",
)
def accumulates_in_half_precision(a, b):
    return _other_matmul(a, b, dtype=tl.float16)


@misconception(
    "matmul",
    replaces="matmul",
    hint="b is read as if it were contiguous. A transposed view has its strides swapped: use "
    "b.stride(0) between rows and b.stride(1) between columns, and a's for a.",
)
def reads_b_as_contiguous(a, b):
    return _other_matmul(a, b, b_strides=(b.shape[1], 1))


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="The shapes fit and the numbers don't: a reshape cuts the numbers anew in the order in "
    "which they lie, and never turns rows into columns. Transpose: that swaps the two strides.",
)
def reshapes_instead_of_transposing(grad_output, a, b):
    turned_b = b.reshape(b.shape[1], b.shape[0])
    turned_a = a.reshape(a.shape[1], a.shape[0])
    return matmul(grad_output, turned_b), matmul(turned_a, grad_output)


@misconception(
    "matmul",
    replaces="matmul_backward",
    hint="The two gradients come in the other order: first the one for a, with a's shape, then the "
    "one for b.",
)
def returns_the_gradient_of_b_first(grad_output, a, b):
    return matmul(a.t(), grad_output), matmul(grad_output, b.t())


# --- cross_entropy --------------------------------------------------------------------------------


@triton.jit
def _other_cross_entropy_kernel(
    logits, target, loss, grad, n, l_row, l_column, t_row, scale,
    BLOCK: tl.constexpr, IDEA: tl.constexpr,
):  # fmt: skip
    # Padding holds 0 at first, and is then made to lose, except in the idea that leaves it there.
    row = tl.program_id(0)
    label = tl.load(target + row * t_row)
    largest = tl.full((), float("-inf"), tl.float32)
    total = tl.zeros((), tl.float32)
    for start in range(0, n, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        z = tl.load(logits + row * l_row + columns * l_column, mask=columns < n, other=0.0)
        if IDEA != "padding":
            z = tl.where(columns < n, z, float("-inf"))
        if IDEA == "overflow":
            new = tl.zeros((), tl.float32)
        else:
            new = tl.maximum(largest, tl.max(z, axis=0))
        if IDEA != "uncorrected":
            total *= tl.exp(largest - new)
        total += tl.sum(tl.exp(z - new), axis=0)
        largest = new
    hit = tl.load(logits + row * l_row + label * l_column)
    logarithm = tl.log2(total) if IDEA == "binary" else tl.log(total)
    tl.store(loss + row, logarithm + largest - hit)
    for start in range(0, n, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        z = tl.load(logits + row * l_row + columns * l_column, mask=columns < n, other=0.0)
        slope = tl.exp(z - largest) / total
        if IDEA != "no_target":
            slope -= tl.where(columns == label, 1.0, 0.0)
        tl.store(grad + row * n + columns, slope * scale, mask=columns < n)


def _other_cross_entropy(logits, target, idea, scale=1.0, block=None):
    m, n = logits.shape
    loss = torch.empty((m,), dtype=torch.float32, device=logits.device)
    grad = torch.empty((m, n), dtype=logits.dtype, device=logits.device)
    block = triton.next_power_of_2(n) if block is None else block
    _other_cross_entropy_kernel[(m,)](
        logits, target, loss, grad, n, *logits.stride(), *target.stride(), scale,
        BLOCK=block, IDEA=idea,
    )  # fmt: skip
    return loss, grad


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="The gradient is divided by the number of rows. That belongs to a mean over rows, and "
    "there is none here: each row has a loss of its own, and this is the gradient of that one.",
)
def divides_the_gradient_by_the_rows(logits, target):
    return _other_cross_entropy(logits, target, "right", scale=1.0 / logits.shape[0])


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="The gradient is the softmax alone. That is the derivative of the log of the sum; the "
    "loss also has the target's own logit in it, with a minus.",
)
def forgets_the_target_in_the_gradient(logits, target):
    return _other_cross_entropy(logits, target, "no_target")


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="The padding takes part: masked lanes hold 0, and exp(0 − max) is added to the sum for "
    "each of them. Let them hold −∞ before the maximum and the sum are taken.",
)
def lets_the_padding_into_the_sum(logits, target):
    return _other_cross_entropy(logits, target, "padding")


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="exp overflows beyond 88, and a row far below zero has a sum of 0, whose log is −∞. Take "
    "the maximum out of the row first, and add it back to the logarithm of the sum.",
)
def takes_powers_without_the_maximum(logits, target):
    return _other_cross_entropy(logits, target, "overflow")


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="Sums of different blocks are added although they are relative to different maxima. When "
    "a block brings a larger maximum, the sum so far has to be brought to it first: each of its "
    "terms has a factor exp(−old maximum) that should be exp(−new maximum).",
)
def adds_sums_of_different_maxima(logits, target):
    return _other_cross_entropy(logits, target, "uncorrected", block=1024)


@misconception(
    "cross_entropy",
    replaces="cross_entropy",
    hint="The loss uses the logarithm to base 2. Fast kernels often compute in powers of two, but "
    "then both exp and log have to be converted; here the natural logarithm is meant.",
)
def takes_the_logarithm_to_base_two(logits, target):
    return _other_cross_entropy(logits, target, "binary")


# --- adamw ----------------------------------------------------------------------------------------


def _other_adamw(tensors, shrink, step_size, betas, root, eps):
    param, grad, exp_avg, exp_avg_sq = (tensor.contiguous() for tensor in tensors)
    new = [torch.empty_like(old) for old in (param, exp_avg, exp_avg_sq)]
    _adamw_kernel[(triton.cdiv(param.numel(), 1024),)](
        param, grad, exp_avg, exp_avg_sq, *new, param.numel(), float(shrink), float(step_size),
        float(betas[0]), float(1 - betas[0]), float(betas[1]), float(1 - betas[1]),
        float(root), float(eps), BLOCK=1024,
    )  # fmt: skip
    return tuple(new)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="The bias correction is one step ahead: `step` is 1 on the first step already, so the "
    "powers of the betas are taken with `step` itself.",
)
def counts_the_step_twice(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    first, second = (1 - beta ** (step + 1) for beta in betas)
    tensors = (param, grad, exp_avg, exp_avg_sq)
    return _other_adamw(tensors, 1 - lr * weight_decay, lr / first, betas, second**-0.5, eps)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="There is no bias correction. Both averages start at zero, so early on they are too "
    "small, each by its own factor 1 − βᵗ; divide these out before the step is taken.",
)
def corrects_no_bias(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    tensors = (param, grad, exp_avg, exp_avg_sq)
    return _other_adamw(tensors, 1 - lr * weight_decay, lr, betas, 1.0, eps)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="eps is added before the second moment is corrected, and so is corrected along with it. "
    "It is added to the root of the corrected moment.",
)
def adds_eps_before_the_correction(
    param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay
):
    first, second = (1 - beta**step for beta in betas)
    tensors, root = (param, grad, exp_avg, exp_avg_sq), second**-0.5
    return _other_adamw(tensors, 1 - lr * weight_decay, lr / first, betas, root, eps * root)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="The decay doesn't depend on the learning rate. The parameter shrinks by the factor "
    "1 − lr · weight_decay, so that a schedule of lr slows the decay down as well.",
)
def decays_without_the_learning_rate(
    param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay
):
    first, second = (1 - beta**step for beta in betas)
    tensors = (param, grad, exp_avg, exp_avg_sq)
    return _other_adamw(tensors, 1 - weight_decay, lr / first, betas, second**-0.5, eps)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="The two betas are swapped. The first belongs to the average of the gradient, the second "
    "to the average of its square (which forgets more slowly).",
)
def swaps_the_betas(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    swapped = (betas[1], betas[0])
    first, second = (1 - beta**step for beta in swapped)
    tensors = (param, grad, exp_avg, exp_avg_sq)
    return _other_adamw(tensors, 1 - lr * weight_decay, lr / first, swapped, second**-0.5, eps)


@triton.jit
def _coupled_adamw_kernel(
    param, grad, exp_avg, exp_avg_sq, new_param, new_exp_avg, new_exp_avg_sq, numel,
    decay, step_size, beta1, beta2, root, eps, BLOCK: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    p = tl.load(param + at, mask=inside, other=0.0)
    g = tl.load(grad + at, mask=inside, other=0.0) + decay * p
    m = beta1 * tl.load(exp_avg + at, mask=inside, other=0.0) + (1 - beta1) * g
    v = beta2 * tl.load(exp_avg_sq + at, mask=inside, other=0.0) + (1 - beta2) * g * g
    tl.store(new_param + at, p - step_size * m / (tl.sqrt(v) * root + eps), mask=inside)
    tl.store(new_exp_avg + at, m, mask=inside)
    tl.store(new_exp_avg_sq + at, v, mask=inside)


@misconception(
    "adamw",
    replaces="adamw_update",
    hint="The decay is added to the gradient, and so into both averages. That is Adam with an L2 "
    "penalty. AdamW keeps the decay out of them: the parameter itself shrinks, before the step.",
)
def adds_the_decay_to_the_gradient(
    param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay
):
    first, second = (1 - beta**step for beta in betas)
    given = [tensor.contiguous() for tensor in (param, grad, exp_avg, exp_avg_sq)]
    new = [torch.empty_like(old) for old in (given[0], *given[2:])]
    _coupled_adamw_kernel[(triton.cdiv(param.numel(), 1024),)](
        *given, *new, param.numel(), float(weight_decay), float(lr / first),
        float(betas[0]), float(betas[1]), float(second**-0.5), float(eps), BLOCK=1024,
    )  # fmt: skip
    return tuple(new)
