"""What an assignment forbids: the `[policy]` table of its grading config."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from autograder.errors import ConfigError
from autograder.policy.rules import RULES

__all__ = ["Policy"]

_DOTTED = re.compile(r"[\w*?\[\]-]+(\.[\w*?\[\]-]+)*")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for one assignment's submissions.

    `rules` are names of rule groups (`no-autodiff`, `no-evasion`, …). `packages` may be imported
    beside the standard library, the submission's own files, and what stubs need for their type
    hints. `forbid` are further dotted names (`torch.special.log_softmax`) or globs
    (`torch.nn.functional.*`), each with all that is below it; `methods` are further names that no
    tensor may be asked for; `operators` are ATen operators (globs) that the worker watches for;
    `allow` are dotted names or globs exempt from every rule.
    """

    rules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ("torch", "numpy")
    forbid: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, table: Mapping[str, Any], where: str) -> Policy:
        """The policy that a `[policy]` table describes; `where` begins every message.

        Raises ConfigError for an unknown key or rule (with the closest match), a value that isn't
        a list of strings, and a string that can't be a name.
        """
        known = [field.name for field in fields(cls)]
        for key in table:
            if key not in known:
                raise ConfigError(f"{where}: unknown key {key!r}; {_nearest(key, known)}")
        values = {key: _strings(value, f"{where}: {key}") for key, value in table.items()}
        for rule in values.get("rules", ()):
            if rule not in RULES:
                raise ConfigError(f"{where}: rules: unknown rule {rule!r}; {_nearest(rule, RULES)}")
        for key in ("forbid", "allow"):
            for name in values.get(key, ()):
                if not _DOTTED.fullmatch(name):
                    raise ConfigError(
                        f"{where}: {key}: {name!r} is neither a dotted name nor a glob; "
                        "write it like 'torch.special.log_softmax' or 'torch.fft.*'"
                    )
        for key in ("packages", "methods"):
            for name in values.get(key, ()):
                if not name.isidentifier():
                    raise ConfigError(f"{where}: {key}: {name!r} is not a plain Python name")
        return cls(**values)


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where} must be a list of strings, not {value!r}")
    return tuple(value)


def _nearest(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    choices = ", ".join(known)
    return f"did you mean {close[0]!r}?" if close else f"choose from {choices}"
