"""What is allowed is never flagged, however unusual it looks."""

from __future__ import annotations

import builtins
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from .conftest import COURSE, Snippet, all_of, check, course_policy, snippets

HONEST = [*snippets("honest_names"), *snippets("honest_styles")]


@pytest.mark.parametrize("snippet", HONEST, ids=lambda snippet: snippet.title)
def test_an_honest_snippet_is_not_flagged_anywhere(snippet: Snippet) -> None:
    assert all_of(check(snippet.source)) == []


@pytest.mark.parametrize("snippet", HONEST, ids=lambda snippet: snippet.title)
def test_an_honest_snippet_works(snippet: Snippet) -> None:
    """Else it would prove nothing."""
    module = ModuleType("student")
    vars(module).update(__builtins__=builtins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(snippet.source, "student.py", "exec", dont_inherit=True), vars(module))
        module.f(torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64))


def test_there_are_many_honest_snippets_and_no_title_occurs_twice() -> None:
    titles = [snippet.title for snippet in HONEST]
    assert len(set(titles)) == len(titles) > 100


MODULES = sorted(
    str(path.relative_to(COURSE))
    for path in (COURSE / "solutions").glob("a*/*.py")
    if path.name != "test_public.py"
)


@pytest.mark.parametrize("path", MODULES)
def test_solutions_and_misconceptions_keep_to_their_own_policy(path: str) -> None:
    policy = course_policy(path.split("/")[1])
    if path.endswith("misconceptions.py"):
        # They import the solution, into which their functions are copied, and our decorator.
        solutions = [Path(name).stem for name in MODULES]
        policy = replace(policy, packages=(*policy.packages, "autograder", *solutions))
    report = check((COURSE / path).read_bytes(), policy=policy)
    assert [v.message for v in all_of(report)] == []
