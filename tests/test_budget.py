"""What is charged to a submission: its own time, and not the machine's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from autograder import budget as budget_module
from autograder.budget import Budget
from autograder.config import Limits

LIMITS = Limits(call_seconds=2, exercise_seconds=10, total_seconds=25)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The scheduler's counts, made up: seconds by task ("own" for ours)."""
    counts: dict[str, float] = {}

    def run_delay(task: str) -> float:
        return counts.get("own" if task.startswith("self/") else task, 0.0)

    monkeypatch.setattr(budget_module, "_run_delay", run_delay)
    return counts


def opened(spend: Callable[[Budget], None] = lambda budget: None) -> Budget:
    budget = Budget(LIMITS)
    budget.watch(7)
    budget.begin_exercise()
    spend(budget)
    return budget


def test_on_an_idle_machine_all_time_is_charged(waits: dict[str, float]) -> None:
    budget = opened()
    budget.spend(4)
    assert budget.left() == 6
    budget.spend(6)
    assert budget.left() == 0
    assert not budget.whole


def test_time_without_a_processor_is_not_charged(waits: dict[str, float]) -> None:
    budget = opened()
    budget.spend(0)
    budget.spend(10)
    waits.update({"7": 3.0, "own": 2.0})
    assert budget.left() == 5


def test_at_most_three_quarters_are_forgiven(waits: dict[str, float]) -> None:
    budget = opened()
    budget.spend(12)
    waits["7"] = 1000.0
    assert budget.left() == 10 - 3
    budget.spend(28)
    assert budget.left() == 0


def test_each_exercise_has_its_own_time_and_all_have_the_total(waits: dict[str, float]) -> None:
    budget = opened()
    for _ in range(2):
        budget.spend(10)
        assert budget.left() == 0
        assert not budget.whole
        budget.begin_exercise()
    assert budget.left() == 5
    budget.spend(5)
    assert budget.left() == 0
    assert budget.whole


def test_what_a_worker_waited_for_in_one_exercise_is_not_forgiven_in_the_next(
    waits: dict[str, float],
) -> None:
    budget = opened()
    budget.spend(9)
    waits["7"] = 5.0
    budget.begin_exercise()
    budget.spend(9)
    assert budget.left() == 1


def test_a_second_worker_adds_to_what_the_first_one_waited_for(waits: dict[str, float]) -> None:
    budget = opened()
    budget.spend(5)
    waits["7"] = 2.0
    budget.watch(8)
    del waits["7"]
    budget.spend(5)
    waits["8"] = 1.0
    assert budget.left() == 3


def test_the_kernel_counts_and_a_task_that_is_gone_counts_nothing() -> None:
    assert budget_module._run_delay("self") >= 0
    assert budget_module._run_delay("0") == 0
