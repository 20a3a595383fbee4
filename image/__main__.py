"""The grading image: `python image build`, `test` or `push`; the Makefile's targets say how.

`test` builds the image and tries it out. Every check runs in a container with Gradescope's limits:
read-only root, no network, 768 MB, half a core, a limit on processes. What is graded inside must
equal what is graded outside.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from building import ROOT, arguments_for, build, push
from engine import EngineError, find_engine, say
from lab import Lab
from trial import build_twice, shout, try_out

from autograder.errors import InputError


def main() -> int:
    options = _options()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    tag = options.assignment.replace(",", "-")
    try:
        engine = find_engine(work, options.base)
    except EngineError as error:
        if options.verb == "test":
            shout(f"THE GRADING IMAGE WAS NOT TESTED: {error}")
            return 0 if options.if_possible else 1
        say(f"no image can be built here: {error}")
        return 1
    try:
        if options.verb == "push":
            image = options.image or f"dl-autograder:{tag}"
            return push(engine, image, options.to, certain=options.yes)
        arguments = arguments_for(engine, options.assignment)
        if options.verb == "build":
            build(engine, options.image or f"dl-autograder:{tag}", arguments)
            return 0
        image = f"localhost/dl-autograder-test:{tag}"
        build_twice(engine, image, arguments)
    except (EngineError, InputError) as error:
        say(str(error))
        return 1
    lab = Lab(engine, image, options.assignment, ROOT, work, arguments)
    return try_out(lab, everything=options.everything, only=options.only, jobs=options.jobs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="image", description=__doc__)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--assignment", "-a", default="a1_operators")
    shared.add_argument("--base", help="an image to build on; the default is Debian's slim one")
    shared.add_argument("--image", help="the image's name; the default is dl-autograder:ASSIGNMENT")
    shared.add_argument("--work", type=Path, default=ROOT / "out" / "image")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", parents=[shared], help="build it")
    test = verbs.add_parser("test", parents=[shared], help="build it and try it out")
    test.add_argument(
        "--all", dest="everything", action="store_true",
        help="the whole cohort, and the archive for Gradescope unpacked and run",
    )  # fmt: skip
    test.add_argument("--only", help="only checks with this in their name")
    cores = os.cpu_count() or 1
    test.add_argument(
        "--jobs", "-j", type=int, default=min(2 * cores - 1, 8), help="checks at a time"
    )
    test.add_argument(
        "--if-possible", action="store_true",
        help="exit with success where neither Docker nor podman can be had, and say so loudly",
    )  # fmt: skip
    pushing = verbs.add_parser(
        "push", parents=[shared], help="push it, after saying what and where"
    )
    pushing.add_argument("--to", required=True, help="the name to push it under")
    pushing.add_argument("--yes", action="store_true", help="really push")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
