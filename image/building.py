"""Building the grading image, and pushing it where a platform pulls it from."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engine import Done, Engine, EngineError, execute, say

from autograder.course import Course
from autograder.packages.payload import chosen_assignments, staff_files
from autograder.packages.requirements import extra_for, extra_packages

ROOT = Path(__file__).resolve().parent.parent


def arguments_for(engine: Engine, assignment: str, grader_uid: int = 0) -> dict[str, str]:
    """What this machine and this checkout have to say to the Dockerfile."""
    text = (ROOT / "autograder" / "__init__.py").read_text()
    course = Course(ROOT)
    extra = extra_for(staff_files(course, chosen_assignments(course, assignment)))
    revision = execute(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], 30)
    arguments = {
        "BASE_IMAGE": engine.base,
        "ASSIGNMENT": assignment,
        "EXTRA_PACKAGES": extra_packages(extra),
        "GRADER_UID": str(grader_uid),
        "VERSION": text.partition('__version__ = "')[2].partition('"')[0],
        "REVISION": revision.out.strip() if revision.code == 0 else "unknown",
    }
    if engine.local_wheels:
        # pip's own settings say where the right torch is.
        arguments["PIP_EXTRA_INDEX_URL"] = ""
    return arguments


def build(engine: Engine, image: str, arguments: dict[str, str]) -> Done:
    """Build and say what came of it. Raises EngineError."""
    done = engine.build(ROOT, image, arguments)
    size = engine.inspect(image)["Size"] / 1e6
    say(
        f"built {image}: {arguments['ASSIGNMENT']}, on {engine.base} with {engine.name}, "
        f"{size:.0f} MB, in {done.seconds:.0f} s"
    )
    return done


def push(engine: Engine, image: str, target: str, *, certain: bool) -> int:
    """Say what goes where; push only if that is `certain`. Raises EngineError."""
    if not engine.exists(image):
        raise EngineError(f"there is no image {image}; run `make image` first")
    facts = engine.inspect(image)
    labels = facts["Config"].get("Labels") or {}
    assignment = labels.get("dl-autograder.assignment", "?")
    say(f"image     {image} ({facts['Id'].removeprefix('sha256:')[:12]})")
    say(f"version   {labels.get('org.opencontainers.image.version', '?')}, "
        f"revision {labels.get('org.opencontainers.image.revision', '?')}")  # fmt: skip
    say(f"size      {facts['Size'] / 1e6:.0f} MB")
    say(f"inside    the hidden suite, the solution and the config of {assignment}")
    say(f"to        {target}")
    if not certain:
        say("nothing was pushed. Is that repository private? Then say: make image-push … YES=1")
        return 0
    if engine.name == "docker":
        _demand(engine.call("tag", image, target), "tag")
        done = subprocess.run([*engine.command, "push", target])
    else:
        done = subprocess.run([*engine.command, "push", image, target])
    return 0 if done.returncode == 0 else 1


def _demand(done: Done, verb: str) -> None:
    if done.code:
        raise EngineError(f"{verb} failed: {done.err.strip()}")
