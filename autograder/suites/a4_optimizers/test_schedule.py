"""warmup_cosine_lr: every part of the curve, and every place where one part meets the next."""

from __future__ import annotations

import math

from gradescope_utils.autograder_utils.decorators import weight

from autograder.checks import Case, CheckFailed, Failure, exercise, for_each
from autograder.checks.compare import Mismatch, describe, numbers

# max_lr and min_lr; the one is never twice the other, so that no half hides. Then both lengths.
RATES = ((1.0, 0.1), (3e-4, 0.0))
LENGTHS = ((10, 110), (4, 9), (1, 3))
WITHOUT_WARM_UP = ((0, 100), (0, 3), (0, 1))


def schedule(step, max_lr, min_lr, warmup_steps, total_steps):
    """As a sine from the middle: ½(1 + cos πq) = cos² ½πq."""
    if step < warmup_steps:
        return step * (max_lr / warmup_steps)
    left = (total_steps - step) / (total_steps - warmup_steps)
    return min_lr + (max_lr - min_lr) * math.sin(math.pi / 2 * max(0.0, left)) ** 2


def cases(lengths, steps):
    """Every schedule of these lengths, at the steps that `steps` gives for each."""
    return [
        Case(
            {
                "step": step,
                "max_lr": max_lr,
                "min_lr": min_lr,
                "warmup_steps": warmup,
                "total_steps": total,
            }
        )
        for max_lr, min_lr in RATES
        for warmup, total in lengths
        for step in steps(warmup, total)
    ]


@exercise("schedule")
class TestSchedule:
    function = "warmup_cosine_lr"

    @weight(2)
    def test_warm_up(self, student):
        """`{function}` climbs from 0 on a straight line"""
        self.check(student, cases(LENGTHS, lambda warmup, total: {0, 1, warmup // 2, warmup - 1}))

    @weight(2)
    def test_cosine(self, student):
        """`{function}` comes down along half a cosine wave"""

        def steps(warmup, total):
            return sorted({warmup + (total - warmup) * i // 7 for i in range(1, 7)})

        self.check(student, cases(LENGTHS, steps))

    @weight(2)
    def test_boundaries(self, student):
        """`{function}` is right at the last and first steps of each part"""

        def steps(warmup, total):
            return (warmup - 1, warmup, warmup + 1, total - 1, total, total + 1)

        self.check(student, cases(LENGTHS, steps))

    @weight(1)
    def test_without_warm_up(self, student):
        """`{function}` starts at max_lr where warmup_steps is 0"""
        self.check(
            student, cases(WITHOUT_WARM_UP, lambda _, total: sorted({0, 1, total // 3, total}))
        )

    @weight(1)
    def test_after_the_end(self, student):
        """`{function}` stays at min_lr from total_steps on"""

        def steps(warmup, total):
            return (total, total + 1, 2 * total - warmup, 2 * total, 10 * total)

        self.check(student, cases(LENGTHS + WITHOUT_WARM_UP[:1], steps))

    def check(self, student, listed):
        for_each(listed, lambda case: self.check_case(student, case))

    def check_case(self, student, case):
        step, *_ = case.values
        settings = {name: value for name, value in case.arguments.items() if name != "step"}
        answer = student.warmup_cosine_lr(step, **settings)
        expected = schedule(**case.arguments)
        right_type = isinstance(answer, int | float) and not isinstance(answer, bool)
        if right_type and abs(answer - expected) <= 1e-9 * case.arguments["max_lr"]:
            return
        if right_type:
            failure = Failure(
                f"`{self.function}` is wrong at step {step}", *numbers(expected, float(answer))
            )
        else:
            failure = Failure(f"`{self.function}` must return a float", "a float", describe(answer))
        raise CheckFailed(failure, Mismatch(self.function, answer, expected))
