"""bias_gelu: one launch forward, two gradients backward."""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import weight
from torch.nn.functional import gelu

from autograder.checks import exercise
from autograder.checks.gradients import vjp
from autograder.checks.kernels import KernelChecks
from autograder.checks.values import extreme

SIZES = ((1, 1), (1, (2, 9)), ((2, 9), 1), (5, (17, 60)), (33, 130))


@exercise("bias_gelu")
class TestBiasGelu(KernelChecks):
    function = "bias_gelu"
    sizes = SIZES
    # Wider and taller than any sensible block, and a multiple of a power of two.
    long = ((2, 4100), (300, 7), (16, 256))
    strided = (6, 37)
    launches = 1

    def draw(self, sizes, values, made=None):
        m, n = sizes
        return {"x": values((m, n), made), "b": values((n,), made)}

    def oracle(self, x, b):
        return gelu(x + b)

    @weight(1)
    def test_extreme(self, student):
        """`{function}` is right far from zero"""
        self.check_all(student, self.cases([(4, 50)], made=extreme(1e4)))


@exercise("bias_gelu")
class TestBiasGeluBackward(KernelChecks):
    function = "bias_gelu_backward"
    results = ("grad_x", "grad_b")
    sizes = SIZES
    # Rows beyond one block, so that grad_b has to be put together from several programs.
    long = ((2, 4100), (700, 3), (150, 129))
    strided = (6, 37)

    def draw(self, sizes, values, made=None):
        m, n = sizes
        return {
            "grad_output": values((m, n)),
            "x": values((m, n), made),
            "b": values((n,), made),
        }

    def oracle(self, grad_output, x, b):
        return vjp(lambda x, b: gelu(x + b), {"x": x, "b": b}, ("x", "b"), grad_output)

    def natural_size(self, grad_output, x, b):
        # A sum over rows cancels; the slope of gelu lies between −0.13 and 1.13.
        return grad_output, grad_output.abs().sum(0)

    @weight(1)
    def test_extreme(self, student):
        """`{function}` is right far from zero, where the slope is 0 or 1"""
        self.check_all(student, self.cases([(4, 50)], made=extreme(1e4)))
