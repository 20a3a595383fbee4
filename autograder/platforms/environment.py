"""What a platform's program is told by its environment; the defaults are the image's own layout."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from autograder.errors import InputError
from autograder.platforms.supervisor import Order

__all__ = ["ASSIGNMENT_FILE", "log", "log_openly", "order_for"]

ASSIGNMENT_FILE = "assignment"
"""In the course's folder: the id of the only assignment that was packed."""

_COURSE = Path("/opt/autograder/course")
_ISOLATIONS = ("auto", "strict", "none")


def order_for(
    submission: Path, *, seconds: float, environment: Mapping[str, str] | None = None
) -> Order:
    """The order for what lies in `submission`. Raises InputError.

    $AUTOGRADER_COURSE, $AUTOGRADER_ASSIGNMENT, $AUTOGRADER_ISOLATION and $AUTOGRADER_SECONDS (for
    the whole run) override what was packed, and `seconds`.
    """
    variables = os.environ if environment is None else environment
    course = Path(variables.get("AUTOGRADER_COURSE") or _COURSE)
    isolation = variables.get("AUTOGRADER_ISOLATION") or "auto"
    if isolation not in _ISOLATIONS:
        raise InputError(
            f"$AUTOGRADER_ISOLATION is {isolation!r}; say one of {', '.join(_ISOLATIONS)}"
        )
    return Order(
        submission,
        course,
        variables.get("AUTOGRADER_ASSIGNMENT") or _packed_assignment(course),
        isolation,
        _positive(variables.get("AUTOGRADER_SECONDS"), seconds),
    )


def log(line: str) -> None:
    """One line on stderr."""
    print(f"autograder: {line}", file=sys.stderr, flush=True)  # noqa: T201  (the log is our output)


def log_openly(fault: str) -> None:
    """A fault of ours, where students may read the log: in full only if it can't tell too much.

    A path or a traceback might name staff files, or show a value that a hidden check expects.
    $AUTOGRADER_STAFF lifts that, for staff who run it by hand.
    """
    lines = fault.splitlines() or ["unknown"]
    harmless = len(lines) == 1 and "/" not in lines[0]
    if not harmless and not os.environ.get("AUTOGRADER_STAFF"):
        lines = ["the reason is for staff; run it by hand with AUTOGRADER_STAFF=1"]
    for line in lines:
        log(f"fault of the grader: {line}")


def _packed_assignment(course: Path) -> str | None:
    try:
        return (course / ASSIGNMENT_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"{course}: can't be read ({error.strerror}): its files are for user "
            f"{_owner(course)}, and this is user {os.getuid()}; start the container as that user"
        ) from None


def _owner(path: Path) -> str:
    try:
        return str(path.stat().st_uid)
    except OSError:
        return "0"


def _positive(text: str | None, default: float) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise InputError(f"$AUTOGRADER_SECONDS is {text!r}; give a positive number of seconds")
    return value
