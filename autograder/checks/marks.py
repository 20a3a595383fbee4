"""Decorators that say what a check belongs to and when it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from gradescope_utils.autograder_utils import decorators

__all__ = ["contract", "exercise", "weight"]

T = TypeVar("T", bound=Callable[..., Any])


def exercise(exercise_id: str) -> Callable[[T], T]:
    """Say that a test class or function checks the exercise `exercise_id` of the config."""

    def mark(target: T) -> T:
        target.__exercise__ = exercise_id  # type: ignore[attr-defined]
        return target

    return mark


def contract(*, after: tuple[str, ...] = ()) -> Callable[[T], T]:
    """Say that a check holds for many wrong answers too (no mutation, linearity, empty inputs …).

    Such a check earns nothing unless the checks named in `after` (those of them that its class
    has) pass; without names, unless the first other check of its class does.
    """

    def mark(target: T) -> T:
        target.__contract__ = after  # type: ignore[attr-defined]
        return target

    return mark


def weight(share: float) -> Callable[[T], T]:
    """gradescope-utils' `@weight`, typed: a check's share within its exercise's points."""
    return cast("Callable[[T], T]", decorators.weight(share))
