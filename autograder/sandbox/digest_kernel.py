"""One level of the digest as a Triton kernel: a GPU's results are read once, and nothing else.

Gives the same bits as `digest.absorb`, which defines them.
"""

from __future__ import annotations

from typing import Any

import torch
import triton  # type: ignore[import-untyped, import-not-found, unused-ignore]
import triton.language as tl  # type: ignore[import-untyped, import-not-found, unused-ignore]

from .digest import FAN, Constants

__all__ = ["absorb_fused"]

_BLOCK = 512
_LANE = tl.constexpr(0x9E3779B97F4A7C15)


def absorb_fused(words: torch.Tensor, lanes: int, numbers: Constants) -> torch.Tensor:
    """As `digest.absorb`: 2 · FAN · `lanes` int64 words to 2 · `lanes`."""
    out = torch.empty(2 * lanes, dtype=torch.int64, device=words.device)
    _absorb[(triton.cdiv(lanes, _BLOCK),)](words, out, *numbers, lanes, FAN, _BLOCK)
    return out


# Other numbers must not compile another kernel: that would happen on the clock.
@triton.jit(do_not_specialize=["first", "second", "third", "fourth", "lanes"])  # type: ignore[untyped-decorator]
def _absorb(
    words: Any,
    out: Any,
    first: Any,
    second: Any,
    third: Any,
    fourth: Any,
    lanes: Any,
    fan: tl.constexpr,
    block: tl.constexpr,
) -> None:
    m = tl.cast(first, tl.int64).to(tl.uint64, bitcast=True)
    n = tl.cast(second, tl.int64).to(tl.uint64, bitcast=True)
    s = tl.cast(third, tl.int64).to(tl.uint64, bitcast=True)
    t = tl.cast(fourth, tl.int64).to(tl.uint64, bitcast=True)
    lane = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block).to(tl.int64)
    inside = lane < lanes
    spread = lane.to(tl.uint64, bitcast=True) * tl.full((block,), _LANE, tl.uint64)
    a = spread + s
    b = spread ^ t
    for step in range(fan):
        place = words + 2 * step * tl.cast(lanes, tl.int64) + lane
        w = tl.load(place, mask=inside, other=0).to(tl.uint64, bitcast=True)
        v = tl.load(place + tl.cast(lanes, tl.int64), mask=inside, other=0).to(
            tl.uint64, bitcast=True
        )
        a = (a ^ w) * m
        a = a ^ (a >> 32)
        b = (b ^ v) * n
        b = b ^ (b >> 32)
        a = a + b
        b = b + a
    tl.store(out + lane, a.to(tl.int64, bitcast=True), mask=inside)
    tl.store(out + tl.cast(lanes, tl.int64) + lane, b.to(tl.int64, bitcast=True), mask=inside)
