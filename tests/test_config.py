"""Grading configs: what is accepted, and how each mistake is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.config import Feedback, Visibility, load_config
from autograder.errors import ConfigError

GOOD = """
title = "Two things"
files = ["things.py", "more.py"]

[limits]
call_seconds = 2

[feedback]
level = "summary"

[[exercises]]
id = "one"
title = "One"
points = 3
functions = ["first", "second"]

[[exercises]]
id = "two"
title = "Two"
points = 1.5
functions = ["second", "third"]
visibility = "after_published"
"""


def config_from(tmp_path: Path, text: str):
    path = tmp_path / "a9_things.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def test_a_config_is_read_with_its_defaults(tmp_path):
    config = config_from(tmp_path, GOOD)
    assert (config.id, config.title, config.module) == ("a9_things", "Two things", "things")
    assert config.functions == ("first", "second", "third")
    assert config.max_score == 4.5
    assert config.limits.call_seconds == 2
    assert config.limits.exercise_seconds == 30
    assert config.feedback is Feedback.SUMMARY
    assert config.exercise("two").visibility is Visibility.AFTER_PUBLISHED
    assert config.exercise("one").visibility is Visibility.VISIBLE


def test_an_exercise_that_does_not_exist_is_a_key_error(tmp_path):
    with pytest.raises(KeyError):
        config_from(tmp_path, GOOD).exercise("three")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title = \"Two things\"", "titel = \"Two things\"", "the key 'title' is missing; did you mean it by 'titel'"),
        ("points = 3", "point = 3", r"exercises\[0\]: the key 'points' is missing; did you mean it by 'point'"),
        ("points = 3", "points = -1", "points must be a positive number, not -1"),
        ("points = 3", "points = true", "points must be a positive number, not True"),
        ("points = 3", "points = nan", "points must be a positive number, not nan"),
        ("call_seconds = 2", "call_second = 2", r"\[limits\]: unknown key 'call_second'; did you mean 'call_seconds'"),
        ("call_seconds = 2", "call_seconds = \"2\"", "call_seconds must be a positive number"),
        ("level = \"summary\"", "level = \"sumary\"", "level = 'sumary' is not one of full, summary, none; did you mean 'summary'"),
        ("id = \"two\"", "id = \"one\"", "the id 'one' appears twice"),
        ("files = [\"things.py\", \"more.py\"]", "files = []", "files must be a non-empty list"),
        ("files = [\"things.py\", \"more.py\"]", "files = [\"../things.py\"]", "is not the name of a Python module"),
        ("functions = [\"first\", \"second\"]", "functions = \"first\"", "functions must be a non-empty list of strings"),
        ("[feedback]", "[feedbak]", "unknown key 'feedbak'; did you mean 'feedback'"),
        ("title = \"One\"", "title = \"\"", "title must be a non-empty string"),
        ("visibility = \"after_published\"", "visibility = \"never\"", "visibility = 'never' is not one of visible, hidden"),
        ("[limits]", "[policy]\nrules = [\"no-autodif\"]\n[limits]", "no-autodif"),
        ("[limits]", "limits = 3\n[limit]", "must be a table"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_by_file_and_key(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ConfigError, match=message) as refused:
        config_from(tmp_path, GOOD.replace(old, new, 1))
    assert "a9_things.toml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_broken_toml_names_the_place(tmp_path):
    with pytest.raises(ConfigError, match=r"not valid TOML: .*line 3"):
        config_from(tmp_path, 'title = "x"\nfiles = [\n]]')


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_config(tmp_path / "a0.toml")


def test_a_config_without_exercises_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="the key 'exercises' is missing"):
        config_from(tmp_path, 'title = "x"\nfiles = ["x.py"]\n')
