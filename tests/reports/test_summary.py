"""The step summary: the right numbers, our faults first, nobody's name, nothing that renders."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.outcome import Failure, Outcome
from autograder.regrade.gradebook import Person
from autograder.reports.summary import step_summary


def test_the_numbers(book):
    text = step_summary(book)
    assert (
        "| students | without a score | mean | median | full marks | zero | rejected | late |"
        in text
    )
    # Ten, eight and 7 + 7 and 7 + 8 + 7 + 0 and 10 of 10: (10+7+8+7+0+8+7+7) / 8
    assert "| 10 | **2** | 6.8 / 10 | 7.0 / 10 | 1 | 1 | 1 | 1 |" in text
    assert "| Matrix multiplication | 6 | 75 % |" in text
    assert "| 2 | matmul | forgets the transpose |" in text


def test_what_needs_staff_comes_first_and_our_faults_before_the_rest(book):
    text = step_summary(book)
    assert text.index("Without a score") < text.index("### Scores")
    assert text.index("no space left on device") < text.index("not a zip file")


def test_names_and_addresses_stay_out(book):
    text = step_summary(book)
    for grade in book.grades:
        for person in grade.people:
            assert person.name not in text
            assert person.email is None or person.email not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(text=st.text(max_size=40))
def test_no_text_makes_a_row_a_tag_or_a_mention(making, text):
    wrong = making.check(
        "bias/forward", Outcome.FAILED,
        failure=Failure("x", misconception=f"{text}<b>|@staff", help=text),
    )  # fmt: skip
    made = making.grade("s", None, making.result(wrong), people=(Person(text),))
    unread = making.grade(f"{text}|<img>", None, None, error=f"{text}\n# <img src=x> | x")
    summary = step_summary(making.gradebook(made, unread, title=f"{text} <b>"))
    for tag in ("<b>", "<img"):
        assert summary.count(tag) == summary.count(f"\\{tag}")
    table = [line for line in summary.splitlines() if line.startswith("| s") or "img" in line]
    assert all(line.replace("\\|", "").count("|") in (4, 9) for line in table)


def test_it_stays_small_for_a_whole_year(making):
    lost = [making.grade(f"submission_{i}", f"S{i}", None, error="x" * 5000) for i in range(3000)]
    text = step_summary(making.gradebook(*lost))
    assert len(text.encode()) < 20_000  # GitHub cuts at 1 MiB
    assert "… and 2980 more" in text


def test_an_empty_book_has_a_summary(making):
    assert "| 0 | 0 | – | – |" in step_summary(making.gradebook())


@pytest.mark.parametrize("finished", [True, False])
def test_an_unfinished_run_says_so(making, finished):
    book = making.gradebook() if finished else making.gradebook(finished=None)
    assert ("(not finished)" in step_summary(book)) is not finished
