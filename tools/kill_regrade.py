"""Kill a regrade with SIGKILL at random moments, resume it each time, and look at what is stored.

    python -m tools.kill_regrade [--kills 30] [--seed 0]

A synthetic cohort is graded by real processes. In the end the store must hold exactly what an
undisturbed run stores: nothing lost, nothing twice, and no process may be left behind. Exit code 1
if not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.course import Course
from autograder.pool import LocalEngine
from autograder.regrade.batch import regrade
from autograder.regrade.fingerprint import take_fingerprint
from autograder.regrade.lock import StoreLock
from autograder.regrade.records import Plan
from autograder.regrade.sources import open_source
from autograder.regrade.store import Store
from autograder.sandbox import Isolation
from benchmarks import synthetic

ROOT = Path(__file__).resolve().parent.parent
SUBMISSIONS = 40
SECONDS_EACH = 0.03


def run(folder: Path, store: Path) -> None:
    """One regrade of the cohort in `folder`, by two processes."""
    assignment = synthetic.make_course(folder / "course")
    course = Course(folder / "course")
    cohort = folder / "cohort"
    source = open_source(cohort, assignment.config.files, max_bytes=2**16)
    # Somebody may be editing the package meanwhile, which is a reason to grade again.
    fingerprint = replace(take_fingerprint(assignment, "none"), package="the same")
    plan = Plan(assignment.config, fingerprint, str(cohort))

    def engine() -> LocalEngine:
        return LocalEngine(
            course, assignment.id, processes=2, isolation=Isolation.NONE, task=synthetic.task
        )

    with StoreLock(store), Store(store, write=True) as opened:
        regrade(opened, plan, source, engine)


def ordeal(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill `kills` runs before their end, resume each, and count what happened.

    Whenever a run gets to its end its store is judged: `lost`, `doubled` and `different` must be 0.
    """
    chance = random.Random(seed)
    for i in range(SUBMISSIONS):
        student = folder / "cohort" / f"s{i:03d}"
        student.mkdir(parents=True)
        words = f"sleep {SECONDS_EACH}, submission {i}"
        text = synthetic.answer(i / SUBMISSIONS, 1, chance.random(), words=words)
        (student / "answer.py").write_text(text)
    began = time.monotonic()
    _start(folder, folder / "calm.db").wait()
    whole = time.monotonic() - began
    calm, found = content(folder / "calm.db"), Counter[str]()
    store = folder / "killed.db"
    while found["landed"] < kills:
        process = _start(folder, store)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.2, 0.9) * whole)
        if process.poll() is not None:
            _judge(found, calm, content(store))
            store.unlink()
            continue
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        _wait_for_group(process.pid)
        found["landed"] += 1
    last = _start(folder, store)
    if last.wait() != 0:
        raise RuntimeError(f"the last run ended with {last.returncode}")
    _judge(found, calm, content(store))
    return found


def _judge(found: Counter[str], calm: dict[str, Any], killed: dict[str, Any]) -> None:
    found["finished"] += 1
    found["lost"] += len(calm["results"].keys() - killed["results"].keys())
    found["doubled"] += sum(count - 1 for count in killed["results"].values())
    found["different"] += sum(calm[part] != killed[part] for part in calm)


def content(store: Path) -> dict[str, Any]:
    """What a store holds, without what differs from one run to the next: ids and times."""
    connection = sqlite3.connect(store)
    if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        raise RuntimeError(f"{store} is damaged")
    results = connection.execute(
        "SELECT submission, suite, config, package, environment, status, score, json "
        "FROM results r JOIN fingerprints f ON f.id = r.fingerprint"
    ).fetchall()
    submissions = connection.execute(
        "SELECT s.run, s.name, s.digest, s.people, s.error, r.submission, r.score "
        "FROM submissions s LEFT JOIN results r ON r.id = s.result ORDER BY s.run, s.name"
    ).fetchall()
    checks = connection.execute(
        "SELECT r.submission, i.name, c.outcome, c.score FROM checks c "
        "JOIN results r ON r.id = c.result JOIN check_ids i ON i.id = c.check_id ORDER BY 1, 2"
    ).fetchall()
    runs = connection.execute("SELECT id, finished IS NOT NULL FROM runs").fetchall()
    connection.close()
    return {
        "results": Counter((*row[:-1], zlib.decompress(row[-1])) for row in results),
        "submissions": submissions,
        "checks": checks,
        "runs": runs,
    }


def _start(folder: Path, store: Path) -> subprocess.Popen[bytes]:
    # What a killed process leaves to its resource tracker is not worth a warning here.
    command = [sys.executable, "-W", "ignore", "-m", "tools.kill_regrade", "--run", folder, store]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def _wait_for_group(group: int, seconds: float = 20) -> None:
    """Until the last process of a killed run is gone; raises RuntimeError if one stays."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise RuntimeError(f"process group {group} survived its parent")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run(*options.run)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = ordeal(Path(folder), options.kills, options.seed)
    print(
        f"{found['landed']} kills, {found['finished']} runs that got to their end: "
        f"{found['lost']} results lost, {found['doubled']} doubled, "
        f"{found['different']} tables different from an undisturbed run's"
    )
    return 1 if found["lost"] or found["doubled"] or found["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
