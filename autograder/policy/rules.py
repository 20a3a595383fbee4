"""All rule groups by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from autograder.policy.bans import RuleGroup
from autograder.policy.kernel_bans import KERNELS_ONLY
from autograder.policy.python_bans import NO_EVASION
from autograder.policy.torch_bans import NO_AUTODIFF, NO_SOFTMAX, NO_WINDOWS

__all__ = ["HINT_PACKAGES", "RULES"]

RULES: Mapping[str, RuleGroup] = MappingProxyType(
    {group.name: group for group in (NO_AUTODIFF, NO_EVASION, NO_SOFTMAX, NO_WINDOWS, KERNELS_ONLY)}
)

# What the stubs themselves import for their type hints.
HINT_PACKAGES = ("jaxtyping", "typing_extensions")
