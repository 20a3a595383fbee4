"""What a student reads: one sentence with the place, the real name, and the next move."""

from __future__ import annotations

import re

import pytest

from .conftest import Policy, Snippet, all_of, check, reached, snippets

EVASIONS = [*snippets("evasions_by_alias"), *snippets("evasions_by_machinery")]


def faults(snippet: Snippet) -> list[str]:
    """What is wrong with the messages about a snippet."""
    found = []
    for violation in all_of(check(snippet.source)):
        message = violation.message
        wanted = {
            "begins with its place": message.startswith(f"student.py:{violation.line}: "),
            "is one printable line": message.isprintable(),
            "has no escape sequences": not re.search(r"\\u|\\x", message),
            "is short": len(message) < 260,
            "has the name": violation.name in message,
            "says what to do instead": "; " in message,
            "has a line of the file": 1 <= violation.line <= snippet.source.count("\n") + 1,
        }
        found += [f"not {want!r}: {message}" for want, fulfilled in wanted.items() if not fulfilled]
    return found


def test_a_message_is_one_readable_line_with_a_place_and_a_next_move() -> None:
    assert [fault for snippet in EVASIONS for fault in faults(snippet)] == []


@pytest.mark.parametrize(
    ("source", "place", "name", "advice"),
    [
        (
            "import torch\ndef f(x):\n    return torch.autograd.grad",
            3,
            "torch.autograd.grad",
            "deriv",
        ),
        (
            "import torch.nn.functional as F\ndef f(x): return F.relu(x)",
            1,
            "torch.nn",
            "operations",
        ),
        ("import torch\ndef f(x): return torch.nn.ReLU()(x)", 2, "torch.nn.ReLU", "operations"),
        ("def f(x):\n    y = x + 1\n    y.backward()", 3, "backward", "deriv"),
        (
            "import torch\ndef f(x): return torch.ones(3, requires_grad=True)",
            2,
            "requires_",
            "deriv",
        ),
        ("import torch\ndef f(x): return torch.optim.Adam", 2, "torch.optim.Adam", "yourself"),
        ("import torch\n@torch.compile\ndef f(x): return x", 2, "torch.compile", "operations"),
        ("import torch\ndef f(x): return torch.vmap(f)(x)", 2, "torch.vmap", "deriv"),
        ("import numpy as np\ndef f(x): return np.gradient(x)", 2, "numpy.gradient", "deriv"),
        ("import torch\ndef f(x): return torch.ops.aten.mm(x, x)", 2, "torch.ops", "public"),
        ("def f(x): return eval('x')", 1, "eval", "code"),
        ("import importlib\ndef f(x): return x", 1, "importlib", "import"),
        ("import ctypes\ndef f(x): return x", 1, "ctypes", "code"),
        ("import torch\ndef f(x): return torch.__dict__", 2, "__dict__", "name"),
        ("import torch\ndef f(x, n): return getattr(torch, n)", 2, "getattr", "name"),
        ("import pandas as pd\ndef f(x): return x", 1, "pandas", "numpy, torch"),
        ("import scipy.special\ndef f(x): return x", 1, "scipy", "numpy, torch"),
    ],
)
def test_a_message_names_the_thing_and_what_to_do(
    source: str, place: int, name: str, advice: str
) -> None:
    message = reached(check(source))[0].message
    assert message.startswith(f"student.py:{place}: ")
    assert name in message
    assert advice in message


def test_an_alias_is_named_as_torch_names_it_and_as_the_student_wrote_it() -> None:
    (violation,) = reached(check("import torch as t\ndef f(x): return t.autograd.grad(x, x)"))
    assert violation.name == "torch.autograd.grad"
    assert "torch.autograd.grad" in violation.message
    assert "`t.autograd.grad`" in violation.message


def test_names_that_students_make_up_cant_break_a_message() -> None:
    long = "a" * 5_000
    for source in (
        f"import {long}\ndef f(x): return x",
        f"import torch as {long}\ndef f(x): return {long}.autograd",
        f"import torch\ndef f(x): return torch.nn.{long}",
        f"import torch\ndef f(x): return getattr(torch, 'nn' + '\\x1b[31m<b>\\n{long}')",
        "import torch\ndef f(x): return torch.nn.été",
        "import torch\ndef f(x):\n    été = torch\n    return été.nn",
    ):
        for violation in reached(check(source)):
            assert violation.message.isprintable()
            assert len(violation.message) < 400


def test_what_a_policy_forbids_itself_is_named_too() -> None:
    policy = Policy(rules=(), forbid=("torch.conv*",), methods=("unfold",))
    source = "import torch\ndef f(x):\n    y = x.unfold(0, 1, 1)\n    return torch.conv2d(y, y)\n"
    first, second = reached(check(source, policy=policy))
    assert (first.line, second.line) == (3, 4)
    assert "unfold" in first.message
    assert "torch.conv2d" in second.message
