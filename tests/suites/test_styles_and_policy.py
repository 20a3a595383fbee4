"""What is graded as right is also allowed: no honest style breaks its assignment's policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.config import load_config
from autograder.policy import check_source

FOLDERS = {"a1": "a1_operators", "a2_styles": "a2_losses", "a3": "a3_convolution",
           "a4": "a4_optimizers"}  # fmt: skip
STYLES = [
    (path, assignment)
    for folder, assignment in FOLDERS.items()
    for path in sorted((Path(__file__).parent / folder).glob("*.py"))
]


@pytest.mark.parametrize(
    ("path", "assignment"), STYLES, ids=lambda value: getattr(value, "stem", value)
)
def test_no_honest_style_breaks_the_policy(course, path, assignment):
    config = load_config(course.config(assignment))
    report = check_source(path.read_bytes(), config.files[0], config.functions, config.policy)
    found = [*report.module_level, *report.elsewhere]
    found += [violation for violations in report.by_function.values() for violation in violations]
    assert [violation.message for violation in found] == []
