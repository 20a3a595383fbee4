"""Timing student code without trusting it: the protocol of docs/timing.md.

    chain, digest, drawing, stopwatch (in sandbox)   what the worker does, and what it commits to
    timed_worker (in sandbox)                        the grader's handle, and its clock
    recipe, task                                     what is called, with what, compared how
    audit                                            results against commitments and the oracle
    rounds                                           overhead, student, baseline in turns
    statistics, verdict                              from rounds to points: pure
    roofline                                         the least time that a machine needs
    lock, stand, timer                               one at a time; trusted workers; the whole

The first modules share a process with student code, and are not believed.
"""

from __future__ import annotations

__all__ = ["TAG"]

TAG = "timing"
"""gradescope-utils' tag of a check that needs the clock."""
