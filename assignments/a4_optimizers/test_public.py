"""Public tests: examples to read, and a first check of your work. They are not the whole story.

Run all with `pytest`, one exercise with `pytest -k TestMomentum`, and stop at the first failure
with `pytest -x`. In a test you may use torch.optim: beside it, your steps are compared here.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import optimizers
import pytest
import torch
from torch import Tensor

# --- how answers are compared --------------------------------------------------------------------


def tensor(values: object) -> Tensor:
    """Float64: then a wrong formula is easy to tell from rounding."""
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(what: str, actual: Tensor, expected: Tensor) -> None:
    """Same type, same shape, same dtype, and every element right up to rounding."""
    assert isinstance(actual, Tensor), f"{what} must be a tensor, but is a {type(actual).__name__}"
    assert actual.shape == expected.shape, (
        f"{what} has shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    )
    assert actual.dtype == expected.dtype, (
        f"{what} has dtype {actual.dtype}, expected {expected.dtype}"
    )
    if expected.numel() == 0:
        return
    tolerance = 1e-9 if expected.dtype == torch.float64 else 3e-5
    error = (actual - expected).abs()
    if not error.max() <= tolerance * expected.abs().max():  # written so that nan counts as wrong
        worst = torch.unravel_index(error.nan_to_num(nan=torch.inf).argmax(), error.shape)
        index = tuple(int(i) for i in worst)
        place = f" at index {index}" if index else ""
        raise AssertionError(
            f"{what} is {actual[index].item():.9g}{place}, expected {expected[index].item():.9g}"
        )


def same(left: Any, right: Any) -> bool:
    """Whether two states (or parts of them) are alike, bit for bit."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


Step = Callable[..., tuple[Tensor, dict[str, Any]]]


def take(step: Step, param: Tensor, grad: Tensor, state: dict[str, Any], **settings: Any) -> Any:
    """Call `step`, and see to it that it changes nothing in place."""
    before = copy.deepcopy((param, grad, state))
    result = step(param, grad, state, **settings)
    two_things = isinstance(result, tuple | list) and len(result) == 2
    assert two_things, f"{step.__name__} must return (new parameter, new state), both of them"
    now = (param, grad, state)
    for name, old, new in zip(("param", "grad", "state"), before, now, strict=True):
        assert same(old, new), f"{step.__name__} changed `{name}` in place: make new tensors"
    new_param, new_state = result
    assert isinstance(new_state, dict), (
        f"{step.__name__} must return the new state as a dict, not a {type(new_state).__name__}"
    )
    return new_param, new_state


def assert_follows_torch(
    step: Step, optimizer: Callable[..., torch.optim.Optimizer], **settings: Any
) -> None:
    """Twelve steps of yours beside twelve of torch's: same start, same gradients, lr going down.

    `settings` are the step's; torch's optimizer is called with them and with those in `optimizer`.
    """
    for dtype in (torch.float64, torch.float32):
        generator = torch.Generator().manual_seed(0)
        param = torch.randn(3, 4, generator=generator, dtype=dtype)
        theirs = torch.nn.Parameter(param.clone())
        reference = optimizer([theirs], lr=0.1, **settings)
        state: dict[str, Any] = {}
        for number in range(1, 13):
            lr = 0.1 if number <= 6 else 0.02
            grad = torch.randn(3, 4, generator=generator, dtype=dtype)
            param, state = take(step, param, grad, state, lr=lr, **settings)
            reference.param_groups[0]["lr"] = lr
            theirs.grad = grad.clone()
            reference.step()
            assert_equal(
                f"The parameter after step {number} of {step.__name__} (lr {lr}, {settings})",
                param,
                theirs.detach(),
            )


# --- the exercises -------------------------------------------------------------------------------


class TestSgd:
    def test_one_step_by_hand(self) -> None:
        param, grad = tensor([1.0, -2.0]), tensor([0.5, 0.25])
        new_param, _ = take(optimizers.sgd_step, param, grad, {}, lr=0.1)
        assert_equal("new_param", new_param, tensor([0.95, -2.025]))

    def test_weight_decay_adds_to_the_gradient(self) -> None:
        # g + λθ = (0.5 + 0.1, 0.25 − 0.2)
        param, grad = tensor([1.0, -2.0]), tensor([0.5, 0.25])
        new_param, _ = take(optimizers.sgd_step, param, grad, {}, lr=0.1, weight_decay=0.1)
        assert_equal("new_param", new_param, tensor([0.94, -2.005]))

    def test_a_single_number_is_a_parameter_too(self) -> None:
        new_param, _ = take(optimizers.sgd_step, tensor(1.0), tensor(0.5), {}, lr=0.1)
        assert_equal("new_param", new_param, tensor(0.95))

    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    def test_follows_torch(self, weight_decay: float) -> None:
        assert_follows_torch(optimizers.sgd_step, torch.optim.SGD, weight_decay=weight_decay)


class TestMomentum:
    def test_two_steps_by_hand(self) -> None:
        # b = 0.5, then 0.9·0.5 + 1 = 1.45
        step = optimizers.momentum_step
        param, state = take(step, tensor(1.0), tensor(0.5), {}, lr=0.1)
        assert_equal("The parameter after step 1", param, tensor(0.95))
        param, state = take(step, param, tensor(1.0), state, lr=0.1)
        assert_equal("The parameter after step 2", param, tensor(0.805))

    def test_dampening_spares_the_first_step(self) -> None:
        # b = 0.5 as before, then 0.9·0.5 + (1 − 0.5)·1 = 0.95
        step = optimizers.momentum_step
        param, state = take(step, tensor(1.0), tensor(0.5), {}, lr=0.1, dampening=0.5)
        assert_equal("The parameter after step 1", param, tensor(0.95))
        param, state = take(step, param, tensor(1.0), state, lr=0.1, dampening=0.5)
        assert_equal("The parameter after step 2", param, tensor(0.855))

    def test_an_old_state_can_be_used_again(self) -> None:
        step = optimizers.momentum_step
        param, state = take(step, tensor(1.0), tensor(0.5), {}, lr=0.1)
        once, _ = take(step, param, tensor(1.0), state, lr=0.1)
        again, _ = take(step, param, tensor(1.0), state, lr=0.1)
        assert_equal("The second try", again, once)

    @pytest.mark.parametrize("dampening", [0.0, 0.3])
    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    def test_follows_torch(self, dampening: float, weight_decay: float) -> None:
        assert_follows_torch(
            optimizers.momentum_step,
            torch.optim.SGD,
            momentum=0.8,
            dampening=dampening,
            weight_decay=weight_decay,
        )

    def test_the_moving_average_by_hand(self) -> None:
        # v = 0.1·0.5 = 0.05, then 0.9·0.05 + 0.1·1 = 0.145
        step = optimizers.ema_momentum_step
        param, state = take(step, tensor(1.0), tensor(0.5), {}, lr=0.1)
        assert_equal("The parameter after step 1", param, tensor(0.995))
        param, state = take(step, param, tensor(1.0), state, lr=0.1)
        assert_equal("The parameter after step 2", param, tensor(0.9805))


class TestNesterov:
    def test_two_steps_by_hand(self) -> None:
        # b = 0.5, step 0.5 + 0.9·0.5 = 0.95; then b = 1.45, step 1 + 0.9·1.45 = 2.305
        step = optimizers.nesterov_step
        param, state = take(step, tensor(1.0), tensor(0.5), {}, lr=0.1)
        assert_equal("The parameter after step 1", param, tensor(0.905))
        param, state = take(step, param, tensor(1.0), state, lr=0.1)
        assert_equal("The parameter after step 2", param, tensor(0.6745))

    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    def test_follows_torch(self, weight_decay: float) -> None:
        def sgd(params: list[Tensor], **settings: Any) -> torch.optim.Optimizer:
            return torch.optim.SGD(params, nesterov=True, **settings)

        assert_follows_torch(optimizers.nesterov_step, sgd, momentum=0.8, weight_decay=weight_decay)

    def test_looking_ahead_by_hand(self) -> None:
        # The loss is ½θ², so the gradient at a point is the point itself.
        param = tensor(1.0)
        point = optimizers.lookahead_point(param, {}, lr=0.1)
        assert_equal("The point before step 1 (no velocity yet)", point, tensor(1.0))
        param, state = take(optimizers.lookahead_step, param, point, {}, lr=0.1)
        assert_equal("The parameter after step 1 (v = 0.1)", param, tensor(0.99))
        before = copy.deepcopy(state)
        point = optimizers.lookahead_point(param, state, lr=0.1)
        assert_equal("The point before step 2 (0.99 − 0.1·0.9·0.1)", point, tensor(0.981))
        assert same(before, state), "lookahead_point changed the state: it may only look"
        param, state = take(optimizers.lookahead_step, param, point, state, lr=0.1)
        assert_equal("The parameter after step 2 (v = 0.1881)", param, tensor(0.97119))

    def test_both_forms_visit_the_same_points(self) -> None:
        # torch's form *is* the other one, seen at its look-ahead points: see the README. On the
        # loss ½·Σ cᵢθᵢ² the gradient at a point is c·point. A moving average is smaller than a
        # sum by the factor 1 − β, so its lr is larger by that.
        curvature = tensor([1.0, 2.0, 5.0])
        ahead = theirs = tensor([1.0, -1.0, 0.5])
        state: dict[str, Any] = {}
        their_state: dict[str, Any] = {}
        for number in range(1, 11):
            point = optimizers.lookahead_point(ahead, state, lr=0.1, beta=0.8)
            assert_equal(f"The look-ahead point before step {number}", point, theirs)
            ahead, state = take(
                optimizers.lookahead_step, ahead, curvature * point, state, lr=0.1, beta=0.8
            )
            theirs, their_state = take(
                optimizers.nesterov_step,
                theirs,
                curvature * theirs,
                their_state,
                lr=0.02,
                momentum=0.8,
            )


class TestRmsprop:
    def test_one_step_by_hand(self) -> None:
        # s = 0.25·2² = 1, its root is 1, and with eps = 1 the step is 0.1·2/(1 + 1).
        new_param, _ = take(
            optimizers.rmsprop_step, tensor(1.0), tensor(2.0), {}, lr=0.1, alpha=0.75, eps=1.0
        )
        assert_equal("new_param", new_param, tensor(0.9))

    def test_one_centered_step_by_hand(self) -> None:
        # s = 0.2·5² = 5 and a = 0.2·5 = 1, so √(s − a²) = 2, and the step is 0.1·5/(2 + 0.5).
        new_param, _ = take(
            optimizers.rmsprop_step,
            tensor(1.0),
            tensor(5.0),
            {},
            lr=0.1,
            alpha=0.8,
            eps=0.5,
            centered=True,
        )
        assert_equal("new_param", new_param, tensor(0.8))

    @pytest.mark.parametrize("centered", [False, True])
    @pytest.mark.parametrize("heavy", [0.0, 0.9])
    @pytest.mark.parametrize("eps", [1e-8, 0.3])
    def test_follows_torch(self, centered: bool, heavy: float, eps: float) -> None:
        assert_follows_torch(
            optimizers.rmsprop_step,
            torch.optim.RMSprop,
            alpha=0.9,
            eps=eps,
            weight_decay=0.1,
            momentum=heavy,
            centered=centered,
        )


class TestAdam:
    def test_two_steps_by_hand(self) -> None:
        # Step 1: m = 0.5·2 = 1 and v = 0.25·4 = 1; corrected m̂ = 1/0.5 = 2 and v̂ = 1/0.25 = 4;
        # the step is 0.1·2/(√4 + 2) = 0.05. Step 2: m = v = 1 again, m̂ = 1/0.75, v̂ = 1/0.4375.
        settings = {"lr": 0.1, "betas": (0.5, 0.75), "eps": 2.0}
        step = optimizers.adam_step
        param, state = take(step, tensor(1.0), tensor(2.0), {}, **settings)
        assert_equal("The parameter after step 1", param, tensor(0.95))
        param, state = take(step, param, tensor(1.0), state, **settings)
        expected = 0.95 - 0.1 * (1 / 0.75) / (math.sqrt(1 / 0.4375) + 2)
        assert_equal("The parameter after step 2", param, tensor(expected))

    def test_the_first_step_is_as_long_as_lr(self) -> None:
        # Whatever the gradient: m̂ = g and v̂ = g², so all that is left of it is its sign.
        grad = tensor([1e-3, -5.0, 1e4])
        new_param, _ = take(
            optimizers.adam_step, torch.zeros_like(grad), grad, {}, lr=0.1, eps=1e-16
        )
        assert_equal("new_param", new_param, tensor([-0.1, 0.1, -0.1]))

    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    @pytest.mark.parametrize("eps", [1e-8, 0.3])
    def test_follows_torch(self, weight_decay: float, eps: float) -> None:
        assert_follows_torch(
            optimizers.adam_step,
            torch.optim.Adam,
            betas=(0.8, 0.95),
            eps=eps,
            weight_decay=weight_decay,
        )


class TestAdamw:
    def test_one_step_by_hand(self) -> None:
        # The parameter shrinks to 1·(1 − 0.1·0.5) = 0.95, and then takes the step of 0.05 that
        # is calculated above.
        new_param, _ = take(
            optimizers.adamw_step,
            tensor(1.0),
            tensor(2.0),
            {},
            lr=0.1,
            betas=(0.5, 0.75),
            eps=2.0,
            weight_decay=0.5,
        )
        assert_equal("new_param", new_param, tensor(0.90))

    def test_without_a_gradient_only_the_decay_is_left(self) -> None:
        param, state = tensor([1.0, -2.0]), {}
        for _ in range(3):
            param, state = take(
                optimizers.adamw_step,
                param,
                torch.zeros_like(param),
                state,
                lr=0.1,
                weight_decay=0.5,
            )
        assert_equal("The parameter after 3 steps", param, tensor([1.0, -2.0]) * 0.95**3)

    @pytest.mark.parametrize("weight_decay", [0.0, 0.1])
    @pytest.mark.parametrize("eps", [1e-8, 0.3])
    def test_follows_torch(self, weight_decay: float, eps: float) -> None:
        assert_follows_torch(
            optimizers.adamw_step,
            torch.optim.AdamW,
            betas=(0.8, 0.95),
            eps=eps,
            weight_decay=weight_decay,
        )


class TestClipping:
    def test_two_tensors_have_one_norm(self) -> None:
        # √(3² + 4²) = 5, and both are scaled by the same 1/(5 + 1e-6).
        grads = [tensor([3.0, 0.0]), tensor([[0.0], [4.0]])]
        clipped, total_norm = optimizers.clip_grad_norm(grads, 1.0)
        assert_equal("total_norm", torch.as_tensor(total_norm, dtype=torch.float64), tensor(5.0))
        assert len(clipped) == 2, f"two gradients came in, {len(clipped)} came out"
        assert_equal("The first gradient", clipped[0], tensor([3.0, 0.0]) / 5.000001)
        assert_equal("The second gradient", clipped[1], tensor([[0.0], [4.0]]) / 5.000001)
        assert grads[0][0] == 3, "clip_grad_norm changed a gradient in place: make new tensors"

    def test_small_gradients_stay_as_they_are(self) -> None:
        grad = tensor([0.3, -0.4])
        clipped, total_norm = optimizers.clip_grad_norm([grad], 1.0)
        assert_equal("total_norm", torch.as_tensor(total_norm, dtype=torch.float64), tensor(0.5))
        assert_equal("The gradient", clipped[0], tensor([0.3, -0.4]))

    @pytest.mark.parametrize(
        ("norm_type", "expected"), [(1.0, 7.0), (3.0, 91 ** (1 / 3)), (math.inf, 4.0)]
    )
    def test_other_norms(self, norm_type: float, expected: float) -> None:
        grads = [tensor([3.0, 0.0]), tensor([-4.0])]
        clipped, total_norm = optimizers.clip_grad_norm(grads, 2.0, norm_type)
        norm = torch.as_tensor(total_norm, dtype=torch.float64)
        assert_equal(f"The {norm_type}-norm", norm, tensor(expected))
        assert_equal("The second gradient", clipped[1], tensor([-4.0]) * 2 / (expected + 1e-6))

    def test_no_gradients_have_norm_0(self) -> None:
        clipped, total_norm = optimizers.clip_grad_norm([], 1.0)
        assert clipped == []
        assert total_norm == 0


class TestSchedule:
    @pytest.mark.parametrize(
        ("step", "expected"),
        [(0, 0.0), (5, 0.5), (10, 1.0), (60, 0.55), (110, 0.1), (1000, 0.1)],
    )
    def test_by_hand(self, step: int, expected: float) -> None:
        # Up from 0 to 1 in 10 steps, then down to 0.1 in 100: half-way down at step 60.
        lr = optimizers.warmup_cosine_lr(
            step, max_lr=1.0, min_lr=0.1, warmup_steps=10, total_steps=110
        )
        assert lr == pytest.approx(expected, rel=1e-9), f"at step {step}"

    def test_without_a_warmup(self) -> None:
        settings = {"max_lr": 1.0, "min_lr": 0.0, "warmup_steps": 0, "total_steps": 3}
        rates = [optimizers.warmup_cosine_lr(step, **settings) for step in range(4)]
        assert rates == pytest.approx([1.0, 0.75, 0.25, 0.0], rel=1e-9)


class TestAccumulation:
    def test_by_hand(self) -> None:
        # Three samples with a mean gradient of 1 and one with 5 (or −3): (3·1 + 5)/4 = 2.
        grad = optimizers.accumulate_gradients([tensor([1.0, 1.0]), tensor([5.0, -3.0])], [3, 1])
        assert_equal("The gradient", grad, tensor([2.0, 0.0]))

    def test_pieces_give_what_the_whole_batch_gives(self) -> None:
        # Linear regression: the loss is the mean of ½(xᵀθ − y)², its gradient the mean of
        # (xᵀθ − y)·x. 10 samples, in pieces of 4, 4 and 2.
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(10, 3, generator=generator, dtype=torch.float64)
        y = torch.randn(10, generator=generator, dtype=torch.float64)
        theta = tensor([1.0, -1.0, 0.5])
        per_sample = (x @ theta - y).unsqueeze(1) * x
        pieces = [piece.mean(dim=0) for piece in per_sample.split(4)]
        kept = [piece.clone() for piece in pieces]
        grad = optimizers.accumulate_gradients(pieces, [4, 4, 2])
        assert_equal("The gradient of the whole batch", grad, per_sample.mean(dim=0))
        assert same(kept, pieces), "accumulate_gradients changed a gradient in place"
