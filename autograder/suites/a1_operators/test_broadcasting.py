"""unbroadcast, add, multiply: gradients have the shape of what they belong to."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from autograder.checks import FunctionChecks, OperatorChecks, arguments, custom, exercise, tensors


@custom
def reductions_to_a_shape(drawer):
    """A gradient and a shape that broadcasts to its shape, as a tuple or a torch.Size."""
    grad = drawer.tensor(tensors("*big"))
    shape = drawer.broadcast("big")
    kind = drawer.draw(st.sampled_from((tuple, torch.Size)))
    return {"grad": grad, "shape": kind(shape)}


@exercise("broadcasting")
class TestUnbroadcast(FunctionChecks):
    function = "unbroadcast"
    cases = reductions_to_a_shape
    examples = 32

    def oracle(self, grad, shape):
        return grad.sum_to_size(shape)


@exercise("broadcasting")
class TestAdd(OperatorChecks):
    forward, backward = "add", "add_backward"
    cases = arguments(x=tensors("~shape"), y=tensors("~shape"))

    def oracle(self, x, y):
        return x + y


@exercise("broadcasting")
class TestMultiply(OperatorChecks):
    forward, backward = "multiply", "multiply_backward"
    cases = arguments(x=tensors("~shape"), y=tensors("~shape"))

    def oracle(self, x, y):
        return x * y
