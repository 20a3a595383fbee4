"""Two hundred wrong answers, regraded twice: the same results, and no work the second time."""

from __future__ import annotations

import ast
import hashlib
from itertools import islice

import pytest

from autograder.pool import LocalEngine
from autograder.regrade.store import Store
from autograder.sandbox import Isolation
from benchmarks.synthetic import task
from tools.mutate import mutants

COUNT = 200


@pytest.fixture
def mutated(operators, tmp_path):
    """Mutants of a real solution, each with shares of points that follow from its text."""
    source = ast.unparse(ast.parse(operators.solution_files["operators.py"])) + "\n"
    found = dict.fromkeys(mutant.source for mutant in islice(mutants(source), COUNT + 20))
    assert len(found) >= COUNT
    for i, text in enumerate(list(found)[:COUNT]):
        digest = hashlib.sha256(text.encode()).digest()
        shares = zip(("alpha", "beta", "gamma"), digest, strict=False)
        head = "".join(f"{name} = {byte / 255:.3f}\n" for name, byte in shares)
        folder = tmp_path / "mutants" / f"m{i:03d}"
        folder.mkdir(parents=True)
        (folder / "answer.py").write_text(head + text.replace("raise", "# raised:"))
    return tmp_path / "mutants"


def test_two_hundred_mutants_regraded_twice_have_identical_results(
    regrade, assignment, mutated, course
):
    from autograder.course import Course

    def engine():
        return LocalEngine(
            Course(assignment.handout.parents[1]), assignment.id, processes=2,
            isolation=Isolation.NONE, task=task,
        )  # fmt: skip

    _, first = regrade(mutated, make_engine=engine)
    assert (first.graded, first.known, first.faults) == (COUNT, 0, 0)
    _, second = regrade(mutated, make_engine=lambda: pytest.fail("something was graded again"))
    assert (second.graded, second.known) == (0, COUNT)
    results = []
    regrade.path = regrade.path.with_name("again.db")
    regrade(mutated, make_engine=engine)
    for path in (regrade.path.with_name("grades.db"), regrade.path):
        with Store(path) as store:
            results.append({g.submission: g.result for g in store.gradebook().grades})
    assert results[0] == results[1]
    assert len({result.score for result in results[0].values()}) > 20
