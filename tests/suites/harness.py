"""Runs a hidden suite, in this process, against modules that tests make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.outcome import Outcome
from autograder.pytest_plugin import Ending
from autograder.student import Backend, InProcess, Student
from autograder.suite import Suite

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Bench:
    """A collected suite, ready to grade one module after another."""

    suite: Suite
    functions: Sequence[str]

    def run(
        self, backend: Backend | ModuleType, exercise: str, seed: int = 0
    ) -> dict[str, Ending]:
        """How each check of an exercise ended, by the check's id. Gates are not applied."""
        opened = InProcess(backend) if isinstance(backend, ModuleType) else backend
        student = Student(opened, self.functions)
        return {
            check.id: self.suite.run(check, student, seed)
            for check in self.suite.checks
            if check.exercise == exercise
        }


@contextmanager
def bench(assignment: str, functions: Sequence[str]) -> Iterator[Bench]:
    """The suite of `assignment`, for modules that define `functions`."""
    with Suite(ROOT / "autograder" / "suites" / assignment) as suite:
        yield Bench(suite, functions)


def failures(endings: Mapping[str, Ending]) -> dict[str, Any]:
    """What went wrong, by check: empty if all passed."""
    return {
        check: ending.fault or ending.failure
        for check, ending in endings.items()
        if ending.outcome is not Outcome.PASSED
    }


def module_from(source: str, name: str, filename: str | None = None) -> ModuleType:
    """A module made of `source`, without a place in sys.modules."""
    module = ModuleType(name)
    module.__file__ = f"{name}.py" if filename is None else filename
    exec(compile(source, module.__file__, "exec"), vars(module))
    return module


def solution(assignment: str, name: str) -> ModuleType:
    """The reference solution's module."""
    path = ROOT / "solutions" / assignment / f"{name}.py"
    return module_from(path.read_text(encoding="utf-8"), name, str(path))


def blended(base: ModuleType, style: ModuleType, functions: Sequence[str]) -> ModuleType:
    """`base` with those of `functions` that `style` defines replaced by its own."""
    mixed = ModuleType(base.__name__)
    mixed.__file__ = style.__file__
    for name in functions:
        setattr(mixed, name, getattr(style, name, getattr(base, name)))
    return mixed


__all__ = ["ROOT", "Bench", "bench", "blended", "failures", "module_from", "solution"]
