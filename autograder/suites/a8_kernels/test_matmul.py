"""The matrix product by blocks: sizes that no block divides, and any strides."""

from __future__ import annotations

from autograder.checks import exercise
from autograder.checks.kernels import KernelChecks
from autograder.checks.values import tied

# (m, k, n): ordinary, then one dimension at a time that is small, or just beyond a power of two.
SIZES = ((1, 1, 1), (2, (3, 5), 4), (16, 16, 16), (17, (33, 60), 31), ((3, 9), 70, 65), (65, 5, 20))
# Several blocks in every direction, whatever their size up to 128.
LONG = ((1, 700, 3), (150, 40, 140), (260, 17, 9), (9, 17, 260))
STRIDED = (19, 35, 22)


def numbers(sizes):
    """Whole numbers where wrong strides are to be recognised: then sums have no rounding."""
    return tied(-9, 9) if tuple(sizes) == STRIDED else None


@exercise("matmul")
class TestMatmul(KernelChecks):
    function = "matmul"
    sizes = SIZES
    long = LONG
    strided = STRIDED

    def draw(self, sizes, values):
        m, k, n = sizes
        return {"a": values((m, k), numbers(sizes)), "b": values((k, n), numbers(sizes))}

    def oracle(self, a, b):
        return a @ b

    def natural_size(self, a, b):
        return a.abs() @ b.abs()


@exercise("matmul")
class TestMatmulBackward(KernelChecks):
    function = "matmul_backward"
    results = ("grad_a", "grad_b")
    sizes = SIZES
    long = LONG
    strided = STRIDED

    def draw(self, sizes, values):
        m, k, n = sizes
        shapes = {"grad_output": (m, n), "a": (m, k), "b": (k, n)}
        return {name: values(shape, numbers(sizes)) for name, shape in shapes.items()}

    def oracle(self, grad_output, a, b):
        return grad_output @ b.mT, a.mT @ grad_output

    def natural_size(self, grad_output, a, b):
        return grad_output.abs() @ b.abs().mT, a.abs().mT @ grad_output.abs()
