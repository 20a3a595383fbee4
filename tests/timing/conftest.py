"""Timing without processes and without a clock: the worker's side in process, time as a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from secrets import token_bytes
from typing import Any

import torch

from autograder.sandbox.chain import NONCE_BYTES
from autograder.sandbox.decoder import Decoder
from autograder.sandbox.stopwatch import Stopwatch
from autograder.sandbox.timed_worker import Elapsed, TimedChain
from autograder.timing.recipe import Recipe

Cost = Callable[[], float]


def steady(seconds: float) -> Cost:
    """A chain that always takes as long."""
    return lambda: seconds


def scripted(values: Sequence[float]) -> Cost:
    """A chain that takes these seconds, one after another, again and again."""

    def endless() -> Iterator[float]:
        while True:
            yield from values

    source = endless()
    return lambda: next(source)


class VirtualRunner:
    """A `Runner` that runs `function` in this process, and takes as long as it is told.

    `cost` gives the seconds of a chain with the function, `overhead` of one without.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        recipe: Recipe,
        *,
        cost: Cost,
        overhead: Cost | None = None,
        count: int = 4,
    ) -> None:
        self._watch = Stopwatch(1 << 26)
        self._function = function
        self._cost = cost
        self._overhead = overhead or steady(0.0)
        self.order: list[str] = []
        self.watched: list[bool] = []
        self._answer(
            {
                "op": "prepare",
                "function": "f",
                "recipe": list(recipe),
                "device": "cpu",
                "calls": 1,
                "count": count,
                "nonce": token_bytes(NONCE_BYTES).hex(),
            }
        )

    def time(
        self, count: int, *, timeout: float, skip: bool = False, watch: bool = False
    ) -> TimedChain:
        nonce = token_bytes(NONCE_BYTES)
        header, _ = self._answer(
            {"op": "time", "nonce": nonce.hex(), "count": count, "skip": skip, "watch": watch}
        )
        self.watched.append(watch)
        seconds = self._overhead() if skip else self._cost()
        self.order.append("overhead" if skip else "call")
        digests = tuple(bytes.fromhex(text) for text in header["digests"])
        return TimedChain(nonce, digests, Elapsed(seconds, seconds, 0.0))

    def reveal(self, indices: Sequence[int], *, timeout: float) -> list[tuple[torch.Tensor, ...]]:
        header, chunks = self._answer({"op": "reveal", "indices": list(indices)})
        decoder = Decoder(bytearray(b"".join(chunks)), share=True)
        value: list[tuple[torch.Tensor, ...]] = decoder.decode(header["value"])
        return value

    def _answer(self, header: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        return self._watch.answer(header, lambda name: self._function, nullcontext)
