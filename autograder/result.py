"""What grading one submission yields: one canonical result, from which every report is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from autograder.config import Feedback, Visibility
from autograder.outcome import Failure, Outcome

__all__ = ["FORMAT", "LEFT_OUT", "CheckResult", "ExerciseResult", "Result", "Status"]

FORMAT = "autograder/result/v1"
LEFT_OUT = Failure("not run: only other exercises were graded")


class Status(StrEnum):
    """`graded`; `rejected` (unusable, 0 points); `grader_error` (our fault: no score at all)."""

    GRADED = "graded"
    REJECTED = "rejected"
    GRADER_ERROR = "grader_error"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended. `score` is None only for a grader error."""

    id: str
    title: str
    outcome: Outcome
    score: float | None
    max_score: float
    seconds: float = 0.0
    failure: Failure | None = None
    visibility: Visibility = Visibility.VISIBLE
    number: str | None = None
    tags: tuple[str, ...] = ()
    leaderboard: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ExerciseResult:
    """The checks of one exercise; `max_score` is the config's, whatever happened."""

    id: str
    title: str
    score: float | None
    max_score: float
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The whole verdict on one submission.

    `messages` are lines for the student (why it was rejected, what was found where). `isolation`
    says which layers of the sandbox were active. `complete` is False in a result that was written
    while grading went on. `fault` is for staff: what went wrong on our side. `submission` is the
    digest of what was graded, empty if that isn't known.
    """

    assignment: str
    title: str
    status: Status
    score: float | None
    max_score: float
    exercises: tuple[ExerciseResult, ...]
    isolation: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    complete: bool = True
    feedback: Feedback = Feedback.FULL
    visibility: Visibility = Visibility.VISIBLE
    fault: str | None = None
    submission: str = ""

    def to_json(self) -> dict[str, Any]:
        """The canonical form: only JSON types, no NaN, keys in a fixed order."""
        data = asdict(self)
        data.pop("exercises")
        if not self.submission:
            data.pop("submission")
        head = {"format": FORMAT, "assignment": data.pop("assignment"), "title": data.pop("title")}
        head |= {key: data.pop(key) for key in ("status", "score", "max_score", "isolation")}
        exercises = [
            {
                "id": exercise.id,
                "title": exercise.title,
                "score": exercise.score,
                "max_score": exercise.max_score,
                "checks": [_check_to_json(check) for check in exercise.checks],
            }
            for exercise in self.exercises
        ]
        return {**head, "exercises": exercises, **data, "messages": list(self.messages)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Result:
        """The result that `to_json` wrote. Raises KeyError, TypeError or ValueError."""
        if data["format"] != FORMAT:
            raise ValueError(f"not a {FORMAT}: {data['format']!r}")
        fields = {key: data[key] for key in data if key not in ("format", "exercises")}
        fields["status"] = Status(fields["status"])
        fields["feedback"] = Feedback(fields["feedback"])
        fields["visibility"] = Visibility(fields["visibility"])
        fields["messages"] = tuple(fields["messages"])
        return Result(
            **fields,
            exercises=tuple(
                ExerciseResult(
                    **{
                        **exercise,
                        "checks": tuple(_check_from_json(c) for c in exercise["checks"]),
                    }
                )
                for exercise in data["exercises"]
            ),
        )


def _check_to_json(check: CheckResult) -> dict[str, Any]:
    data = asdict(check)
    data["tags"] = list(check.tags)
    return data


def _check_from_json(data: Mapping[str, Any]) -> CheckResult:
    failure = data["failure"]
    return CheckResult(
        **{
            **data,
            "outcome": Outcome(data["outcome"]),
            "visibility": Visibility(data["visibility"]),
            "tags": tuple(data["tags"]),
            "failure": None if failure is None else Failure(**failure),
        }
    )
