"""A keyed digest of the raw bits of tensors, computed where the tensors are.

A cryptographic hash would read a GPU's results through the bus; a sum or a polynomial is fast but
can be forged: whoever knows the key changes other elements until the sum is right again. This one
is in between. It reads the tensor once, on its device, with integer operations over millions of
lanes, and leaves some kilobytes for SHA-256:

    words     the bytes as 64-bit little-endian words; what doesn't fill a row of lanes is left over
    absorb    lane l of L starts from (key, l) and takes the words l, L + l, 2L + l, … in pairs:
                  a ← (a ⊕ w) · m, a ← a ⊕ a⋙32      b ← (b ⊕ w′) · m′, b ← b ⊕ b⋙32
                  a ← a + b, b ← b + a
    fold      the lanes' (a, b) are the words of the next level, 1/16 as many, until few are left
    digest    SHA-256 of the key, all forms (dtype, shape), what is left, and everything left over

Every step is a bijection of (a, b) for given words, and of the words for given (a, b), so that a
change of one word always changes its lane, and the digest unless SHA-256 collides. The products,
with multipliers from the key, make a lane non-linear in its words over the integers and over bits.
Without skipping work, nothing is to be gained; after skipping it, the results of a committed call
would have to be chosen so that lanes with 128 bits of state meet fixed values: 2⁶⁴ steps per lane
by meeting in the middle, for each of thousands of lanes, before the reveal is due.

Little-endian machines only, as all that torch supports are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch

from .wire import NAMES

__all__ = ["FAN", "MOST_WORDS", "absorb", "constants", "digest"]

FAN = 16
"""Pairs of words that a lane takes; each level leaves 1/16 of the words."""

MOST_WORDS = 1 << 13
"""Up to this many words (64 KiB) go straight into SHA-256."""

_LOW_32 = (1 << 32) - 1
_LANE = 0x9E3779B97F4A7C15  # 2⁶⁴ divided by the golden ratio, odd
_WRAP = 1 << 64

# Bound before any submission is imported: what student code puts in their place is not called.
_sha256 = hashlib.sha256
_arange, _stack, _cat, _tensor = torch.arange, torch.stack, torch.cat, torch.tensor
_multiply = torch.Tensor.mul_
_add = torch.Tensor.add_
_xor = torch.Tensor.bitwise_xor_
_and = torch.Tensor.bitwise_and_
_shift = torch.bitwise_right_shift
_view, _reshape, _contiguous = torch.Tensor.view, torch.Tensor.reshape, torch.Tensor.contiguous
_detach, _clone, _cpu, _numel = (
    torch.Tensor.detach, torch.Tensor.clone, torch.Tensor.cpu, torch.Tensor.numel,
)  # fmt: skip
_numpy = torch.Tensor.numpy
_int64, _uint8 = torch.int64, torch.uint8

Constants = tuple[int, int, int, int]
Absorb = Callable[[torch.Tensor, int, Constants], torch.Tensor]


def digest(tensors: Sequence[torch.Tensor], key: bytes) -> bytes:
    """32 bytes that commit to the dtypes, shapes and bits of `tensors`, in row-major order.

    Views and layouts don't matter. Two tensors are told apart from one of the same bits. All on
    one device, of dtypes that travel (`wire.NAMES`).
    """
    whole = _sha256(b"digest" + key)
    rest: list[torch.Tensor] = []
    for place, tensor in enumerate(tensors):
        form = f"{place} {NAMES[tensor.dtype]} {list(tensor.shape)} ".encode()
        whole.update(len(form).to_bytes(4, "little") + form)
        flat = _reshape(_contiguous(_detach(tensor)), (-1,))
        rest += _reduced(flat, key + place.to_bytes(4, "little"))
    if rest:
        # One transfer: on a GPU each one waits for all that is still being computed.
        whole.update(_numpy(_cpu(_cat(rest))).data)
    return whole.digest()


def constants(key: bytes, level: int) -> Constants:
    """Two odd multipliers and two starting values, as 64-bit integers with a sign."""
    raw = _sha256(b"lanes" + level.to_bytes(4, "little") + key).digest()
    m, n, s, t = (int.from_bytes(raw[i : i + 8], "little") for i in (0, 8, 16, 24))
    return _signed(m | 1), _signed(n | 1), _signed(s), _signed(t)


def absorb(words: torch.Tensor, lanes: int, numbers: Constants) -> torch.Tensor:
    """One level: 2 · FAN · `lanes` int64 words to 2 · `lanes` (all a, then all b)."""
    m, n, s, t = numbers
    rows = _view(words, (FAN, 2, lanes))
    spread = _multiply(_arange(lanes, dtype=_int64, device=words.device), _signed(_LANE))
    # Both halves of all lanes in one tensor: the number of operations is what small tensors cost.
    state = _stack((spread + s, _xor(spread, t)))
    a, b = state[0], state[1]
    factors = _tensor([[m], [n]], dtype=_int64, device=words.device)
    for step in range(FAN):
        _multiply(_xor(state, rows[step]), factors)
        _xor(state, _and(_shift(state, 32), _LOW_32))
        _add(a, b)
        _add(b, a)
    return _view(state, (-1,))


def _reduced(flat: torch.Tensor, key: bytes) -> list[torch.Tensor]:
    """The bytes of a flat, contiguous tensor that are left for SHA-256, on its device.

    Their lengths follow from the tensor's form, so that they need no separators.
    """
    size = flat.dtype.itemsize
    row = 2 * FAN * 8 // size
    rest = []
    level = 0
    while _numel(flat) * size > 8 * MOST_WORDS:
        lanes = _numel(flat) // row
        rest.append(_view(flat[lanes * row :], _uint8))
        words = flat[: lanes * row]
        if words.data_ptr() % 8 or int(words.storage_offset()) * size % 8:
            words = _clone(words)
        words = _view(_view(words, _uint8), _int64) if size != 8 else _view(words, _int64)
        flat = _absorb_on(words.device.type)(words, lanes, constants(key, level))
        size, row = 8, 2 * FAN
        level += 1
    rest.append(_view(flat, _uint8))
    return [part for part in rest if _numel(part)]


def _absorb_on(device: str) -> Absorb:
    """One pass over memory where there are fused kernels; the same bits everywhere."""
    if device == "cuda":
        # Not at the top: Triton takes a second to import, and is there on GPU hosts only.
        from .digest_kernel import absorb_fused

        return absorb_fused
    return absorb


def _signed(value: int) -> int:
    value %= _WRAP
    return value - _WRAP if value >= _WRAP // 2 else value
