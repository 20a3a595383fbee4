"""One attack: a hostile `matmul` beside an honest rest."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

from autograder.outcome import Outcome

__all__ = ["Attack", "attack"]

WRONG = {Outcome.FAILED, Outcome.RAISED, Outcome.CRASHED, Outcome.TIMED_OUT}
WRONG |= {Outcome.OUT_OF_MEMORY, Outcome.FORBIDDEN}

HONEST_PART = ("gradients", "linear_in_upstream")


@dataclass(frozen=True)
class Attack:
    """`body` is the hostile function's; it never answers rightly unless the attack succeeds.

    The honest `matmul_backward` earns the checks in `earns`, and more is never earned.
    `outcomes` are the ways in which its first check may end, `words` must be in what is said.
    """

    name: str
    category: str
    body: str
    outcomes: frozenset[Outcome]
    words: str = ""
    module: str = ""
    earns: tuple[str, ...] = HONEST_PART

    def source(self, solution: str) -> str:
        """The submission: the solution with a hostile matmul."""
        body = indent(dedent(self.body).strip("\n"), "    ")
        return f"{solution}\n{dedent(self.module)}\ndef matmul(x, w):\n{body}\n"


def attack(
    name: str,
    category: str,
    body: str,
    *outcomes: Outcome,
    words: str = "",
    module: str = "",
    earns: tuple[str, ...] = HONEST_PART,
) -> Attack:
    """An attack that may end in any wrong outcome, unless some are named."""
    return Attack(name, category, body, frozenset(outcomes or WRONG), words, module, earns)
