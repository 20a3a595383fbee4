"""Speed on a GPU: the product against torch's, everything else against memory bandwidth."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, gelu

from autograder.checks import exercise
from autograder.checks.timing import TimingChecks, integers, normal, uniform

HALF, SINGLE = torch.float16, torch.float32
IMAGES = {
    "8192 × 4096 in float16": (8192, 4096, HALF),
    "5000 × 3001 in float32": (5000, 3001, SINGLE),
}


class RowChecks(TimingChecks):
    """A kernel that reads `reads` matrices and writes one."""

    against = "memory"
    sizes = IMAGES
    reads = 1
    share = 1.5

    def bytes_moved(self, m, n, dtype):
        return (self.reads + 1) * m * n * dtype.itemsize


@exercise("bias_gelu")
class TestBiasGeluTime(RowChecks):
    function = baseline = "bias_gelu"

    def inputs(self, m, n, dtype):
        return normal(m, n, dtype=dtype), normal(n, dtype=dtype)

    def oracle(self, x, b):
        return gelu(x.double() + b.double())


@exercise("bias_gelu")
class TestBiasGeluBackwardTime(RowChecks):
    function = baseline = "bias_gelu_backward"
    results = ("grad_x", "grad_b")
    reads = 2

    def inputs(self, m, n, dtype):
        return normal(m, n, dtype=dtype), normal(m, n, dtype=dtype), normal(n, dtype=dtype)

    def oracle(self, grad_output, x, b):
        z = x.double() + b.double()
        bell = torch.exp(-0.5 * z * z) / (2 * torch.pi) ** 0.5
        grad = grad_output.double() * (torch.special.ndtr(z) + z * bell)
        return grad, grad.sum(0)

    def scale(self, grad_output, x, b):
        return None, grad_output.double().abs().sum(0)


@exercise("softmax")
class TestSoftmaxTime(RowChecks):
    function = baseline = "softmax"

    def inputs(self, m, n, dtype):
        return (normal(m, n, dtype=dtype),)

    def oracle(self, x):
        return torch.softmax(x.double(), -1)


@exercise("softmax")
class TestSoftmaxBackwardTime(RowChecks):
    function = baseline = "softmax_backward"
    reads = 2

    def inputs(self, m, n, dtype):
        # Of about the size that probabilities have; that they add up to 1 makes no difference.
        return normal(m, n, dtype=dtype), uniform(m, n, dtype=dtype, low=0.0, high=2.0 / n)

    def oracle(self, grad_output, probs):
        g, p = grad_output.double(), probs.double()
        return p * (g - (g * p).sum(-1, keepdim=True))

    def scale(self, grad_output, probs):
        return probs.double().abs().max() * grad_output.double().abs().max()


class ProductChecks(TimingChecks):
    """A kernel that is bound by arithmetic: m × k times k × n."""

    share = 1.5
    products = 1

    def flops(self, m, k, n):
        return 2 * self.products * m * k * n

    def bytes_moved(self, m, k, n):
        return (m * k + k * n + m * n) * HALF.itemsize


@exercise("matmul")
class TestMatmulTime(ProductChecks):
    function = baseline = "matmul"
    sizes = {  # noqa: RUF012 (a constant of the class)
        "2048 × 2048 × 2048 in float16": (2048, 2048, 2048),
        "4096 × 4096 × 4096 in float16": (4096, 4096, 4096),
        "8192 × 1024 × 4096 in float16": (8192, 1024, 4096),
    }

    def inputs(self, m, k, n):
        return normal(m, k, dtype=HALF), normal(k, n, dtype=HALF)

    def oracle(self, a, b):
        return a.float() @ b.float()


@exercise("matmul")
class TestMatmulBackwardTime(ProductChecks):
    function = baseline = "matmul_backward"
    results = ("grad_a", "grad_b")
    sizes = {"4096 × 4096 × 4096 in float16": (4096, 4096, 4096)}  # noqa: RUF012
    products = 2

    def inputs(self, m, k, n):
        return normal(m, n, dtype=HALF), normal(m, k, dtype=HALF), normal(k, n, dtype=HALF)

    def oracle(self, grad_output, a, b):
        g = grad_output.float()
        return g @ b.float().mT, a.float().mT @ g


@exercise("cross_entropy")
class TestCrossEntropyTime(RowChecks):
    function = baseline = "cross_entropy"
    results = ("loss", "grad_logits")
    sizes = {  # noqa: RUF012
        "4096 × 32000 in float16": (4096, 32000, HALF),
        "1024 × 128256 in float16": (1024, 128256, HALF),
    }
    share = 3.0

    def inputs(self, m, n, dtype):
        return normal(m, n, dtype=dtype), integers(m, low=0, high=n)

    def oracle(self, logits, target):
        loss = cross_entropy(logits.float(), target, reduction="none")
        grad = torch.softmax(logits.float(), -1)
        grad[torch.arange(len(target), device=grad.device), target] -= 1
        return loss, grad

    def dtypes(self, logits, target):
        return torch.float32, logits.dtype


@exercise("adamw")
class TestAdamwTime(TimingChecks):
    against = "memory"
    function = baseline = "adamw_update"
    results = ("param", "exp_avg", "exp_avg_sq")
    sizes = {"32 Mi elements in float32": (1 << 25,)}  # noqa: RUF012
    share = 3.0

    def inputs(self, n):
        plain = [normal(n, dtype=SINGLE) for _ in range(3)]
        squares = uniform(n, dtype=SINGLE, low=0.1, high=1.0)
        return (*plain, squares, 3, 1e-2, (0.9, 0.99), 1e-8, 0.1)

    def oracle(self, param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
        p, g, m, v = (tensor.double() for tensor in (param, grad, exp_avg, exp_avg_sq))
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        root = (v / (1 - betas[1] ** step)).sqrt() + eps
        return p * (1 - lr * weight_decay) - lr * m / (1 - betas[0] ** step) / root, m, v

    def bytes_moved(self, n):
        return 7 * n * SINGLE.itemsize
