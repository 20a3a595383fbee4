"""Wrong ideas that students really have about im2col, convolution and pooling, each with its hint.

The solution's own `_windows` (read all windows: n, c, kh, kw, oh, ow) and `_add_windows` (its
adjoint) keep each idea down to the one line in which it is wrong.
"""

import torch
from convolution import _add_windows, _output_size, _reach, _windows, pair

from autograder.misconceptions import misconception

# --- im2col -----------------------------------------------------------------------------------


@misconception(
    "im2col",
    replaces="im2col",
    hint="All numbers are there, but the rows run over (kernel row, kernel column, channel). The "
    "channel is the slowest of the three: first all kernel offsets of channel 0, then channel 1.",
)
def kernel_offsets_before_channels(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = _windows(x, kernel_size, stride, padding, dilation)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(4, 5).flatten(1, 3)


@misconception(
    "im2col",
    replaces="im2col",
    hint="Each window is a row of your result. It has to be a column: windows are counted by the "
    "last axis, so that weights of shape (o, c·kh·kw) can multiply the result from the left.",
)
def one_row_per_window(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = _windows(x, kernel_size, stride, padding, dilation)
    return windows.flatten(4, 5).flatten(1, 3).mT


@misconception(
    "im2col",
    replaces="im2col",
    hint="The shape is right and the numbers are shuffled: a reshape only cuts the numbers anew in "
    "the order in which they lie, it never swaps axes. Move the axes first, then merge them.",
)
def reshapes_instead_of_moving_axes(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = _windows(x, kernel_size, stride, padding, dilation)
    columns = windows.flatten(4, 5).flatten(1, 3)
    return columns.mT.reshape(columns.shape)


@misconception(
    "im2col",
    replaces="im2col",
    hint="Your columns visit the windows column by column of the image. Windows are counted like "
    "words on a page: along a row first, then the next row.",
)
def windows_column_by_column(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = _windows(x, kernel_size, stride, padding, dilation)
    return windows.transpose(4, 5).flatten(4, 5).flatten(1, 3)


@misconception(
    "im2col",
    replaces="im2col",
    hint="There is a window too many: one that sticks out of the padded image and was filled up. "
    "Such a window is dropped, so the number of steps that fit is rounded down.",
)
def keeps_windows_that_stick_out(x, kernel_size, stride=1, padding=0, dilation=1):
    sizes = map(pair, (x.shape[2:], kernel_size, stride, padding, dilation))
    left_over = [
        -(size + 2 * p - d * (k - 1) - 1) % s for size, k, s, p, d in zip(*sizes, strict=True)
    ]
    n, c, h, w = x.shape
    larger = x.new_zeros((n, c, h + left_over[0], w + left_over[1]))
    larger[:, :, :h, :w] = x
    return _windows(larger, kernel_size, stride, padding, dilation).flatten(4, 5).flatten(1, 3)


@misconception(
    "im2col",
    replaces="im2col",
    hint="The padded image has the right size, but the image lies in its top left corner and all "
    "zeros are below and to the right. `padding` zeros belong on each of the four sides.",
)
def padding_only_below_and_right(x, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = x.shape
    ph, pw = pair(padding)
    padded = x.new_zeros((n, c, h + 2 * ph, w + 2 * pw))
    padded[:, :, :h, :w] = x
    return _windows(padded, kernel_size, stride, 0, dilation).flatten(4, 5).flatten(1, 3)


@misconception(
    "im2col",
    replaces="im2col",
    hint="Dilation is ignored. It sets how far apart the kernel's taps are, inside a window; with "
    "it a window spans more pixels than the kernel has taps, so fewer windows fit.",
)
def ignores_dilation(x, kernel_size, stride=1, padding=0, dilation=1):
    return _windows(x, kernel_size, stride, padding, 1).flatten(4, 5).flatten(1, 3)


@misconception(
    "im2col",
    replaces="im2col",
    hint="The two strides are swapped. All pairs are (height, width): the first number of `stride` "
    "is how far windows move down, the second how far they move to the right.",
)
def stride_width_first(x, kernel_size, stride=1, padding=0, dilation=1):
    down, right = pair(stride)
    return _windows(x, kernel_size, (right, down), padding, dilation).flatten(4, 5).flatten(1, 3)


# --- col2im -----------------------------------------------------------------------------------


@misconception(
    "col2im",
    replaces="col2im",
    hint="Where windows overlap, only one of the entries is left: each write replaces the one "
    "before. A pixel gets the sum of all entries that im2col read from it. (Adding through an "
    "index array doesn't help by itself: of repeated indices only one addition counts.)",
)
def last_offset_overwrites(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    (n, c, h, w), (kh, kw) = input_shape, pair(kernel_size)
    sizes = ((h, w), kernel_size, stride, padding, dilation)
    vertical, horizontal = zip(*map(pair, sizes), strict=True)
    windows = cols.unflatten(2, (_output_size(*vertical), -1)).unflatten(1, (c, kh, kw))
    padded = cols.new_zeros((n, c, h + 2 * vertical[3], w + 2 * horizontal[3]))
    for i, rows in enumerate(_reach(*vertical)):
        for j, columns in enumerate(_reach(*horizontal)):
            padded[:, :, rows, columns] = windows[:, :, i, j]
    return padded[:, :, vertical[3] : vertical[3] + h, horizontal[3] : horizontal[3] + w]


@misconception(
    "col2im",
    replaces="col2im",
    hint="Where windows overlap, a pixel has the entry of the last window only: each window "
    "replaces what earlier ones brought. All of them count: add to what is there already.",
)
def last_window_overwrites(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    (n, c, h, w), (kh, kw) = input_shape, pair(kernel_size)
    sizes = ((h, w), kernel_size, stride, padding, dilation)
    vertical, horizontal = zip(*map(pair, sizes), strict=True)
    windows = cols.unflatten(2, (_output_size(*vertical), -1)).unflatten(1, (c, kh, kw))
    padded = cols.new_zeros((n, c, h + 2 * vertical[3], w + 2 * horizontal[3]))
    # The last window at a pixel meets it with its first offset: write the offsets from the end.
    for i, rows in reversed(list(enumerate(_reach(*vertical)))):
        for j, columns in reversed(list(enumerate(_reach(*horizontal)))):
            padded[:, :, rows, columns] = windows[:, :, i, j]
    return padded[:, :, vertical[3] : vertical[3] + h, horizontal[3] : horizontal[3] + w]


@misconception(
    "col2im",
    replaces="col2im",
    hint="You take the mean where windows overlap, so that col2im(im2col(x)) gives x back. The "
    "adjoint isn't the inverse: entries that come from one pixel add up, undivided.",
)
def averages_the_overlaps(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = input_shape
    counted = _windows(cols.new_ones((n, c, h, w)), kernel_size, stride, padding, dilation)
    size = (h, w)
    counts = _add_windows(torch.ones_like(counted), size, stride, padding, dilation)
    sums = _add_windows(cols.reshape(counted.shape), size, stride, padding, dilation)
    return sums / counts.clamp(min=1)


@misconception(
    "col2im",
    replaces="col2im",
    hint="The border is cut off at the bottom and the right only, so the image is shifted by the "
    "padding. The image lies in the middle of the padded one: cut on all four sides.",
)
def crops_below_and_right_only(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    _, c, h, w = input_shape
    (ph, pw), (kh, kw) = pair(padding), pair(kernel_size)
    oh = _output_size(h, kh, pair(stride)[0], ph, pair(dilation)[0])
    windows = cols.unflatten(2, (oh, -1)).unflatten(1, (c, kh, kw))
    padded = _add_windows(windows, (h + 2 * ph, w + 2 * pw), stride, 0, dilation)
    return padded[:, :, :h, :w]


@misconception(
    "col2im",
    replaces="col2im",
    hint="You read the rows as (kernel row, kernel column, channel). im2col's rows run over "
    "(channel, kernel row, kernel column): the kernel's column changes fastest.",
)
def takes_rows_offset_first(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    _, c, h, w = input_shape
    kh, kw = pair(kernel_size)
    oh = _output_size(h, kh, pair(stride)[0], pair(padding)[0], pair(dilation)[0])
    windows = cols.unflatten(2, (oh, -1)).unflatten(1, (kh, kw, c)).permute(0, 3, 1, 2, 4, 5)
    return _add_windows(windows, (h, w), stride, padding, dilation)


@misconception(
    "col2im",
    replaces="col2im",
    hint="The image ends where the last window ends. When the stride doesn't fit evenly, pixels "
    "are left over that no window sees: they belong to `input_shape` and their value is 0.",
)
def stops_at_the_last_window(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c = input_shape[:2]
    sizes = (input_shape[2:], kernel_size, stride, padding, dilation)
    axes = list(zip(*map(pair, sizes), strict=True))
    counts = [_output_size(*axis) for axis in axes]
    reached = [
        (count - 1) * s + d * (k - 1) + 1 - 2 * p
        for count, (_, k, s, p, d) in zip(counts, axes, strict=True)
    ]
    windows = cols.reshape(n, c, *pair(kernel_size), *counts)
    return _add_windows(windows, reached, stride, padding, dilation)


# --- conv2d -----------------------------------------------------------------------------------


@misconception(
    "conv2d",
    replaces="conv2d",
    hint="You flip the kernel: that is convolution as mathematics has it. Deep learning's conv2d "
    "is a cross-correlation, kernel offset (i, j) meets window pixel (i, j).",
)
def flips_the_kernel(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    filters = weight.flip(2, 3).unflatten(0, (groups, -1))
    y = torch.einsum("ngcijpq,gocij->ngopq", windows, filters).flatten(1, 2)
    return y if bias is None else y + bias[:, None, None]


@misconception(
    "conv2d",
    replaces="conv2d",
    hint="You deal the channels out to the groups in turn, like cards. A group is a block of "
    "neighbours: of four channels in two groups, the first gets 0 and 1, the second 2 and 3.",
)
def deals_channels_out_in_turn(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (-1, groups))
    filters = weight.unflatten(0, (groups, -1))
    y = torch.einsum("ncgijpq,gocij->ngopq", windows, filters).flatten(1, 2)
    return y if bias is None else y + bias[:, None, None]


@misconception(
    "conv2d",
    replaces="conv2d",
    hint="The output channels are right but interleaved: first one filter of each group, then the "
    "next. The filters of group 0 come first, all of them, then those of group 1.",
)
def interleaves_the_groups_outputs(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    y = torch.einsum("ngcijpq,gocij->nogpq", windows, filters).flatten(1, 2)
    return y if bias is None else y + bias[:, None, None]


@misconception(
    "conv2d",
    replaces="conv2d",
    hint="Images and filters got mixed: the product of all columns has filters outside and images "
    "inside, (o, n·l), and a reshape to (n, o, …) can't swap the two. Move the axes.",
)
def reshapes_the_batch_into_place(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    y = torch.einsum("ngcijpq,gocij->ngopq", windows, filters).flatten(1, 2)
    y = y if bias is None else y + bias[:, None, None]
    return y.transpose(0, 1).reshape(y.shape)


@misconception(
    "conv2d",
    replaces="conv2d_backward",
    hint="grad_x is a mirror image within each kernel: you sent the gradient back along the "
    "flipped kernel. Entry (i, j) of the kernel read pixel p·s + i·d, and returns to that one. (If "
    "you correlate grad_output with the kernel instead of adding up, *there* the kernel flips.)",
)
def grad_x_mirrored(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    grads = grad_output.unflatten(1, (groups, -1))
    filters = weight.flip(2, 3).unflatten(0, (groups, -1))
    grad_weight = torch.einsum("ngopq,ngcijpq->gocij", grads, windows).flatten(0, 1)
    grad_windows = torch.einsum("ngopq,gocij->ngcijpq", grads, filters).flatten(1, 2)
    grad_x = _add_windows(grad_windows, x.shape[2:], stride, padding, dilation)
    return grad_x, grad_weight, grad_output.sum(dim=(0, 2, 3))


@misconception(
    "conv2d",
    replaces="conv2d_backward",
    hint="grad_output was cut anew as (o, n·l) by a reshape, which mixes images and filters as "
    "soon as there is more than one image. Bring the axis of filters to the front first.",
)
def folds_the_batch_by_reshape(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    n, o, oh, ow = grad_output.shape
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    grads = grad_output.reshape(o, n, oh, ow).transpose(0, 1).unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    grad_weight = torch.einsum("ngopq,ngcijpq->gocij", grads, windows).flatten(0, 1)
    grad_windows = torch.einsum("ngopq,gocij->ngcijpq", grads, filters).flatten(1, 2)
    grad_x = _add_windows(grad_windows, x.shape[2:], stride, padding, dilation)
    return grad_x, grad_weight, grad_output.sum(dim=(0, 2, 3))


@misconception(
    "conv2d",
    replaces="conv2d_backward",
    hint="grad_weight is divided by the number of images. The weights are used once per image, so "
    "their gradients add up; a mean is the loss's business and is in grad_output already.",
)
def averages_grad_weight(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    grads = grad_output.unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    grad_weight = torch.einsum("ngopq,ngcijpq->gocij", grads, windows).flatten(0, 1)
    grad_windows = torch.einsum("ngopq,gocij->ngcijpq", grads, filters).flatten(1, 2)
    grad_x = _add_windows(grad_windows, x.shape[2:], stride, padding, dilation)
    return grad_x, grad_weight / x.shape[0], grad_output.sum(dim=(0, 2, 3))


@misconception(
    "conv2d",
    replaces="conv2d_backward",
    hint="grad_bias is a mean. The bias is added to every image and every position, unscaled, so "
    "each of these places contributes its whole gradient: a sum.",
)
def averages_grad_bias(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    grads = grad_output.unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    grad_weight = torch.einsum("ngopq,ngcijpq->gocij", grads, windows).flatten(0, 1)
    grad_windows = torch.einsum("ngopq,gocij->ngcijpq", grads, filters).flatten(1, 2)
    grad_x = _add_windows(grad_windows, x.shape[2:], stride, padding, dilation)
    return grad_x, grad_weight, grad_output.mean(dim=(0, 2, 3))


@misconception(
    "conv2d",
    replaces="conv2d_backward",
    hint="grad_bias still has a number per position. One bias serves all positions of all images, "
    "so sum over every axis but the filters': the result is (o,), like the bias itself.",
)
def sums_grad_bias_over_images_only(
    grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1
):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    grads = grad_output.unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    grad_weight = torch.einsum("ngopq,ngcijpq->gocij", grads, windows).flatten(0, 1)
    grad_windows = torch.einsum("ngopq,gocij->ngcijpq", grads, filters).flatten(1, 2)
    grad_x = _add_windows(grad_windows, x.shape[2:], stride, padding, dilation)
    return grad_x, grad_weight, grad_output.sum(dim=0)


# --- max_pool ---------------------------------------------------------------------------------


@misconception(
    "max_pool",
    replaces="max_pool2d",
    hint="Zeros from the padding win over negative pixels. Padding takes no part in a maximum: "
    "give it a value that loses to every pixel.",
)
def padding_beats_negative_pixels(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1).amax(dim=(2, 3))


@misconception(
    "max_pool",
    replaces="max_pool2d",
    hint="Without a stride you move by one pixel. A pool's default is different from a "
    "convolution's: windows lie side by side, the stride is the kernel size.",
)
def max_pool_moves_by_one(x, kernel_size, stride=None, padding=0):
    stride = 1 if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf).amax(dim=(2, 3))


@misconception(
    "max_pool",
    replaces="max_pool2d_backward",
    hint="Pixels that tie for the maximum share the gradient. Here only the first of them, "
    "counting row by row, gets it, and gets all of it.",
)
def ties_share_the_gradient(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    winners = (windows == windows.amax(dim=(2, 3), keepdim=True)).to(grad_output.dtype)
    spread = winners / winners.sum(dim=(2, 3), keepdim=True) * grad_output[:, :, None, None]
    return _add_windows(spread, x.shape[2:], stride, padding, 1)


@misconception(
    "max_pool",
    replaces="max_pool2d_backward",
    hint="Every pixel that equals its window's maximum gets the full gradient, so ties get it "
    "several times. A mask can't tell equal pixels apart: you need the first winner's place.",
)
def every_tied_pixel_gets_it_all(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    winners = (windows == windows.amax(dim=(2, 3), keepdim=True)).to(grad_output.dtype)
    return _add_windows(winners * grad_output[:, :, None, None], x.shape[2:], stride, padding, 1)


@misconception(
    "max_pool",
    replaces="max_pool2d_backward",
    hint="Of equal pixels you let the last one win. It is the first, counting row by row: a "
    "candidate takes the lead only if it is larger, not if it is as large.",
)
def last_of_equal_pixels_wins(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    candidates = windows.flatten(2, 3)
    winner = candidates.shape[2] - 1 - candidates.flip(2).argmax(dim=2, keepdim=True)
    spread = torch.zeros_like(candidates).scatter(2, winner, grad_output.unsqueeze(2))
    return _add_windows(spread.reshape(windows.shape), x.shape[2:], stride, padding, 1)


@misconception(
    "max_pool",
    replaces="max_pool2d_backward",
    hint="A pixel that wins in several overlapping windows keeps the gradient of one of them only. "
    "Assigning replaces what is there: add the windows' gradients up.",
)
def a_second_win_replaces_the_first(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    winner = windows.flatten(2, 3).argmax(dim=2)
    sizes = (x.shape[2:], kernel_size, stride, padding, 1)
    vertical, horizontal = zip(*map(pair, sizes), strict=True)
    padded = _windows(torch.zeros_like(x), 1, 1, padding, 1)[:, :, 0, 0]
    for i, rows in reversed(list(enumerate(_reach(*vertical)))):
        for j, columns in reversed(list(enumerate(_reach(*horizontal)))):
            won = winner == i * windows.shape[3] + j
            padded[:, :, rows, columns] = grad_output.where(won, padded[:, :, rows, columns])
    return _add_windows(padded[:, :, None, None], x.shape[2:], 1, padding, 1)


@misconception(
    "max_pool",
    replaces="max_pool2d_backward",
    hint="Gradient gets lost where all pixels of a window are negative: the padding's zeros win "
    "there and take it. Whatever padding the forward uses, the backward has to use as well.",
)
def padding_takes_the_gradient(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1)
    candidates = windows.flatten(2, 3)
    winner = candidates.argmax(dim=2, keepdim=True)
    spread = torch.zeros_like(candidates).scatter(2, winner, grad_output.unsqueeze(2))
    return _add_windows(spread.reshape(windows.shape), x.shape[2:], stride, padding, 1)


# --- avg_pool ---------------------------------------------------------------------------------


@misconception(
    "avg_pool",
    replaces="avg_pool2d",
    hint="At the border you divide by the number of real pixels in the window. Here the padding's "
    "zeros count too: the divisor is kh·kw everywhere.",
)
def divides_by_real_pixels(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    sums = _windows(x, kernel_size, stride, padding, 1).sum(dim=(2, 3))
    return sums / _windows(torch.ones_like(x), kernel_size, stride, padding, 1).sum(dim=(2, 3))


@misconception(
    "avg_pool",
    replaces="avg_pool2d",
    hint="Without a stride you move by one pixel. A pool's windows lie side by side unless it is "
    "told otherwise: None means the kernel size.",
)
def avg_pool_moves_by_one(x, kernel_size, stride=None, padding=0):
    stride = 1 if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1).mean(dim=(2, 3))


@misconception(
    "avg_pool",
    replaces="avg_pool2d_backward",
    hint="At the border you share the gradient among the real pixels only. The forward divides by "
    "kh·kw there too, so each pixel gets that fraction; the padding's shares are lost.",
)
def shares_among_real_pixels(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    inside = _windows(torch.ones_like(x), kernel_size, stride, padding, 1)
    shares = inside / inside.sum(dim=(2, 3), keepdim=True) * grad_output[:, :, None, None]
    return _add_windows(shares, x.shape[2:], stride, padding, 1)


@misconception(
    "avg_pool",
    replaces="avg_pool2d_backward",
    hint="Each pixel gets its window's whole gradient. Nudge one pixel: the mean moves by only a "
    "fraction of the nudge, and that fraction is missing.",
)
def spreads_without_dividing(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    inside = _windows(torch.ones_like(x), kernel_size, stride, padding, 1)
    return _add_windows(inside * grad_output[:, :, None, None], x.shape[2:], stride, padding, 1)


@misconception(
    "avg_pool",
    replaces="avg_pool2d_backward",
    hint="Where windows overlap, a pixel keeps the share of the last one only. It takes part in "
    "all of these means: add the shares up.",
)
def last_share_overwrites(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    kh, kw = pair(kernel_size)
    sizes = (x.shape[2:], kernel_size, stride, padding, 1)
    vertical, horizontal = zip(*map(pair, sizes), strict=True)
    padded = _windows(torch.zeros_like(x), 1, 1, padding, 1)[:, :, 0, 0]
    for rows in reversed(_reach(*vertical)):
        for columns in reversed(_reach(*horizontal)):
            padded[:, :, rows, columns] = grad_output / (kh * kw)
    return _add_windows(padded[:, :, None, None], x.shape[2:], 1, padding, 1)


# --- speed: right, one position at a time -------------------------------------------------------


@misconception(
    "speed",
    replaces="im2col",
    hint="im2col walks over the output positions one by one, thousands of small steps in Python. "
    "Turn it round: for one kernel offset, where in the image are the pixels of all windows?",
)
def im2col_window_by_window(x, kernel_size, stride=1, padding=0, dilation=1):
    (kh, kw), (sh, sw), (dh, dw) = map(pair, (kernel_size, stride, dilation))
    padded = _windows(x, 1, 1, padding, 1)[:, :, 0, 0]
    columns = []
    for top in range(0, padded.shape[2] - dh * (kh - 1), sh):
        for left in range(0, padded.shape[3] - dw * (kw - 1), sw):
            rows = slice(top, top + dh * (kh - 1) + 1, dh)
            window = padded[:, :, rows, left : left + dw * (kw - 1) + 1 : dw]
            columns.append(window.flatten(1))
    return torch.stack(columns, dim=2)


@misconception(
    "speed",
    replaces="col2im",
    hint="col2im adds the windows one by one, thousands of small steps in Python. The entries of "
    "one kernel offset never meet each other: they can all be added at once.",
)
def col2im_window_by_window(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    (n, c, h, w), (kh, kw), (ph, pw) = input_shape, pair(kernel_size), pair(padding)
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    padded = cols.new_zeros((n, c, h + 2 * ph, w + 2 * pw))
    position = 0
    for top in range(0, h + 2 * ph - dh * (kh - 1), sh):
        for left in range(0, w + 2 * pw - dw * (kw - 1), sw):
            rows = slice(top, top + dh * (kh - 1) + 1, dh)
            window = padded[:, :, rows, left : left + dw * (kw - 1) + 1 : dw]
            window += cols[:, :, position].reshape(n, c, kh, kw)
            position += 1
    return padded[:, :, ph : ph + h, pw : pw + w]


@misconception(
    "speed",
    replaces="conv2d",
    hint="conv2d computes its output positions one by one. Once all windows are columns, every "
    "position is part of a single matrix product (one per group, or per image, is fine).",
)
def conv2d_window_by_window(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = _windows(x, weight.shape[2:], stride, padding, dilation).unflatten(1, (groups, -1))
    filters = weight.unflatten(0, (groups, -1))
    y = x.new_empty((x.shape[0], weight.shape[0], *windows.shape[5:]))
    for p in range(y.shape[2]):
        for q in range(y.shape[3]):
            window = windows[:, :, None, ..., p, q]
            y[:, :, p, q] = (window * filters).sum(dim=(3, 4, 5)).flatten(1)
    return y if bias is None else y + bias[:, None, None]
