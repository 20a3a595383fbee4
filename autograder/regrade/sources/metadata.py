"""YAML with Ruby's accent: what an export says about its submissions, and no more than that.

An export's metadata is large (it repeats every student's feedback) and contains what students
wrote. So it is read as a stream of events: parts that nobody needs are skipped, not built; tags
(`!ruby/hash:…`) mean nothing; every scalar is a text, so that the id `007` stays one; an alias is
the object it points to, never a copy of it; and depth has a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["MetadataError", "read_metadata"]

_MAX_DEPTH = 8
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
# libyaml is some ten times faster, and wheels of PyYAML contain it.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MetadataError(Exception):
    """The text isn't YAML, or not a mapping of submissions."""


def read_metadata(data: bytes, *, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The mapping in `data`, of texts, None, lists and mappings; colons around keys are dropped.

    `leave_out` names the keys of an entry whose values are skipped. Raises MetadataError.
    """
    try:
        events = iter(yaml.parse(data, Loader=_LOADER))
        builder = _Builder(events, leave_out)
        for event in events:
            if isinstance(event, yaml.MappingStartEvent):
                return builder.mapping(0)
            if isinstance(event, yaml.NodeEvent):
                break
    except (yaml.YAMLError, UnicodeError, ValueError, OverflowError) as error:
        raise MetadataError(_one_line(error)) from None
    raise MetadataError("it is not a mapping of submissions")


class _Builder:
    def __init__(self, events: Iterator[yaml.Event], leave_out: frozenset[str]) -> None:
        self._events = events
        self._leave_out = leave_out
        self._anchors: dict[str, Any] = {}

    def mapping(self, depth: int) -> dict[str, Any]:
        """The mapping whose start has just been read; its entries are at `depth` + 1."""
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._value(event, depth + 1)
            value = next(self._events)
            name = key.strip(":") if isinstance(key, str) else None
            if name is None or (depth == 1 and name in self._leave_out):
                self._skip(value)
            else:
                found[name] = self._value(value, depth + 1)
        return found

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._anchors.get(event.anchor or "")
        value: Any = None
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style in (None, "")
            value = None if plain and event.value in _NULLS else event.value
        elif depth > _MAX_DEPTH:
            self._skip(event)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self.mapping(depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _sequence(self, depth: int) -> list[Any]:
        found = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, depth + 1))
        return found

    def _skip(self, event: yaml.Event) -> None:
        """Read to the end of the node that begins with `event`."""
        depth = int(isinstance(event, yaml.CollectionStartEvent))
        while depth > 0:
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)


def _one_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or " ".join(str(error).split())
    place = "" if mark is None else f"line {mark.line + 1}: "
    return f"{place}{said}"[:200]
