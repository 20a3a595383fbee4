"""What a4's suite holds for true is what torch.optim does, over many hyperparameters.

The suite itself has the formulas written out, because importing an optimizer takes over a second.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch

STEPS = 12


@pytest.fixture(scope="module")
def inputs():
    """A parameter, its gradients (some 0, some tiny) and the rates of one trajectory."""
    generator = torch.Generator().manual_seed(0)
    grads = torch.randn((STEPS, 3, 4), generator=generator, dtype=torch.float64)
    grads[3] = 0.0
    grads[:, 0, 0] = 0.0
    grads[:, 1] *= 1e-6
    param = torch.randn((3, 4), generator=generator, dtype=torch.float64)
    rates = torch.rand(STEPS, generator=generator, dtype=torch.float64).tolist()
    return param, grads.unbind(), rates


def combinations(**choices):
    return [
        dict(zip(choices, chosen, strict=True)) for chosen in itertools.product(*choices.values())
    ]


def names_of(settings):
    return ",".join(f"{name}={value}" for name, value in settings.items())


def assert_same_path(oracle, optimizer, inputs, settings, **fixed):
    param, grads, rates = inputs
    theirs = torch.nn.Parameter(param.clone())
    reference = optimizer([theirs], lr=1.0, foreach=False, **settings, **fixed)
    path = oracle.path(param, grads, rates, **settings)
    for grad, lr, ours in zip(grads, rates, path, strict=True):
        reference.param_groups[0]["lr"] = lr
        theirs.grad = grad.clone()
        reference.step()
        torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)


@pytest.fixture(scope="module")
def momentum(bench_for):
    return bench_for("a4_optimizers").suite_module("test_momentum")


@pytest.fixture(scope="module")
def adaptive(bench_for):
    return bench_for("a4_optimizers").suite_module("test_adaptive")


DECAYS = (0.0, 0.1, 0.7)


@pytest.mark.parametrize("settings", combinations(weight_decay=DECAYS), ids=names_of)
def test_sgd(momentum, inputs, settings):
    assert_same_path(momentum.TestSgd(), torch.optim.SGD, inputs, settings)


@pytest.mark.parametrize(
    "settings",
    combinations(momentum=(0.9, 0.5, 0.1), dampening=(0.0, 0.5, 0.9, 1.0), weight_decay=DECAYS),
    ids=names_of,
)
def test_momentum(momentum, inputs, settings):
    assert_same_path(momentum.TestMomentum(), torch.optim.SGD, inputs, settings)


@pytest.mark.parametrize(
    "settings", combinations(momentum=(0.9, 0.5, 0.1), weight_decay=DECAYS), ids=names_of
)
def test_nesterov(momentum, inputs, settings):
    assert_same_path(momentum.TestNesterov(), torch.optim.SGD, inputs, settings, nesterov=True)


@pytest.mark.parametrize(
    "settings",
    combinations(
        alpha=(0.99, 0.5),
        eps=(1e-8, 0.5, 10.0),
        weight_decay=(0.0, 0.3),
        momentum=(0.0, 0.9),
        centered=(False, True),
    ),
    ids=names_of,
)
def test_rmsprop(adaptive, inputs, settings):
    assert_same_path(adaptive.TestRmsprop(), torch.optim.RMSprop, inputs, settings)


ADAM = combinations(
    betas=((0.9, 0.999), (0.5, 0.5), (0.0, 0.9), (0.99, 0.1), (0.0, 0.0)),
    eps=(1e-8, 0.5, 10.0),
    weight_decay=DECAYS,
)


@pytest.mark.parametrize("settings", ADAM, ids=names_of)
def test_adam(adaptive, inputs, settings):
    assert_same_path(adaptive.TestAdam(), torch.optim.Adam, inputs, settings)


@pytest.mark.parametrize("settings", ADAM, ids=names_of)
def test_adamw(adaptive, inputs, settings):
    assert_same_path(adaptive.TestAdamw(), torch.optim.AdamW, inputs, settings)


@pytest.mark.parametrize("beta", [0.9, 0.5, 0.0])
def test_moving_averages_follow_their_recursion(momentum, inputs, beta):
    param, grads, rates = inputs
    velocity = torch.zeros_like(param)
    for oracle in (momentum.TestEmaMomentum(), momentum.TestLookahead()):
        theirs, velocity = param, torch.zeros_like(param)
        path = oracle.path(param, grads, rates, beta=beta)
        for grad, lr, ours in zip(grads, rates, path, strict=True):
            velocity = beta * velocity + (1 - beta) * grad
            theirs = theirs - lr * velocity
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("momentum_factor", [0.9, 0.3])
def test_the_look_ahead_form_visits_the_points_of_torchs_form(momentum, inputs, momentum_factor):
    # At a constant lr the look-ahead point is the parameter of torch's form (Bengio et al. 2013).
    param, grads, _ = inputs
    beta, rates = momentum_factor, [0.1] * STEPS
    theirs = list(
        momentum.TestNesterov().path(
            param, grads, [0.1 * (1 - beta)] * STEPS, momentum=beta, weight_decay=0.0
        )
    )
    ahead = list(momentum.TestLookahead().path(param, grads, rates, beta=beta))
    for ours, velocity, expected in zip(
        ahead, momentum.velocities(grads, beta), theirs, strict=True
    ):
        torch.testing.assert_close(ours - 0.1 * beta * velocity, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm_type", [1.0, 1.5, 2.0, 3.0, 7.0, math.inf])
@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 5.0, 1e3])
def test_clipping(bench_for, norm_type, max_norm):
    generator = torch.Generator().manual_seed(0)
    shapes = ((3,), (2, 2), (), (0,))
    grads = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    oracle = bench_for("a4_optimizers").suite_module("test_clipping").TestClipping()
    clipped, total_norm = oracle.oracle(grads, max_norm, norm_type)
    params = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = grad.clone()
    # The empty tensor has no largest element, for torch.
    theirs = torch.nn.utils.clip_grad_norm_(params[:3], max_norm, norm_type, foreach=False)
    torch.testing.assert_close(total_norm, theirs, rtol=1e-12, atol=0.0)
    for ours, param in zip(clipped[:3], params, strict=False):
        torch.testing.assert_close(ours, param.grad, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize(("warmup", "total"), [(0, 1), (0, 10), (3, 4), (10, 110)])
def test_schedule(bench_for, warmup, total):
    schedule = bench_for("a4_optimizers").suite_module("test_schedule").schedule
    for step in range(2 * total):
        if step < warmup:
            expected = 0.3 * step / warmup
        elif step >= total:
            expected = 0.07
        else:
            phase = math.pi * (step - warmup) / (total - warmup)
            expected = 0.07 + 0.5 * (0.3 - 0.07) * (1 + math.cos(phase))
        assert schedule(step, 0.3, 0.07, warmup, total) == pytest.approx(expected, rel=1e-12)
