"""Rounds on a virtual clock: turns, charges, audits, and when it is enough."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from autograder.checks.compare import CheckFailed
from autograder.sandbox.timed_worker import Elapsed
from autograder.student import StudentReplyInvalid
from autograder.timing.audit import Audit
from autograder.timing.recipe import recipe_of, uniform
from autograder.timing.rounds import CHECKPOINTS, Plan, alone, charge_for, contest
from autograder.timing.verdict import Thresholds, judge

from .conftest import Cost, VirtualRunner, scripted, steady

RECIPE = recipe_of((uniform(3, 4, dtype=torch.float32),))
GOALS = Thresholds(0.4, 0.8)
PLAN = Plan(calls=4, reveals=2, timeout=1.0)
CHARGE = charge_for("cpu", confined=True)


def double(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def compare(arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
    if len(results) != 1 or not torch.equal(results[0], arguments[0] * 2):
        raise CheckFailed("wrong")


AUDIT = Audit("double", RECIPE, "cpu", compare)


def runner(cost: Cost, overhead: Cost | None = None, function: Any = double) -> VirtualRunner:
    return VirtualRunner(function, RECIPE, cost=cost, overhead=overhead)


def ratio(student: Cost, baseline: Cost, overhead: Cost) -> float:
    rounds = contest(runner(student), runner(baseline, overhead), AUDIT, PLAN, GOALS, CHARGE)
    return judge(rounds, PLAN.calls, GOALS).ratio.value


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5, 2.0, 4.0])
def test_a_kernel_k_times_slower_gets_one_over_k(factor: float) -> None:
    measured = ratio(steady(1.0 + 2.0 * factor), steady(3.0), steady(1.0))
    assert measured == pytest.approx(1 / factor)


@pytest.mark.parametrize("factor", [1.0, 2.0, 4.0])
def test_also_with_the_noise_of_a_busy_machine(factor: float) -> None:
    source = random.Random(11)

    def noisy(seconds: float) -> Cost:
        # One in five chains is held up, by up to twice its time; the rest vary by 3 %.
        def cost() -> float:
            held_up = seconds * source.uniform(0, 2) if source.random() < 0.2 else 0.0
            return seconds * source.uniform(1.0, 1.03) + held_up

        return cost

    found = [ratio(noisy(1.0 + 2.0 * factor), noisy(3.0), noisy(1.0)) for _ in range(20)]
    assert all(abs(value * factor - 1) < 0.1 for value in found)


def test_an_honest_kernel_never_fails_in_fifty_repeats_under_that_noise() -> None:
    source = random.Random(5)

    def cost() -> float:
        return 3.0 * (source.uniform(1.0, 1.05) + (source.random() < 0.2) * source.random())

    for _ in range(50):
        rounds = contest(
            runner(cost), runner(cost, steady(1.0)), AUDIT, PLAN, Thresholds(0.4, 0.8), CHARGE
        )
        assert judge(rounds, PLAN.calls, GOALS).fraction == 1.0


def test_three_chains_of_each_kind_make_a_round_and_the_best_counts() -> None:
    student = runner(scripted([9.0, 5.0, 7.0]))
    trusted = runner(scripted([4.0, 8.0, 3.0]), scripted([1.5, 1.0, 2.0]))
    rounds = contest(student, trusted, AUDIT, PLAN, GOALS, CHARGE)
    assert {(r.overhead, r.student, r.baseline) for r in rounds} == {(1.0, 5.0, 3.0)}


def test_student_and_baseline_take_turns_and_change_who_comes_first() -> None:
    order: list[str] = []

    class Noting(VirtualRunner):
        def __init__(self, name: str, cost: Cost) -> None:
            super().__init__(double, RECIPE, cost=cost)
            self.name = name

        def time(self, count: int, *, skip: bool = False, **options: Any) -> Any:
            order.append("overhead" if skip else self.name)
            return super().time(count, skip=skip, **options)

    contest(
        Noting("student", steady(2.0)), Noting("baseline", steady(2.0)), AUDIT, PLAN, GOALS, CHARGE
    )
    turn = ["overhead", "student", "baseline"]
    assert order[:9] == [*turn, *reversed(turn), *turn]
    assert order[9:18] == [*turn, *reversed(turn), *turn]
    assert order[18:27] == [*reversed(turn), *turn, *reversed(turn)]


def test_the_first_round_is_not_counted() -> None:
    # Whatever is slow only once (fresh memory, a late compilation) costs nothing.
    once = scripted([100.0, 100.0, 100.0, *[3.0] * 1000])
    assert ratio(once, steady(3.0), steady(1.0)) == pytest.approx(1.0)


def test_the_student_is_watched_in_the_first_round_and_never_on_the_clock() -> None:
    student, trusted = runner(steady(2.0)), runner(steady(2.0))
    contest(student, trusted, AUDIT, PLAN, GOALS, CHARGE)
    assert student.watched[:3] == [True] * 3
    assert not any(student.watched[3:])
    assert not any(trusted.watched)


@pytest.mark.parametrize(
    ("student", "rounds"), [(50.0, 3), (3.0, 6), (1.5, 6)], ids=["hopeless", "equal", "faster"]
)
def test_a_clear_case_ends_early(student: float, rounds: int) -> None:
    found = contest(
        runner(steady(student)), runner(steady(3.0), steady(1.0)), AUDIT, PLAN, GOALS, CHARGE
    )
    assert len(found) == rounds


def test_a_torn_case_takes_all_rounds_and_no_more() -> None:
    torn = scripted([v for v in (3.3, 6.0) for _ in range(3)])
    found = contest(runner(torn), runner(steady(3.0), steady(1.0)), AUDIT, PLAN, GOALS, CHARGE)
    assert len(found) == CHECKPOINTS[-1]


def test_every_chain_of_the_student_is_audited() -> None:
    calls = 0

    def late_cheat(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return x * 2 if calls < 40 else x

    everything = Plan(calls=4, reveals=4, timeout=1.0)
    with pytest.raises(CheckFailed, match="wrong"):
        contest(
            runner(steady(2.0), function=late_cheat), runner(steady(2.0)), AUDIT, everything,
            GOALS, CHARGE,
        )  # fmt: skip
    assert calls <= 44  # the chain in which it began is the one that is found


def test_which_calls_are_revealed_is_chosen_afresh_every_time() -> None:
    asked: list[tuple[int, ...]] = []

    class Asking(VirtualRunner):
        def reveal(self, indices: Any, *, timeout: float) -> Any:
            asked.append(tuple(indices))
            return super().reveal(indices, timeout=timeout)

    student = Asking(double, RECIPE, cost=steady(2.0))
    contest(student, runner(steady(2.0)), AUDIT, PLAN, GOALS, CHARGE)
    assert all(len(set(indices)) == 2 and max(indices) < 4 for indices in asked)
    assert len(set(asked)) > 1  # 6⁻²⁰ by chance


def test_alone_is_the_median_of_the_baseline() -> None:
    assert alone(runner(scripted([5.0, 1.0, 3.0, 2.0, 4.0])), PLAN, CHARGE) == 3.0


@pytest.mark.parametrize(
    ("device", "confined", "wall", "cpu", "waited", "seconds"),
    [
        ("cpu", True, 1.0, 0.9, 0.0, 1.0),  # 0.1 s asleep: that is time too
        ("cpu", True, 1.0, 0.4, 0.6, 0.4),  # waited for a processor: nobody's fault
        ("cpu", True, 1.0, 3.8, 0.0, 3.8),  # four threads save nothing
        ("cpu", True, 1.0, 0.9, 0.8, 0.9),  # its own threads kept it waiting
        ("cpu", False, 1.0, 0.2, 0.8, 1.0),  # another process may have done the work
        ("cuda", True, 1.0, 0.1, 0.9, 1.0),  # the work isn't the processor's
        ("cuda:1", True, 1.0, 2.0, 0.0, 1.0),
    ],
)
def test_what_a_chain_is_charged(
    device: str, confined: bool, wall: float, cpu: float, waited: float, seconds: float
) -> None:
    assert charge_for(device, confined=confined)(Elapsed(wall, cpu, waited)) == seconds


def test_other_results_than_those_committed_to_are_refused() -> None:
    student = runner(steady(1.0))
    run = student.time(4, timeout=1)
    revealed = student.reveal([1, 2], timeout=1)
    AUDIT.judge(run, [1, 2], revealed)
    with pytest.raises(StudentReplyInvalid, match="showed other results than those"):
        AUDIT.judge(run, [2, 1], revealed)
    revealed[0][0][0, 0] += 1e-7
    with pytest.raises(StudentReplyInvalid, match="`double` showed other results"):
        AUDIT.judge(run, [1], revealed[:1])


def test_right_results_for_other_inputs_are_refused() -> None:
    student = runner(steady(1.0), function=lambda x: torch.ones_like(x))
    run = student.time(4, timeout=1)
    with pytest.raises(CheckFailed, match="wrong"):
        AUDIT.judge(run, [3], student.reveal([3], timeout=1))


def test_a_forged_digest_changes_all_later_inputs() -> None:
    student = runner(steady(1.0))
    run = student.time(4, timeout=1)
    forged = type(run)(run.nonce, (bytes(32), *run.digests[1:]), run.elapsed)
    AUDIT.judge(run, [1], student.reveal([1], timeout=1))
    with pytest.raises(StudentReplyInvalid):
        AUDIT.judge(forged, [1], student.reveal([1], timeout=1))
