"""`autograder validate`: the suite audits itself, through the same path as a real submission."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autograder.assignment import Assignment, load_assignment
from autograder.candidates import Candidate, candidates
from autograder.course import Course
from autograder.handouts import check_handout
from autograder.outcome import Outcome
from autograder.pool import Job, grade_all
from autograder.result import CheckResult, ExerciseResult, Result, Status
from autograder.submission import Submission

__all__ = ["Validation", "validate_assignment"]

LEAST_MISCONCEPTIONS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the kill matrix: the points that a candidate lost, per exercise."""

    candidate: Candidate
    score: float | None
    lost: dict[str, float]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Validation:
    """What the audit of one assignment found; clean if there is no problem."""

    assignment: Assignment
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = field(default=())

    @property
    def clean(self) -> bool:
        return not self.problems and not any(row.problems for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON types."""
        return {
            "assignment": self.assignment.id,
            "clean": self.clean,
            "problems": [*self.problems, *(p for row in self.rows for p in row.problems)],
            "candidates": [
                {
                    "kind": row.candidate.kind,
                    "name": row.candidate.name,
                    "exercise": row.candidate.exercise,
                    "score": row.score,
                    "lost": row.lost,
                }
                for row in self.rows
            ],
        }

    def render(self) -> RenderableType:
        """The kill matrix and the problems, for a terminal."""
        config = self.assignment.config
        table = Table(title=f"{config.id}: kill matrix (points lost)", header_style="bold")
        table.add_column("candidate", no_wrap=True)
        for exercise in config.exercises:
            table.add_column(exercise.id, justify="right")
        table.add_column("score", justify="right")
        table.add_column("", no_wrap=True)
        kind = ""
        for row in self.rows:
            if row.candidate.kind != kind and kind:
                table.add_section()
            kind = row.candidate.kind
            cells = [f"{row.lost[e.id]:g}" if row.lost.get(e.id) else "·" for e in config.exercises]
            score = "–" if row.score is None else f"{row.score:g}"
            mark = Text("✗", style="bold red") if row.problems else Text("✓", style="green")
            table.add_row(f"{kind}: {row.candidate.name}", *cells, score, mark)
        lines = [*self.problems, *(p for row in self.rows for p in row.problems)]
        verdict = (
            Text(f"{config.id}: clean, {len(self.rows)} candidates behave", style="bold green")
            if self.clean
            else Text(f"{config.id}: {len(lines)} problems", style="bold red")
        )
        return Group(table, *(Text(f"✗ {line}", style="red") for line in lines), verdict)


def validate_assignment(
    course: Course,
    assignment_id: str,
    *,
    seeds: int = 3,
    jobs: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Validation:
    """Audit one assignment. Raises InputError if its files can't be read at all."""
    assignment = load_assignment(course, assignment_id)
    todo = {f"{i}": candidate for i, candidate in enumerate(candidates(assignment, seeds))}
    work = [
        Job(key, Submission.from_files(candidate.files), candidate.seed)
        for key, candidate in todo.items()
    ]
    say(f"{assignment_id}: grading {len(work)} candidates …")
    results = {
        job.name: result for job, result in grade_all(course, assignment_id, work, processes=jobs)
    }
    rows = tuple(_row(assignment, todo[key], results[key]) for key in todo)
    return Validation(assignment, rows, tuple(_static_problems(course, assignment)))


def _row(assignment: Assignment, candidate: Candidate, result: Result) -> Row:
    lost = {
        exercise.id: lack
        for exercise in result.exercises
        if (lack := round(exercise.max_score - _pending(exercise) - (exercise.score or 0.0), 2))
    }
    problems = tuple(f"{candidate.kind} {candidate.name}: {p}" for p in _wrong(
        assignment, candidate, result, lost
    ))  # fmt: skip
    return Row(candidate, result.score, lost, problems)


def _wrong(
    assignment: Assignment, candidate: Candidate, result: Result, lost: dict[str, float]
) -> Iterator[str]:
    if result.status is Status.GRADER_ERROR:
        yield f"grader error: {(result.fault or '').strip().splitlines()[-1]}"
        return
    if candidate.kind == "solution":
        yield from _not_passed(result)
    elif candidate.kind == "stub":
        if result.score != 0 or result.status is not Status.GRADED:
            yield f"scores {result.score} ({result.status}), must score 0 and be graded"
        for check in (c for e in result.exercises for c in e.checks):
            said = check.failure.rationale if check.failure else ""
            stubbed = check.outcome is Outcome.RAISED and "not implemented" in said
            if not stubbed and not _is_pending(check):
                yield f"{check.id} says {said or check.outcome!r}, must say “not implemented”"
    elif candidate.kind == "trivial":
        if result.score != 0:
            where = [f"{e.id} ({e.score:g})" for e in result.exercises if e.score]
            yield f"scores {result.score}, must score 0; it earns points in {', '.join(where)}"
        if result.status is Status.REJECTED:
            yield f"was rejected instead of graded: {result.messages[-1]}"
    else:
        yield from _misconception_problems(assignment, candidate, result, lost)


def _misconception_problems(
    assignment: Assignment, candidate: Candidate, result: Result, lost: dict[str, float]
) -> Iterator[str]:
    if result.status is Status.REJECTED:
        yield f"was rejected instead of graded: {result.messages[-1]}"
        return
    if candidate.exercise not in lost:
        yield f"is not caught: it loses no points in {candidate.exercise}"
    sharing = {e.id for e in assignment.config.exercises if candidate.replaces in e.functions}
    for other in lost.keys() - sharing - {candidate.exercise}:
        yield f"also loses {lost[other]:g} points in {other}"
    shown = [
        check.failure.misconception
        for exercise in result.exercises
        if exercise.id == candidate.exercise
        for check in exercise.checks
        if check.failure is not None and check.failure.misconception is not None
    ]
    if candidate.exercise in lost and candidate.name not in shown:
        instead = f"the hint of {shown[0]} instead" if shown else "no hint"
        yield f"its own hint is never shown ({instead})"


def _is_pending(check: CheckResult) -> bool:
    """Whether a check needs a device that this machine doesn't have: neither lost nor won."""
    said = check.failure.rationale if check.failure else ""
    return check.outcome is Outcome.NOT_RUN and said.startswith("not run: no GPU")


def _pending(exercise: ExerciseResult) -> float:
    """The points of an exercise that can't be earned on this machine."""
    return math.fsum(check.max_score for check in exercise.checks if _is_pending(check))


def _not_passed(result: Result) -> Iterator[str]:
    pending = math.fsum(_pending(exercise) for exercise in result.exercises)
    possible = round(result.max_score - pending, 2)
    if result.score != possible:
        yield f"scores {result.score} of {possible:g}"
    # Nothing is said about a solution, but for what this machine can't time.
    yield from (
        f"rejected: {line}" for line in result.messages if not line.startswith("still to be timed")
    )
    for check in (c for e in result.exercises for c in e.checks):
        if check.outcome is not Outcome.PASSED and not _is_pending(check):
            said = check.failure.rationale if check.failure else ""
            yield f"{check.id}: {check.outcome}: {said}"


def _static_problems(course: Course, assignment: Assignment) -> Iterator[str]:
    config = assignment.config
    readme = assignment.solution / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    sections = dict(_sections(text))
    for exercise in config.exercises:
        own = [m for m in assignment.misconceptions if m.exercise == exercise.id]
        if len(own) < LEAST_MISCONCEPTIONS:
            yield (
                f"{exercise.id}: {len(own)} misconceptions, {LEAST_MISCONCEPTIONS} are the least; "
                f"add some to {assignment.solution / 'misconceptions.py'}"
            )
        if not sections.get(exercise.id, "").strip():
            yield f"{readme}: no section “## `{exercise.id}`” with a text for students"
    known = {e.id for e in config.exercises}
    for misconception in assignment.misconceptions:
        if misconception.exercise not in known:
            yield f"{misconception.id}: there is no exercise {misconception.exercise!r}"
    yield from check_handout(course, assignment.id)
    expected = {"README.md", "test_public.py", "misconceptions.py", *config.files}
    for path in sorted(assignment.solution.iterdir()):
        if path.name not in expected and path.name != "__pycache__":
            yield f"{path}: belongs to nothing; delete it or list it in {course.config(config.id)}"
    for path in sorted(assignment.suite.iterdir()):
        if not re.fullmatch(r"(test_\w+|conftest|__init__|baselines)\.py|__pycache__", path.name):
            yield f"{path}: is not part of a suite; rename it to test_*.py or delete it"


def _sections(markdown: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^## +`(\w+)`.*$", markdown, flags=re.MULTILINE)
    yield from zip(parts[1::2], parts[2::2], strict=True)
