"""What the checks of the image share: the image, a folder per run, and one way to grade."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import LIMITS, Done, Engine

RUN = "/autograder/run_autograder"
OUR_FAULT = "a fault of the autograder|in the autograder, not in your code"
METADATA = {
    "id": 1, "created_at": "2026-10-01T10:00:00-07:00", "assignment": {"total_points": "100.0"},
    "users": [{"name": "Ada Lovelace", "email": "ada@example.edu", "id": 1}],
    "previous_submissions": [],
}  # fmt: skip

# Beside the grade, the kernel's own count of memory: all there was, and what wasn't a file's.
_MEASURED = """
( while :; do
    grep -hE -m1 '^(total_rss|anon) ' /sys/fs/cgroup/memory/memory.stat /sys/fs/cgroup/memory.stat \
      >>/tmp/anon 2>/dev/null; sleep 0.3
  done ) & watcher=$!
/autograder/run_autograder; code=$?
kill $watcher
echo "peak-anon $(sort -k2 -n /tmp/anon | tail -1)" >&2
echo "peak-all $(cat /sys/fs/cgroup/memory/memory.max_usage_in_bytes \
  /sys/fs/cgroup/memory.peak 2>/dev/null)" >&2
exit $code
"""


class Wrong(Exception):
    """What is not as it should be."""


def demand(holds: object, what: object) -> None:
    if not holds:
        raise Wrong(str(what))


@dataclass(frozen=True, slots=True)
class Graded:
    """One run of run_autograder: how the container ended, and the results.json it left."""

    done: Done
    report: dict[str, Any]

    @property
    def log(self) -> list[str]:
        """What staff read: the lines of ours."""
        return [line for line in self.done.err.splitlines() if line.startswith("autograder: ")]

    @property
    def score(self) -> Any:
        return self.report.get("score")

    @property
    def isolation(self) -> dict[str, str]:
        return dict(self.report["extra_data"].get("isolation", {}))

    def demand_our_fault(self, *words: str) -> None:
        """No score, a sentence that a student can read, the reason in the log."""
        demand(self.done.code == 2, f"exit status {self.done.code}: {self.done.err}")
        demand("score" not in self.report, f"there is a score: {self.score}")
        demand(not any("score" in test for test in self.report["tests"]), "a check has a score")
        demand(re.search(OUR_FAULT, self.report["output"]), self.report["output"])
        faults = [line for line in self.log if "fault of the grader" in line]
        demand(len(faults) == 1, f"{len(faults)} lines about the fault: {self.done.err}")
        for word in words:
            demand(word in faults[0], f"{word!r} is not in: {faults[0]}")


@dataclass(frozen=True, slots=True)
class Lab:
    """Where the image is tried out. `arguments` are those that it was built with."""

    engine: Engine
    image: str
    assignment: str
    course: Path
    work: Path
    arguments: Mapping[str, str]

    @property
    def cohort(self) -> Path:
        return self.course / "examples" / "cohort" / self.assignment

    @property
    def solution(self) -> Path:
        return self.course / "solutions" / self.assignment

    def place(self, name: str, submission: Path | None = None, *, world: bool = False) -> Path:
        """A folder laid out as /autograder, with one submission (none: an empty one) in it."""
        place = self.work / name
        shutil.rmtree(place, ignore_errors=True)
        (place / "results").mkdir(parents=True)
        if submission is None:
            (place / "submission").mkdir()
        else:
            shutil.copytree(submission, place / "submission")
        (place / "submission_metadata.json").write_text(json.dumps(METADATA))
        if world:
            (place / "results").chmod(0o777)
        return place

    def mounts(self, place: Path) -> list[str]:
        """The options that put a place where the platform has it."""
        at = "/autograder"
        options = [
            f"--volume={place}/submission:{at}/submission:ro",
            f"--volume={place}/results:{at}/results",
        ]
        metadata = place / "submission_metadata.json"
        if metadata.exists():
            options.append(f"--volume={metadata}:{at}/submission_metadata.json:ro")
        return options

    def grade(
        self,
        place: Path,
        *options: str,
        image: str | None = None,
        limits: Sequence[str] = LIMITS,
        measured: bool = False,
    ) -> Graded:
        """Run run_autograder in a fresh container, and read what it left."""
        command = ["sh", "-c", _MEASURED] if measured else [RUN]
        done = self.engine.run(
            image or self.image, command, *self.mounts(place), *options, limits=limits
        )
        return Graded(done, read_report(place))


def read_report(place: Path) -> dict[str, Any]:
    """The results.json of a place: valid JSON of the right form, or Wrong."""
    path = place / "results" / "results.json"
    demand(path.is_file(), f"no results.json in {place.name}")
    try:
        report = json.loads(path.read_text(), parse_constant=_refuse)
    except ValueError as error:
        raise Wrong(f"{place.name}: results.json is not valid JSON: {error}") from None
    demand(isinstance(report.get("tests"), list), "results.json has no tests")
    demand(isinstance(report.get("output"), str) and report["output"], "results.json says nothing")
    return dict(report)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
