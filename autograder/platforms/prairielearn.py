"""PrairieLearn's external grader: from /grade/student to /grade/results/results.json.

Source: PrairieLearn's documentation, “External grading”. The results folder isn't there at the
start. Students see what is printed, so nothing is printed but in a fault of ours.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from autograder.errors import InputError
from autograder.platforms.environment import log_openly, order_for
from autograder.platforms.results_file import ResultsFile
from autograder.platforms.supervisor import supervise
from autograder.reports.prairielearn import OUR_FAULT, not_gradable, prairielearn
from autograder.result import Result

__all__ = ["main"]

_SECONDS = 570.0
"""PrairieLearn allows ten minutes at most (`timeout` in info.json)."""


def main() -> int:
    """Grade what lies in $GRADE_ROOT (/grade). Returns the exit status."""
    root = Path(os.environ.get("GRADE_ROOT") or "/grade")
    results = ResultsFile(root / "results" / "results.json")
    results.write(not_gradable(OUR_FAULT))

    def progress(known: Result) -> None:
        results.write(prairielearn(known))

    try:
        if not (root / "student").is_dir():
            raise InputError(f"{root}/student: there is no such folder; PrairieLearn makes it")
        assessment = supervise(order_for(root / "student", seconds=_SECONDS), progress)
    except InputError as error:
        log_openly(str(error))
        return 2
    result = assessment.result
    report = not_gradable(OUR_FAULT) if result is None else prairielearn(result)
    written = results.write(report)
    if assessment.fault is not None:
        log_openly(assessment.fault)
    return assessment.exit_code if written else 2


if __name__ == "__main__":
    sys.exit(main())
