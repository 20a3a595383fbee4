"""A policy ready to be asked: is this name forbidden, and by which rule?"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate

from autograder.policy.bans import Ban, Keyword
from autograder.policy.policy import Policy
from autograder.policy.rules import HINT_PACKAGES, RULES

__all__ = ["Hit", "Rulebook"]


@dataclass(frozen=True, slots=True)
class Hit:
    """That something is forbidden: the rule's name, and the end of the sentence that says why."""

    rule: str
    why: str


_CONFIG_WHY = "is forbidden in this assignment"

# torch's private modules import one another: each is a way to all the rest.
_TORCH_INTERNALS = re.compile(r"torch(\.\w+)*?\._(?!_)\w*\.\w.*", re.ASCII)
_INTERNALS_HIT = Hit("no-evasion", "is one of torch's internals; use torch's public functions")
COMPUTED_HIT = Hit(
    "no-evasion",
    "looks a name up in a module by a string that is only known at run time; write the name itself",
)
SCOPE_HIT = Hit("no-evasion", "looks names up in a module by string; write the name itself")
NUMERICAL_HIT = Hit(
    "no-autodiff",
    "isn't a derivation; in this assignment you derive the gradient yourself",
)


class _Entry:
    """One ban, compiled."""

    def __init__(self, rule: str, ban: Ban, allowed: re.Pattern[str] | None) -> None:
        self.hit = Hit(rule, ban.why)
        self.ban = ban
        self._allowed = allowed
        self._modules = ban.modules
        self._names = _globs(ban.names)
        self._methods = frozenset(ban.methods)
        self._only = _globs((ban.only_in, *ban.only)) if ban.only_in else None

    def covers(self, path: str) -> bool:
        if self._allowed is not None and self._allowed.fullmatch(path):
            return False
        if self.contains(path):
            return True
        if self._names is not None and self._names.fullmatch(path):
            return True
        head, _, last = path.rpartition(".")
        # Methods of a class: torch.Tensor.backward, torch.FloatTensor.softmax.
        if last in self._methods and head.startswith("torch.") and "Tensor" in head:
            return True
        inside = self._only is not None and path.startswith(f"{self.ban.only_in}.")
        return inside and self._only is not None and not self._only.fullmatch(path)

    def contains(self, path: str) -> bool:
        return any(path == m or path.startswith(f"{m}.") for m in self._modules)


class Rulebook:
    """Answers for one policy. All paths are canonical dotted names."""

    def __init__(self, policy: Policy) -> None:
        self._entries = list(_entries(policy))
        self._allow = _globs(tuple(g for name in policy.allow for g in (name, f"{name}.*")))
        self._packages = frozenset((*policy.packages, *HINT_PACKAGES))
        self._evasion = "no-evasion" in policy.rules
        self._numerical = "no-autodiff" in policy.rules
        self._names: dict[str, Hit | None] = {}
        self._methods: dict[str, Hit] = {}
        self._attributes: dict[str, Hit] = {}
        self._stores: dict[str, Hit] = {}
        self._keywords: dict[str, list[tuple[Keyword, re.Pattern[str], Hit]]] = {}
        for entry in self._entries:
            for table, names in (
                (self._methods, entry.ban.methods),
                (self._attributes, entry.ban.attributes),
                (self._stores, entry.ban.stores),
            ):
                for name in names:
                    table.setdefault(name, entry.hit)
            for keyword in entry.ban.keywords:
                pattern = re.compile(translate(keyword.callee))
                self._keywords.setdefault(keyword.name, []).append((keyword, pattern, entry.hit))
        self._allowed = tuple(policy.allow)
        self._excepted = _globs(
            (*(name for rule in policy.rules for name in RULES[rule].allowed), *policy.allow)
        )

    @property
    def computed(self) -> Hit | None:
        """The hit for a look-up in a module by a string that isn't known."""
        return COMPUTED_HIT if self._evasion else None

    @property
    def scope(self) -> Hit | None:
        """The hit for `vars(module)` and its like."""
        return SCOPE_HIT if self._evasion else None

    @property
    def numerical(self) -> Hit | None:
        """The hit for a difference quotient."""
        return NUMERICAL_HIT if self._numerical else None

    def name(self, path: str) -> Hit | None:
        """Whether `path` itself, or what it is part of, is forbidden."""
        if path not in self._names:
            self._names[path] = self._find(path)
        return self._names[path]

    def _find(self, path: str) -> Hit | None:
        if self._allow is not None and self._allow.fullmatch(path):
            return None
        for entry in self._entries:
            if entry.covers(path):
                return entry.hit
        _, _, last = path.rpartition(".")
        if last in self._attributes:
            return self._attributes[last]
        if self._evasion and _TORCH_INTERNALS.fullmatch(path):
            return _INTERNALS_HIT
        return None

    def excepted(self, path: str) -> bool:
        """Whether `path` is allowed although what it is part of is not."""
        return self._excepted is not None and self._excepted.fullmatch(path) is not None

    def leads_to_allowed(self, path: str) -> bool:
        """Whether the config allows something within the module `path`."""
        return any(name.startswith(f"{path}.") for name in self._allowed)

    def module(self, path: str) -> Hit | None:
        """Whether importing something from the module `path` is forbidden by itself."""
        if self._allow is not None and self._allow.fullmatch(path):
            return None
        if self.leads_to_allowed(path):
            # Something in it is allowed, so it can't be refused as a whole.
            return None
        for entry in self._entries:
            if entry.contains(path):
                return entry.hit
        if self._evasion and _TORCH_INTERNALS.fullmatch(f"{path}.x"):
            return _INTERNALS_HIT
        return None

    def package(self, top: str, own: frozenset[str]) -> Hit | None:
        """Whether importing the top-level package `top` is forbidden."""
        if top in sys.stdlib_module_names or top in self._packages or top in own:
            return None
        allowed = ", ".join(sorted(self._packages - set(HINT_PACKAGES)))
        return Hit(
            "packages",
            f"is neither in the standard library nor among {allowed} nor a file of this "
            "assignment; do without it",
        )

    def method(self, name: str) -> Hit | None:
        """Whether no tensor may be asked for its attribute `name`."""
        return self._methods.get(name)

    def attribute(self, name: str) -> Hit | None:
        """Whether no object may be asked for its attribute `name`."""
        return self._attributes.get(name)

    def store(self, name: str) -> Hit | None:
        """Whether the attribute `name` of a tensor may not be set."""
        return self._stores.get(name)

    def keyword(self, callee: str, name: str) -> tuple[Keyword, Hit] | None:
        """Whether a call of `callee` may not have the keyword `name` (unless it is harmless)."""
        for keyword, pattern, hit in self._keywords.get(name, ()):
            if pattern.fullmatch(callee):
                return keyword, hit
        return None

    @property
    def keywords(self) -> Collection[object]:
        """All keywords that some call may not have."""
        return self._keywords.keys()


def _entries(policy: Policy) -> Iterator[_Entry]:
    for rule in policy.rules:
        group = RULES[rule]
        for ban in group.bans:
            yield _Entry(rule, ban, _globs(group.allowed))
    if policy.forbid or policy.methods:
        names = tuple(glob for name in policy.forbid for glob in (name, f"{name}.*"))
        yield _Entry("forbid", Ban(_CONFIG_WHY, names=names, methods=policy.methods), None)


def _globs(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(joined) if joined else None
