"""Late policy and attempts: pure functions of timestamps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.config import Attempts, Late, load_config
from autograder.errors import ConfigError
from autograder.regrade.gradebook import Lateness
from autograder.regrade.late import final_score, lateness
from autograder.regrade.store import Store
from benchmarks.synthetic import answer

DUE = datetime(2026, 10, 10, 12, tzinfo=UTC)
POLICY = Late(due=DUE, grace_minutes=30, per_day=0.2, cap=0.5)


@pytest.mark.parametrize(
    ("after", "days", "factor"),
    [
        (timedelta(days=-9), 0, 1.0),
        (timedelta(0), 0, 1.0),
        (timedelta(minutes=30), 0, 1.0),
        (timedelta(minutes=30, seconds=1), 1, 0.8),
        (timedelta(days=1, minutes=30), 1, 0.8),
        (timedelta(days=1, minutes=31), 2, 0.6),
        (timedelta(days=2, minutes=31), 3, 0.5),
        (timedelta(days=400), 400, 0.5),
    ],
)
def test_every_begun_day_costs_up_to_the_cap(after, days, factor):
    assert lateness(POLICY, DUE + after) == Lateness(days, factor)


def test_zones_are_compared_not_ignored():
    east = timezone(timedelta(hours=2))
    assert lateness(POLICY, DUE.astimezone(east)).days == 0
    assert lateness(POLICY, DUE.replace(tzinfo=east) + timedelta(hours=3)).days == 1


def test_an_extension_wins_over_the_due_date():
    assert lateness(POLICY, DUE + timedelta(days=3), DUE + timedelta(days=3)).days == 0
    assert lateness(Late(per_day=0.1), DUE, DUE - timedelta(hours=1)) == Lateness(1, 0.9)


def test_without_a_time_or_a_due_date_nothing_is_late():
    assert lateness(POLICY, None) is None
    assert lateness(Late(per_day=0.5), DUE) is None
    assert final_score(80.0, None) == 80.0


def test_a_platforms_mark_is_one_day():
    assert lateness(POLICY, None, marked=True) == Lateness(1, 0.8)


def test_no_score_stays_none():
    assert final_score(None, Lateness(1, 0.8)) is None


@given(st.floats(0, 100), st.floats(0.001, 1), st.floats(0.001, 1), st.integers(-(10**6), 10**7))
def test_a_score_never_rises_nor_falls_below_the_cap(raw, per_day, cap, seconds):
    policy = Late(due=DUE, per_day=per_day, cap=cap)
    late = lateness(policy, DUE + timedelta(seconds=seconds))
    score = final_score(raw, late)
    assert raw * (1 - cap) - 0.006 <= score <= raw + 0.006
    assert (late.days == 0) == (seconds <= 0)


def config(tmp_path, text):
    path = tmp_path / "a9.toml"
    path.write_text(
        'title = "x"\nfiles = ["a.py"]\n'
        '[[exercises]]\nid = "e"\ntitle = "E"\npoints = 1\nfunctions = ["f"]\n' + text
    )
    return load_config(path)


def test_the_policy_comes_from_the_config(tmp_path):
    late = config(
        tmp_path,
        "[late]\ndue = 2026-10-10T14:00:00+02:00\ngrace_minutes = 30\nper_day = 0.2\ncap = 0.5\n"
        'attempts = "best"\n',
    ).late
    assert late == Late(DUE, 30, 0.2, 0.5, Attempts.BEST)
    assert Late.from_json(late.to_json()) == late
    assert config(tmp_path, "").late == Late()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("due = 2026-10-10T14:00:00", "with an offset from UTC, such as 2026-10-20T23:59:00+02:00"),
        ('due = "tomorrow"', "date and time with an offset"),
        ("per_day = 10", "at most 1, not 10; write 0.1 for 10 %"),
        ("per_day = -0.1", "must be a positive number"),
        ("cap = 0", "must be a positive number"),
        ('attempts = "bets"', "did you mean 'best'"),
        ("grace = 5", "unknown key 'grace'; did you mean 'grace_minutes'"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(tmp_path, text, line):
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, f"[late]\n{text}\n")
    assert "[late]" in str(refused.value)
    assert line in str(refused.value)


@pytest.mark.parametrize(
    ("attempts", "counting"), [(Attempts.LAST, "submission_3"), (Attempts.BEST, "submission_1")]
)
def test_one_attempt_of_the_same_people_counts(regrade, tmp_path, attempts, counting):
    entries = {
        1: ("2026-10-09 11:00:00 Z", answer(1, 1)),
        2: ("2026-10-09 12:00:00 Z", answer(0)),
        3: ("2026-10-09 13:00:00 Z", answer(1)),
        4: ("2026-10-09 14:00:00 Z", "# fault"),
    }
    text = ""
    for key, (created, answered) in entries.items():
        (tmp_path / "export" / f"submission_{key}").mkdir(parents=True)
        (tmp_path / "export" / f"submission_{key}" / "answer.py").write_text(answered)
        text += (
            f"submission_{key}:\n  :submitters:\n  - :name: Ada\n    :sid: 7\n"
            f"  :created_at: {created}\n"
        )
    (tmp_path / "export" / "submission_metadata.yml").write_text(text)
    regrade(tmp_path / "export", config={"late": Late(attempts=attempts)})
    with Store(regrade.path) as store:
        grades = store.gradebook().grades
    assert [grade.submission for grade in grades if grade.counts] == [counting]


def test_namesakes_without_an_id_are_two_people(regrade, tmp_path):
    text = ""
    for key in (1, 2):
        (tmp_path / "export" / f"submission_{key}").mkdir(parents=True)
        (tmp_path / "export" / f"submission_{key}" / "answer.py").write_text(answer(key / 2))
        text += f"submission_{key}:\n  :submitters:\n  - :name: John Smith\n"
    (tmp_path / "export" / "submission_metadata.yml").write_text(text)
    regrade(tmp_path / "export")
    with Store(regrade.path) as store:
        assert [grade.counts for grade in store.gradebook().grades] == [True, True]
