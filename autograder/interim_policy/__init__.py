"""Static rules on a submission's source: what “by hand” means, checked before anything runs.

The rules look at names, through every alias the source can give them (`names`), and say which
function a forbidden name is reachable from (`reach`), so that it costs that exercise and no other.
What no static rule can see is left to the worker's tripwires (`tripwires`), which are made from
the same rule data (`rules`). Both are about honesty, not about security: the boundary is the
sandbox, and no answer is trusted.
"""

from __future__ import annotations

from autograder.interim_policy.check import check_source
from autograder.interim_policy.model import Policy, PolicyReport, SourceError, Violation
from autograder.interim_policy.rules import tripwires

__all__ = ["Policy", "PolicyReport", "SourceError", "Violation", "check_source", "tripwires"]
