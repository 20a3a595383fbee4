"""Public tests: examples to read, and a first check of your work. They are not the whole story.

Run all with `pytest`, one exercise with `pytest -k TestMatmul`, and stop at the first failure with
`pytest -x`. In a test you may use torch.autograd, and here it is the judge: nearly every test asks
it for the right gradient and compares yours.
"""

from __future__ import annotations

from collections.abc import Callable

import operators
import pytest
import torch
from torch import Tensor

# --- how answers are compared --------------------------------------------------------------------


def tensor(values: object) -> Tensor:
    """Float64 throughout: then a wrong formula is easy to tell from rounding."""
    return torch.tensor(values, dtype=torch.float64)


def randn(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed numbers, the same ones in every run."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def describe(inputs: dict[str, Tensor]) -> str:
    """As in `x (2, 3), w (3, 4)`."""
    return ", ".join(f"{name} {tuple(value.shape)}" for name, value in inputs.items())


def assert_equal(what: str, actual: Tensor, expected: Tensor, given: str) -> None:
    """Same type, same shape, same dtype, and every element right up to rounding."""
    assert isinstance(actual, Tensor), (
        f"{what} must be a tensor, but is a {type(actual).__name__} (for {given})"
    )
    assert actual.shape == expected.shape, (
        f"{what} has shape {tuple(actual.shape)}, expected {tuple(expected.shape)} (for {given})"
    )
    assert actual.dtype == expected.dtype, (
        f"{what} has dtype {actual.dtype}, expected {expected.dtype} (for {given})"
    )
    error = (actual - expected).abs() / expected.abs().clamp(min=1)
    if error.numel() and not error.max() < 1e-9:  # written so that nan counts as wrong
        worst = torch.unravel_index(error.nan_to_num(nan=torch.inf).argmax(), error.shape)
        index = tuple(int(i) for i in worst)
        raise AssertionError(
            f"{what} is {actual[index].item():.6g} at index {index}, "
            f"expected {expected[index].item():.6g} (for {given})"
        )


def assert_gradients(
    name: str,
    backward: Callable[..., Tensor | tuple[Tensor, ...]],
    oracle: Callable[..., Tensor],
    **inputs: Tensor,
) -> None:
    """`backward(grad_output, *inputs)` equals what torch.autograd says about `oracle(*inputs)`.

    grad_output is random, as it is in a real network, where it comes from the layers above.
    """
    given = describe(inputs)
    leaves = [value.clone().requires_grad_() for value in inputs.values()]
    result = oracle(*leaves)
    grad_output = randn(*result.shape, seed=99)
    expected = torch.autograd.grad(result, leaves, grad_output)

    before = [value.clone() for value in inputs.values()]
    actual = backward(grad_output, *inputs.values())
    for (input_name, value), original in zip(inputs.items(), before, strict=True):
        assert torch.equal(value, original), f"{name} changed its input {input_name} (for {given})"

    if len(inputs) == 1:
        assert isinstance(actual, Tensor), f"{name} must return one tensor, not {type(actual)}"
        actual = (actual,)
    assert isinstance(actual, tuple | list), (
        f"{name} must return {len(inputs)} gradients, but returned a {type(actual).__name__}"
    )
    assert len(actual) == len(inputs), (
        f"{name} must return {len(inputs)} gradients, but returned {len(actual)}"
    )
    for input_name, got, wanted in zip(inputs, actual, expected, strict=True):
        assert_equal(f"{name}: the gradient of {input_name}", got, wanted, given)


def assert_gradcheck(
    forward: Callable[..., Tensor],
    backward: Callable[..., Tensor | tuple[Tensor, ...]],
    *inputs: Tensor,
) -> None:
    """Your backward agrees with finite differences of *your* forward: no formula of ours involved.

    torch.autograd.gradcheck nudges each input entry by ±1e-6, looks at how each output entry
    moves, and compares that with the backward function.
    """

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return forward(*(value.detach() for value in tensors))

        @staticmethod
        def backward(ctx, grad_output):
            gradients = backward(grad_output, *(value.detach() for value in ctx.saved_tensors))
            return gradients if isinstance(gradients, Tensor) else tuple(gradients)

    leaves = [value.clone().requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(ByHand.apply, leaves)


# --- the exercises -------------------------------------------------------------------------------


class TestMatmul:
    def test_a_worked_example(self):
        x = tensor([[1, 2], [3, 4], [5, 6]])  # three rows with two features
        w = tensor([[1, 0], [10, 1]])
        given = describe({"x": x, "w": w})
        expected = tensor([[21, 2], [43, 4], [65, 6]])
        assert_equal("matmul(x, w)", operators.matmul(x, w), expected, given)

        # Only entry (0, 1) of the result matters for the loss: L = 2 · y[0, 1], where
        # y[0, 1] = x[0, 0] w[0, 1] + x[0, 1] w[1, 1]. Four entries can have a gradient.
        grad_output = tensor([[0, 2], [0, 0], [0, 0]])
        grad_x, grad_w = operators.matmul_backward(grad_output, x, w)
        assert_equal("grad_x", grad_x, tensor([[0, 2], [0, 0], [0, 0]]), given)
        assert_equal("grad_w", grad_w, tensor([[0, 2], [0, 4]]), given)

    @pytest.mark.parametrize("leading", [(5,), (), (2, 3), (2, 1, 4), (0,)], ids=str)
    def test_any_leading_dimensions(self, leading):
        x, w = randn(*leading, 3, seed=1), randn(3, 4, seed=2)
        assert_equal("matmul(x, w)", operators.matmul(x, w), x @ w, describe({"x": x, "w": w}))
        assert_gradients("matmul_backward", operators.matmul_backward, torch.matmul, x=x, w=w)

    def test_gradcheck(self):
        assert_gradcheck(
            operators.matmul, operators.matmul_backward, randn(2, 2, 3, seed=1), randn(3, 2, seed=2)
        )


class TestBatchedMatmul:
    def test_one_matrix_times_three(self):
        a = tensor([[1, 2]])  # (1, 2), used for each of the three matrices in b
        b = tensor([[[1], [0]], [[0], [1]], [[1], [1]]])  # (3, 2, 1)
        given = describe({"a": a, "b": b})
        expected = tensor([[[1]], [[2]], [[3]]])
        assert_equal("batched_matmul(a, b)", operators.batched_matmul(a, b), expected, given)

        grad_a, grad_b = operators.batched_matmul_backward(tensor([[[1]], [[10]], [[100]]]), a, b)
        # a was used three times: 1·(1, 0) + 10·(0, 1) + 100·(1, 1).
        assert_equal("grad_a", grad_a, tensor([[101, 110]]), given)
        expected = tensor([[[1], [2]], [[10], [20]], [[100], [200]]])
        assert_equal("grad_b", grad_b, expected, given)

    @pytest.mark.parametrize(
        ("a_leading", "b_leading"),
        [((), ()), ((4,), (4,)), ((4,), ()), ((1,), (4,)), ((5, 1), (4,)), ((2, 1, 3), (1, 4, 1))],
        ids=str,
    )
    def test_leading_dimensions_broadcast(self, a_leading, b_leading):
        a, b = randn(*a_leading, 2, 3, seed=1), randn(*b_leading, 3, 4, seed=2)
        given = describe({"a": a, "b": b})
        assert_equal("batched_matmul(a, b)", operators.batched_matmul(a, b), a @ b, given)
        assert_gradients(
            "batched_matmul_backward", operators.batched_matmul_backward, torch.matmul, a=a, b=b
        )

    def test_gradcheck(self):
        a, b = randn(2, 1, 2, 3, seed=1), randn(3, 3, 2, seed=2)
        assert_gradcheck(operators.batched_matmul, operators.batched_matmul_backward, a, b)


class TestLinear:
    def test_a_worked_example(self):
        x = tensor([[1, 2], [3, 4]])
        weight = tensor([[1, 0], [0, 1], [1, 1]])  # three output features, two input features
        bias = tensor([10, 20, 30])
        given = describe({"x": x, "weight": weight, "bias": bias})
        expected = tensor([[11, 22, 33], [13, 24, 37]])
        assert_equal("linear(x, weight, bias)", operators.linear(x, weight, bias), expected, given)

        grad_output = tensor([[1, 0, 0], [0, 0, 10]])
        grad_x, grad_weight, grad_bias = operators.linear_backward(grad_output, x, weight)
        assert_equal("grad_x", grad_x, tensor([[1, 0], [10, 10]]), given)
        assert_equal("grad_weight", grad_weight, tensor([[1, 2], [0, 0], [30, 40]]), given)
        assert_equal("grad_bias", grad_bias, tensor([1, 0, 10]), given)

    @pytest.mark.parametrize("leading", [(5,), (), (2, 3), (0, 2)], ids=str)
    def test_like_torch_nn_linear(self, leading):
        x, weight, bias = randn(*leading, 3, seed=1), randn(4, 3, seed=2), randn(4, seed=3)
        oracle = torch.nn.functional.linear
        given = describe({"x": x, "weight": weight, "bias": bias})
        expected = oracle(x, weight, bias)
        assert_equal("linear(x, weight, bias)", operators.linear(x, weight, bias), expected, given)
        assert_gradients(
            "linear_backward",
            lambda grad_output, x, weight, _bias: operators.linear_backward(grad_output, x, weight),
            oracle,
            x=x,
            weight=weight,
            bias=bias,
        )

    def test_gradcheck(self):
        assert_gradcheck(
            operators.linear,
            lambda grad_output, x, weight, _bias: operators.linear_backward(grad_output, x, weight),
            randn(2, 3, seed=1),
            randn(2, 3, seed=2),
            randn(2, seed=3),
        )


class TestBias:
    def test_a_worked_example(self):
        x, b = tensor([[1, 2], [3, 4], [5, 6]]), tensor([10, 20])
        given = describe({"x": x, "b": b})
        expected = tensor([[11, 22], [13, 24], [15, 26]])
        assert_equal("add_bias(x, b)", operators.add_bias(x, b), expected, given)

        grad_output = tensor([[1, 0], [10, 0], [100, 7]])
        grad_x, grad_b = operators.add_bias_backward(grad_output)
        assert_equal("grad_x", grad_x, grad_output, given)
        assert_equal("grad_b", grad_b, tensor([111, 7]), given)

    @pytest.mark.parametrize("leading", [(5,), (), (1,), (2, 3), (0,)], ids=str)
    def test_any_leading_dimensions(self, leading):
        assert_gradients(
            "add_bias_backward",
            lambda grad_output, _x, _b: operators.add_bias_backward(grad_output),
            torch.add,
            x=randn(*leading, 4, seed=1),
            b=randn(4, seed=2),
        )

    def test_gradcheck(self):
        assert_gradcheck(
            operators.add_bias,
            lambda grad_output, _x, _b: operators.add_bias_backward(grad_output),
            randn(2, 2, 3, seed=1),
            randn(3, seed=2),
        )


SHAPE_PAIRS = [
    ((2, 3), (2, 3)),  # nothing to undo
    ((4, 3), (3,)),  # y has a dimension less: it is added on the left
    ((4, 3), (4, 1)),  # y has size 1: it is stretched
    ((2, 3), ()),  # y is a single number
    ((4, 1), (3,)),  # both are broadcast
    ((5, 1, 3), (1, 4, 1)),  # both are stretched
    ((2, 1, 3), (1, 3)),  # size 1 on both sides: nothing was stretched there
    ((0, 3), (1, 3)),  # stretched to nothing
]


class TestBroadcasting:
    def test_unbroadcast_adds_up_the_copies(self):
        grad = tensor([[1, 2, 3], [10, 20, 30]])
        given = describe({"grad": grad})
        expected_by_shape = {
            (2, 3): grad,
            (3,): tensor([11, 22, 33]),
            (1, 3): tensor([[11, 22, 33]]),
            (2, 1): tensor([[6], [60]]),
            (1, 1): tensor([[66]]),
            (): tensor(66),
        }
        for shape, expected in expected_by_shape.items():
            assert_equal(
                f"unbroadcast(grad, {shape})", operators.unbroadcast(grad, shape), expected, given
            )

    def test_a_worked_product(self):
        x, y = tensor([[1], [2]]), tensor([10, 20, 30])  # (2, 1) and (3,)
        given = describe({"x": x, "y": y})
        expected = tensor([[10, 20, 30], [20, 40, 60]])
        assert_equal("multiply(x, y)", operators.multiply(x, y), expected, given)

        grad_x, grad_y = operators.multiply_backward(tensor([[1, 0, 0], [0, 1, 1]]), x, y)
        assert_equal("grad_x", grad_x, tensor([[10], [50]]), given)
        assert_equal("grad_y", grad_y, tensor([1, 2, 2]), given)

    @pytest.mark.parametrize(("x_shape", "y_shape"), SHAPE_PAIRS, ids=str)
    def test_add(self, x_shape, y_shape):
        x, y = randn(*x_shape, seed=1), randn(*y_shape, seed=2)
        assert_equal("add(x, y)", operators.add(x, y), x + y, describe({"x": x, "y": y}))
        assert_gradients("add_backward", operators.add_backward, torch.add, x=x, y=y)
        assert_gradients("add_backward", operators.add_backward, torch.add, x=y, y=x)

    @pytest.mark.parametrize(("x_shape", "y_shape"), SHAPE_PAIRS, ids=str)
    def test_multiply(self, x_shape, y_shape):
        x, y = randn(*x_shape, seed=1), randn(*y_shape, seed=2)
        assert_equal("multiply(x, y)", operators.multiply(x, y), x * y, describe({"x": x, "y": y}))
        assert_gradients("multiply_backward", operators.multiply_backward, torch.multiply, x=x, y=y)
        assert_gradients("multiply_backward", operators.multiply_backward, torch.multiply, x=y, y=x)

    def test_gradcheck(self):
        assert_gradcheck(
            operators.multiply, operators.multiply_backward, randn(2, 1, seed=1), randn(3, seed=2)
        )


ORACLES = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "exp": torch.exp,
    "log": torch.log,
}


class TestActivations:
    def test_what_they_are_at_one(self):
        one = tensor([1.0])
        values = {
            "relu": 1.0,
            "sigmoid": 0.731058578630005,
            "tanh": 0.761594155955765,
            "gelu": 0.841344746068543,  # the tanh approximation would give 0.841192
            "silu": 0.731058578630005,
            "exp": 2.718281828459045,
            "log": 0.0,
        }
        for name, value in values.items():
            assert_equal(f"{name}(1)", getattr(operators, name)(one), tensor([value]), "x (1,)")

    @pytest.mark.parametrize("name", ORACLES)
    @pytest.mark.parametrize("shape", [(6,), (2, 3), ()], ids=str)
    def test_forward_and_backward(self, name, shape):
        x = randn(*shape, seed=1)
        x = x.abs() + 0.1 if name == "log" else x
        forward, backward = getattr(operators, name), getattr(operators, f"{name}_backward")
        assert_equal(f"{name}(x)", forward(x), ORACLES[name](x), describe({"x": x}))
        assert_gradients(f"{name}_backward", backward, ORACLES[name], x=x)

    def test_relu_has_slope_zero_at_zero(self):
        gradient = operators.relu_backward(tensor([5, 5, 5]), tensor([-1, 0, 1]))
        assert_equal("relu_backward at x = (-1, 0, 1)", gradient, tensor([0, 0, 5]), "x (3,)")

    @pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "gelu", "silu"])
    def test_large_inputs(self, name):
        x = tensor([-1e4, -800, 800, 1e4])
        forward, backward = getattr(operators, name), getattr(operators, f"{name}_backward")
        given = "x = (-10000, -800, 800, 10000)"
        assert_equal(f"{name}(x)", forward(x), ORACLES[name](x), given)
        slope = tensor([0, 0, 0, 0] if name in ("sigmoid", "tanh") else [0, 0, 1, 1])
        assert_equal(f"{name}_backward(1, x)", backward(torch.ones_like(x), x), slope, given)

    @pytest.mark.parametrize("name", ORACLES)
    def test_gradcheck(self, name):
        # Away from 0, where relu has its kink; positive for log.
        x = tensor([0.3, 1.2, 2.5] if name == "log" else [-2.1, -0.4, 0.3, 1.7])
        forward, backward = getattr(operators, name), getattr(operators, f"{name}_backward")
        assert_gradcheck(forward, backward, x)


class TestPower:
    def test_a_parabola(self):
        x = tensor([-3, 0, 2])
        assert_equal("power(x, 2)", operators.power(x, 2), tensor([9, 0, 4]), "x = (-3, 0, 2)")
        gradient = operators.power_backward(tensor([1, 1, 10]), x, 2)
        assert_equal("power_backward(g, x, 2)", gradient, tensor([-6, 0, 40]), "x = (-3, 0, 2)")

    @pytest.mark.parametrize("k", [0, 1, 2, 3, 2.0, 0.0])
    def test_whole_exponents_at_any_x(self, k):
        x = tensor([[-2, -0.5, 0], [0.5, 1, 3]])
        assert_equal(f"power(x, {k})", operators.power(x, k), x**k, describe({"x": x}))
        assert_gradients(
            f"power_backward with k = {k}",
            lambda grad_output, x: operators.power_backward(grad_output, x, k),
            lambda x: x**k,
            x=x,
        )

    @pytest.mark.parametrize("k", [0.5, -1, -2.5, 1.7])
    def test_other_exponents_at_positive_x(self, k):
        assert_gradients(
            f"power_backward with k = {k}",
            lambda grad_output, x: operators.power_backward(grad_output, x, k),
            lambda x: x**k,
            x=randn(2, 3, seed=1).abs() + 0.1,
        )

    def test_gradcheck(self):
        assert_gradcheck(
            lambda x: operators.power(x, 1.5),
            lambda grad_output, x: operators.power_backward(grad_output, x, 1.5),
            tensor([0.2, 1.0, 3.0]),
        )


DIM_AND_KEEPDIM = [
    (None, False),
    (None, True),
    (0, False),
    (1, True),
    (-1, False),
    ((0, 2), False),
    ((2, 0), False),  # the order doesn't matter
    ((-1, 1), True),
]


class TestReductions:
    def test_sum_and_mean_of_rows(self):
        x = tensor([[1, 2, 3], [4, 5, 9]])
        given = "x (2, 3), dim=1"
        assert_equal("reduce_sum", operators.reduce_sum(x, dim=1), tensor([6, 18]), given)
        assert_equal("reduce_mean", operators.reduce_mean(x, dim=1), tensor([2, 6]), given)

        grad_output = tensor([3, 30])  # one entry for each row
        expected = tensor([[3, 3, 3], [30, 30, 30]])
        gradient = operators.reduce_sum_backward(grad_output, x, dim=1)
        assert_equal("reduce_sum_backward", gradient, expected, given)
        expected = tensor([[1, 1, 1], [10, 10, 10]])
        gradient = operators.reduce_mean_backward(grad_output, x, dim=1)
        assert_equal("reduce_mean_backward", gradient, expected, given)

    def test_tied_maxima_share_the_gradient(self):
        x = tensor([[1, 5, 5], [7, 2, 3]])
        given = "x = ((1, 5, 5), (7, 2, 3)), dim=1"
        assert_equal("reduce_max", operators.reduce_max(x, dim=1), tensor([5, 7]), given)
        gradient = operators.reduce_max_backward(tensor([8, 6]), x, dim=1)
        expected = tensor([[0, 4, 4], [6, 0, 0]])
        assert_equal("reduce_max_backward", gradient, expected, given)

    @pytest.mark.parametrize(("dim", "keepdim"), DIM_AND_KEEPDIM, ids=str)
    @pytest.mark.parametrize("name", ["sum", "mean", "max"])
    def test_dim_and_keepdim(self, name, dim, keepdim):
        # Sizes 3, 3, 3 on purpose: a gradient along the wrong dimension would still fit.
        x = randn(3, 3, 3, seed=1)
        dims = tuple(range(3)) if dim is None else dim
        oracle = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[name]
        forward = getattr(operators, f"reduce_{name}")
        backward = getattr(operators, f"reduce_{name}_backward")

        given = f"x (3, 3, 3), dim={dim}, keepdim={keepdim}"
        expected = oracle(x, dims, keepdim)
        assert_equal(f"reduce_{name}", forward(x, dim, keepdim), expected, given)
        assert_gradients(
            f"reduce_{name}_backward with dim={dim}, keepdim={keepdim}",
            lambda grad_output, x: backward(grad_output, x, dim, keepdim),
            lambda x: oracle(x, dims, keepdim),
            x=x,
        )

    @pytest.mark.parametrize("name", ["sum", "mean", "max"])
    def test_gradcheck(self, name):
        forward = getattr(operators, f"reduce_{name}")
        backward = getattr(operators, f"reduce_{name}_backward")
        assert_gradcheck(
            lambda x: forward(x, dim=(0, -1)),
            lambda grad_output, x: backward(grad_output, x, dim=(0, -1)),
            randn(2, 3, 2, seed=1),
        )


class TestEinsum:
    def test_matmul_is_an_einsum(self):
        a, b = tensor([[1, 2]]), tensor([[3], [4]])
        grad_a, grad_b = operators.einsum_backward(tensor([[10]]), "ik,kj->ij", a, b)
        given = '"ik,kj->ij", a (1, 2), b (2, 1)'
        assert_equal("grad_a", grad_a, tensor([[30, 40]]), given)
        assert_equal("grad_b", grad_b, tensor([[10], [20]]), given)

    @pytest.mark.parametrize(
        "equation",
        [
            "ik,kj->ij",  # matrix product
            "bik,bkj->bij",  # batched
            "bik,kj->ijb",  # the output in another order
            "i,j->ij",  # outer product
            "ij,ij->",  # sum of all products: a 0-dim result
            "ij,k->ik",  # j occurs in a only, and is summed out
            "i,jk->",  # nothing in common
        ],
    )
    def test_against_autograd(self, equation):
        sizes = {"b": 2, "i": 3, "j": 4, "k": 5}
        a_indices, b_indices = equation.split("->")[0].split(",")
        assert_gradients(
            f'einsum_backward with "{equation}"',
            lambda grad_output, a, b: operators.einsum_backward(grad_output, equation, a, b),
            lambda a, b: torch.einsum(equation, a, b),
            a=randn(*(sizes[index] for index in a_indices), seed=1),
            b=randn(*(sizes[index] for index in b_indices), seed=2),
        )

    def test_gradcheck(self):
        assert_gradcheck(
            lambda a, b: torch.einsum("ij,jk->k", a, b),
            lambda grad_output, a, b: operators.einsum_backward(grad_output, "ij,jk->k", a, b),
            randn(2, 3, seed=1),
            randn(3, 2, seed=2),
        )
