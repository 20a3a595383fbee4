"""The grader's process under a supervisor: one order in, results out as lines of JSON."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from dataclasses import replace
from typing import Any

from autograder.errors import AutograderError, CourseError, SubmissionError
from autograder.platforms.host import cores_granted, scaled
from autograder.platforms.supervisor import Order
from autograder.result import Result

_INTERVAL = 0.25
"""Seconds between two results on their way: turning one into JSON takes some milliseconds."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """`DESCRIPTOR ORDER`."""
    # Nobody is left to read a result if the supervisor dies.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = _Channel(int(sys.argv[1]))
    try:
        channel.send(_grade(Order.from_json(sys.argv[2]), channel).to_json())
    except AutograderError as error:
        channel.send({"error": str(error)})
        sys.exit(2)


def _grade(order: Order, channel: _Channel) -> Result:
    from autograder.assignment import load_assignment
    from autograder.attempt import sandbox_for
    from autograder.course import Course
    from autograder.sandbox import Isolation
    from autograder.submission import Submission, read_submission

    course = Course(order.course)
    chosen = load_assignment(course, order.assignment or _only(course))
    limits = scaled(chosen.config.limits, cores_granted(), order.seconds)
    config = replace(chosen.config, limits=limits)
    chosen = replace(chosen, config=config)
    try:
        submission = read_submission(
            order.submission, config.files, max_bytes=config.limits.submission_kib * 1024
        )
    except SubmissionError as error:
        # A student can upload what nobody can read: that is an answer, and not our fault.
        submission = Submission.from_files({}, config.files, notes=[str(error)])
    with sandbox_for(config, Isolation(order.isolation)) as sandbox:
        # Imports torch, which the sandbox's zygote does at the same time.
        from autograder.grade import Grader

        with Grader(chosen, sandbox=sandbox) as grader:
            return grader.grade(submission, progress=channel.progress)


def _only(course: Any) -> str:
    ids = course.assignment_ids
    if len(ids) != 1:
        there = ", ".join(ids) or "none"
        raise CourseError(
            f"{course.root}: which assignment is meant? there is {there}; set AUTOGRADER_ASSIGNMENT"
        )
    return str(ids[0])


class _Channel:
    """The way to the supervisor."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._sent = 0.0

    def progress(self, result: Result) -> None:
        now = time.monotonic()
        if now - self._sent >= _INTERVAL:
            self._sent = now
            self.send(result.to_json())

    def send(self, message: dict[str, Any]) -> None:
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        while line:
            line = line[self._file.write(line) :]


if __name__ == "__main__":
    main()
