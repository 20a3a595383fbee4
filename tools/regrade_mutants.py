"""Regrade mutants of a solution twice, with the real suite, and compare every result.

    python -m tools.regrade_mutants a1_operators [--count 200] [-j N]

Both times everything is graded, into two stores. All but times must be the same, to the letter.
Exit code 1 if not. This takes as long as grading twice as many submissions.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from autograder.assignment import load_assignment
from autograder.course import find_course
from autograder.pool import LocalEngine
from autograder.regrade.batch import regrade
from autograder.regrade.fingerprint import take_fingerprint
from autograder.regrade.records import Plan
from autograder.regrade.sources import open_source
from autograder.regrade.store import Store
from autograder.result import Result
from tools.mutate import mutants


def timeless(result: Result | None) -> Any:
    """A result in JSON without what no two runs share: how long it took."""
    if result is None:
        return None
    checks = [replace(e, checks=tuple(replace(c, seconds=0.0) for c in e.checks))
              for e in result.exercises]  # fmt: skip
    return replace(result, exercises=tuple(checks), seconds=0.0).to_json()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignment")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("-j", "--jobs", type=int)
    options = parser.parse_args()
    course = find_course()
    assignment = load_assignment(course, options.assignment)
    main_file = assignment.config.files[0]
    source = ast.unparse(ast.parse(assignment.solution_files[main_file])) + "\n"
    found = list(dict.fromkeys(mutant.source for mutant in mutants(source)))
    chosen = found[:: max(1, len(found) // options.count)][: options.count]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, text in enumerate(chosen):
            student = folder / "cohort" / f"mutant{i:04d}"
            student.mkdir(parents=True)
            (student / main_file).write_text(text)
        cohort = open_source(folder / "cohort", assignment.config.files, max_bytes=2**20)
        plan = Plan(assignment.config, take_fingerprint(assignment, "auto"), "mutants")
        books = []
        for round_ in ("first", "second"):
            with Store(folder / f"{round_}.db", write=True) as store:
                _, tally = regrade(
                    store, plan, cohort,
                    lambda: LocalEngine(course, assignment.id, processes=options.jobs),
                )  # fmt: skip
                print(f"{round_}: {tally.graded} graded, {tally.faults} faults", file=sys.stderr)
                books.append({g.submission: timeless(g.result) for g in store.gradebook().grades})
    different = [name for name in books[0] if books[0][name] != books[1].get(name)]
    for name in different[:5]:
        print(f"{name}:", *_difference(books[0][name], books[1][name]), sep="\n  ")
    scores = {book["score"] for book in books[0].values()}
    print(
        f"{assignment.id}: {len(chosen)} mutants graded twice, {len(different)} results differ "
        f"({len(scores)} different scores)"
    )
    return 1 if different else 0


def _difference(first: Any, second: Any) -> list[str]:
    lines = [
        json.dumps(result, indent=1, sort_keys=True).splitlines() for result in (first, second)
    ]
    return [f"{a.strip()}  |  {b.strip()}" for a, b in zip(*lines, strict=False) if a != b][:5]


if __name__ == "__main__":
    sys.exit(main())
