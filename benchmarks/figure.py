"""One claimed figure: what was measured, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

__all__ = ["Figure", "best_of", "seconds_of"]


@dataclass(frozen=True)
class Figure:
    """`measured` must be at most `target`, or at least it if `at_least`."""

    name: str
    measured: float
    target: float
    unit: str = "×"
    at_least: bool = False
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.measured >= self.target if self.at_least else self.measured <= self.target


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def best_of(times: int, *works: Callable[[], object]) -> list[float]:
    """The best time of each of several works, run in turns so that a slow moment hits all."""
    rounds = [[seconds_of(work) for work in works] for _ in range(times)]
    return [min(column) for column in zip(*rounds, strict=True)]
