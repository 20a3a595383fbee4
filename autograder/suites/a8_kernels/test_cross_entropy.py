"""cross_entropy: loss and gradient of each row together, up to 131,072 classes."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight
from torch.nn.functional import cross_entropy

from autograder.checks import exercise
from autograder.checks.kernels import KernelChecks
from autograder.checks.values import extreme, integers, uniform


def far_below_zero(shape, generator):
    """Rows in which every number is very negative: padding with anything finite would win."""
    return -1e3 - 50 * torch.rand(tuple(shape), generator=generator, dtype=torch.float64)


def rising(shape, generator):
    """Rows that grow from block to block, so that an early maximum is never the last one."""
    noise = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
    return noise + torch.linspace(-40, 40, shape[-1], dtype=torch.float64)


@exercise("cross_entropy")
class TestCrossEntropy(KernelChecks):
    function = "cross_entropy"
    results = ("loss", "grad_logits")
    sizes = ((1, 1), (1, (2, 7)), (3, (9, 15)), ((3, 6), (33, 63)), (7, 200))
    long = ((2, 1500), (2, 50257), (1, 131072), (70, 33))
    strided = (5, 37)

    def draw(self, sizes, values, made=None):
        m, n = sizes
        logits = values((m, n), uniform(-3, 3) if made is None else made)
        return {"logits": logits, "target": values((m,), integers(0, n - 1))}

    def oracle(self, logits, target):
        loss = cross_entropy(logits, target, reduction="none")
        grad = torch.softmax(logits, -1)
        grad[torch.arange(len(target)), target] -= 1
        return loss, grad

    def natural_size(self, logits, target):
        # The loss is a difference of logits, each of which was rounded. The gradient is the
        # exponential of such a difference.
        return logits.abs(), torch.clamp(logits.abs() / 100, min=1)

    def dtypes(self, arguments):
        return torch.float32, arguments["logits"].dtype

    @weight(2)
    def test_extreme(self, student):
        """`{function}` is right for rows far below zero, and where exponentials overflow"""
        for made in (far_below_zero, extreme(1e4)):
            self.check_all(student, self.cases([(3, 4), (4, 37)], made=made))

    @weight(1)
    def test_rising(self, student):
        """`{function}` is right for long rows whose maximum comes late"""
        self.check_all(student, self.cases([(2, 3000), (1, 100_000)], made=rising))
