"""The vocabulary of suites: what to check, on which inputs, how strictly, and what to say."""

from __future__ import annotations

from autograder.checks import values
from autograder.checks.battery import OperatorChecks, Pullback, StableOperatorChecks
from autograder.checks.cases import (
    Arguments,
    Case,
    Variation,
    arguments,
    combinations,
    custom,
    tensors,
)
from autograder.checks.compare import CheckFailed, assert_close, assert_results
from autograder.checks.forall import for_all, for_each
from autograder.checks.functions import FunctionChecks, StableFunctionChecks
from autograder.checks.journeys import Journey, Run
from autograder.checks.marks import contract, exercise
from autograder.checks.racing import race
from autograder.checks.steps import StepChecks
from autograder.checks.windows import sliding_windows
from autograder.outcome import Failure
from autograder.student import Student

__all__ = [
    "Arguments",
    "Case",
    "CheckFailed",
    "Failure",
    "FunctionChecks",
    "Journey",
    "OperatorChecks",
    "Pullback",
    "Run",
    "StableFunctionChecks",
    "StableOperatorChecks",
    "StepChecks",
    "Student",
    "Variation",
    "arguments",
    "assert_close",
    "assert_results",
    "combinations",
    "contract",
    "custom",
    "exercise",
    "for_all",
    "for_each",
    "race",
    "sliding_windows",
    "tensors",
    "values",
]
