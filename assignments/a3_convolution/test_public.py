"""The public tests of a3_convolution: worked numbers, comparisons with torch, gradient checks.

`pytest` runs all of them, `pytest -k Im2col` those of one exercise. Read them as examples of what
each function is for. The hidden tests ask the same questions about many more shapes and settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from convolution import (
    avg_pool2d,
    avg_pool2d_backward,
    col2im,
    conv2d,
    conv2d_backward,
    im2col,
    max_pool2d,
    max_pool2d_backward,
)
from torch import Tensor

WINDOWS = [
    pytest.param({"kernel_size": 2}, id="kernel 2"),
    pytest.param({"kernel_size": 3, "stride": 2}, id="stride 2, last row left over"),
    pytest.param({"kernel_size": 3, "padding": 1}, id="padding 1"),
    pytest.param({"kernel_size": 2, "dilation": 2}, id="dilation 2"),
    pytest.param(
        {"kernel_size": (3, 2), "stride": (1, 2), "padding": (2, 1), "dilation": (2, 1)},
        id="height and width differ in everything",
    ),
]

CONVOLUTIONS = [
    pytest.param({}, id="plain"),
    pytest.param({"stride": 2, "padding": 1}, id="stride 2, padding 1"),
    pytest.param({"stride": (1, 2), "padding": (2, 0), "dilation": (2, 1)}, id="tuples"),
    pytest.param({"groups": 2}, id="2 groups"),
    pytest.param({"groups": 4, "padding": 1}, id="one group per channel"),
]

POOLS = [
    pytest.param({"kernel_size": 2}, id="kernel 2, so stride 2"),
    pytest.param({"kernel_size": 3, "stride": 1, "padding": 1}, id="overlapping windows"),
    pytest.param({"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 0)}, id="tuples"),
]


def image(*rows: list[float]) -> Tensor:
    """The rows as one image of one channel: (1, 1, h, w)."""
    return torch.tensor([[rows]], dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> Tensor:
    """Normal random numbers in float64, the same ones in every run."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def distinct(*shape: int) -> Tensor:
    """Random numbers without ties, 0.1 apart: a maximum stays one when a pixel is nudged."""
    order = torch.randperm(int(np.prod(shape)), generator=torch.Generator().manual_seed(0))
    return order.double().reshape(shape) / 10


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    """Same shape, same dtype, same numbers up to rounding."""
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


class ByHand(torch.autograd.Function):
    """A forward and its hand-written backward, put together so that gradcheck can test them."""

    @staticmethod
    def forward(ctx: Any, forward: Callable, backward: Callable, *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.by_hand = backward
        return forward(*(tensor.detach() for tensor in inputs))

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        inputs = (tensor.detach() for tensor in ctx.saved_tensors)
        gradients = ctx.by_hand(grad_output.detach(), *inputs)
        return (None, None, *([gradients] if isinstance(gradients, Tensor) else gradients))


def gradients_are_right(forward: Callable, backward: Callable, *inputs: Tensor) -> bool:
    """Nudge each input number and see whether the outputs move as `backward` says."""
    wanted = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    return torch.autograd.gradcheck(lambda *x: ByHand.apply(forward, backward, *x), wanted)


class TestIm2col:
    def test_each_window_of_a_3_by_4_image_is_one_column(self) -> None:
        x = image([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
        expected = [
            [1, 2, 3, 5, 6, 7],  # what the kernel's top left sees, window by window
            [2, 3, 4, 6, 7, 8],  # top right
            [5, 6, 7, 9, 10, 11],  # bottom left
            [6, 7, 8, 10, 11, 12],  # bottom right
        ]
        assert_equal(im2col(x, 2), torch.tensor([expected], dtype=torch.float64))

    def test_a_column_holds_one_channel_after_the_other(self) -> None:
        x = torch.arange(8.0).reshape(1, 2, 2, 2)  # channel 0 is 0 1 2 3, channel 1 is 4 5 6 7
        assert im2col(x, 2).flatten().tolist() == [0, 1, 2, 3, 4, 5, 6, 7]

    def test_padding_puts_zeros_on_every_side(self) -> None:
        assert im2col(image([5]), 3, padding=1).flatten().tolist() == [0, 0, 0, 0, 5, 0, 0, 0, 0]

    def test_a_window_that_sticks_out_is_dropped(self) -> None:
        cols = im2col(image([1, 2, 3, 4, 5]), kernel_size=(1, 2), stride=2)
        assert cols.tolist() == [[[1, 3], [2, 4]]]

    @pytest.mark.parametrize("settings", WINDOWS)
    def test_matches_torch(self, settings: dict[str, Any]) -> None:
        x = random(2, 3, 6, 5)
        assert_equal(im2col(x, **settings), F.unfold(x, **settings))

    def test_an_image_seen_through_strides_keeps_its_values(self) -> None:
        x = random(2, 3, 5, 6).transpose(2, 3)  # not contiguous
        before = x.clone()
        assert_equal(im2col(x, 2), F.unfold(before, 2))
        assert_equal(x, before)

    def test_gradcheck_as_the_derivative_of_torch_fold(self) -> None:
        settings = {"kernel_size": (2, 3), "stride": (2, 1), "padding": 1}
        assert gradients_are_right(
            lambda c: F.fold(c, (3, 3), **settings),
            lambda grad_output, c: im2col(grad_output, **settings),
            random(1, 12, 6),
        )


class TestCol2im:
    def test_a_pixel_collects_from_every_window_that_sees_it(self) -> None:
        counts = col2im(torch.ones(1, 4, 4), (1, 1, 3, 3), kernel_size=2)
        assert counts.tolist() == [[[[1, 2, 1], [2, 4, 2], [1, 2, 1]]]]

    def test_a_pixel_that_no_window_sees_gets_zero(self) -> None:
        counts = col2im(torch.ones(1, 2, 2), (1, 1, 1, 5), kernel_size=(1, 2), stride=2)
        assert counts.tolist() == [[[[1, 1, 1, 1, 0]]]]

    def test_what_falls_on_the_padding_is_dropped(self) -> None:
        cols = torch.arange(9.0).reshape(1, 9, 1)
        assert col2im(cols, (1, 1, 1, 1), kernel_size=3, padding=1).tolist() == [[[[4]]]]

    @pytest.mark.parametrize("settings", WINDOWS)
    def test_matches_torch(self, settings: dict[str, Any]) -> None:
        cols = random(*F.unfold(random(2, 3, 6, 5), **settings).shape, seed=1)
        assert_equal(col2im(cols, (2, 3, 6, 5), **settings), F.fold(cols, (6, 5), **settings))

    @pytest.mark.parametrize("settings", WINDOWS)
    def test_is_the_adjoint(self, settings: dict[str, Any]) -> None:
        x = random(2, 3, 6, 5)
        columns_of_x = im2col(x, **settings)
        cols = random(*columns_of_x.shape, seed=1)
        image_of_cols = col2im(cols, (2, 3, 6, 5), **settings)
        assert_equal((columns_of_x * cols).sum(), (x * image_of_cols).sum())

    def test_gradcheck_as_the_derivative_of_torch_unfold(self) -> None:
        settings = {"kernel_size": (2, 3), "stride": (2, 1), "padding": 1}
        assert gradients_are_right(
            lambda x: F.unfold(x, **settings),
            lambda grad_output, x: col2im(grad_output, tuple(x.shape), **settings),
            random(1, 2, 4, 3),
        )


class TestConv2d:
    def test_the_kernel_is_not_flipped(self) -> None:
        x = image([1, 2, 3], [4, 5, 6], [7, 8, 9])
        weight = image([1, 0], [0, -1])  # a pixel minus its neighbour down right
        assert conv2d(x, weight).tolist() == [[[[-4, -4], [-4, -4]]]]

    def test_bias_is_added_per_filter(self) -> None:
        x, weight = image([1, 2]), torch.ones(2, 1, 1, 1, dtype=torch.float64)
        bias = torch.tensor([10.0, 20.0], dtype=torch.float64)
        assert conv2d(x, weight, bias).tolist() == [[[[11, 12]], [[21, 22]]]]

    def test_groups_are_blocks_of_neighbouring_channels(self) -> None:
        x = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1)
        weight = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).reshape(2, 2, 1, 1)
        assert conv2d(x, weight, groups=2).flatten().tolist() == [1 + 2, 3 - 4]

    @pytest.mark.parametrize("settings", CONVOLUTIONS)
    def test_matches_torch(self, settings: dict[str, Any]) -> None:
        x, bias = random(2, 4, 6, 5), random(8, seed=1)
        weight = random(8, 4 // settings.get("groups", 1), 3, 2, seed=2)
        assert_equal(conv2d(x, weight, bias, **settings), F.conv2d(x, weight, bias, **settings))

    @pytest.mark.parametrize("settings", CONVOLUTIONS)
    def test_gradients_match_autograd(self, settings: dict[str, Any]) -> None:
        x, bias = random(2, 4, 6, 5), random(8, seed=1)
        weight = random(8, 4 // settings.get("groups", 1), 3, 2, seed=2)
        leaves = [tensor.clone().requires_grad_() for tensor in (x, weight, bias)]
        output = F.conv2d(*leaves, **settings)
        grad_output = random(*output.shape, seed=3)
        gradients = conv2d_backward(grad_output, x, weight, **settings)
        for actual, expected in zip(
            gradients, torch.autograd.grad(output, leaves, grad_output), strict=True
        ):
            assert_equal(actual, expected)

    def test_gradcheck(self) -> None:
        settings = {"stride": (1, 2), "padding": (1, 0), "groups": 2}
        assert gradients_are_right(
            lambda x, weight, bias: conv2d(x, weight, bias, **settings),
            lambda grad_output, x, weight, bias: conv2d_backward(
                grad_output, x, weight, **settings
            ),
            random(2, 2, 3, 4),
            random(2, 1, 2, 2, seed=1),
            random(2, seed=2),
        )


class TestMaxPool:
    def test_largest_pixel_of_each_window(self) -> None:
        x = image([1, 2, 5, 6], [3, 4, 8, 7])
        assert max_pool2d(x, 2).tolist() == [[[[4, 8]]]]

    def test_padding_never_wins(self) -> None:
        x = image([-1, -2], [-3, -4])
        assert max_pool2d(x, 2, padding=1).tolist() == [[[[-1, -2], [-3, -4]]]]

    def test_gradient_goes_to_the_winner(self) -> None:
        x = image([1, 2, 5, 6], [3, 4, 8, 7])
        grad_x = max_pool2d_backward(image([10, 20]), x, 2)
        assert grad_x.tolist() == [[[[0, 0, 0, 0], [0, 10, 20, 0]]]]

    def test_of_equal_pixels_the_first_wins(self) -> None:
        x = image([0, 1], [1, 1])
        assert max_pool2d_backward(image([7]), x, 2).tolist() == [[[[0, 7], [0, 0]]]]

    def test_a_pixel_that_wins_twice_collects_twice(self) -> None:
        x = image([1, 9, 2])
        grad_x = max_pool2d_backward(image([10, 20]), x, kernel_size=(1, 2), stride=1)
        assert grad_x.tolist() == [[[[0, 30, 0]]]]

    @pytest.mark.parametrize("settings", POOLS)
    def test_matches_torch(self, settings: dict[str, Any]) -> None:
        x = random(2, 3, 7, 6)
        leaf = x.clone().requires_grad_()
        expected = F.max_pool2d(leaf, **settings)
        assert_equal(max_pool2d(x, **settings), expected.detach())
        grad_output = random(*expected.shape, seed=1)
        (grad_x,) = torch.autograd.grad(expected, leaf, grad_output)
        assert_equal(max_pool2d_backward(grad_output, x, **settings), grad_x)

    def test_gradcheck(self) -> None:
        settings = {"kernel_size": 3, "stride": 2, "padding": 1}
        assert gradients_are_right(
            lambda x: max_pool2d(x, **settings),
            lambda grad_output, x: max_pool2d_backward(grad_output, x, **settings),
            distinct(1, 2, 5, 4),
        )


class TestAvgPool:
    def test_mean_of_each_window(self) -> None:
        x = image([1, 2, 5, 6], [3, 6, 8, 5])
        assert avg_pool2d(x, 2).tolist() == [[[[3, 6]]]]

    def test_padding_counts(self) -> None:
        assert avg_pool2d(image([4, 8], [12, 16]), 2, padding=1).tolist() == [[[[1, 2], [3, 4]]]]

    def test_gradient_is_spread_evenly(self) -> None:
        grad_x = avg_pool2d_backward(image([4, 8]), image([1, 2, 3], [4, 5, 6]), 2, stride=1)
        assert grad_x.tolist() == [[[[1, 3, 2], [1, 3, 2]]]]

    @pytest.mark.parametrize("settings", POOLS)
    def test_matches_torch(self, settings: dict[str, Any]) -> None:
        x = random(2, 3, 7, 6)
        leaf = x.clone().requires_grad_()
        expected = F.avg_pool2d(leaf, **settings)
        assert_equal(avg_pool2d(x, **settings), expected.detach())
        grad_output = random(*expected.shape, seed=1)
        (grad_x,) = torch.autograd.grad(expected, leaf, grad_output)
        assert_equal(avg_pool2d_backward(grad_output, x, **settings), grad_x)

    def test_gradcheck(self) -> None:
        settings = {"kernel_size": (3, 2), "stride": 2, "padding": 1}
        assert gradients_are_right(
            lambda x: avg_pool2d(x, **settings),
            lambda grad_output, x: avg_pool2d_backward(grad_output, x, **settings),
            random(1, 2, 5, 4),
        )


def one_position_at_a_time(size: int) -> list[tuple[int, slice, slice]]:
    """Every window of a size × size image under a 3 × 3 kernel: its number, rows and columns."""
    side = size - 2
    return [
        (p * side + q, slice(p, p + 3), slice(q, q + 3)) for p in range(side) for q in range(side)
    ]


def milliseconds(function: Callable[[], object]) -> float:
    """The best of three runs, after one to warm up."""
    function()
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        runs.append(time.perf_counter() - start)
    return 1000 * min(runs)


class TestSpeed:
    """Prints, as `pytest -k Speed -s` shows; a busy laptop can't fail you here."""

    size = 64
    x = random(1, 1, size, size).float()
    cols = F.unfold(x, 3)
    weight = random(4, 1, 3, 3, seed=1).float()

    def report(self, name: str, mine: Callable[[], Tensor], loop: Callable[[], object]) -> None:
        yours, looped = milliseconds(mine), milliseconds(loop)
        print(  # noqa: T201 -- what this test is for
            f"\n{name}: {yours:.2f} ms, a loop over positions {looped:.2f} ms: "
            f"{looped / yours:.1f} times as fast (full points from 3)"
        )

    def loop_of_windows(self) -> np.ndarray:
        x, cols = self.x.numpy(), np.empty((1, 1, 3, 3, self.cols.shape[-1]), np.float32)
        for position, rows, columns in one_position_at_a_time(self.size):
            cols[..., position] = x[:, :, rows, columns]
        return cols.reshape(1, 9, -1)

    def loop_of_sums(self) -> np.ndarray:
        windows = self.cols.numpy().reshape(1, 1, 3, 3, -1)
        x = np.zeros((1, 1, self.size, self.size), np.float32)
        for position, rows, columns in one_position_at_a_time(self.size):
            x[:, :, rows, columns] += windows[..., position]
        return x

    def test_windows_to_columns(self) -> None:
        torch.testing.assert_close(im2col(self.x, 3), self.cols)
        self.report("im2col", lambda: im2col(self.x, 3), self.loop_of_windows)

    def test_columns_to_image(self) -> None:
        shape = (1, 1, self.size, self.size)
        torch.testing.assert_close(
            col2im(self.cols, shape, 3), torch.from_numpy(self.loop_of_sums())
        )
        self.report("col2im", lambda: col2im(self.cols, shape, 3), self.loop_of_sums)

    def test_convolution(self) -> None:
        torch.testing.assert_close(conv2d(self.x, self.weight), F.conv2d(self.x, self.weight))
        filters = self.weight.reshape(4, 9).numpy()
        self.report(
            "conv2d",
            lambda: conv2d(self.x, self.weight),
            lambda: filters @ self.loop_of_windows(),
        )
