"""The worker's side of timing: runs a chain of calls, and shows afterwards what it computed.

It holds no clock: time is the grader's. It shares a process with student code, so nothing that it
says is believed: the grader recomputes seeds, inputs and digests from what is revealed. What it is
for is that an honest submission needs to do nothing but compute.

    prepare   draw inputs and call the function a few times, untimed: compilation, autotuning
    time      nonce and count in, digests out; copies of all results are kept
    reveal    the results of some of these calls

A chain can be watched for forbidden operators, in the same place where others are timed: what is
timed must be what was watched. In a trusted worker `time` can also `skip` the function, and copy
and hash the results of an earlier call instead, which gives the cost of everything else. The copies
go to memory that has been touched before: a function may return the same buffer every time, and
pays for no fresh pages of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from . import chain, digest, drawing
from .encoder import Encoder, Unsupported
from .protocol import Buffer
from .wire import NAMES

__all__ = ["OPERATIONS", "Stopwatch"]

OPERATIONS = frozenset({"prepare", "time", "reveal"})

_FLUSH_BYTES = 1 << 28
"""Written between drawing and calling on a GPU: more than any L2 cache holds.

Unless the inputs themselves are larger, and have pushed each other out of it.
"""

# Bound before any submission is imported: what student code puts in their place is not called.
_first_seed, _next_seed, _key_of = chain.first_seed, chain.next_seed, chain.key_of
_digest, _draw = digest.digest, drawing.draw
_no_grad, _empty = torch.no_grad, torch.empty
_fill, _clone, _copy = torch.Tensor.fill_, torch.Tensor.clone, torch.Tensor.copy_
_Tensor, _Parameter, _strided, _uint8 = (
    torch.Tensor, torch.nn.Parameter, torch.strided, torch.uint8,
)  # fmt: skip

Watch = Callable[[], AbstractContextManager[object]]
_unwatched: Watch = nullcontext


class Stopwatch:
    """What is being timed, and the results of the chain that ran last."""

    def __init__(self, max_reply_bytes: int) -> None:
        self._max_reply_bytes = max_reply_bytes
        self._function: Callable[..., Any] | None = None
        self._recipe: list[dict[str, Any]] = []
        self._device = torch.device("cpu")
        self._flush: torch.Tensor | None = None
        self._template: tuple[torch.Tensor, ...] = ()
        self._copies: list[tuple[torch.Tensor, ...]] = []

    def answer(
        self, header: dict[str, Any], find: Callable[[str], Any], watch: Watch
    ) -> tuple[dict[str, Any], list[Buffer]]:
        """The reply to one request. `find` gives a function by its name, and may raise.

        Raises Unsupported for results that can't be timed, and whatever student code raises.
        """
        if header["op"] == "prepare":
            return self._prepare(header, find, watch), []
        if header["op"] == "time":
            around = watch if header["watch"] else _unwatched
            nonce = bytes.fromhex(header["nonce"])
            return self._time(nonce, header["count"], header["skip"], around), []
        return self._reveal(header["indices"])

    def _prepare(
        self, header: dict[str, Any], find: Callable[[str], Any], watch: Watch
    ) -> dict[str, Any]:
        self._copies = []
        self._template = ()
        self._function = find(header["function"])
        self._recipe = header["recipe"]
        self._device = torch.device(header["device"])
        self._flush = None
        if self._device.type == "cuda" and drawing.size_of(self._recipe) < _FLUSH_BYTES:
            self._flush = _empty(_FLUSH_BYTES, dtype=_uint8, device=self._device)
        seed = bytes.fromhex(header["nonce"])
        for index in range(header["calls"]):
            seed = _next_seed(b"", index, seed)
            with watch(), _no_grad():
                results = self._function(*_draw(self._recipe, seed, self._device))
            self._template = self._flat(results)
            # Compiles the digest's own kernels too.
            _digest(self._template, seed)
        self._template = tuple(_clone(result) for result in self._template)
        self._copies = [
            tuple(_fill(_empty(r.shape, dtype=r.dtype, device=r.device), 1) for r in self._template)
            for _ in range(header["count"])
        ]
        return {"kind": "prepared"}

    def _time(self, nonce: bytes, count: int, skip: bool, watch: Watch) -> dict[str, Any]:
        function, recipe, device, flush = self._function, self._recipe, self._device, self._flush
        copies = self._copies
        if function is None or count > len(copies):
            raise RuntimeError("not prepared for this")
        digests = []
        seed = _first_seed(nonce)
        with _no_grad():
            for index in range(count):
                arguments = _draw(recipe, seed, device)
                if flush is not None:
                    _fill(flush, index & 0xFF)
                if skip:
                    results = self._template
                else:
                    with watch():
                        answer = function(*arguments)
                    results = self._flat(answer)
                _store(copies[index], results)
                # Reads every bit of the copy, so it waits for whatever is still being computed.
                committed = _digest(copies[index], _key_of(nonce, index, seed))
                digests.append(committed.hex())
                seed = _next_seed(nonce, index, committed)
        return {"kind": "timed", "digests": digests}

    def _reveal(self, indices: list[int]) -> tuple[dict[str, Any], list[Buffer]]:
        encoder = Encoder(
            strided=False, max_bytes=self._max_reply_bytes, whole="the results of a timed call"
        )
        node = encoder.encode([self._copies[index] for index in indices])
        return {"kind": "revealed", "value": node}, encoder.chunks

    def _flat(self, results: Any) -> tuple[torch.Tensor, ...]:
        """The tensors of one answer. Raises Unsupported for anything that could be late or fake."""
        answers = tuple(results) if type(results) in (tuple, list) else (results,)
        for answer in answers:
            if type(answer) is not _Tensor and type(answer) is not _Parameter:
                kind = str(type(answer).__name__)[:80]
                raise Unsupported(
                    f"a timed call must return plain tensors, not an object of type {kind}"
                )
            if answer.dtype not in NAMES or answer.layout is not _strided:
                raise Unsupported(f"a timed call returned a tensor of dtype {answer.dtype}")
            if answer.device.type != self._device.type:
                raise Unsupported(
                    f"a timed call returned a tensor on {answer.device.type}; its inputs were on "
                    f"{self._device.type}"
                )
        return answers


def _store(copies: tuple[torch.Tensor, ...], results: tuple[torch.Tensor, ...]) -> None:
    """Copy results of the same forms. Raises Unsupported if they have others."""
    if len(results) != len(copies):
        raise Unsupported(f"a timed call returned {len(results)} results, and {len(copies)} before")
    for copy, result in zip(copies, results, strict=True):
        if result.shape != copy.shape or result.dtype != copy.dtype:
            raise Unsupported(
                f"a timed call returned {_form(result)}, and {_form(copy)} for other inputs of the "
                "same shapes"
            )
        _copy(copy, result)


def _form(tensor: torch.Tensor) -> str:
    return f"a tensor of shape {tuple(tensor.shape)} and dtype {tensor.dtype}"
