"""What a worker is asked, as it travels: encoded once, sent once or several times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .encoder import encode_call
from .protocol import Buffer, frame, pack

__all__ = ["Load", "Request"]

_KEPT_BYTES = 1 << 15
"""A request with more than this may hold views of tensors, which change; it isn't kept."""


@dataclass(frozen=True, slots=True)
class Load:
    """The order to import `module` from `files` (name → content) and to look for `functions`."""

    files: Mapping[str, bytes]
    module: str
    functions: tuple[str, ...]

    def frame(self, request_id: int) -> list[Buffer]:
        """The pieces of the frame that orders it under an id. Raises ProtocolError if too long."""
        header = {
            "id": request_id,
            "op": "load",
            "files": [[name, len(content)] for name, content in self.files.items()],
            "module": self.module,
            "functions": list(self.functions),
        }
        return pack(header, list(self.files.values()))


@dataclass(frozen=True, slots=True)
class Request:
    """A call, but for its id: equal requests ask the same function the same question.

    `inputs` names its arguments, by position or keyword.
    """

    function: str
    inputs: tuple[str, ...]
    body: bytes
    chunks: tuple[Buffer, ...]

    @staticmethod
    def of(function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
        """The request for a call. Raises TypeError for an argument that can't be sent."""
        positional, named, chunks = encode_call(args, kwargs)
        header = {"op": "call", "function": function, "args": positional, "kwargs": named}
        body = json.dumps(header, separators=(",", ":"), check_circular=False).encode("ascii")
        return Request(function, (*map(str, range(len(args))), *kwargs), body, tuple(chunks))

    @property
    def size(self) -> int:
        """Bytes on the wire, about."""
        return len(self.body) + sum(map(len, self.chunks))

    @property
    def lasting(self) -> bool:
        """Whether it can be kept: it owns all its bytes, and they are few."""
        return self.size <= _KEPT_BYTES

    def frame(self, request_id: int) -> list[Buffer]:
        """The pieces of the frame that asks this under an id. Raises ProtocolError if too long."""
        return frame(b'{"id":%d,' % request_id + self.body[1:], self.chunks)
