"""What a worker watches while the code runs: the second line behind the static rules."""

from __future__ import annotations

from collections.abc import Iterator

from autograder.policy.policy import Policy
from autograder.policy.rules import RULES

__all__ = ["tripwires"]


def tripwires(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of torch to replace by something that raises, and globs of ATen operators to watch.

    A name ending in `.*` stands for every public callable of that module or class. What the config
    forbids by itself is watched too, as far as it names a single function of torch; what it
    allows is not watched.
    """
    bans = [ban for rule in policy.rules for ban in RULES[rule].bans]
    names = [name for ban in bans for name in ban.tripwires]
    names += _configured(policy)
    allowed = set(policy.allow)
    operators = [operator for ban in bans for operator in ban.operators]
    operators += policy.operators
    return (
        tuple(name for name in dict.fromkeys(names) if name not in allowed),
        tuple(dict.fromkeys(operators)),
    )


def _configured(policy: Policy) -> Iterator[str]:
    for name in policy.forbid:
        plain = name.removesuffix(".*")
        if name.startswith("torch.") and not set(plain) & set("*?["):
            yield name
    for method in policy.methods:
        yield f"torch.Tensor.{method}"
