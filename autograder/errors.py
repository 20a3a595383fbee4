"""Every exception this package raises on purpose.

AutograderError
├── InputError            the caller's input is at fault: one line, exit code 1
│   ├── ConfigError           a grading config (TOML) says something we can't accept
│   ├── CourseError           an assignment, or one of its files, can't be found
│   ├── SubmissionError       a submission can't be read at all (path, archive, size)
│   ├── HandoutError          solution markers or generated handouts are inconsistent
│   └── SuiteError            a hidden suite doesn't fit its config, or can't be collected
├── GraderError           the grader is at fault: exit code 2, and never a score
│   └── SandboxError          the sandbox itself broke, or `strict` isolation isn't available
└── StudentFault          what student code did instead of answering; always an outcome
    (its kinds live beside the code that raises them, in autograder.student)
"""

from __future__ import annotations

__all__ = [
    "AutograderError",
    "ConfigError",
    "CourseError",
    "GraderError",
    "HandoutError",
    "InputError",
    "SandboxError",
    "SubmissionError",
    "SuiteError",
]


class AutograderError(Exception):
    """Base of all errors raised on purpose; its text is one line for the person who must act."""


class InputError(AutograderError):
    """The caller's input is at fault."""


class ConfigError(InputError):
    """A grading config can't be accepted; the text names file, key and the next move."""


class CourseError(InputError):
    """An assignment or one of its files can't be found."""


class SubmissionError(InputError):
    """A submission can't be read: path, archive format, size."""


class HandoutError(InputError):
    """Solution markers are malformed, or a generated handout is out of date."""


class SuiteError(InputError):
    """A hidden suite doesn't fit its config, or can't be collected."""


class GraderError(AutograderError):
    """The grader is at fault; nobody gets a score from this."""


class SandboxError(GraderError):
    """The sandbox broke, or the isolation asked for is not available here."""
