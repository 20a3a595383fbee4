"""einsum_backward: the gradients of any two-operand einsum, from the equation alone."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from autograder.checks import Case, FunctionChecks, contract, custom, exercise, for_each
from autograder.checks.gradients import vjp
from autograder.checks.values import normal

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

    @contract(after=("test_forward",))
    def test_nothing_left(self, student):
        """`{function}` is right where the output has no index at all"""
        generator = torch.Generator().manual_seed(7)
        sizes = {"i": 2, "j": 3, "k": 4}
        for_each(
            (
                Case(
                    {
                        "grad_output": torch.tensor(-1.5, dtype=torch.float64),
                        "equation": f"{left},{right}->",
                        "a": normal()([sizes[letter] for letter in left], generator),
                        "b": normal()([sizes[letter] for letter in right], generator),
                    }
                )
                for left, right in (("i", "j"), ("i", "i"), ("ij", "ji"), ("ij", "k"), ("k", "jk"))
            ),
            lambda case: self.check_forward(student, case),
        )

    def oracle(self, grad_output, equation, a, b):
        return vjp(
            lambda a, b: torch.einsum(equation, a, b), {"a": a, "b": b}, ("a", "b"), grad_output
        )
