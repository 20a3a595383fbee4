"""rmsprop_step, adam_step, adamw_step: a step size for every coordinate.

Why the oracles don't call torch.optim is said in test_momentum.py.
"""

from __future__ import annotations

from gradescope_utils.autograder_utils.decorators import weight

from autograder.checks import StepChecks, exercise
from autograder.checks.values import normal

WEIGHT_DECAYS = (0.0, 0.3, 0.05)
EPSILONS = (1e-8, 0.3, 1e-3)
# The first β forgets faster in some, slower in others; no β is another one's complement.
BETAS = ((0.9, 0.999), (0.6, 0.85), (0.95, 0.7), (0.0, 0.9))
# Gradients as small as eps or a little larger, eps as large as gradients or a little larger.
SIZE_AND_EPS = ((1e-8, 1e-8), (1e-6, 1e-8), (1e-3, 1e-4), (1.0, 0.5), (1.0, 10.0))


class AdaptiveChecks(StepChecks):
    """A step that divides by a root, and adds eps to it."""

    # Where it sits can't be seen there: that is what the other checks are for.
    plain = {"eps": 1e-12}  # noqa: RUF012 (constants of the class, here and below)

    @weight(2)
    def test_eps(self, student):
        """`{function}` adds eps in the right place: it may be as large as the gradients are"""
        for size, eps in SIZE_AND_EPS:
            fixed = {"eps": eps, "weight_decay": 0.0}
            settings = self.settings().map(lambda drawn, fixed=fixed: {**drawn, **fixed})
            journeys = self.journeys(steps=6, settings=settings, gradients=normal(size))
            self.check(student, journeys, examples=3)


@exercise("rmsprop")
class TestRmsprop(AdaptiveChecks):
    function = "rmsprop_step"
    choices = {  # noqa: RUF012
        "alpha": (0.99, 0.9, 0.6),
        "eps": EPSILONS,
        "weight_decay": WEIGHT_DECAYS,
        "momentum": (0.0, 0.8, 0.35),
        "centered": (False, True),
    }
    defaults = {  # noqa: RUF012
        "alpha": 0.99,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "centered": False,
    }

    def path(self, param, grads, rates, alpha, eps, weight_decay, momentum, centered):
        squares = mean = buffer = 0.0
        for grad, lr in zip(grads, rates, strict=True):
            direction = grad + weight_decay * param
            squares = alpha * squares + (1 - alpha) * direction.square()
            mean = alpha * mean + (1 - alpha) * direction
            variance = squares - mean.square() if centered else squares
            # Rounding may leave less than nothing of it where there is no gradient.
            buffer = momentum * buffer + direction / (variance.clamp(min=0).sqrt() + eps)
            param = param - lr * buffer
            yield param


class CorrectedAverage:
    """A moving average without its bias: a mean with the weight βᵏ for the value k steps ago.

    Calculated as a weighted mean, there is nothing in it that would need a correction.
    """

    def __init__(self, beta):
        self._beta, self._total, self._weight = beta, 0.0, 0.0

    def add(self, value):
        self._total = self._beta * self._total + value
        self._weight = self._beta * self._weight + 1.0
        return self._total / self._weight


@exercise("adam")
class TestAdam(AdaptiveChecks):
    function = "adam_step"
    choices = {"betas": BETAS, "eps": EPSILONS, "weight_decay": WEIGHT_DECAYS}  # noqa: RUF012
    defaults = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0}  # noqa: RUF012

    def path(self, param, grads, rates, betas, eps, weight_decay):
        average, average_square = map(CorrectedAverage, betas)
        for grad, lr in zip(grads, rates, strict=True):
            direction = grad + weight_decay * param
            root = average_square.add(direction.square()).sqrt()
            param = param - lr * average.add(direction) / (root + eps)
            yield param


@exercise("adamw")
class TestAdamw(AdaptiveChecks):
    function = "adamw_step"
    choices = {"betas": BETAS, "eps": EPSILONS, "weight_decay": (0.01, 0.3, 0.0)}  # noqa: RUF012
    defaults = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}  # noqa: RUF012

    def path(self, param, grads, rates, betas, eps, weight_decay):
        average, average_square = map(CorrectedAverage, betas)
        for grad, lr in zip(grads, rates, strict=True):
            root = average_square.add(grad.square()).sqrt()
            shrunk = param * (1 - lr * weight_decay)
            param = shrunk - lr * average.add(grad) / (root + eps)
            yield param
