"""An attack with an exact ending: what it earns, how its first failure ends, what is said."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from autograder.outcome import Outcome

__all__ = ["EVERYTHING", "Tactic"]

EVERYTHING = ("forward", "gradients", "gradcheck", "linear_in_upstream", "float32", "strided",
              "empty", "keywords", "leaves_inputs_alone")  # fmt: skip
"""All checks of an operator, by the last part of their ids."""

_TOOLS = '''
import os as _os, sys as _sys, time as _time
import torch

def wrong(grad_output):
    """An answer of the right form that earns nothing."""
    return grad_output + 1, grad_output.reshape(-1, grad_output.shape[-1]).sum(0) + 1
'''


@dataclass(frozen=True, slots=True)
class Tactic:
    """A hostile `add_bias_backward` (and whatever else) after the honest solution.

    The exercise `bias` earns exactly the checks in `earns`; the first check that fails ends with
    `outcome`, and the regular expression `says` is found in its message.
    """

    name: str
    code: str
    outcome: Outcome
    says: str
    earns: tuple[str, ...] = ("forward",)

    def source(self, solution: str) -> str:
        """The submission."""
        return f"{solution}\n{_TOOLS}\n{dedent(self.code)}"
