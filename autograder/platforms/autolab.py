"""Autolab's grader: `make` runs it on one handed-in file, and its last line is the result.

Source: Autolab's “Guide for Lab Authors”. Autolab shows stdout and stderr to students, and takes
the last line for the scores if it is JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path

from autograder.errors import InputError
from autograder.platforms.environment import log_openly, order_for
from autograder.platforms.supervisor import supervise
from autograder.reports.autolab import OUR_FAULT, autolab

__all__ = ["main"]

_SECONDS = 570.0


def main(arguments: list[str]) -> int:
    """`FILE`: what was handed in. Returns the exit status."""
    try:
        if len(arguments) != 1:
            raise InputError("say which file was handed in")
        handin = Path(arguments[0])
        if not handin.exists():
            raise InputError(f"{handin.name} was not handed in under that name")
        assessment = supervise(order_for(handin, seconds=_SECONDS))
    except InputError as error:
        log_openly(str(error))
        _print(OUR_FAULT)
        return 2
    if assessment.fault is not None:
        log_openly(assessment.fault)
    _print(OUR_FAULT if assessment.result is None else autolab(assessment.result))
    return assessment.exit_code


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
