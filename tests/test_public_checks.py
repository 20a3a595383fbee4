"""`autograder check`: the public tests of a handout, in this process, said briefly."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.errors import InputError
from autograder.public_checks import run_public_checks

TESTS = """
import things

class TestOneThing:
    def test_right(self):
        assert things.one() == 1, "one() must be 1"
    def test_type(self):
        assert isinstance(things.one(), int)

class TestTwoThings:
    def test_two(self):
        assert things.two() == 2
"""


@pytest.fixture
def handout(tmp_path: Path, monkeypatch) -> Path:
    (tmp_path / "test_public.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(handout: Path, one: str, two: str) -> None:
    (handout / "things.py").write_text(f"def one():\n    {one}\n\ndef two():\n    {two}\n")


def test_all_right(handout, capsys):
    write(handout, "return 1", "return 2")
    assert run_public_checks(None, None) == 0
    assert "✓ one_thing: 2 checks pass" in capsys.readouterr().out


def test_wrong_and_unfinished_are_told_apart(handout, capsys):
    write(handout, "return 3", "raise NotImplementedError('two')")
    assert run_public_checks(None, None) == 1
    out = capsys.readouterr().out
    assert "✗ one_thing: 1 of 2" in out
    assert "one() must be 1" in out
    assert "two_things: 0 of 1, not implemented yet" in out


def test_a_changed_file_is_seen_in_the_same_process(handout, capsys):
    write(handout, "return 3", "return 2")
    assert run_public_checks(None, None) == 1
    write(handout, "return 1", "return 2")
    assert run_public_checks(None, None) == 0


def test_one_exercise_only(handout, capsys):
    write(handout, "return 3", "return 2")
    assert run_public_checks(None, "two_things") == 0
    assert "one_thing" not in capsys.readouterr().out


def test_a_module_that_cannot_be_imported_says_why(handout, capsys):
    (handout / "things.py").write_text("import nothing_like_this\n")
    assert run_public_checks(None, None) == 1
    assert "nothing_like_this" in capsys.readouterr().out


def test_an_unknown_exercise_is_refused(handout):
    write(handout, "return 1", "return 2")
    with pytest.raises(InputError, match="no public checks for 'three'"):
        run_public_checks(None, "three")


def test_elsewhere_the_assignment_must_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="name one: autograder check a1_operators"):
        run_public_checks(None, None)
