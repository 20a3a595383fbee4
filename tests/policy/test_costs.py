"""Whom a violation costs: the whole submission, the functions that reach it, or nobody."""

from __future__ import annotations

import pytest

from .conftest import Snippet, check, reached, snippets

BAD = """
import torch
def bad(x): return torch.autograd.grad(x, x)
def g(x): return 2 * x
"""


def ways(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", snippets(name), ids=lambda snippet: snippet.title)


@ways("reached_from_f")
def test_a_violation_costs_the_function_that_reaches_it_and_no_other(way: Snippet) -> None:
    report = check(BAD + way.source, ("f", "g"))
    assert report.module_level == ()
    assert [v.name for v in report.by_function["f"]] == ["torch.autograd.grad"]
    assert not report.by_function.get("g")
    assert report.elsewhere == ()


@ways("run_at_import")
def test_a_violation_at_import_costs_everything(way: Snippet) -> None:
    report = check(BAD + way.source, ("g",))
    assert {v.name for v in report.module_level} == {"torch.autograd.grad"}


def test_a_forbidden_decorator_runs_at_import() -> None:
    report = check("import torch\n@torch.compile\ndef f(x): return x\ndef g(x): return x\n")
    assert [v.name for v in report.module_level] == ["torch.compile"]


@ways("run_by_nobody")
def test_what_no_graded_function_reaches_is_only_a_note(way: Snippet) -> None:
    report = check(BAD + way.source, ("f", "g"))
    assert report.module_level == ()
    assert not report.by_function.get("f")
    assert not report.by_function.get("g")
    assert [v.name for v in report.elsewhere] == ["torch.autograd.grad"]


@pytest.mark.parametrize(
    "trick",
    [
        "__name__ = '__main__'",
        "import torch as __name__",
        "def __name__(): pass",
        "for __name__ in ['__main__']: pass",
        "class __name__: pass",
        "[__name__ := '__main__']",
    ],
)
def test_a_main_block_counts_once_the_file_may_have_become_main(trick: str) -> None:
    source = f"import torch\n{trick}\nif __name__ == '__main__':\n    torch.autograd.grad(1, 1)\n"
    assert check(source).module_level


def test_the_other_branch_of_a_main_block_runs_at_import() -> None:
    source = (
        "import torch\nif __name__ == '__main__':\n    pass\nelse:\n    torch.autograd.grad(1, 1)\n"
    )
    assert check(source).module_level


@pytest.mark.parametrize("test", ["__name__ != '__main__'", "__name__ == 'student'", "True"])
def test_only_the_usual_main_block_is_left_out(test: str) -> None:
    assert check(f"import torch\nif {test}:\n    torch.autograd.grad(1, 1)\n").module_level


def test_an_import_for_the_type_checker_counts_once_it_may_run() -> None:
    source = "TYPE_CHECKING = True\nif TYPE_CHECKING:\n    from torch import nn\n"
    assert check(source).module_level
    source = "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    from torch import nn\n"
    assert check(source).module_level


def test_a_violation_says_where_it_is() -> None:
    source = (
        "import torch as t\n\n\nclass Tape:\n    def run(self, x):\n        y = 1; return t.jit\n"
    )
    (violation,) = reached(check(source + "def f(x): return Tape().run(x)\n"))
    assert (violation.line, violation.column, violation.scope) == (6, 22, "Tape")
    assert (violation.rule, violation.name) == ("no-autodiff", "torch.jit")
    assert violation.message.startswith("student.py:6: ")


def test_a_violation_in_a_function_is_counted_once_however_often_it_is_reached() -> None:
    source = BAD + "def h(x): return bad(x)\ndef f(x): return bad(x) + h(x) + bad(h(x))\n"
    assert len(check(source).by_function["f"]) == 1


def test_violations_are_in_the_order_of_the_file() -> None:
    source = "import torch\ndef f(x):\n    torch.jit\n    torch.func\n    x.backward()\n"
    assert [v.line for v in reached(check(source))] == [3, 4, 5]


def test_a_function_that_is_missing_costs_nothing_here() -> None:
    report = check("import torch\n", ("f", "missing"))
    assert not report.by_function.get("missing")


def test_the_report_is_the_same_every_time() -> None:
    source = BAD + "\n".join(way.source for way in snippets("reached_from_f")[20:40])
    assert len({repr(check(source, ("f", "g"))) for _ in range(5)}) == 1
