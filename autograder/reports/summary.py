"""A regrade as Markdown for a GitHub step summary.

Whoever can read a repository can read its workflows' summaries, so students appear by their
submission's id only.
"""

from __future__ import annotations

import re

from autograder.regrade.gradebook import Gradebook
from autograder.reports.rows import line, note, status
from autograder.reports.statistics import Cohort, ExerciseStatistics, describe
from autograder.result import Status

__all__ = ["step_summary"]

_LISTED = 20
_BAR = 24
_MARKDOWN = re.compile(r"([\\`*_\[\]<>()#!|~@&:$])")


def step_summary(book: Gradebook) -> str:
    """What to act on, the headline numbers, the distribution, exercises and misconceptions."""
    cohort = describe(book)
    parts = [
        f"## {_escape(book.title)}",
        _headline(book, cohort),
        *_attention(book),
        _distribution(cohort),
        _exercises(cohort),
        *_ideas(cohort),
        *_versions(book),
    ]
    return "\n\n".join(parts) + "\n"


def _headline(book: Gradebook, cohort: Cohort) -> str:
    head = cohort.headline
    most = f"{book.max_score:g}"
    cells = {
        "students": str(head.students),
        "without a score": f"**{head.unscored}**" if head.unscored else "0",
        "mean": "–" if head.mean is None else f"{head.mean:.1f} / {most}",
        "median": "–" if head.median is None else f"{head.median:.1f} / {most}",
        "full marks": str(head.full),
        "zero": str(head.zero),
        "rejected": str(head.rejected),
        "late": str(head.late),
    }
    ended = "" if book.finished is not None else " (not finished)"
    return "\n".join(
        [
            f"Run {book.run}{ended}, {book.started:%Y-%m-%d %H:%M %Z}".strip(),
            "",
            f"| {' | '.join(cells)} |",
            f"|{'--:|' * len(cells)}",
            f"| {' | '.join(cells.values())} |",
        ]
    )


def _attention(book: Gradebook) -> list[str]:
    """Submissions without a score, faults of the grader first."""
    missing = [grade for grade in book.grades if grade.counts and grade.score is None]
    missing.sort(key=lambda grade: status(grade) != Status.GRADER_ERROR)
    if not missing:
        return []
    lines = ["### ⚠️ Without a score", "", "| submission | status | reason |", "|---|---|---|"]
    for grade in missing[:_LISTED]:
        fault = grade.result.fault if grade.result is not None else None
        reason = line((fault or "").strip().rpartition("\n")[2], 200) or note(grade)
        lines.append(
            f"| {_escape(grade.submission)} | {status(grade).replace('_', ' ')} "
            f"| {_escape(reason)} |"
        )
    if len(missing) > _LISTED:
        lines.append(f"\n… and {len(missing) - _LISTED} more")
    return ["\n".join(lines)]


def _distribution(cohort: Cohort) -> str:
    most = max((bin_.students for bin_ in cohort.bins), default=0) or 1
    rows = [
        f"{bin_.low:3d}–{bin_.high:3d} %  {'█' * -(-_BAR * bin_.students // most):<{_BAR}}"
        f"  {bin_.students}"
        for bin_ in cohort.bins
    ]
    return "\n".join(["### Scores", "", "```text", *rows, "```"])


def _exercises(cohort: Cohort) -> str:
    lines = [
        "### Exercises", "",
        "| exercise | points | mean | full marks | zero | hardest check |",
        "|---|--:|--:|--:|--:|---|",
    ]  # fmt: skip
    for exercise in cohort.exercises:
        mean = "–" if exercise.difficulty is None else f"{100 * exercise.difficulty:.0f} %"
        lines.append(
            f"| {_escape(exercise.title)} | {exercise.points:g} | {mean} "
            f"| {exercise.full} | {exercise.zero} | {_hardest(exercise)} |"
        )
    return "\n".join(lines)


def _hardest(exercise: ExerciseStatistics) -> str:
    known = [(c.difficulty, c.title) for c in exercise.checks if c.difficulty is not None]
    difficulty, title = min(known, key=lambda pair: pair[0], default=(1.0, ""))
    if difficulty > 1 - 1e-9:
        return "–"
    return f"{_escape(title.replace('`', ''))} ({100 * difficulty:.0f} %)"


def _ideas(cohort: Cohort) -> list[str]:
    if not cohort.ideas:
        return []
    lines = ["### Misconceptions", "", "| seen in | exercise | idea |", "|--:|---|---|"]
    lines += [
        f"| {idea.grades} | {_escape(idea.exercise)} | {_escape(idea.id.replace('_', ' '))} |"
        for idea in cohort.ideas[:_LISTED]
    ]
    return ["\n".join(lines)]


def _versions(book: Gradebook) -> list[str]:
    named = ", ".join(f"{_escape(name)} {_escape(value)}" for name, value in book.versions.items())
    return [f"Graded with {named}."] if named else []


def _escape(text: str) -> str:
    """Text that stays text: no table cell, link, mention or tag comes out of it."""
    return _MARKDOWN.sub(r"\\\1", line(text, 300))
