"""`run_autograder`: what Gradescope starts, from /autograder/submission to results.json.

Source: Gradescope's autograder specification (file hierarchy, results.json, harness). Everything
printed goes to a log that staff see and students don't (`stdout_visibility` is hidden).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from autograder.config import load_config
from autograder.course import Course
from autograder.errors import InputError
from autograder.platforms.environment import log, order_for
from autograder.platforms.gradescope_metadata import Metadata, read_metadata
from autograder.platforms.results_file import ResultsFile
from autograder.platforms.standing import apply_rules
from autograder.platforms.supervisor import Assessment, Order, supervise
from autograder.reports.gradescope import gradescope
from autograder.result import Result

__all__ = ["main"]

_SECONDS = 570.0
"""Gradescope stops a run after ten minutes by default, and then students see nothing at all."""

_OUR_FAULT = (
    "Something went wrong in the autograder, not in your code. No score was recorded; please tell "
    "the course staff."
)


def main() -> int:
    """Grade what lies in $AUTOGRADER_ROOT (/autograder). Returns the exit status."""
    root = Path(os.environ.get("AUTOGRADER_ROOT") or "/autograder")
    results = ResultsFile(root / "results" / "results.json")
    results.write(_without_result("grading has not begun"))
    metadata = _metadata(root / "submission_metadata.json")

    def progress(known: Result) -> None:
        results.write(gradescope(known))

    try:
        order = order_for(_submission(root), seconds=_SECONDS)
        assessment = supervise(order, progress)
        fault = assessment.fault
        report = _report(assessment, order, metadata)
    except InputError as error:
        fault = str(error)
        report = _without_result(fault)
    written = results.write(report)
    for line in (fault or "").splitlines():
        log(f"fault of the grader: {line}")
    if "score" in report:
        kept = report["extra_data"]
        log(f"{kept['assignment']}: {kept['status']}, score {report['score']:g}")
        if not written:
            log("that score is nowhere but in this log: enter it by hand, or run again")
    return 0 if written and fault is None else 2


def _report(assessment: Assessment, order: Order, metadata: Metadata) -> dict[str, Any]:
    result = assessment.result
    if result is None:
        return _without_result(assessment.fault or "no result")
    report = gradescope(result)
    late = load_config(Course(order.course).config(result.assignment)).late
    if late.per_day and metadata.created_at is None:
        log("no time of submission is known: lateness costs nothing here; look at it yourself")
    apply_rules(report, late, metadata)
    return report


def _without_result(fault: str) -> dict[str, Any]:
    return {
        "output": _OUR_FAULT,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [],
        "extra_data": {"status": "grader_error", "complete": False, "fault": fault},
    }


def _metadata(path: Path) -> Metadata:
    try:
        return read_metadata(path)
    except InputError as error:
        log(str(error))
        return Metadata()


def _submission(root: Path) -> Path:
    folder = root / "submission"
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; the platform should have made it")
    return folder


if __name__ == "__main__":
    sys.exit(main())
