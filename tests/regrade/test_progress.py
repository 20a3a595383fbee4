"""Progress: a bar on a terminal, a line now and then elsewhere, and nothing on stdout."""

from __future__ import annotations

import io

import pytest

from autograder.regrade import progress
from autograder.regrade.progress import clock, rate, show_progress


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_elsewhere_a_line_every_ten_seconds(time, capsys):
    stream = io.StringIO()
    with show_progress(200, stream) as advance:
        for _ in range(8):
            time.now += 4
            advance("ada", 5)
    assert stream.getvalue() == "[15/200] 1.2/s, 2:28 left\n[30/200] 1.2/s, 2:16 left\n"
    assert capsys.readouterr().out == ""


def test_a_quick_run_says_nothing(time):
    stream = io.StringIO()
    with show_progress(5000, stream) as advance:
        for _ in range(5000):
            advance("ada", 1)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar_with_a_rate(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with show_progress(2, stream) as advance:
        advance("[red]ada\x1b[2J", 1)
        advance("bob", 1)
    assert "2/2" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue(), "a name moved the cursor"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (754, "12:34"), (3600, "1:00:00")]
)
def test_time_left_is_a_clock(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(("speed", "text"), [(12.34, "12.3/s"), (0.5, "30.0/min")])
def test_a_slow_rate_is_per_minute(speed, text):
    assert rate(speed) == text
