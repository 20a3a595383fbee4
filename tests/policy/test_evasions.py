"""What is forbidden is found, whatever the way to it: each snippet costs the function f."""

from __future__ import annotations

import builtins
import contextlib
import warnings
from types import ModuleType

import pytest
import torch

from .conftest import Snippet, check, reached, snippets

EVASIONS = [*snippets("evasions_by_alias"), *snippets("evasions_by_machinery")]


@pytest.mark.parametrize("snippet", EVASIONS, ids=lambda snippet: snippet.title)
def test_an_evasion_costs_the_function_that_gets_hold_of_it(snippet: Snippet) -> None:
    assert reached(check(snippet.source))


@pytest.mark.parametrize("snippet", EVASIONS, ids=lambda snippet: snippet.title)
def test_an_evasion_works_when_nobody_checks_it(snippet: Snippet) -> None:
    """Else it would prove nothing."""
    module = ModuleType("student")
    vars(module).update(__builtins__=builtins, __loader__=None, __spec__=None)
    with warnings.catch_warnings(), contextlib.suppress(torch.jit.Error):
        warnings.simplefilter("ignore")
        exec(compile(snippet.source, "student.py", "exec", dont_inherit=True), vars(module))
        module.f(torch.tensor([0.5, 1.5, 2.5], dtype=torch.float64))


def test_there_are_many_evasions_and_no_title_occurs_twice() -> None:
    titles = [snippet.title for snippet in EVASIONS]
    assert len(set(titles)) == len(titles) > 200
