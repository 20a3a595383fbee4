"""Checks of stateful steps: pure functions that are applied again and again, along a trajectory.

    new_param, new_state = step(param, grad, state, lr=…, **hyperparameters)

What is in a state is the step's own business: a suite only hands it back. So nothing can be said
of a single later call, and a step is judged by where it goes: every new parameter of a journey is
compared with the truth, from the state {} on.

A suite's class inherits `StepChecks` and states what differs:

    @exercise("momentum")
    class TestMomentum(StepChecks):
        function = "momentum_step"
        choices = {"momentum": (0.9, 0.7), "weight_decay": (0.0, 0.1)}
        defaults = {"momentum": 0.9, "weight_decay": 0.0}

        def path(self, param, grads, rates, momentum, weight_decay):
            buffer = 0.0
            for grad, lr in zip(grads, rates, strict=True):
                buffer = momentum * buffer + grad + weight_decay * param
                param = param - lr * buffer
                yield param
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks.cases import Variation, combinations
from autograder.checks.compare import CheckFailed, Mismatch, assert_close, describe
from autograder.checks.forall import current_run, for_all, for_each
from autograder.checks.journeys import (
    PARAMETERS,
    Journey,
    Run,
    branching,
    journeys_of,
    learning_rates,
)
from autograder.checks.marks import contract, weight
from autograder.checks.values import Values, normal, signed
from autograder.outcome import Failure
from autograder.student import Reply, Student, StudentFault, StudentRaised

__all__ = ["StepChecks"]

# Over ten steps in float32, honest ways to write a rule drift apart by up to a few units in the
# sixth digit: most of all where 1 − 0.999ᵗ is calculated in float32.
FLOAT32_RTOL = 3e-5
# How many steps are looked at after the first wrong one, for the diagnosis.
AFTERMATH = 4
# Where eps can't be seen, nor a zero be divided by zero.
SURELY_NOT_0 = signed(0.5, 2.0)


class StepChecks:
    """A step compared with the truth along trajectories.

    `choices` are the values of each hyperparameter but lr, the plainest first; no two of them
    should coincide in a way that hides a mix-up (a dampening that equals the momentum).
    `defaults` are the stated ones; `plain` are plainer ones than the first choices, for the check
    that gives credit for the rule itself. `leading` are the names of the first three parameters.
    """

    function: ClassVar[str]
    leading: ClassVar[tuple[str, str, str]] = ("param", "grad", "state")
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    defaults: ClassVar[Mapping[str, Any]] = {}
    plain: ClassVar[Mapping[str, Any]] = {}
    steps: ClassVar[int] = 11

    def path(
        self, param: Tensor, grads: Sequence[Tensor], rates: Sequence[float], **settings: Any
    ) -> Iterator[Tensor]:
        """The truth: the parameter after each step, from float64 tensors."""
        raise NotImplementedError

    @weight(3)
    def test_plain(self, student: Student) -> None:
        """`{function}` goes the right way with plain hyperparameters"""
        plain = {name: options[0] for name, options in self.choices.items()}
        journeys = self.journeys(settings=st.just({**plain, **self.plain}), gradients=SURELY_NOT_0)
        self.check(student, journeys, examples=5)

    @weight(3)
    def test_trajectory(self, student: Student) -> None:
        """`{function}` goes the right way, step after step, with an lr that changes"""
        self.check(student, self.journeys(runs=2), examples=10)

    @weight(2)
    def test_every_combination(self, student: Student) -> None:
        """`{function}` goes the right way with every combination of hyperparameters"""
        generator = torch.Generator().manual_seed(current_run().seed % 2**63)
        plain = {name: options[:2] for name, options in self.choices.items()}
        journeys = []
        for settings in combinations(**plain):
            run = Run(
                PARAMETERS((2,), generator),
                normal()((self.steps, 2), generator).unbind(),
                learning_rates(self.steps, generator),
            )
            journeys.append(Journey((run,), settings, (0,) * self.steps))
        reached: list[int] = []
        for_each(
            journeys,
            lambda journey: self.follow(student, journey, reached=reached),
            describe=lambda journey: journey.describe(*reached),
        )

    @weight(1)
    def test_float32(self, student: Student) -> None:
        """`{function}` keeps float32 parameters in float32, and is accurate for ten steps"""
        self.check(student, self.journeys(Variation(dtype=torch.float32), steps=10), examples=5)

    @weight(1)
    def test_zero_gradients(self, student: Student) -> None:
        """`{function}` is right where gradients, or some of their elements, are exactly 0"""
        self.check(student, self.journeys(steps=6, zeros=True), examples=6)

    @contract(after=("test_trajectory",))
    def test_old_states(self, student: Student) -> None:
        """`{function}` remembers by its state alone: old states stay good, runs don't mix"""
        try:
            self.check(student, self._branching_journeys(), examples=3)
        except CheckFailed as failed:
            raise CheckFailed(
                replace(
                    failed.failure,
                    help="Here runs take turns, go back to an old state, or start again from {}. A "
                    "new parameter may depend on the arguments of its call and on nothing else.",
                )
            ) from None

    @contract(after=("test_trajectory",))
    def test_strided(self, student: Student) -> None:
        """`{function}` accepts non-contiguous and expanded inputs"""
        self.check(student, self.journeys(Variation(strided=True), steps=3), examples=6)

    @contract(after=("test_trajectory",))
    def test_empty(self, student: Student) -> None:
        """`{function}` accepts parameters without elements"""
        self.check(student, self.journeys(Variation(empty=True), steps=2), examples=4)

    @contract(after=("test_trajectory",))
    def test_keywords(self, student: Student) -> None:
        """`{function}` can be called with its parameters by name, and has the stated defaults"""

        def call(param: Tensor, grad: Tensor, state: Any, **settings: Any) -> Any:
            given = dict(zip(self.leading, (param, grad, state), strict=True))
            named = {k: v for k, v in settings.items() if not self._is_default(k, v)}
            return student.call(self.function, **given, **named)

        journeys = self.journeys(steps=3, settings=self._near_defaults())
        self.check(student, journeys, examples=6, call=call)

    @contract(after=("test_trajectory",))
    def test_leaves_inputs_alone(self, student: Student) -> None:
        """`{function}` does not change its inputs in place: parameter, gradient, old state"""

        def call(*args: Any, **settings: Any) -> Any:
            reply = student.call(self.function, *args, **settings)
            if reply.mutated:
                raise CheckFailed(self._mutation(reply.mutated))
            return reply

        self.check(student, self.journeys(steps=3), examples=4, call=call)

    def check(
        self,
        student: Student,
        journeys: st.SearchStrategy[Journey],
        *,
        examples: int,
        call: Callable[..., Reply] | None = None,
    ) -> None:
        """Follow generated journeys; a failure shows the smallest, up to the first wrong step.

        `call` is how the function is called, by default as a student would: the first three
        parameters by position.
        """
        reached: list[int] = []
        for_all(
            journeys,
            lambda journey: self.follow(student, journey, call=call, reached=reached),
            examples=examples,
            describe=lambda journey: journey.describe(*reached),
        )

    def follow(
        self,
        student: Student,
        journey: Journey,
        *,
        call: Callable[..., Reply] | None = None,
        reached: list[int] | None = None,
    ) -> None:
        """Compare every new parameter of a journey with the truth. Raises CheckFailed.

        `reached` is set to the run and the number of the step that is being taken.
        """
        truths = [self._truth(run, journey.settings) for run in journey.runs]
        answers: list[Tensor] = []
        expected: list[Tensor] = []
        places = _places(journey)

        def take(*args: Any, **settings: Any) -> Any:
            place = next(places)
            if reached is not None:
                reached[:] = place
            try:
                return (call or self._call(student))(*args, **settings).value
            except StudentRaised as fault:
                if not fault.not_implemented and place[1] > 1:
                    words = f"{fault.failure.rationale} (in step {place[1]}, after right ones)"
                    told = replace(fault.failure, rationale=words)
                    raise StudentRaised(told, fault.kind) from None
                raise

        walk = journey.walk(take)
        for i, n, answer in walk:
            truth, size = next(truths[i])
            new_param = self._new_param(answer)
            answers.append(new_param)
            expected.append(truth)
            try:
                self._compare(new_param, truth, size, n, journey.runs[i].param.dtype)
            except CheckFailed as failed:
                place = (i, n)
                # Many wrong ideas take the same first step: a few more tell them apart.
                with contextlib.suppress(CheckFailed, StudentFault):
                    for j, _, later in itertools.islice(walk, AFTERMATH):
                        answers.append(self._new_param(later))
                        expected.append(next(truths[j])[0])
                if reached is not None:
                    reached[:] = place
                raise CheckFailed(
                    failed.failure,
                    Mismatch(
                        self.function,
                        tuple(answers),
                        tuple(expected),
                        replay=lambda step: _replay(journey, step, len(answers)),
                    ),
                ) from None

    def journeys(
        self,
        variation: Variation | None = None,
        *,
        runs: int = 1,
        steps: int | None = None,
        zeros: bool = False,
        settings: st.SearchStrategy[Mapping[str, Any]] | None = None,
        gradients: Values | None = None,
    ) -> st.SearchStrategy[Journey]:
        """Journeys of up to `runs` parameters of any shape, which take turns.

        With `zeros`, many gradients are 0 (the first one more often than not), and so are single
        elements of the others.
        """
        return journeys_of(
            Variation() if variation is None else variation,
            runs,
            self.steps if steps is None else steps,
            self.settings() if settings is None else settings,
            normal() if gradients is None else gradients,
            zeros,
        )

    def settings(self) -> st.SearchStrategy[Mapping[str, Any]]:
        """Hyperparameters, each from its choices."""
        return st.fixed_dictionaries({k: st.sampled_from(v) for k, v in self.choices.items()})

    def _near_defaults(self) -> st.SearchStrategy[Mapping[str, Any]]:
        """The defaults, but for one hyperparameter at most."""
        others = [{k: value} for k, options in self.choices.items() for value in options]
        return st.sampled_from([{}, *others]).map(lambda other: {**self.defaults, **other})

    def _is_default(self, name: str, value: Any) -> bool:
        return name in self.defaults and self.defaults[name] == value

    def _branching_journeys(self) -> st.SearchStrategy[Journey]:
        return self.journeys(runs=2, steps=4).map(branching)

    def _call(self, student: Student) -> Callable[..., Reply]:
        return lambda *args, **settings: student.call(self.function, *args, **settings)

    def _truth(self, run: Run, settings: Mapping[str, Any]) -> Iterator[tuple[Tensor, Tensor]]:
        """The right parameters, each with its natural size: the largest on the way so far."""
        param = run.param.double().contiguous()
        size = param.abs()
        path = self.path(param, [grad.double() for grad in run.grads], run.rates, **settings)
        taken = 0 if run.branches is None else run.branches[1]
        for n, truth in enumerate(path):
            size = torch.maximum(size, truth.abs())
            if n >= taken:
                yield truth, size

    def _compare(
        self, new_param: Tensor, truth: Tensor, size: Tensor, n: int, dtype: torch.dtype
    ) -> None:
        rtol = None
        if dtype is torch.float32 and size.numel():
            size, rtol = size.max().expand(size.shape), FLOAT32_RTOL
        what = f"the parameter after step {n} of `{self.function}`"
        assert_close(new_param, truth, what=what, scale=size, dtype=dtype, rtol=rtol)

    def _new_param(self, answer: Any) -> Any:
        """The parameter in what a step returned. Raises CheckFailed for another structure."""
        two = isinstance(answer, tuple | list) and len(answer) == 2
        if not two or not isinstance(answer[1], dict):
            raise CheckFailed(
                Failure(
                    f"`{self.function}` must return two things: the new {self.leading[0]}, a "
                    "tensor, and the new state, a dict",
                    expected="a tuple of 2 (a tensor, a dict)",
                    actual=describe(answer),
                )
            )
        return answer[0]

    def _mutation(self, mutated: Sequence[str]) -> Failure:
        names = [self.leading[int(key)] if key.isdigit() else key for key in mutated]
        return Failure(
            f"`{self.function}` changed its input {' and '.join(names)} in place",
            help="Writing into the old state, or into a tensor that it holds, takes it away from "
            "whoever kept it. Make new tensors (`a = a + b`, not `a += b`) and a new dict."
            if names == ["state"]
            else "An in-place operation (`x += …`, `x[...] = …`, a method ending in _) wrote into "
            "an argument. The caller still needs it: work on a new tensor.",
        )


def _replay(journey: Journey, step: Callable[..., Any], count: int) -> tuple[Any, ...]:
    """The parameters after each of the first `count` steps, were they `step`'s."""

    def take(*args: Any, **settings: Any) -> Any:
        return step(*copy.deepcopy(args), **settings)

    return tuple(answer[0] for _, _, answer in itertools.islice(journey.walk(take), count))


def _places(journey: Journey) -> Iterator[tuple[int, int]]:
    """The run and the number of its step, for each call of a journey."""
    return ((i, n) for i, n, _ in journey.walk(lambda *_, **__: (None, None)))
