"""Races: who wins, when they stop, and when nobody can tell. The clocks are made up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from autograder.checks import racing
from autograder.checks.racing import Race, race
from autograder.errors import GraderError


class Clock:
    """Both clocks of `race`; each run of the rival moves them by the next of its durations."""

    def __init__(self, rival: Iterator[tuple[float, float]]) -> None:
        self._rival = rival
        self.wall = self.busy = 0.0

    def perf_counter(self) -> float:
        return self.wall

    def thread_time(self) -> float:
        return self.busy

    def run_rival(self) -> None:
        wall, busy = next(self._rival)
        self.wall += wall
        self.busy += busy


def raced(monkeypatch, own, rival, **options) -> tuple[Race, int]:
    """The race and the number of rounds; `rival` is its (wall, CPU) seconds in each round."""
    clock = Clock(iter(rival if isinstance(rival, list) else [rival] * 100))
    monkeypatch.setattr(racing, "time", clock)
    calls = iter(own if isinstance(own, list) else [own] * 100)
    rounds = 0

    def attempt():
        nonlocal rounds
        rounds += 1
        return [next(calls)]

    return race(attempt, clock.run_rival, goal=1 / 3, **options), rounds


def test_the_goal_ends_the_race(monkeypatch):
    end, rounds = raced(monkeypatch, 0.001, (0.01, 0.01))
    assert end.ratio == pytest.approx(0.1)
    assert rounds == 2


def test_the_best_call_counts(monkeypatch):
    end, rounds = raced(monkeypatch, [0.05, 0.04, 0.03, 0.002, 0.03], (0.01, 0.01))
    assert end.ratio == pytest.approx(0.2)
    assert rounds == 4


def test_a_slow_function_gets_all_rounds_before_it_has_missed_the_goal(monkeypatch):
    end, rounds = raced(monkeypatch, 0.005, (0.01, 0.01), rounds=(2, 7))
    assert end.ratio == pytest.approx(0.5)
    assert rounds == 7


def test_a_hopeless_function_is_not_waited_for(monkeypatch):
    end, rounds = raced(monkeypatch, 1.0, (0.01, 0.01), patience=2.5)
    assert end.ratio == pytest.approx(100)
    assert rounds == 3


def test_slowing_the_rival_down_does_not_help(monkeypatch):
    # Twice as long by the clock on the wall, as something else kept the CPU busy.
    end, _ = raced(monkeypatch, 0.005, (0.019, 0.01), rounds=(2, 4))
    assert end.rival_seconds == pytest.approx(0.01)
    assert end.ratio > 1 / 3


def test_a_cpu_clock_with_coarse_steps_is_averaged(monkeypatch):
    end, _ = raced(
        monkeypatch, 0.005, [(0.01, 0.0), (0.01, 0.02), (0.01, 0.0), (0.01, 0.02)], rounds=(2, 4)
    )
    assert end.rival_seconds == pytest.approx(0.01)


def test_a_machine_too_busy_to_tell_is_no_fault_of_the_student(monkeypatch):
    with pytest.raises(GraderError, match=r"too busy to time code: work of 10 ms took 100 ms"):
        raced(monkeypatch, 0.012, (0.1, 0.01), rounds=(2, 4))


def test_a_slow_function_on_a_busy_machine_has_missed_the_goal_all_the_same(monkeypatch):
    end, _ = raced(monkeypatch, 0.08, (0.1, 0.01), rounds=(2, 4))
    assert end.ratio == pytest.approx(8)


def test_a_rival_without_any_time_beats_everyone():
    assert Race(0.1, 0.0).ratio == float("inf")
