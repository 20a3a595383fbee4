"""Grade a cohort with warm graders, and write each one's results.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from autograder.course import Course
from autograder.pool import Job, grade_all
from autograder.regrade.sources import Entry
from autograder.reports.gradescope import gradescope
from autograder.result import Result
from autograder.sandbox import Isolation

__all__ = ["grade_cohort", "write_results"]


def grade_cohort(
    course: Course,
    assignment_id: str,
    entries: Sequence[Entry],
    *,
    processes: int | None = None,
    isolation: Isolation = Isolation.AUTO,
    done: Callable[[Entry, Result], None] = lambda entry, result: None,
) -> dict[str, Result]:
    """The result of every readable entry, by entry id; `done` is called as each one comes."""
    by_id = {entry.id: entry for entry in entries}
    jobs = [Job(e.id, e.submission) for e in entries if e.submission is not None]
    results = {}
    for job, result in grade_all(
        course, assignment_id, jobs, processes=processes, isolation=isolation
    ):
        results[job.name] = result
        done(by_id[job.name], result)
    return results


def write_results(folder: Path, entry: Entry, result: Result) -> Path:
    """Write `<folder>/<entry>/results.json` for Gradescope and the canonical `result.json`."""
    target = folder / entry.id
    target.mkdir(parents=True, exist_ok=True)
    for name, data in (("results.json", gradescope(result)), ("result.json", result.to_json())):
        path = target / name
        path.write_text(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return target / "results.json"
