"""From what a worker did instead of answering to a `StudentFault`, in words for a student."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from autograder.outcome import Failure
from autograder.student import (
    StudentCrashed,
    StudentFault,
    StudentForbidden,
    StudentMissing,
    StudentOutOfMemory,
    StudentRaised,
    StudentReplyInvalid,
    StudentTimedOut,
)

from .protocol import WORKER_FAILED, ProtocolError

__all__ = [
    "Places",
    "broken_protocol",
    "clean",
    "fault_of_call",
    "fault_of_import",
    "fault_of_status",
    "timed_out",
]

_MAX_TEXT = 600
_MAX_LINE = 80

_SIGNALS = {
    signal.SIGSEGV: "a segmentation fault (an access to memory that isn't there)",
    signal.SIGABRT: "an abort (a library refused to go on)",
    signal.SIGBUS: "a bus error (an impossible access to memory)",
    signal.SIGFPE: "an arithmetic error, such as an integer division by zero",
    signal.SIGILL: "an illegal instruction",
    signal.SIGSYS: "a forbidden system call",
    signal.SIGTERM: "a termination signal",
    signal.SIGPIPE: "a broken pipe",
    signal.SIGTRAP: "a trap",
}


class Places:
    """The student's files, to check and to word the places that a worker names."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def word(self, place: Any) -> str | None:
        """`operators.py:12 in matmul: return x @ w`, or None if there is no such place."""
        if type(place) is not list or len(place) != 3:
            return None
        file, line, function = place
        if type(file) is not str or type(line) is not int or type(function) is not str:
            return None
        if file not in self._files:
            return None
        lines = self._files[file].splitlines()
        if not 1 <= line <= max(len(lines), 1):
            return None
        text = f"{file}:{line}"
        if function != "<module>":
            text += f" in {clean(function, _MAX_LINE)}"
        source = lines[line - 1] if line <= len(lines) else b""
        shown = clean(source.decode("utf-8", "replace").strip(), _MAX_LINE)
        return f"{text}: {shown}" if shown else text


def fault_of_call(function: str, header: Mapping[str, Any], places: Places) -> StudentFault:
    """The fault that the reply to a call describes. Raises ProtocolError if it describes none."""
    if header.get("kind") == "missing":
        return StudentMissing(f"the submission does not define `{function}`")
    if header.get("kind") == "invalid":
        return StudentReplyInvalid(_string(header, "text"))
    return _fault(header, places)


def fault_of_import(file: str, header: Mapping[str, Any], places: Places) -> StudentFault:
    """The same for a load of `file`."""
    fault = _fault(header, places)
    if header.get("kind") == "raised" and isinstance(fault, StudentRaised):
        text = f"importing {file} {fault.failure.rationale}"
        return StudentRaised(replace(fault.failure, rationale=text), fault.kind)
    return fault


def _fault(header: Mapping[str, Any], places: Places) -> StudentFault:
    kind = header.get("kind")
    where = places.word(header.get("place"))
    if kind == "raised":
        name, message = _string(header, "type"), _string(header, "message")
        text = f"raised {name}: {message}" if message else f"raised {name}"
        return StudentRaised(Failure(text, where=where), name)
    if kind == "syntax":
        name, message = _string(header, "type"), _string(header, "message")
        file = where.partition(":")[0] if where is not None else "the submission"
        return StudentRaised(Failure(f"{file} is not valid Python: {message}", where=where), name)
    if kind == "source":
        return StudentRaised(Failure(_string(header, "text"), where=where), "SyntaxError")
    if kind == "memory":
        text = "asked for more memory than the limit"
        return StudentOutOfMemory(
            Failure(text, actual=_string(header, "message") or None, where=where)
        )
    if kind == "forbidden":
        text = f"used {_string(header, 'name')}, which this assignment forbids"
        return StudentForbidden(Failure(text, where=where))
    raise ProtocolError("a reply of unknown kind")


def fault_of_status(status: int) -> StudentFault:
    """The fault behind a worker's wait status, when we didn't kill it ourselves."""
    if status & 0x7F == 0:
        code = status >> 8
        if code == WORKER_FAILED:
            return StudentCrashed("left the interpreter in a state in which nothing works any more")
        return StudentCrashed(
            f"ended the whole process with exit status {code} instead of returning"
        )
    number = status & 0x7F
    if number == signal.SIGKILL:
        fault = StudentOutOfMemory(
            "was killed by the system, most likely for using too much memory"
        )
        fault.fatal = True
        return fault
    if number == signal.SIGXCPU:
        return StudentTimedOut("used up all the processor time that one exercise may take")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    words = _SIGNALS.get(signal.Signals(number)) if name[0] == "S" else None
    return StudentCrashed(f"crashed the process: {words} ({name})" if words else f"died of {name}")


def timed_out(seconds: float) -> StudentFault:
    """The fault of a worker that had to be killed at its deadline."""
    return StudentTimedOut(f"gave no answer within {seconds:g} s")


def broken_protocol(error: ProtocolError) -> StudentFault:
    """The fault of a worker that wrote to the grader's channel itself."""
    return StudentCrashed(f"broke the protocol between worker and grader: {error}")


def clean(text: str, limit: int) -> str:
    """Text that is safe to hand on: one short line, no control or direction characters.

    One line, because a report's own lines mean something and could be imitated.
    """
    text = " ⏎ ".join(line.strip() for line in text.splitlines() if line.strip())
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    shown = shown.encode("utf-8", "replace").decode()
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _string(header: Mapping[str, Any], key: str) -> str:
    value = header.get(key)
    if type(value) is not str:
        raise ProtocolError(f"a reply whose {key} is not text")
    return clean(value[: 4 * _MAX_TEXT], _MAX_TEXT)
