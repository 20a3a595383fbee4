"""Classroom 50's grader: a checkout in, result.json and release-body.md out.

Source: Classroom 50's wiki, “Advanced Autograding”. Exit status 0 means that it was graded,
whatever the score; anything else makes the runner list the submission as an error.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from autograder.errors import InputError
from autograder.platforms.environment import log, log_openly, order_for
from autograder.platforms.results_file import ResultsFile
from autograder.platforms.supervisor import supervise
from autograder.reports.classroom50 import Identity, classroom50, release_body

__all__ = ["main"]

_SECONDS = 780.0
"""Classroom 50's job ends after fifteen minutes, with starting and reporting in it."""


def main(arguments: list[str]) -> int:
    """`CHECKOUT RESULTS`: two folders. Returns the exit status."""
    try:
        if len(arguments) != 2:
            raise InputError("say where the checkout is, and where results go")
        checkout, results = map(Path, arguments)
        identity = Identity.from_environment(os.environ)
        if not checkout.is_dir():
            raise InputError(f"{checkout}: there is no such folder")
        assessment = supervise(order_for(checkout, seconds=_SECONDS))
    except InputError as error:
        log_openly(str(error))
        return 2
    result = assessment.result
    if assessment.fault is not None or result is None or result.score is None:
        log_openly(assessment.fault or "no result")
        return 2
    report = classroom50(result, identity, datetime.now(UTC))
    if not ResultsFile(results / "result.json").write(report):
        return 2
    body = results / "release-body.md"
    try:
        body.write_text(release_body(result), encoding="utf-8")
    except OSError as error:
        # The runner makes one from result.json then.
        log(f"{body}: can't be written: {error.strerror}")
    log(f"{result.assignment}: {result.status}, {result.score:g} of {result.max_score:g}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
