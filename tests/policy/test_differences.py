"""Difference quotients: the usual spellings are found, other quotients are left alone."""

from __future__ import annotations

import textwrap

import pytest

from .conftest import all_of, check, reached

HEAD = "import torch\ndef relu(x): return x.clamp(min=0)\ndef loss(w): return (w * w).sum()\n"

QUOTIENTS = {
    "central": """
        def f(x):
            h = 1e-6
            return (relu(x + h) - relu(x - h)) / (2 * h)
    """,
    "forward": """
        def f(x, eps=1e-5):
            return (relu(x + eps) - relu(x)) / eps
    """,
    "backward": """
        EPS = 1e-7
        def f(x):
            return (relu(x) - relu(x - EPS)) / EPS
    """,
    "in two steps": """
        def f(x):
            h = 1e-6
            plus = relu(x + h)
            minus = relu(x - h)
            return (plus - minus) / (2 * h)
    """,
    "of a parameter": """
        def derivative(function, x, h=1e-6):
            return (function(x + h) - function(x - h)) / (2 * h)
        def f(x):
            return derivative(relu, x)
    """,
    "element by element": """
        def f(x):
            h, grad = 1e-6, torch.zeros_like(x)
            for i in range(len(x)):
                step = 1e-6
                up, down = x.clone(), x.clone()
                up[i] += step
                down[i] -= step
                grad[i] = (loss(up) - loss(down)) / (2 * step)
            return grad
    """,
    "complex step": """
        def f(x):
            h = 1e-20
            return relu(x + 1j * h).imag / h
    """,
    "complex literal": """
        def f(x):
            return ((x + 1e-30j) ** 3).imag * 1e30
    """,
    "two at once, and no quotient": """
        def f(x):
            near, far = relu(x + 1e-6), relu(x - 1e-6)
            return (near - far) * 5e5
    """,
    "a wide stencil": """
        def f(x):
            near = relu(x + 0.1) - relu(x - 0.1)
            far = relu(x - 2 * 0.1) - relu(x + 2 * 0.1)
            return 8 * near + far
    """,
}

NOT_DERIVATIVES = {
    "neighbours": """
        def f(x):
            return (x[1:] - x[:-1]) / 2
    """,
    "a schedule": """
        def f(step, max_lr=1e-3, min_lr=1e-4, steps=100):
            return min_lr + (max_lr - min_lr) * step / steps
    """,
    "a step of Adam": """
        def f(p, m, v, lr=1e-3, eps=1e-8):
            return p - lr * m / (v.sqrt() + eps)
    """,
    "a slope between two points": """
        def f(x, y0, y1, width=0.5):
            return (relu(y1) - relu(y0)) / width
    """,
    "normalising": """
        def f(x, eps=1e-5):
            return (x - x.mean()) / (x.var() + eps).sqrt()
    """,
    "a difference of two functions": """
        def f(x, eps=1e-6):
            return (torch.exp(x) - torch.expm1(x)) / eps
    """,
    "a derivation that divides by a small constant": """
        def f(g, x, temperature=1e-2):
            return (g * torch.exp(x) - g * torch.exp(-x)) / temperature
    """,
    "a test's difference": """
        def f(x, tolerance=1e-9):
            return (relu(x) - torch.relu(x)).abs().max() / tolerance
    """,
    "a product to sum rule": """
        def f(x, y):
            return torch.cos(x - y) - torch.cos(x + y)
    """,
    "a difference of unlike shifts": """
        def f(x, y):
            return relu(x + y) - relu(x - 2 * y)
    """,
    "half a difference": """
        def f(x):
            return (torch.exp(x) - torch.exp(-x)) / 2
    """,
    "a mean difference": """
        def f(a, b):
            return (a.sum() - b.sum()) / 0.01
    """,
    "Huber's loss": """
        def f(x, delta=1e-2):
            return torch.where(x.abs() < delta, x / delta, x.sign())
    """,
}


@pytest.mark.parametrize("name", QUOTIENTS)
def test_a_difference_quotient_costs_the_function(name: str) -> None:
    violations = reached(check(HEAD + textwrap.dedent(QUOTIENTS[name])))
    assert {violation.rule for violation in violations} == {"no-autodiff"}


@pytest.mark.parametrize("name", NOT_DERIVATIVES)
def test_another_quotient_is_fine(name: str) -> None:
    assert all_of(check(HEAD + textwrap.dedent(NOT_DERIVATIVES[name]))) == []


def test_a_difference_quotient_in_a_self_test_is_only_a_note() -> None:
    source = HEAD + textwrap.dedent(QUOTIENTS["of a parameter"]).replace(
        "def f(x)", "def check_by_hand(x)"
    )
    report = check(f"{source}\ndef f(x): return relu(x)\n")
    assert reached(report) == ()
    assert {violation.name for violation in report.elsewhere} == {"numerical differentiation"}
