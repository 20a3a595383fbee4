"""Trying the image out: all checks, a few at a time, and what came of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from building import ROOT, build
from checks import CHECKS, Check
from engine import Engine, EngineError, say
from lab import Lab, Wrong


@dataclass(frozen=True, slots=True)
class _Ending:
    """How one check ended: a figure or what is wrong, and its seconds."""

    found: str
    fine: bool
    seconds: float


def build_twice(engine: Engine, image: str, arguments: dict[str, str]) -> None:
    """As things are, and again with every layer at hand. Raises EngineError."""
    was_there = engine.exists(image)
    first = build(engine, image, arguments)
    again = engine.build(ROOT, image, arguments)
    how = "an earlier one's layers were at hand" if was_there else "cold"
    say(f"build: {first.seconds:.0f} s ({how}), {again.seconds:.0f} s (nothing changed)")


def try_out(lab: Lab, *, everything: bool, only: str | None, jobs: int) -> int:
    """Run the checks and tell about each as it ends. Returns the exit status."""
    chosen = [
        check
        for check in CHECKS
        if (everything or not check.long) and (only is None or only in check.name)
    ]
    bad = []
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_attempt, check, lab, everything): check for check in chosen}
        for future in as_completed(futures):
            name, ending = futures[future].name, future.result()
            mark, more = "ok  " if ending.fine else "FAIL", f": {ending.found}"
            say(f"{mark} {name} ({ending.seconds:.0f} s){more if ending.found else ''}")
            if not ending.fine:
                bad.append(name)
    if bad:
        shout(f"{len(bad)} of {len(chosen)} checks of the image failed: {', '.join(bad)}")
        return 1
    say(f"the image passes all {len(chosen)} checks")
    return 0


def shout(line: str) -> None:
    bar = "!" * 78
    say(f"{bar}\n{line}\n{bar}")


def _attempt(check: Check, lab: Lab, everything: bool) -> _Ending:
    began = time.monotonic()
    try:
        found, fine = check.run(lab, everything), True
    except (Wrong, EngineError) as error:
        found, fine = str(error), False
    return _Ending(found, fine, time.monotonic() - began)
