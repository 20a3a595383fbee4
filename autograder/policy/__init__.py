"""Static rules on a student's source: what «by hand» means, without running anything.

How it works, from the outside in. `check` reads the files (`source`, `survey`), walks their trees
(`statements`, `expressions`, `imports`, `functions`), and reports what it found (`report`).

The walk doesn't look for spellings. It computes, for every variable, attribute, container and
expression, what it may hold (`values`), by letting values flow until nothing changes (`solver`):
that is how `ag = torch.autograd`, a table of functions, `partial`, `getattr` with a string put
together from pieces, and an argument passed through three helpers all lead to the same name.
Shadowing comes for free: a parameter called `torch` or a function called `softmax` holds the
student's own value. `attributes`, `calls` and `externals` say what the three kinds of look-up mean.

Where code gets hold of something forbidden there is a site (`units`). `graph` says from where it
can be reached: from importing the file, from a graded function, or from neither.

What is forbidden is data: `torch_bans`, `python_bans`, `kernel_bans`, put together in `rules` and
asked through `rulebook`. `tripwires` gives a worker its second line from the same data.
"""

from __future__ import annotations

from autograder.policy.check import check_source, check_sources
from autograder.policy.policy import Policy
from autograder.policy.report import PolicyReport, Violation
from autograder.policy.source import SourceError
from autograder.policy.tripwires import tripwires

__all__ = [
    "Policy",
    "PolicyReport",
    "SourceError",
    "Violation",
    "check_source",
    "check_sources",
    "tripwires",
]
