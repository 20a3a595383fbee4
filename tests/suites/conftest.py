"""Hidden suites, run in this process against modules that tests make."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch

from autograder.outcome import Outcome
from autograder.student import Backend, InProcess, Student
from autograder.suite import Suite

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """One assignment's suite, collected once, to be run against one module after another."""

    def __init__(self, assignment: str, suite: Suite) -> None:
        config = tomllib.loads((ROOT / "grading_configs" / f"{assignment}.toml").read_text())
        self._suite = suite
        self._exercises = {each["id"]: each["functions"] for each in config["exercises"]}
        self._file = ROOT / "solutions" / assignment / config["files"][0]
        self.functions = tuple(
            dict.fromkeys(name for names in self._exercises.values() for name in names)
        )
        self.solution = self.module(self._file)

    @property
    def exercises(self) -> tuple[str, ...]:
        """The ids of all exercises."""
        return tuple(self._exercises)

    def exercises_of(self, module: ModuleType) -> tuple[str, ...]:
        """The exercises with a function that `module` defines."""
        return tuple(
            exercise
            for exercise, names in self._exercises.items()
            if any(hasattr(module, name) for name in names)
        )

    def module(self, path: Path) -> ModuleType:
        """The module in the file `path`, without a place in sys.modules."""
        return self.module_from(path.read_text(encoding="utf-8"), path)

    def module_from(self, source: str, path: Path | None = None) -> ModuleType:
        """A module made of `source`, under the name that submissions have."""
        module = ModuleType(self._file.stem)
        module.__file__ = str(path or self._file)
        exec(compile(source, module.__file__, "exec"), vars(module))
        return module

    def suite_module(self, name: str) -> ModuleType:
        """A module of the suite, for tests of what it is made of."""
        spec = spec_from_file_location(name, self._suite.path / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        with patch.dict(sys.modules, {name: module}):  # where dataclasses look for it
            spec.loader.exec_module(module)
        return module

    def completed(self, module: ModuleType) -> ModuleType:
        """`module` with the solution's functions where it has none of its own."""
        whole = ModuleType(self._file.stem)
        whole.__file__ = module.__file__
        for name in self.functions:
            setattr(whole, name, getattr(module, name, getattr(self.solution, name)))
        return whole

    def failures(
        self, module: ModuleType | Backend, exercise: str, seed: int = 0
    ) -> dict[str, Any]:
        """What went wrong in each check of an exercise that didn't pass. Gates aren't applied."""
        backend = InProcess(module) if isinstance(module, ModuleType) else module
        student = Student(backend, self.functions)
        found = {}
        for check in self._suite.checks:
            if check.exercise == exercise:
                ending = self._suite.run(check, student, seed)
                if ending.outcome is not Outcome.PASSED:
                    found[check.id] = ending.fault or ending.failure
        return found


@pytest.fixture(scope="session")
def bench_for() -> Iterator[Callable[[str], Bench]]:
    """The bench of an assignment, by its id."""
    torch.set_num_threads(1)  # as in the grader
    with ExitStack() as stack:
        made: dict[str, Bench] = {}

        def bench(assignment: str) -> Bench:
            if assignment not in made:
                suite = stack.enter_context(Suite(ROOT / "autograder" / "suites" / assignment))
                made[assignment] = Bench(assignment, suite)
            return made[assignment]

        yield bench
