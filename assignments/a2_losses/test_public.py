"""Public tests for losses.py: read them as examples, then make them pass.

Run all with `pytest`, one exercise with e.g. `pytest -k SoftmaxCrossEntropy`. The hidden tests
ask the same questions on many more inputs: other shapes, values, dtypes and memory layouts.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import losses
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

LN2, LN3 = math.log(2.0), math.log(3.0)

SHAPES = [(), (4,), (2, 3), (2, 1, 3)]
SHAPES_AND_DIMS = [((4,), -1), ((2, 3), 0), ((2, 3), 1), ((2, 4, 3), -2)]
LEADING_SHAPES = [(), (4,), (2, 3)]
LANGUAGE_SHAPES = [(1, 2, 3), (2, 5, 4), (3, 3, 2)]


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    """Normally distributed float64 numbers, the same ones every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_probs(*shape: int, seed: int = 0) -> Tensor:
    """Positive numbers that add up to 1 along the last dimension."""
    numbers = random_tensor(*shape, seed=seed).abs() + 0.1
    return numbers / numbers.sum(dim=-1, keepdim=True)


def random_labels(*shape: int, classes: int, seed: int = 0) -> Tensor:
    """Class labels, int64, from 0 to classes − 1."""
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(seed))


def doubles(*numbers: float) -> Tensor:
    """The numbers as one float64 row."""
    return torch.tensor(numbers, dtype=torch.float64)


def scalar(number: float) -> Tensor:
    """A 0-dim float64 tensor: what a loss is, and the upstream gradient of a loss."""
    return torch.tensor(number, dtype=torch.float64)


def gradient_by_torch(
    forward: Callable[[Tensor], Tensor], x: Tensor, grad_output: Tensor
) -> Tensor:
    """What autograd says about torch's own version of a loss."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(forward(x), x, grad_output)[0]


def assert_same(actual: Tensor, expected: Tensor | float, what: str) -> None:
    """The same shape, dtype and (to the accuracy of the assignment) the same numbers."""
    if not isinstance(expected, Tensor):
        expected = scalar(expected)
    assert isinstance(actual, Tensor), f"{what}: expected a tensor, got {type(actual).__name__}"
    assert actual.shape == expected.shape, (
        f"{what}: expected shape {tuple(expected.shape)}, got {tuple(actual.shape)}"
    )
    assert actual.dtype == expected.dtype, (
        f"{what}: expected dtype {expected.dtype}, got {actual.dtype}"
    )
    close, small = (1e-9, 1e-12) if expected.dtype == torch.float64 else (1e-4, 1e-6)
    torch.testing.assert_close(
        actual, expected, rtol=close, atol=small, msg=lambda details: f"{what}: {details}"
    )


def assert_passes_gradcheck(
    forward: Callable[[Tensor], Tensor], backward: Callable[[Tensor, Tensor], Tensor], x: Tensor
) -> None:
    """Compare `backward(grad_output, x)` with finite differences of `forward(x)`.

    torch.autograd.gradcheck nudges every element of x and watches the result: it needs no formula,
    only a forward that is right. Set a breakpoint in your backward to see what it is called with.
    """

    class ByHand(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return forward(x.detach())

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad_output: Tensor) -> Tensor:
            return backward(grad_output, ctx.saved_tensors[0].detach())

    assert torch.autograd.gradcheck(ByHand.apply, x.clone().requires_grad_())


class TestMse:
    def test_a_small_example(self):
        pred, target = doubles(1.0, 2.0, 5.0), doubles(0.0, 2.0, 3.0)  # differences 1, 0, 2
        assert_same(losses.mse_loss(pred, target), 5 / 3, "mean of 1, 0, 4")
        assert_same(losses.mse_loss(pred, target, reduction="sum"), 5.0, "sum of 1, 0, 4")
        assert_same(losses.mse_loss(pred, target, reduction="half_sum"), 2.5, "½ of 1 + 0 + 4")

    def test_the_gradient_of_the_small_example(self):
        pred, target = doubles(1.0, 2.0, 5.0), doubles(0.0, 2.0, 3.0)
        grad = losses.mse_loss_backward(scalar(3.0), pred, target)
        assert_same(grad, doubles(2.0, 0.0, 4.0), "grad_pred for grad_output = 3, three elements")

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_values_as_torch(self, shape, reduction):
        pred, target = random_tensor(*shape, seed=1), random_tensor(*shape, seed=2)
        assert_same(
            losses.mse_loss(pred, target, reduction),
            F.mse_loss(pred, target, reduction=reduction),
            f"mse_loss, pred and target of shape {shape}, reduction {reduction!r}",
        )

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_gradients_as_torch(self, shape, reduction):
        pred, target = random_tensor(*shape, seed=1), random_tensor(*shape, seed=2)
        grad_output = random_tensor(seed=3)
        assert_same(
            losses.mse_loss_backward(grad_output, pred, target, reduction),
            gradient_by_torch(
                lambda pred: F.mse_loss(pred, target, reduction=reduction), pred, grad_output
            ),
            f"mse_loss_backward, pred and target of shape {shape}, reduction {reduction!r}",
        )

    @pytest.mark.parametrize("reduction", ["mean", "sum", "half_sum"])
    def test_gradcheck(self, reduction):
        target = random_tensor(2, 3, seed=1)
        assert_passes_gradcheck(
            lambda pred: losses.mse_loss(pred, target, reduction),
            lambda grad_output, pred: losses.mse_loss_backward(
                grad_output, pred, target, reduction
            ),
            random_tensor(2, 3, seed=2),
        )

    def test_two_large_numbers_close_to_each_other(self):
        pred, target = torch.tensor([10000.5, -9999.5]), torch.tensor([10000.0, -10000.0])
        assert_same(
            losses.mse_loss(pred, target),
            torch.tensor(0.25),
            "two differences of 0.5 between float32 numbers around 10,000",
        )


class TestBce:
    def test_a_small_example(self):
        # σ(0) = 1/2, σ(ln 3) = 3/4: −log ½ and −log ¾
        assert_same(losses.bce_with_logits(doubles(0.0), doubles(1.0)), LN2, "logit 0, target 1")
        assert_same(
            losses.bce_with_logits(doubles(0.0, LN3), doubles(1.0, 1.0)),
            (LN2 + math.log(4 / 3)) / 2,
            "the mean over logits 0 and ln 3, both with target 1",
        )

    def test_the_gradient_of_the_small_example(self):
        grad = losses.bce_with_logits_backward(scalar(4.0), doubles(0.0, LN3), doubles(1.0, 1.0))
        assert_same(grad, doubles(-1.0, -0.5), "grad_logits for grad_output = 4, two elements")

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_values_as_torch(self, shape):
        logits = random_tensor(*shape, seed=1)
        target = torch.sigmoid(random_tensor(*shape, seed=2))  # anywhere between 0 and 1
        assert_same(
            losses.bce_with_logits(logits, target),
            F.binary_cross_entropy_with_logits(logits, target),
            f"bce_with_logits, logits and target of shape {shape}",
        )

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_gradients_as_torch(self, shape):
        logits = random_tensor(*shape, seed=1)
        target = torch.sigmoid(random_tensor(*shape, seed=2))
        grad_output = random_tensor(seed=3)
        assert_same(
            losses.bce_with_logits_backward(grad_output, logits, target),
            gradient_by_torch(
                lambda logits: F.binary_cross_entropy_with_logits(logits, target),
                logits,
                grad_output,
            ),
            f"bce_with_logits_backward, logits and target of shape {shape}",
        )

    def test_gradcheck(self):
        target = torch.sigmoid(random_tensor(2, 3, seed=1))
        assert_passes_gradcheck(
            lambda logits: losses.bce_with_logits(logits, target),
            lambda grad_output, logits: losses.bce_with_logits_backward(
                grad_output, logits, target
            ),
            random_tensor(2, 3, seed=2),
        )

    @pytest.mark.parametrize(
        ("logit", "target", "loss"), [(1e4, 0.0, 1e4), (-1e4, 1.0, 1e4), (1e4, 1.0, 0.0)]
    )
    def test_confident_logits(self, logit, target, loss):
        # e^10000 is infinite, and log(0) too: neither may show up on the way.
        assert_same(
            losses.bce_with_logits(torch.tensor([logit]), torch.tensor([target])),
            torch.tensor(loss),
            f"float32, logits of shape (1,): logit {logit:g}, target {target:g}",
        )

    def test_the_gradient_of_confident_logits(self):
        logits, target = torch.tensor([1e4, -1e4, 1e4]), torch.tensor([0.0, 1.0, 1.0])
        assert_same(
            losses.bce_with_logits_backward(torch.tensor(3.0), logits, target),
            torch.tensor([1.0, -1.0, 0.0]),
            "float32, logits of shape (3,): 10⁴, −10⁴ and 10⁴, targets 0, 1 and 1",
        )


class TestSoftmax:
    def test_a_small_example(self):
        x = doubles(0.0, LN2, LN3)  # e^x is 1, 2, 3
        assert_same(losses.softmax(x), doubles(1 / 6, 2 / 6, 3 / 6), "softmax of (0, ln 2, ln 3)")

    def test_the_gradient_of_the_small_example(self):
        probs = doubles(1 / 6, 2 / 6, 3 / 6)
        grad = losses.softmax_backward(doubles(6.0, 0.0, 0.0), probs)
        assert_same(grad, doubles(5 / 6, -1 / 3, -1 / 2), "raising p₀ lowers the others' logits")

    @pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
    def test_the_same_values_as_torch(self, shape, dim):
        x = random_tensor(*shape, seed=1)
        assert_same(
            losses.softmax(x, dim),
            torch.softmax(x, dim),
            f"softmax, x of shape {shape}, dim {dim}",
        )

    @pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
    def test_the_same_gradients_as_torch(self, shape, dim):
        x, grad_output = random_tensor(*shape, seed=1), random_tensor(*shape, seed=2)
        assert_same(
            losses.softmax_backward(grad_output, torch.softmax(x, dim), dim),
            gradient_by_torch(lambda x: torch.softmax(x, dim), x, grad_output),
            f"softmax_backward, x of shape {shape}, dim {dim}",
        )

    def test_gradcheck(self):
        assert_passes_gradcheck(
            lambda x: losses.softmax(x, dim=0),
            lambda grad_output, x: losses.softmax_backward(
                grad_output, losses.softmax(x, dim=0), dim=0
            ),
            random_tensor(3, 2, seed=1),
        )

    def test_rows_of_very_different_size(self):
        x = torch.tensor([[10000.0, 10000.0], [-10000.0, -10000.0], [-10000.0, 10000.0]])
        expected = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]])
        assert_same(losses.softmax(x), expected, "float32 rows at +10,000, at −10,000 and at both")


class TestLogSoftmax:
    def test_a_small_example(self):
        x = doubles(0.0, LN2, LN3)
        expected = -doubles(6.0, 3.0, 2.0).log()
        assert_same(losses.log_softmax(x), expected, "log of the probabilities 1/6, 1/3, 1/2")

    def test_the_gradient_of_the_small_example(self):
        log_probs = -doubles(6.0, 3.0, 2.0).log()
        grad = losses.log_softmax_backward(doubles(1.0, 0.0, 1.0), log_probs)
        assert_same(grad, doubles(2 / 3, -2 / 3, 0.0), "grad_x for grad_output = (1, 0, 1)")

    @pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
    def test_the_same_values_as_torch(self, shape, dim):
        x = random_tensor(*shape, seed=1)
        expected = torch.log_softmax(x, dim)
        assert_same(
            losses.log_softmax(x, dim), expected, f"log_softmax, x of shape {shape}, dim {dim}"
        )

    @pytest.mark.parametrize(("shape", "dim"), SHAPES_AND_DIMS)
    def test_the_same_gradients_as_torch(self, shape, dim):
        x, grad_output = random_tensor(*shape, seed=1), random_tensor(*shape, seed=2)
        assert_same(
            losses.log_softmax_backward(grad_output, torch.log_softmax(x, dim), dim),
            gradient_by_torch(lambda x: torch.log_softmax(x, dim), x, grad_output),
            f"log_softmax_backward, x of shape {shape}, dim {dim}",
        )

    def test_gradcheck(self):
        assert_passes_gradcheck(
            lambda x: losses.log_softmax(x, dim=0),
            lambda grad_output, x: losses.log_softmax_backward(
                grad_output, losses.log_softmax(x, dim=0), dim=0
            ),
            random_tensor(3, 2, seed=1),
        )

    def test_a_hopeless_class_is_finite(self):
        # The first class has probability e^−20000: 0 as a float, but its logarithm is a number.
        x = torch.tensor([-10000.0, 10000.0])
        assert_same(losses.log_softmax(x), torch.tensor([-20000.0, 0.0]), "float32 (−10⁴, 10⁴)")


class TestCrossEntropyProbs:
    def test_a_small_example(self):
        probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
        target_probs = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
        assert_same(
            losses.cross_entropy_probs(probs, target_probs),
            (math.log(4) + math.log(2)) / 2,
            "the mean of the two rows' losses, log 4 and log 2",
        )

    def test_the_gradient_of_the_small_example(self):
        probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]], dtype=torch.float64)
        target_probs = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
        grad = losses.cross_entropy_probs_backward(scalar(2.0), probs, target_probs)
        expected = torch.tensor([[-4.0, 0.0], [-1.0, -1.0]], dtype=torch.float64)
        assert_same(grad, expected, "grad_probs for grad_output = 2, two rows")

    @pytest.mark.parametrize("leading", LEADING_SHAPES)
    def test_the_same_values_as_torch(self, leading):
        probs = random_probs(*leading, 5, seed=1)
        target_probs = random_tensor(*leading, 5, seed=2).abs()  # rows needn't add up to 1
        assert_same(
            losses.cross_entropy_probs(probs, target_probs),
            -torch.xlogy(target_probs, probs).sum(dim=-1).mean(),
            f"cross_entropy_probs, probs and target_probs of shape {(*leading, 5)}",
        )

    @pytest.mark.parametrize("leading", LEADING_SHAPES)
    def test_the_same_gradients_as_torch(self, leading):
        probs = random_probs(*leading, 5, seed=1)
        target_probs = random_tensor(*leading, 5, seed=2).abs()
        grad_output = random_tensor(seed=3)
        assert_same(
            losses.cross_entropy_probs_backward(grad_output, probs, target_probs),
            gradient_by_torch(
                lambda probs: -torch.xlogy(target_probs, probs).sum(dim=-1).mean(),
                probs,
                grad_output,
            ),
            f"cross_entropy_probs_backward, probs and target_probs of shape {(*leading, 5)}",
        )

    def test_gradcheck(self):
        target_probs = random_probs(2, 3, seed=1)
        assert_passes_gradcheck(
            lambda probs: losses.cross_entropy_probs(probs, target_probs),
            lambda grad_output, probs: losses.cross_entropy_probs_backward(
                grad_output, probs, target_probs
            ),
            random_probs(2, 3, seed=2),
        )

    def test_a_tiny_probability(self):
        probs, target_probs = doubles(1e-100, 1.0), doubles(1.0, 0.0)
        expected = 100 * math.log(10)
        assert_same(losses.cross_entropy_probs(probs, target_probs), expected, "−log of 1e-100")


class TestSoftmaxCrossEntropy:
    def test_a_small_example(self):
        logits = doubles(0.0, LN2, LN3)  # probabilities 1/6, 1/3, 1/2
        loss = losses.softmax_cross_entropy(logits, torch.tensor(0))
        assert_same(loss, math.log(6), "logits (0, ln 2, ln 3), target 0")

    def test_the_gradient_of_the_small_example(self):
        logits = doubles(0.0, LN2, LN3)
        grad_output = scalar(6.0)
        grad = losses.softmax_cross_entropy_backward(grad_output, logits, torch.tensor(0))
        assert_same(grad, doubles(-5.0, 2.0, 3.0), "target 0, grad_output 6")

    def test_label_smoothing_gives_every_class_a_share(self):
        logits = doubles(0.0, LN2, LN3)
        loss = losses.softmax_cross_entropy(logits, torch.tensor(0), label_smoothing=0.3)
        expected = 0.8 * math.log(6) + 0.1 * math.log(3) + 0.1 * math.log(2)
        assert_same(loss, expected, "ε = 0.3, three classes: the target is (0.8, 0.1, 0.1)")

    def test_an_ignored_row_has_no_loss_and_is_not_counted(self):
        logits = doubles(0.0, LN2, LN3).expand(3, 3)  # three equal rows
        target, ignore_index = torch.tensor([0, 1, 1]), 1  # here class 1 is the one to ignore
        per_row = losses.softmax_cross_entropy(logits, target, ignore_index, reduction="none")
        assert_same(per_row, doubles(math.log(6), 0.0, 0.0), "one loss per row, two ignored")
        mean = losses.softmax_cross_entropy(logits, target, ignore_index)
        assert_same(mean, math.log(6), "the mean over the one row that isn't ignored")

    def test_an_ignored_row_has_no_gradient(self):
        logits = doubles(0.0, LN2, LN3).expand(3, 3)
        target, ignore_index = torch.tensor([0, 1, 1]), 1
        grad_output = scalar(6.0)
        grad = losses.softmax_cross_entropy_backward(grad_output, logits, target, ignore_index)
        expected = torch.stack([doubles(-5.0, 2.0, 3.0), doubles(0, 0, 0), doubles(0, 0, 0)])
        assert_same(grad, expected, "logits of shape (3, 3), rows 1 and 2 ignored, grad_output 6")

    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("leading", LEADING_SHAPES)
    def test_the_same_values_as_torch(self, leading, reduction, label_smoothing):
        logits, target = random_tensor(*leading, 5, seed=1), self.labels(leading)
        options = {"label_smoothing": label_smoothing, "reduction": reduction}
        assert_same(
            losses.softmax_cross_entropy(logits, target, **options),
            self.by_torch(logits, target, **options),
            f"softmax_cross_entropy, logits of shape {(*leading, 5)}, {options}",
        )

    @pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("leading", LEADING_SHAPES)
    def test_the_same_gradients_as_torch(self, leading, reduction, label_smoothing):
        logits, target = random_tensor(*leading, 5, seed=1), self.labels(leading)
        options = {"label_smoothing": label_smoothing, "reduction": reduction}
        grad_output = random_tensor(*(leading if reduction == "none" else ()), seed=3)
        assert_same(
            losses.softmax_cross_entropy_backward(grad_output, logits, target, **options),
            gradient_by_torch(
                lambda logits: self.by_torch(logits, target, **options), logits, grad_output
            ),
            f"softmax_cross_entropy_backward, logits of shape {(*leading, 5)}, {options}",
        )

    def labels(self, leading):
        """Targets for five classes; where there are several rows, the first is ignored."""
        target = random_labels(*leading, classes=5, seed=2)
        if leading:
            target[0] = -100
        return target

    def by_torch(self, logits, target, *, label_smoothing, reduction):
        """torch wants the classes second: fold all rows into one dimension, and unfold them."""
        loss = F.cross_entropy(
            logits.reshape(-1, 5),
            target.reshape(-1),
            label_smoothing=label_smoothing,
            reduction=reduction,
        )
        return loss.reshape(target.shape) if reduction == "none" else loss

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_gradcheck(self, reduction):
        target = torch.tensor([2, -100, 0])
        options = {"label_smoothing": 0.1, "reduction": reduction}
        assert_passes_gradcheck(
            lambda logits: losses.softmax_cross_entropy(logits, target, **options),
            lambda grad_output, logits: losses.softmax_cross_entropy_backward(
                grad_output, logits, target, **options
            ),
            random_tensor(3, 4, seed=1),
        )

    def test_confident_and_wrong(self):
        logits, target = torch.tensor([[10000.0, -10000.0]]), torch.tensor([1])
        loss = losses.softmax_cross_entropy(logits, target)
        assert_same(loss, torch.tensor(20000.0), "float32 logits (10⁴, −10⁴), target 1")

    def test_the_gradient_of_confident_and_wrong(self):
        logits, target = torch.tensor([[10000.0, -10000.0]]), torch.tensor([1])
        grad = losses.softmax_cross_entropy_backward(torch.tensor(1.0), logits, target)
        assert_same(grad, torch.tensor([[1.0, -1.0]]), "float32 logits (10⁴, −10⁴), target 1")


class TestCausalLm:
    def test_a_small_example(self):
        # Two predictions: position 0 gives token 2 probability 1/2, position 1 token 0 1/6.
        logits = torch.tensor([[[0.0, LN2, LN3]]], dtype=torch.float64).repeat(1, 3, 1)
        tokens = torch.tensor([[1, 2, 0]])
        expected = (math.log(2) + math.log(6)) / 2
        assert_same(losses.causal_lm_loss(logits, tokens), expected, "tokens 1 → 2 → 0")

    def test_the_gradient_of_the_small_example(self):
        logits = torch.tensor([[[0.0, LN2, LN3]]], dtype=torch.float64).repeat(1, 3, 1)
        grad = losses.causal_lm_loss_backward(scalar(12.0), logits, torch.tensor([[1, 2, 0]]))
        expected = torch.tensor(
            [[[1.0, 2.0, -3.0], [-5.0, 2.0, 3.0], [0.0, 0.0, 0.0]]], dtype=torch.float64
        )
        assert_same(grad, expected, "two predictions and a last position that predicts nothing")

    def test_padding_is_not_predicted(self):
        logits, pad = random_tensor(1, 4, 3, seed=1), 0
        padded = losses.causal_lm_loss(logits, torch.tensor([[1, 2, pad, pad]]), ignore_index=pad)
        short = losses.causal_lm_loss(logits[:, :2], torch.tensor([[1, 2]]), ignore_index=pad)
        assert_same(padded, short, "padding a sequence doesn't change its loss")

    @pytest.mark.parametrize(("b", "t", "v"), LANGUAGE_SHAPES)
    def test_the_same_values_as_torch(self, b, t, v):
        logits, tokens = random_tensor(b, t, v, seed=1), random_labels(b, t, classes=v, seed=2)
        tokens[0, 0] = -100  # no one predicts the first token: ignoring it changes nothing
        assert_same(
            losses.causal_lm_loss(logits, tokens),
            F.cross_entropy(logits[:, :-1].reshape(-1, v), tokens[:, 1:].reshape(-1)),
            f"causal_lm_loss, logits of shape {(b, t, v)}, tokens of shape {(b, t)}",
        )

    @pytest.mark.parametrize(("b", "t", "v"), LANGUAGE_SHAPES)
    def test_the_same_gradients_as_torch(self, b, t, v):
        logits, tokens = random_tensor(b, t, v, seed=1), random_labels(b, t, classes=v, seed=2)
        tokens[0, 0] = -100
        grad_output = random_tensor(seed=3)
        assert_same(
            losses.causal_lm_loss_backward(grad_output, logits, tokens),
            gradient_by_torch(
                lambda logits: F.cross_entropy(
                    logits[:, :-1].reshape(-1, v), tokens[:, 1:].reshape(-1)
                ),
                logits,
                grad_output,
            ),
            f"causal_lm_loss_backward, logits of shape {(b, t, v)}, tokens of shape {(b, t)}",
        )

    def test_gradcheck(self):
        tokens = torch.tensor([[0, 2, 1], [1, -100, 2]])
        assert_passes_gradcheck(
            lambda logits: losses.causal_lm_loss(logits, tokens),
            lambda grad_output, logits: losses.causal_lm_loss_backward(grad_output, logits, tokens),
            random_tensor(2, 3, 4, seed=1),
        )

    def test_confident_and_wrong(self):
        logits = torch.tensor([[[10000.0, -10000.0], [0.0, 0.0]]])
        loss = losses.causal_lm_loss(logits, torch.tensor([[0, 1]]))
        assert_same(loss, torch.tensor(20000.0), "float32 logits (10⁴, −10⁴), next token 1")


class TestPenalties:
    def test_a_small_example(self):
        w = doubles(3.0, 0.0, -4.0)
        assert_same(losses.l1_penalty(w, 0.5), 3.5, "0.5 · (3 + 0 + 4)")
        assert_same(losses.l2_penalty(w, 0.5), 12.5, "0.5 · (9 + 0 + 16)")

    def test_the_gradient_of_l1_at_zero_is_zero(self):
        grad_output = scalar(4.0)
        grad = losses.l1_penalty_backward(grad_output, doubles(3.0, 0.0, -4.0), 0.5)
        assert_same(grad, doubles(2.0, 0.0, -2.0), "slope 0.5 with the sign of w, times 4")

    def test_the_gradient_of_l2_grows_with_the_weight(self):
        grad_output = scalar(4.0)
        grad = losses.l2_penalty_backward(grad_output, doubles(3.0, 0.0, -4.0), 0.5)
        assert_same(grad, doubles(12.0, 0.0, -16.0), "l2, grad_output 4, strength 0.5")

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_values_as_torch(self, shape):
        w = random_tensor(*shape, seed=1)
        l1, l2 = 0.1 * w.abs().sum(), 0.1 * w.pow(2).sum()
        assert_same(losses.l1_penalty(w, 0.1), l1, f"l1_penalty, w of shape {shape}")
        assert_same(losses.l2_penalty(w, 0.1), l2, f"l2_penalty, w of shape {shape}")

    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_same_gradients_as_torch(self, shape):
        w, grad_output = random_tensor(*shape, seed=1), random_tensor(seed=2)
        assert_same(
            losses.l1_penalty_backward(grad_output, w, 0.1),
            gradient_by_torch(lambda w: 0.1 * w.abs().sum(), w, grad_output),
            f"l1_penalty_backward, w of shape {shape}",
        )
        assert_same(
            losses.l2_penalty_backward(grad_output, w, 0.1),
            gradient_by_torch(lambda w: 0.1 * w.pow(2).sum(), w, grad_output),
            f"l2_penalty_backward, w of shape {shape}",
        )

    def test_gradcheck_l1(self):
        w = doubles(0.7, -0.3, 1.9, -2.4)  # away from 0, where finite differences see a kink
        assert_passes_gradcheck(
            lambda w: losses.l1_penalty(w, 0.3),
            lambda grad_output, w: losses.l1_penalty_backward(grad_output, w, 0.3),
            w,
        )

    def test_gradcheck_l2(self):
        assert_passes_gradcheck(
            lambda w: losses.l2_penalty(w, 0.3),
            lambda grad_output, w: losses.l2_penalty_backward(grad_output, w, 0.3),
            random_tensor(2, 3, seed=1),
        )

    def test_no_weights_at_all(self):
        nothing = torch.zeros(0, 3, dtype=torch.float64)
        assert_same(losses.l1_penalty(nothing, 0.1), 0.0, "an empty sum, w of shape (0, 3)")
        grad = losses.l2_penalty_backward(scalar(1.0), nothing, 0.1)
        assert_same(grad, nothing, "the gradient of nothing, w of shape (0, 3)")
