"""sgd_step, and the forms of momentum: torch's, the moving average, Nesterov's two.

The oracles here and in test_adaptive.py are written out, in float64, instead of calling
torch.optim: importing any of its optimizers takes over a second, which every cold grade would pay.
That they go torch.optim's way is proved by a test of the package, over many hyperparameters.
"""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight

from autograder.checks import (
    CheckFailed,
    Failure,
    StepChecks,
    Variation,
    assert_close,
    contract,
    exercise,
    for_all,
)
from autograder.checks.compare import Mismatch

WEIGHT_DECAYS = (0.0, 0.3, 0.05)
# No two of one rule coincide, nor does one with another's complement: a mix-up has to show.
MOMENTA = (0.9, 0.7, 0.35)
DAMPENINGS = (0.0, 0.2, 0.55)


@exercise("sgd")
class TestSgd(StepChecks):
    function = "sgd_step"
    choices = {"weight_decay": WEIGHT_DECAYS}  # noqa: RUF012 (constants of the class, here and below)
    defaults = {"weight_decay": 0.0}  # noqa: RUF012

    def path(self, param, grads, rates, weight_decay):
        for grad, lr in zip(grads, rates, strict=True):
            param = param - lr * (grad + weight_decay * param)
            yield param


@exercise("momentum")
class TestMomentum(StepChecks):
    function = "momentum_step"
    choices = {  # noqa: RUF012
        "momentum": MOMENTA,
        "dampening": (*DAMPENINGS, 1.0),
        "weight_decay": WEIGHT_DECAYS,
    }
    defaults = {"momentum": 0.9, "dampening": 0.0, "weight_decay": 0.0}  # noqa: RUF012

    def path(self, param, grads, rates, momentum, dampening, weight_decay):
        buffer = None
        for grad, lr in zip(grads, rates, strict=True):
            direction = grad + weight_decay * param
            if buffer is None:
                buffer = direction
            else:
                buffer = momentum * buffer + (1 - dampening) * direction
            param = param - lr * buffer
            yield param


def velocities(grads, beta):
    """The moving average after each gradient, all at once: vₜ = (1 − β)·Σₖ βᵗ⁻ᵏ·gₖ."""
    steps = torch.arange(len(grads))
    age = steps.unsqueeze(1) - steps
    weights = torch.where(age >= 0, (1 - beta) * beta ** age.clamp(min=0).double(), 0.0)
    return torch.tensordot(weights, torch.stack(grads), 1)


def averaged_path(param, grads, rates, beta):
    """θₜ = θ₀ − Σₖ lrₖ·vₖ."""
    lr = torch.tensor(rates, dtype=torch.float64).reshape(-1, *[1] * param.ndim)
    return iter(param - (lr * velocities(grads, beta)).cumsum(0))


@exercise("momentum")
class TestEmaMomentum(StepChecks):
    function = "ema_momentum_step"
    choices = {"beta": (*MOMENTA, 0.0)}  # noqa: RUF012
    defaults = {"beta": 0.9}  # noqa: RUF012

    def path(self, param, grads, rates, beta):
        return averaged_path(param, grads, rates, beta)


@exercise("nesterov")
class TestNesterov(StepChecks):
    function = "nesterov_step"
    choices = {"momentum": MOMENTA, "weight_decay": WEIGHT_DECAYS}  # noqa: RUF012
    defaults = {"momentum": 0.9, "weight_decay": 0.0}  # noqa: RUF012

    def path(self, param, grads, rates, momentum, weight_decay):
        buffer = 0.0
        for grad, lr in zip(grads, rates, strict=True):
            direction = grad + weight_decay * param
            buffer = momentum * buffer + direction
            param = param - lr * (direction + momentum * buffer)
            yield param


@exercise("nesterov")
class TestLookahead(StepChecks):
    """The step skips the points in its own checks, and takes them in those of the points.

    Gradients are given, wherever the point is: so one wrong function doesn't make another wrong.
    """

    function = "lookahead_step"
    leading = ("param", "grad_at_lookahead", "state")
    choices = {"beta": (*MOMENTA, 0.0)}  # noqa: RUF012
    defaults = {"beta": 0.9}  # noqa: RUF012

    def path(self, param, grads, rates, beta):
        return averaged_path(param, grads, rates, beta)

    @weight(4)
    @contract(after=("test_trajectory",))
    def test_points(self, student):
        """`lookahead_point` is right before every step, with an lr that changes"""
        self.check_points(student, Variation(), examples=8)

    @contract(after=("test_trajectory", "test_points"))
    def test_points_of_every_kind(self, student):
        """`lookahead_point` accepts float32, non-contiguous and empty parameters"""
        for change in ({"dtype": torch.float32}, {"strided": True}, {"empty": True}):
            self.check_points(student, Variation(**change), examples=3)

    @contract(after=("test_trajectory", "test_points"))
    def test_points_by_keywords(self, student):
        """`lookahead_point` takes its parameters by name, and has the stated default"""

        def ask(param, state, lr, beta):
            named = {} if self._is_default("beta", beta) else {"beta": beta}
            return student.lookahead_point(param=param, state=state, lr=lr, **named)

        self.check_points(student, Variation(), examples=4, ask=ask)

    @contract(after=("test_trajectory", "test_points"))
    def test_points_leave_inputs_alone(self, student):
        """`lookahead_point` changes neither the parameter nor the state"""

        def ask(param, state, lr, beta):
            reply = student.call("lookahead_point", param, state, lr=lr, beta=beta)
            if reply.mutated:
                names = [("param", "state")[int(key)] for key in reply.mutated if key.isdigit()]
                raise CheckFailed(
                    Failure(
                        f"`lookahead_point` changed its input {' and '.join(names)} in place",
                        help="Asking for the point is only looking: make a new tensor.",
                    )
                )
            return reply.value

        self.check_points(student, Variation(), examples=3, ask=ask)

    def check_points(self, student, variation, examples, ask=None):
        """Ask for the point before each step of some journeys."""

        def by_position(param, state, lr, beta):
            return student.lookahead_point(param, state, lr=lr, beta=beta)

        reached = []
        for_all(
            self.journeys(variation, steps=5),
            lambda journey: self.follow_points(student, journey, ask or by_position, reached),
            examples=examples,
            describe=lambda journey: journey.describe(*reached),
        )

    def follow_points(self, student, journey, ask, reached):
        (run,), beta = journey.runs, journey.settings["beta"]
        exact = [grad.double() for grad in run.grads]
        known = [torch.zeros_like(exact[0]), *velocities(exact, beta)]
        points, truths, given = [], [], []

        def take(param, grad, state, *, lr, beta):
            n = len(points)
            reached[:] = (0, n + 1)
            known_part = lr * beta * known[n]
            given.append((param, known[n].to(param.dtype), lr))
            points.append(ask(param, state, lr, beta))
            truths.append(param.double() - known_part)
            try:
                assert_close(
                    points[n],
                    truths[n],
                    what=f"the look-ahead point before step {n + 1}",
                    scale=param.double().abs() + known_part.abs(),
                    dtype=param.dtype,
                )
            except CheckFailed as failed:
                mismatch = Mismatch("lookahead_point", tuple(points), tuple(truths), replay=replay)
                raise CheckFailed(failed.failure, mismatch) from None
            return student.lookahead_step(param, grad, state, lr=lr, beta=beta)

        def replay(point):
            # A stand-in can't read the student's state: it gets the one that the solution keeps.
            return tuple(
                point(param.clone(), {"velocity": v.clone()} if n else {}, lr=lr, beta=beta)
                for n, (param, v, lr) in enumerate(given)
            )

        for _ in journey.walk(take):
            pass
