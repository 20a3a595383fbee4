"""The worker's side: loads one submission and answers calls, until its socket closes.

Runs in a forked, confined process that it shares with student code. It speaks for the student, not
for the grader: what it says about itself (which input was mutated, what tripped, where an exception
was raised) is testimony. The grader judges values only.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
from collections.abc import Callable, Collection, Mapping
from types import ModuleType
from typing import Any, cast

import torch

from . import kernels, testimony, tripwires
from .decoder import Decoder
from .encoder import Encoder, Unsupported
from .limits import Tripwires, WorkerLimits
from .loader import SourceError, Submission
from .mutation import Guard
from .protocol import (
    MAX_REQUEST_PAYLOAD,
    PREFIX,
    Buffer,
    ProtocolError,
    pack,
    unpack_header,
    unpack_prefix,
)
from .stopwatch import OPERATIONS, Stopwatch

__all__ = ["Channel", "Harness", "serve", "tidy"]

Answer = tuple[dict[str, Any], list[Buffer]]

_SMALL_FRAME = 1 << 16
_WATCHED_CALLS = 2


class Channel:
    """Frames on the worker's one socket, blocking."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = memoryview(bytearray(_SMALL_FRAME))
        self._begin = self._end = 0

    def receive(self) -> tuple[dict[str, Any], Buffer]:
        """The next header and payload. Raises EOFError when the grader has hung up."""
        self._fill(PREFIX.size)
        header_size, payload_size = unpack_prefix(
            self._buffer[self._begin : self._end], MAX_REQUEST_PAYLOAD
        )
        total = PREFIX.size + header_size + payload_size
        if total <= len(self._buffer):
            self._fill(total)
            view = memoryview(bytes(self._buffer[self._begin : self._begin + total]))
            self._begin += total
        else:
            view = self._receive_large(total)
        header = unpack_header(view[PREFIX.size : PREFIX.size + header_size])
        return header, view[PREFIX.size + header_size :]

    def send(self, header: Mapping[str, Any], chunks: list[Buffer] | None = None) -> None:
        """Send one frame."""
        pieces = pack(header, chunks or [])
        if sum(map(len, pieces)) <= _SMALL_FRAME:
            pieces = [b"".join(pieces)]
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def _fill(self, count: int) -> None:
        """Have at least `count` bytes in the buffer; the grader may have sent more than one."""
        if self._begin + count > len(self._buffer):
            rest = self._end - self._begin
            self._buffer[:rest] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, rest
        while self._end - self._begin < count:
            if self._begin == self._end:
                self._begin = self._end = 0
            self._end += self._read_some(self._buffer[self._end :])

    def _receive_large(self, total: int) -> memoryview:
        view = memoryview(mmap.mmap(-1, total))
        have = self._end - self._begin
        view[:have] = self._buffer[self._begin : self._end]
        self._begin = self._end = 0
        while have < total:
            have += self._read_some(view[have:])
        return view

    def _read_some(self, view: memoryview) -> int:
        count = os.readv(self._descriptor, [view])
        if count == 0:
            raise EOFError
        return count


def serve(channel: Channel, harness: Harness, layers: Mapping[str, str]) -> None:
    """Say which layers are active, then answer requests until the grader hangs up."""
    unknown = harness.unknown_tripwires
    channel.send({"id": 0, "kind": "ready", "layers": dict(layers), "unknown_tripwires": unknown})
    while True:
        try:
            header, payload = channel.receive()
        except EOFError:
            return
        answer, chunks = harness.answer(header, payload)
        answer["id"] = header["id"]
        try:
            channel.send(answer, chunks)
        except ProtocolError:
            text = "the returned value is too large to travel: too many or too long values"
            channel.send({"id": header["id"], "kind": "invalid", "text": text})
        except MemoryError as error:
            # From assembling the frame, before any of it was sent.
            answer = {"kind": "memory", "place": None, **testimony.describe(error)}
            channel.send({"id": header["id"], **answer})


class Harness:
    """The loaded submission and what watches it."""

    def __init__(
        self, limits: WorkerLimits, wires: Tripwires, packages: Collection[str] = ()
    ) -> None:
        self._packages = packages
        self._limits = limits
        self._wires = wires
        self._alarm = tripwires.Alarm()
        self._watch: tripwires.OperatorWatch | None = None
        self._module: ModuleType | None = None
        self._files: frozenset[str] = frozenset()
        self._calls: dict[str, int] = {}
        self._stopwatch = Stopwatch(limits.reply_mib << 20)
        self._runs_kernels = kernels.are_written_for(wires.names)
        self.unknown_tripwires = tripwires.install(wires, self._alarm)
        if wires.operators:
            self._watch = tripwires.OperatorWatch(wires.operators, self._alarm)
            tripwires.watch_threads(wires.operators, self._alarm)

    def answer(self, header: dict[str, Any], payload: Buffer) -> Answer:
        """The reply to one request, without its id."""
        if header["op"] == "load":
            return self._guarded(lambda: self._load(header, payload))
        if header["op"] in OPERATIONS:
            return self._guarded(lambda: self._stopwatch.answer(header, self._find, self._watched))
        return self._guarded(lambda: self._call(header, payload))

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """Run `work`, which may run student code, and turn all that it raises into a reply."""
        self._alarm.reset()
        answer: Answer
        try:
            answer = work()
        except BaseException as error:
            try:
                answer = self._describe(error), []
            except BaseException:
                # The exception's own attributes may raise again.
                answer = {"kind": "raised", "place": None, "type": "Exception", "message": ""}, []
        if self._alarm.name is not None:
            # Also when student code swallowed the exception and went on.
            answer = {"kind": "forbidden", "name": self._alarm.name, "place": self._alarm.place}, []
        return answer

    def _describe(self, error: BaseException) -> dict[str, Any]:
        """The reply for what `work` raised, while it is handled. No isinstance: see testimony."""
        if type(error) is Unsupported:
            return {"kind": "invalid", "text": str(error)}
        if type(error) is SourceError:
            place = None if error.line is None else [error.file, error.line, "<module>"]
            return {"kind": "source", "text": str(error), "place": place}
        described = testimony.describe(error)
        if issubclass(type(error), SyntaxError):
            error = cast("SyntaxError", error)
            if error.filename in self._files:
                return self._describe_syntax(error, described)
        # Not error.__traceback__, which an exception may define anew.
        place = testimony.place_of_traceback(sys.exc_info()[2], self._files)
        kind = "memory" if testimony.is_out_of_memory(error) else "raised"
        return {"kind": kind, "place": place, **described}

    def _describe_syntax(self, error: SyntaxError, described: dict[str, str]) -> dict[str, Any]:
        """A file of the submission that doesn't parse."""
        text = error.msg[:500] if isinstance(error.msg, str) else ""
        place = [error.filename, error.lineno or 1, "<module>"]
        return {"kind": "syntax", "place": place, "type": described["type"], "message": text}

    def _load(self, header: dict[str, Any], payload: Buffer) -> Answer:
        files: dict[str, bytes] = {}
        position = 0
        view = memoryview(payload)
        for name, size in header["files"]:
            files[name] = bytes(view[position : position + size])
            position += size
        submission = Submission(files)
        self._files = self._alarm.files = submission.files
        submission.install(self._packages)
        self._module = submission.load(header["module"])
        found = {}
        for name in header["functions"]:
            value = self._module.__dict__.get(name, _ABSENT)
            if value is _ABSENT:
                found[name] = "missing"
            elif callable(value):
                found[name] = "ok"
            else:
                found[name] = f"not callable: {str(type(value).__name__)[:80]}"
        return {"kind": "loaded", "functions": found}, []

    def _find(self, name: str) -> Callable[..., Any]:
        if self._module is None or not callable(self._module.__dict__.get(name)):
            raise Unsupported(f"there is no function `{name}` to time")
        return cast("Callable[..., Any]", self._module.__dict__[name])

    def _watched(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._watch is None else self._watch

    def _call(self, header: dict[str, Any], payload: Buffer) -> Answer:
        name = header["function"]
        if self._module is None or name not in self._module.__dict__:
            return {"kind": "missing"}, []
        function = self._module.__dict__[name]
        decoder = Decoder(payload, strided=True)
        guards = {}
        args = []
        for index, node in enumerate(header["args"]):
            guards[str(index)] = guard = Guard()
            args.append(decoder.decode(node, guard))
        kwargs = {}
        for key, node in header["kwargs"].items():
            guards[key] = guard = Guard()
            kwargs[key] = decoder.decode(node, guard)
        with contextlib.ExitStack() as stack:
            if self._wires.names or self._wires.operators:
                # A graph that nobody may use would only cost time.
                stack.enter_context(torch.no_grad())
            if self._runs_kernels:
                around = self._watch or contextlib.nullcontext()
                where = kernels.device()
                result, stored_to = kernels.call(function, args, kwargs, where=where, around=around)
            else:
                stored_to = []
                if self._watch is not None:
                    calls = self._calls[name] = self._calls.get(name, 0) + 1
                    if calls <= _WATCHED_CALLS:
                        stack.enter_context(self._watch)
                result = function(*args, **kwargs)
        mutated = [*stored_to, *(key for key, guard in guards.items() if guard.changed())]
        encoder = Encoder(
            strided=False,
            max_bytes=self._limits.reply_mib << 20,
            whole="the returned value",
        )
        node = encoder.encode(result)
        return {"kind": "value", "value": node, "mutated": mutated}, encoder.chunks


_ABSENT = object()


def tidy() -> None:
    """Leave student code a plain interpreter, the same in every worker.

    Comfort and determinism, not a boundary: prints cost nothing and reach no one, and `random`
    starts from one state.
    """
    for descriptor, (name, mode) in enumerate([("stdin", "r"), ("stdout", "w"), ("stderr", "w")]):
        stream = os.fdopen(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    random.seed(0)
