"""The example cohort, graded inside and outside the image: the same reports, word for word."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab import Lab, Wrong, demand

from autograder.assignment import load_assignment
from autograder.course import Course
from autograder.reports.gradescope import gradescope
from autograder.submission import read_submission

__all__ = ["compare_cohort"]

# Without --all: partly done, no usable file, exits, forbidden, in a folder within a folder.
_SOME = ("submission_104", "submission_108", "submission_110", "submission_111", "submission_112")


def compare_cohort(lab: Lab, everything: bool) -> str:
    entries = sorted(path for path in lab.cohort.iterdir() if path.is_dir())
    if not everything:
        entries = [path for path in entries if path.name in _SOME]
    _demand_same_course(lab)
    outside = _graded_outside(lab, entries)
    seconds = []
    with ThreadPoolExecutor(2) as pool:
        for entry, graded in zip(
            entries,
            pool.map(lambda e: lab.grade(lab.place(f"in-{e.name}", e)), entries),
            strict=True,
        ):
            demand(graded.done.code == 0, f"{entry.name}: {graded.done.err}")
            seconds.append(graded.done.seconds)
            _demand_equal(entry.name, graded.report, outside[entry.name])
    return (
        f"{len(entries)} submissions equal, {min(seconds):.0f} to {max(seconds):.0f} s each "
        "in half a core"
    )


_DIGEST = """
import sys
from pathlib import Path
from autograder.assignment import load_assignment
from autograder.course import Course
print(load_assignment(Course(Path(sys.argv[1])), sys.argv[2]).digest)
"""


def _demand_same_course(lab: Lab) -> None:
    """Or somebody has edited the suite since the image was built."""
    program = ["/opt/autograder/venv/bin/python", "-P", "-c", _DIGEST]
    inside = lab.engine.run(lab.image, [*program, "/opt/autograder/course", lab.assignment])
    demand(inside.code == 0, inside.err)
    outside = load_assignment(Course(lab.course), lab.assignment).digest
    demand(inside.out.strip() == outside, "the checkout has changed since the image was built")


def _graded_outside(lab: Lab, entries: list[Path]) -> dict[str, dict[str, Any]]:
    from autograder.grade import Grader

    chosen = load_assignment(Course(lab.course), lab.assignment)
    most = chosen.config.limits.submission_kib * 1024
    with Grader(chosen) as grader:
        return {
            entry.name: gradescope(
                grader.grade(read_submission(entry, chosen.config.files, max_bytes=most))
            )
            for entry in entries
        }


def _demand_equal(name: str, inside: dict[str, Any], outside: dict[str, Any]) -> None:
    here, there = _comparable(outside), _comparable(inside)
    if here == there:
        return
    versions = [report["extra_data"]["versions"] for report in (inside, outside)]
    for key in here.keys() | there.keys():
        if key != "tests" and here.get(key) != there.get(key):
            raise Wrong(
                f"{name}: {key} differs: inside {there.get(key)!r}, outside {here.get(key)!r} "
                f"(versions: {versions})"
            )
    for a, b in zip(there["tests"], here["tests"], strict=True):
        demand(a == b, f"{name}: inside {json.dumps(a)}\noutside {json.dumps(b)}")


def _comparable(report: dict[str, Any]) -> dict[str, Any]:
    """Without what may differ between two machines.

    How long it took; how a time-out is worded (its seconds, too, double on half a core); which
    Python; how the user id is had (a Python in root's home needs a capability for it); what only
    Gradescope knows (attempt, time); and the times that a speed exercise tells, with the points
    it gave for them.
    """
    kept = json.loads(json.dumps(report))
    kept.pop("execution_time")
    extra = kept["extra_data"]
    kept["extra_data"] = {k: extra[k] for k in ("assignment", "status", "complete")}
    kept["extra_data"]["layers"] = {k: v.split(" ")[0] for k, v in extra["isolation"].items()}
    kept["extra_data"]["torch"] = extra["versions"]["torch"]
    for test in kept["tests"]:
        if test["extra_data"]["outcome"] == "timed_out":
            # No answer in time, or none left to ask in: that depends on how busy a machine is.
            test["output"] = "timed out"
    timed = [test for test in kept["tests"] if "speed" in test["tags"]]
    for test in timed:
        test["output"] = test["score"] = test["status"] = None
    if timed:
        kept.pop("score")
        kept.pop("output")
    return kept
