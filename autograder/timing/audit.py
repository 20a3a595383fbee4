"""What a chain must withstand: its results, revealed, must be what it committed to, and right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autograder.outcome import Failure
from autograder.sandbox import chain
from autograder.sandbox.digest import digest
from autograder.sandbox.timed_worker import TimedChain
from autograder.student import StudentReplyInvalid
from autograder.timing.recipe import Recipe, draw

__all__ = ["Audit"]

Compare = Callable[[tuple[Any, ...], tuple[torch.Tensor, ...]], None]


@dataclass(frozen=True, slots=True)
class Audit:
    """Judges chains of one function.

    `compare(arguments, results)` raises CheckFailed for wrong values; both are on the device.
    """

    function: str
    recipe: Recipe
    device: str
    compare: Compare

    def judge(
        self,
        run: TimedChain,
        indices: Sequence[int],
        revealed: Sequence[tuple[torch.Tensor, ...]],
    ) -> None:
        """Recompute seeds, inputs and digests of the revealed calls, and compare their results.

        Raises StudentReplyInvalid where results and commitment differ, and what `compare` raises.
        """
        seeds = chain.seeds(run.nonce, list(run.digests))
        for index, results in zip(indices, revealed, strict=True):
            seed = seeds[index]
            placed = tuple(result.to(self.device) for result in results)
            if digest(placed, chain.key_of(run.nonce, index, seed)) != run.digests[index]:
                raise StudentReplyInvalid(
                    Failure(
                        f"`{self.function}` showed other results than those that it had committed "
                        "to while it was timed",
                        help="Results must be complete when the function returns, and stay as they "
                        "are: compute them in the call, in memory of your own.",
                    )
                )
            self.compare(draw(self.recipe, seed, self.device), placed)
