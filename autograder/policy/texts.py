"""What Python would make of known strings: enough to see through `"auto" + "grad"`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["METHODS", "Known", "concatenate", "interpolate", "is_name_like", "method", "slice_of"]

# Longer results aren't names of anything.
_MOST = 200

METHODS = frozenset(
    "capitalize casefold decode encode format format_map hex join lower lstrip removeprefix "
    "removesuffix replace rstrip strip swapcase title translate upper".split()
)

Known = str | bytes

_LONGEST = 60
_NO_PART_OF_NAMES = frozenset((*" \t\n,;:!?()'\"", *b" \t\n,;:!?()'\""))


def is_name_like(text: Known) -> bool:
    """Whether a string may be (a part of) a name, or a template of one: messages aren't."""
    return len(text) <= _LONGEST and not any(c in _NO_PART_OF_NAMES for c in text[:_LONGEST])


def concatenate(left: Known, right: Known) -> Known | None:
    """`left + right`, None if that isn't known."""
    if isinstance(left, str) and isinstance(right, str):
        return _short(left + right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return _short(left + right)
    return None


def interpolate(template: Known, arguments: Sequence[Known]) -> Known | None:
    """`template % arguments`, None if that isn't known."""
    if not isinstance(template, str) or _wide(template):
        return None
    try:
        return _short(template % tuple(arguments))
    except (TypeError, ValueError, KeyError, OverflowError, MemoryError):
        return None


def method(text: Known, name: str, arguments: Sequence[Known]) -> Known | None:
    """`text.name(*arguments)`, None if that isn't known."""
    if name not in METHODS or len(text) > _MOST or _wide(text):
        return None
    values = tuple(arguments)
    try:
        result = getattr(text, name)(values) if name == "join" else getattr(text, name)(*values)
    except (AttributeError, TypeError, ValueError, LookupError, OverflowError, MemoryError):
        return None
    return _short(result) if isinstance(result, str | bytes) else None


def slice_of(text: Known, parts: Sequence[int | None]) -> Known | None:
    """`text[a:b:c]`, None if that isn't known."""
    try:
        return _short(text[slice(*parts)])
    except (TypeError, ValueError):
        return None


def _short(text: Known) -> Known | None:
    return text if len(text) <= _MOST else None


def _wide(template: Known) -> bool:
    """Whether a format might ask for a great width: `"%999999999d"` must not be tried."""
    text = template if isinstance(template, str) else template.decode("latin-1")
    return sum(character.isdigit() for character in text) > 3
