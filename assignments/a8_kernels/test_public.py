"""The public tests of a8_kernels: worked numbers, and comparisons with torch.

`pytest` runs all of them, `pytest -k Softmax` those of one exercise. Without a GPU they run in
Triton's interpreter; with one they run on it, in half precision too. The hidden tests ask the same
questions about more sizes and strides.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from kernels import (
    INTERPRETED,
    adamw_update,
    bias_gelu,
    bias_gelu_backward,
    cross_entropy,
    matmul,
    matmul_backward,
    scale,
    softmax,
    softmax_backward,
)
from torch import Tensor

DEVICE = "cpu" if INTERPRETED else "cuda"
DTYPES = [torch.float32] if INTERPRETED else [torch.float32, torch.float16, torch.bfloat16]
TOLERANCE = {torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}

# One element, less than any block, just beyond a power of two, more than one block.
MATRICES = [(1, 1), (3, 5), (17, 33), (40, 300)]
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: str(dtype)[6:])


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).to(DEVICE, dtype)


def tensor(*rows: object) -> Tensor:
    """The rows as a float32 tensor."""
    return torch.tensor(rows, dtype=torch.float32, device=DEVICE)


def assert_right(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """The same shape and dtype, and no element off by more than the tolerance of the largest."""
    assert actual.shape == expected.shape
    assert actual.dtype == dtype
    worst = (actual.double() - expected.double()).abs().max()
    assert worst <= TOLERANCE[dtype] * expected.double().abs().max(), f"off by up to {worst:.3g}"


def views(x: Tensor) -> dict[str, Tensor]:
    """The same numbers in other places: every second element of a larger tensor, and transposed."""
    between = torch.nan if x.is_floating_point() else -1
    wide = torch.full([2 * n for n in x.shape], between, dtype=x.dtype, device=x.device)
    sliced = wide[tuple(slice(None, None, 2) for _ in x.shape)]
    sliced.copy_(x)
    return {"sliced": sliced, "transposed": x.mT.contiguous().mT if x.ndim == 2 else sliced}


def test_the_example_runs() -> None:
    x = random(1500)
    torch.testing.assert_close(scale(x, 3.0), 3.0 * x)


class TestBiasGelu:
    def test_a_number(self) -> None:
        # Φ(1) = 0.8413…
        assert bias_gelu(tensor([0.25]), tensor(0.75)).item() == pytest.approx(0.8413447, abs=1e-6)

    def test_the_bias_belongs_to_the_column(self) -> None:
        y = bias_gelu(torch.zeros(2, 3, device=DEVICE), tensor(0.0, 50.0, -50.0))
        assert y.tolist() == [[0.0, 50.0, -0.0]] * 2

    @each_dtype
    @pytest.mark.parametrize("shape", MATRICES)
    def test_matches_torch(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        x, b = random(*shape, dtype=dtype), random(shape[1], dtype=dtype, seed=1)
        assert_right(bias_gelu(x, b), F.gelu(x.double() + b.double()), dtype)

    @each_dtype
    @pytest.mark.parametrize("shape", MATRICES)
    def test_gradients_match_autograd(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        x, b = random(*shape, dtype=dtype), random(shape[1], dtype=dtype, seed=1)
        grad_output = random(*shape, dtype=dtype, seed=2)
        leaves = [x.double().requires_grad_(), b.double().requires_grad_()]
        expected = torch.autograd.grad(F.gelu(leaves[0] + leaves[1]), leaves, grad_output.double())
        for actual, right in zip(bias_gelu_backward(grad_output, x, b), expected, strict=True):
            assert_right(actual, right, dtype)

    @pytest.mark.parametrize("layout", ["sliced", "transposed"])
    def test_views(self, layout: str) -> None:
        x, b = random(6, 9), random(9, seed=1)
        expected = F.gelu(x.double() + b.double())
        assert_right(bias_gelu(views(x)[layout], views(b)[layout]), expected, torch.float32)


class TestSoftmax:
    def test_a_row(self) -> None:
        probs = softmax(tensor([0.0, 0.0, 0.0], [0.0, 100.0, 0.0]))
        torch.testing.assert_close(probs, tensor([1 / 3, 1 / 3, 1 / 3], [0.0, 1.0, 0.0]))

    def test_rows_of_very_negative_numbers(self) -> None:
        torch.testing.assert_close(
            softmax(tensor([-1e4, -1e4, -1e4])), tensor([1 / 3, 1 / 3, 1 / 3])
        )

    @each_dtype
    @pytest.mark.parametrize("shape", [*MATRICES, (2, 3000)])
    def test_matches_torch(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        x = 3 * random(*shape, dtype=dtype)
        assert_right(softmax(x), x.double().softmax(-1), dtype)

    @each_dtype
    @pytest.mark.parametrize("shape", [*MATRICES, (2, 3000)])
    def test_gradient_matches_the_formula(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        probs = random(*shape).softmax(-1).to(dtype)
        grad_output = random(*shape, dtype=dtype, seed=1)
        jacobian = torch.diag_embed(probs.double()) - probs.double()[:, :, None] * probs[:, None, :]
        expected = (jacobian @ grad_output.double()[:, :, None])[:, :, 0]
        actual = softmax_backward(grad_output, probs)
        if shape[1] == 1:  # both terms cancel
            assert abs(actual.item()) <= TOLERANCE[dtype]
        else:
            assert_right(actual, expected, dtype)

    @pytest.mark.parametrize("layout", ["sliced", "transposed"])
    def test_views(self, layout: str) -> None:
        x = random(6, 9)
        assert_right(softmax(views(x)[layout]), x.double().softmax(-1), torch.float32)


PRODUCTS = [(1, 1, 1), (2, 3, 4), (17, 33, 20), (70, 100, 65)]


class TestMatmul:
    def test_numbers(self) -> None:
        product = matmul(tensor([1, 2], [3, 4]), tensor([1, 0], [10, 1]))
        assert product.tolist() == [[21, 2], [43, 4]]

    @each_dtype
    @pytest.mark.parametrize("sizes", PRODUCTS)
    def test_matches_torch(self, sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
        m, k, n = sizes
        a, b = random(m, k, dtype=dtype), random(k, n, dtype=dtype, seed=1)
        assert_right(matmul(a, b), a.double() @ b.double(), dtype)

    @each_dtype
    @pytest.mark.parametrize("sizes", PRODUCTS)
    def test_gradients_match_autograd(
        self, sizes: tuple[int, int, int], dtype: torch.dtype
    ) -> None:
        m, k, n = sizes
        a, b = random(m, k, dtype=dtype), random(k, n, dtype=dtype, seed=1)
        grad_output = random(m, n, dtype=dtype, seed=2)
        leaves = [a.double().requires_grad_(), b.double().requires_grad_()]
        expected = torch.autograd.grad(leaves[0] @ leaves[1], leaves, grad_output.double())
        for actual, right in zip(matmul_backward(grad_output, a, b), expected, strict=True):
            assert_right(actual, right, dtype)

    @pytest.mark.parametrize("layout", ["sliced", "transposed"])
    def test_views(self, layout: str) -> None:
        a, b = random(6, 9), random(9, 7, seed=1)
        product = matmul(views(a)[layout], views(b)[layout])
        assert_right(product, a.double() @ b.double(), torch.float32)


class TestCrossEntropy:
    def test_numbers(self) -> None:
        loss, grad = cross_entropy(tensor([0.0, 0.0]), torch.tensor([1], device=DEVICE))
        assert loss.item() == pytest.approx(0.6931472)
        assert grad.tolist() == [[0.5, -0.5]]

    def test_large_logits(self) -> None:
        target = torch.tensor([0, 1], device=DEVICE)
        loss, grad = cross_entropy(tensor([1e4, 0.0], [-1e4, -1e4]), target)
        torch.testing.assert_close(loss, tensor(0.0, 0.6931472))
        torch.testing.assert_close(grad, tensor([0.0, 0.0], [0.5, -0.5]))

    @each_dtype
    @pytest.mark.parametrize("shape", [*MATRICES, (2, 3000), (1, 100_000)])
    def test_matches_autograd(self, shape: tuple[int, int], dtype: torch.dtype) -> None:
        logits = 3 * random(*shape, dtype=dtype)
        target = torch.arange(shape[0], device=DEVICE) * 7 % shape[1]
        leaf = logits.double().requires_grad_()
        expected = F.cross_entropy(leaf, target, reduction="none")
        (right,) = torch.autograd.grad(expected.sum(), leaf)
        loss, grad = cross_entropy(logits, target)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), expected.detach(), rtol=1e-4, atol=1e-4)
        assert grad.dtype == dtype
        assert (grad.double() - right).abs().max() <= TOLERANCE[dtype]

    @pytest.mark.parametrize("layout", ["sliced", "transposed"])
    def test_views(self, layout: str) -> None:
        logits, target = random(6, 9), torch.tensor([0, 8, 4, 4, 1, 7], device=DEVICE)
        loss, _ = cross_entropy(views(logits)[layout], views(target)[layout])
        expected = F.cross_entropy(logits, target, reduction="none")
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


SETTINGS = {"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-3, "weight_decay": 0.2}


class TestAdamw:
    def test_the_first_step(self) -> None:
        # Corrected, the averages are the gradient and its square: a step of lr against its sign,
        # after the parameter has shrunk by a tenth.
        p, m, v = adamw_update(
            tensor(1.0, 1.0), tensor(5.0, -5.0), tensor(0.0, 0.0), tensor(0.0, 0.0),
            1, 0.1, (0.9, 0.99), 0.0, 1.0,
        )  # fmt: skip
        torch.testing.assert_close(p, tensor(0.8, 1.0))
        torch.testing.assert_close(m, tensor(0.5, -0.5))
        torch.testing.assert_close(v, tensor(0.25, 0.25))

    @pytest.mark.parametrize("shape", [(), (7,), (40, 60), (2, 3, 5)])
    def test_follows_torch(self, shape: tuple[int, ...]) -> None:
        param = random(*shape)
        leaf = torch.nn.Parameter(param.clone())
        optimizer = torch.optim.AdamW([leaf], foreach=False, **SETTINGS)
        m, v = torch.zeros_like(param), torch.zeros_like(param)
        for step in range(1, 6):
            grad = random(*shape, seed=step)
            param, m, v = adamw_update(param, grad, m, v, step, **SETTINGS)
            leaf.grad = grad
            optimizer.step()
            torch.testing.assert_close(param, leaf.detach(), rtol=1e-4, atol=1e-5)

    def test_the_old_tensors_stay_as_they_were(self) -> None:
        old = [random(5, seed=seed).abs() for seed in range(4)]
        kept = [each.clone() for each in old]
        adamw_update(*old, 3, **SETTINGS)
        for before, after in zip(kept, old, strict=True):
            assert torch.equal(before, after)

    @pytest.mark.parametrize("layout", ["sliced", "transposed"])
    def test_views(self, layout: str) -> None:
        plain = [random(4, 6, seed=seed).abs() for seed in range(4)]
        expected = adamw_update(*plain, 2, **SETTINGS)
        for actual, right in zip(
            adamw_update(*(views(each)[layout] for each in plain), 2, **SETTINGS),
            expected, strict=True,
        ):  # fmt: skip
            torch.testing.assert_close(actual, right)
