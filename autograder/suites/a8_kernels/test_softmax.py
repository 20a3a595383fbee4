"""softmax by rows: any row up to 16,384 elements, of any magnitude."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight

from autograder.checks import exercise
from autograder.checks.kernels import KernelChecks
from autograder.checks.values import extreme, uniform


def far_below_zero(shape, generator):
    """Rows in which every number is very negative: padding with anything finite would win."""
    return -1e3 - 50 * torch.rand(tuple(shape), generator=generator, dtype=torch.float64)


def very_large(shape, generator):
    """Rows of numbers whose exponentials overflow."""
    return extreme(1e4)(shape, generator)


SIZES = ((1, 1), (1, (2, 7)), (3, (9, 15)), ((3, 6), (33, 63)), (7, 200))
LONG = ((2, 1500), (1, 16384), (70, 33))


@exercise("softmax")
class TestSoftmax(KernelChecks):
    function = "softmax"
    sizes = SIZES
    long = LONG
    strided = (5, 37)

    def draw(self, sizes, values, made=None):
        return {"x": values(sizes, uniform(-3, 3) if made is None else made)}

    def oracle(self, x):
        return torch.softmax(x, -1)

    def natural_size(self, x):
        # exp(x − log Σ exp) is right too: the exponent is as exact as x is.
        return torch.softmax(x, -1).max() * torch.clamp(x.abs().max() / 100, min=1)

    @weight(2)
    def test_extreme(self, student):
        """`{function}` is right for rows far below zero, and where exponentials overflow"""
        for made in (far_below_zero, very_large):
            self.check_all(student, self.cases([(3, 4), (4, 37)], made=made))


@exercise("softmax")
class TestSoftmaxBackward(KernelChecks):
    function = "softmax_backward"
    sizes = SIZES
    long = LONG
    strided = (5, 37)

    def draw(self, sizes, values):
        x = values(sizes, uniform(-3, 3))
        return {"grad_output": values(sizes), "probs": torch.softmax(x.double(), -1).to(x.dtype)}

    def oracle(self, grad_output, probs):
        return probs * (grad_output - (grad_output * probs).sum(-1, keepdim=True))

    def natural_size(self, grad_output, probs):
        return probs * (grad_output.abs() + (grad_output * probs).abs().sum(-1, keepdim=True))
