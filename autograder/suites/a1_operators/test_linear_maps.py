"""matmul, batched_matmul, linear, bias: everything that is linear in each of its inputs."""

from __future__ import annotations

import torch

from autograder.checks import (
    Case,
    OperatorChecks,
    Pullback,
    arguments,
    contract,
    exercise,
    for_each,
    tensors,
)
from autograder.checks.values import normal


@exercise("matmul")
class TestMatmul(OperatorChecks):
    forward, backward = "matmul", "matmul_backward"
    cases = arguments(x=tensors("*batch d"), w=tensors("d e"))

    def oracle(self, x, w):
        return x @ w


@exercise("batched_matmul")
class TestBatchedMatmul(OperatorChecks):
    forward, backward = "batched_matmul", "batched_matmul_backward"
    cases = arguments(a=tensors("~batch n k"), b=tensors("~batch k m"))

    def oracle(self, a, b):
        return a @ b

    @contract(after=("test_forward", "test_gradients"))
    def test_missing_and_stretched(self, student):
        """`{backward}` is right where one input lacks a leading dimension and stretches another"""
        generator = torch.Generator().manual_seed(11)
        few, many = (1,), (3, 2)
        for_each(
            (
                Pullback(
                    Case(
                        {
                            "a": normal()((*left, 2, 3), generator),
                            "b": normal()((*right, 3, 2), generator),
                        }
                    ),
                    normal()((*many, 2, 2), generator),
                )
                for left, right in ((few, many), (many, few))
            ),
            lambda call: self.check_gradients(student, call),
        )


@exercise("linear")
class TestLinear(OperatorChecks):
    forward, backward = "linear", "linear_backward"
    cases = arguments(x=tensors("*batch d"), weight=tensors("e d"), bias=tensors("e"))

    def oracle(self, x, weight, bias):
        return torch.nn.functional.linear(x, weight, bias)

    def backward_arguments(self, arguments, output):
        return {"x": arguments["x"], "weight": arguments["weight"]}


@exercise("bias")
class TestBias(OperatorChecks):
    forward, backward = "add_bias", "add_bias_backward"
    cases = arguments(x=tensors("*batch d"), b=tensors("d"))

    def oracle(self, x, b):
        return x + b

    def backward_arguments(self, arguments, output):
        return {}
