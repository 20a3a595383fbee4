"""What each layer of confinement is for, and whether this host has it (for `autograder doctor`)."""

from __future__ import annotations

from collections.abc import Mapping

from .client import Sandbox
from .limits import Isolation

__all__ = ["PURPOSES", "probe"]

PURPOSES = {
    "closed_fds": "student code inherits no open file, socket or pipe of the grader",
    "rlimits": "memory, processes, threads, files and processor time are bounded",
    "uid": "student code runs as a user of its own, without capabilities",
    "no_new_privs": "no program that student code starts can gain privileges",
    "landlock": "suites, solutions, other submissions and /proc can't be read, nothing be written",
    "seccomp": "no network, no new processes, no look into other processes",
    "dev_shm": "nothing is left behind in, or passed on through, shared memory",
}


def probe() -> Mapping[str, str]:
    """Confine a worker as a grade would; the state of each layer on this host.

    A state is "active", perhaps with a detail in parentheses, or "missing: <reason>; <what to do>".
    Takes as long as importing torch. Raises SandboxError if no worker can be started at all.
    """
    with Sandbox(Isolation.AUTO) as sandbox:
        return sandbox.layers
