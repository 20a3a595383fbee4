"""What is allowed is never flagged, however unusual it looks."""

from __future__ import annotations

import builtins
import warnings
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


def _modules() -> list[str]:
    return sorted(str(path.relative_to(COURSE)) for path in (COURSE / "solutions").glob("a*/*.py"))


@pytest.mark.parametrize(
    "path", [path for path in _modules() if "test_public" not in path], ids=lambda path: path
)
def test_solutions_and_misconceptions_keep_to_their_own_policy(path: str) -> None:
    source = (COURSE / path).read_bytes()
    if path.endswith("misconceptions.py"):
        # They are pasted into the solution; only their imports aren't a student's.
        source = b"\n".join(
            line for line in source.splitlines() if not line.startswith((b"from ", b"import "))
        )
        source = b"import math, torch\n" + source
    policy = course_policy(path.split("/")[1])
    assert [v.message for v in all_of(check(source, policy=policy))] == []
