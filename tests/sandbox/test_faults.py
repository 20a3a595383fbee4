"""Hostile words from a worker become safe, short text for a student."""

from __future__ import annotations

import signal

import pytest

from autograder.sandbox.faults import Places, clean, fault_of_call, fault_of_status
from autograder.sandbox.protocol import ProtocolError
from autograder.student import StudentCrashed, StudentOutOfMemory, StudentTimedOut

PLACES = Places({"operators.py": b"import torch\ndef f(x):\n    return x\n\x1b[31m\xff\n"})


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (["operators.py", 3, "f"], "operators.py:3 in f: return x"),
        (["operators.py", 1, "<module>"], "operators.py:1: import torch"),
        (["operators.py", 4, "\u202e"], "operators.py:4 in \ufffd: \ufffd[31m\ufffd"),
        (["operators.py", 0, "f"], None),
        (["operators.py", 9, "f"], None),
        (["operators.py", -1, "f"], None),
        (["operators.py", True, "f"], None),
        (["/etc/passwd", 1, "f"], None),
        ([["operators.py"], 1, "f"], None),
        (["operators.py", 1], None),
        ("operators.py:1", None),
        (None, None),
    ],
)
def test_only_places_in_the_students_files_are_shown(place: object, text: str | None) -> None:
    assert PLACES.word(place) == text


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"kind": "value"},
        {"kind": ["raised"]},
        {"kind": "raised"},
        {"kind": "raised", "type": "E", "message": None},
        {"kind": "forbidden"},
        {"kind": "invalid", "text": 5},
        {"kind": "memory"},
    ],
)
def test_a_reply_that_describes_no_fault_breaks_the_protocol(header: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        fault_of_call("f", header, PLACES)


def test_long_and_dangerous_text_is_cut_and_cleaned() -> None:
    fault = fault_of_call(
        "f", {"kind": "raised", "type": "E" * 9999, "message": "\x1b\u202e\ud800" * 9999}, PLACES
    )
    text = fault.failure.rationale
    assert len(text) < 1300
    assert text.isprintable()
    assert clean("a\n\n b\tc\0", 10) == "a ⏎ b\ufffdc\ufffd"


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (0, StudentCrashed, "exit status 0 instead of returning"),
        (3 << 8, StudentCrashed, "exit status 3"),
        (70 << 8, StudentCrashed, "left the interpreter in a state in which nothing works"),
        (signal.SIGSEGV, StudentCrashed, "a segmentation fault"),
        (signal.SIGSEGV | 0x80, StudentCrashed, "a segmentation fault"),
        (signal.SIGBUS, StudentCrashed, "a bus error"),
        (signal.SIGUSR1, StudentCrashed, "SIGUSR1"),
        (60, StudentCrashed, "signal 60"),
        (signal.SIGKILL, StudentOutOfMemory, "using too much memory"),
        (signal.SIGXCPU, StudentTimedOut, "processor time"),
    ],
)
def test_every_way_to_die_has_words(status: int, kind: type[Exception], text: str) -> None:
    fault = fault_of_status(status)
    assert type(fault) is kind
    assert fault.fatal
    assert text in fault.failure.rationale
