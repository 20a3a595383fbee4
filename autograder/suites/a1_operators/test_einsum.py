"""einsum_backward: the gradients of any two-operand einsum, from the equation alone."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from autograder.checks import FunctionChecks, custom, exercise
from autograder.checks.gradients import vjp

PLACES = ("a", "b", "ab", "ao", "bo", "abo")


@custom
def equations(drawer):
    """Every index is in one operand or both, and is kept (o) or summed out."""
    places = [
        drawer.draw(st.sampled_from([p for p in PLACES if "a" in p])),
        drawer.draw(st.sampled_from([p for p in PLACES if "b" in p])),
        *drawer.draw(st.lists(st.sampled_from(PLACES), max_size=3)),
    ]
    letters = drawer.draw(st.permutations("abcijkxyz"))[: len(places)]
    shuffled = drawer.draw(st.permutations(list(zip(letters, places, strict=True))))
    left = "".join(letter for letter, place in shuffled if "a" in place)
    right = "".join(letter for letter, place in reversed(shuffled) if "b" in place)
    kept = [letter for letter, place in shuffled if "o" in place]
    equation = f"{left},{right}->{''.join(drawer.draw(st.permutations(kept)))}"
    a = drawer.tensor_of(tuple(drawer.size(letter) for letter in left))
    b = drawer.tensor_of(tuple(drawer.size(letter) for letter in right))
    grad = drawer.tensor_of(torch.einsum(equation, a, b).shape)
    return {"grad_output": grad, "equation": equation, "a": a, "b": b}


@exercise("einsum")
class TestEinsum(FunctionChecks):
    function = "einsum_backward"
    results = ("grad_a", "grad_b")
    cases = equations
    # An index stands for a named dimension, which is at least 1.
    test_empty = None

    def oracle(self, grad_output, equation, a, b):
        return vjp(
            lambda a, b: torch.einsum(equation, a, b), {"a": a, "b": b}, ("a", "b"), grad_output
        )
