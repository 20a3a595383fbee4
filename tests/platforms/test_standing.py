"""Due dates and earlier attempts, from Gradescope's metadata to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from autograder.config import Attempts, Late
from autograder.errors import InputError
from autograder.platforms.gradescope_metadata import Metadata, Previous, read_metadata
from autograder.platforms.standing import apply_rules

DUE = "2026-10-02T23:59:00-07:00"
POLICY = Late(per_day=0.1, cap=0.5)


def report(**changes) -> dict:
    return {"score": 80.0, "output": "", "leaderboard": [], "extra_data": {}} | changes


def metadata(tmp_path: Path, **changes) -> Metadata:
    data = {"id": 7, "created_at": "2026-10-02T20:00:00-07:00", "assignment": {"due_date": DUE}}
    path = tmp_path / "submission_metadata.json"
    path.write_text(json.dumps(data | changes))
    return read_metadata(path)


def test_on_time_nothing_changes(tmp_path):
    made = report()
    apply_rules(made, POLICY, metadata(tmp_path))
    assert made["score"] == 80.0
    assert made["output"] == ""
    assert made["extra_data"]["raw_score"] == 80.0


def test_late_by_created_at_in_any_zone(tmp_path):
    made = report()
    # 03:00 UTC on the 4th is 20:00 on the 3rd where the course is: one day.
    apply_rules(made, POLICY, metadata(tmp_path, created_at="2026-10-04T03:00:00+00:00"))
    assert made["score"] == 72.0
    assert made["output"] == "\nHanded in 1 day late: 90 % of the points count."
    assert made["extra_data"]["days_late"] == 1


def test_an_extension_is_the_persons(tmp_path):
    made = report()
    users = [{"name": "Ada", "assignment": {"due_date": "2026-10-09T23:59:00-07:00"}}]
    apply_rules(
        made, POLICY, metadata(tmp_path, created_at="2026-10-08T12:00:00-07:00", users=users)
    )
    assert made["score"] == 80.0


def test_without_a_policy_lateness_costs_nothing(tmp_path):
    made = report()
    apply_rules(made, Late(), metadata(tmp_path, created_at="2026-12-01T00:00:00Z"))
    assert made["score"] == 80.0


def test_a_report_without_a_score_gets_none(tmp_path):
    made = report()
    del made["score"]
    apply_rules(made, POLICY, metadata(tmp_path, created_at="2026-12-01T00:00:00Z"))
    assert "score" not in made
    assert made["output"] == ""


def earlier(score: float | None, **boards: float) -> Previous:
    results = {"leaderboard": [{"name": n, "value": v} for n, v in boards.items()]}
    return Previous(None, score, failed=score is None, results=results)


def test_the_best_attempt_counts_if_the_policy_says_so():
    before = Metadata(previous=(earlier(95.0), earlier(None), earlier(60.0)))
    last, best = report(), report()
    apply_rules(last, Late(), before)
    apply_rules(best, Late(attempts=Attempts.BEST), before)
    assert (last["score"], best["score"]) == (80.0, 95.0)
    assert "An earlier submission of yours scored higher" in best["output"]
    assert "95" not in best["output"]
    assert best["extra_data"]["raw_score"] == 80.0
    assert best["extra_data"]["attempt"] == 4


def test_the_best_value_stays_on_the_leaderboard():
    board = [
        {"name": "seconds", "value": 2.0, "order": "asc"},
        {"name": "points", "value": 7.0, "order": "desc"},
        {"name": "stars", "value": "**", "order": "desc"},
    ]
    made = report(leaderboard=board)
    before = Metadata(previous=(earlier(1.0, seconds=1.5, points=6.0, stars=9.0),))
    apply_rules(made, Late(attempts=Attempts.BEST), before)
    assert [entry["value"] for entry in made["leaderboard"]] == [1.5, 7.0, "**"]


def test_a_file_that_is_read_in_full(tmp_path):
    found = metadata(
        tmp_path,
        assignment={"due_date": DUE, "late_due_date": None, "title": "A1", "total_points": "20.0"},
        users=[{"name": "Ada", "email": "", "id": 1}, {"name": "Carl"}],
        previous_submissions=[
            {"submission_time": "2026-10-01T00:00:00Z", "score": 1.5, "results": {"tests": []}},
            {"submission_time": "2026-10-01T01:00:00Z", "score": None, "autograder_error": True},
        ],
    )
    assert found.title == "A1"
    assert found.total_points == 20.0
    assert found.late_due is None
    assert found.people == ("Ada", "Carl")
    assert [(p.score, p.failed) for p in found.previous] == [(1.5, False), (None, True)]


@pytest.mark.parametrize("stamp", ["2026-10-02T20:00:00", "soon", 12, None, "9999"])
def test_a_time_without_a_zone_is_no_time(tmp_path, stamp):
    assert metadata(tmp_path, created_at=stamp).created_at is None


@pytest.mark.parametrize("points", ["NaN", "inf", "many", True, [], None])
def test_points_that_are_no_number_are_none(tmp_path, points):
    assert metadata(tmp_path, assignment={"total_points": points}).total_points is None


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"submission_metadata\.json: is missing"):
        read_metadata(tmp_path / "submission_metadata.json")
