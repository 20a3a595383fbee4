"""The archives for platforms, unpacked and run as each platform does it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

from lab import Lab, demand

__all__ = ["run_classroom50", "run_gradescope_archive", "run_prairielearn"]

IMAGE_OF_ARCHIVE = "localhost/dl-autograder-test:archive"


def run_gradescope_archive(lab: Lab, everything: bool) -> str:
    """The zip on a bare base: unpacked to /autograder/source, setup.sh as root, then a grade."""
    place = lab.place("archive", lab.solution)
    zipped = place / "autograder.zip"
    _package(lab, "gradescope", f"--out={zipped}")
    source = place / "source"
    _unzip(zipped, source)
    name = "dl-autograder-archive"
    lab.engine.call("rm", "--force", name)
    script = (
        "mkdir -p /autograder && cp -a /upload /autograder/source && cd /autograder/source && "
        "bash ./setup.sh && cp run_autograder /autograder/ && chmod +x /autograder/run_autograder"
    )
    options = [*lab.engine.build_options, f"--volume={source}:/upload:ro", f"--name={name}"]
    if lab.engine.local_wheels:
        options.append("--env=PIP_EXTRA_INDEX_URL=")
    try:
        done = lab.engine.call(
            "run", *lab.engine.ulimits, *options, lab.engine.base, "sh", "-c", script, timeout=1800
        )
        demand(done.code == 0, f"setup.sh: {done.err[-2000:]}")
        demand(lab.engine.call("commit", name, IMAGE_OF_ARCHIVE, timeout=600).code == 0, "commit")
    finally:
        lab.engine.call("rm", "--force", name)
    left = lab.engine.run(IMAGE_OF_ARCHIVE, ["find", "/autograder/source", "-name", "*.toml"])
    demand(left.code == 0 and not left.out, f"staff files are left: {left.out}{left.err}")
    graded = lab.grade(place, image=IMAGE_OF_ARCHIVE)
    demand(graded.done.code == 0, graded.done.err)
    demand(graded.score == 100, f"{graded.score}: {graded.report['output']}")
    return f"setup.sh {done.seconds:.0f} s, then a grade {graded.done.seconds:.0f} s"


def run_prairielearn(lab: Lab, everything: bool) -> str:
    """As PrairieLearn's grader: /grade, no results folder, the entry point of info.json."""
    place = lab.place("prairielearn")
    _package(lab, "prairielearn", "--image=an/image", f"--out={place}/question")
    info = json.loads((place / "question" / "info.json").read_text())
    options = info["externalGradingOptions"]
    grade = place / "grade"
    (grade / "student").mkdir(parents=True)
    (grade / "data").mkdir()
    (grade / "data" / "data.json").write_text("{}")
    _copy(lab.cohort / "submission_104", grade / "student")
    variables = [f"--env={key}={value}" for key, value in options["environment"].items()]
    done = lab.engine.run(
        lab.image, [options["entrypoint"]], f"--volume={grade}:/grade", *variables
    )
    demand(done.code == 0, done.err)
    written = grade / "results" / "results.json"
    report = json.loads(written.read_text())
    demand(report["gradable"] is True, report)
    demand(0 < report["score"] < 1, report["score"])
    demand(written.stat().st_size <= 1_000_000, written.stat().st_size)
    return f"score {report['score']:.4f}, {written.stat().st_size // 1000} kB"


def run_classroom50(lab: Lab, everything: bool) -> str:
    """As Classroom 50's runner: autograder.py in a checkout, with the runner's variables."""
    place = lab.place("classroom50")
    _package(lab, "classroom50", f"--image={lab.image}", f"--out={place}/package")
    program = next((place / "package" / "autograders").glob("*/autograder.py"))
    checkout = place / "checkout"
    checkout.mkdir()
    _copy(lab.cohort / "submission_104", checkout)
    told = {
        "CLASSROOM": "dl", "ASSIGNMENT": "a1", "SUBMISSION_TAG": "submit/now-abc1234",
        "COMMIT_URL": "https://example.org/commit", "RELEASE_URL": "https://example.org/release",
        "OWNER": "ada", "ASSIGNMENT_TYPE": "individual",
        "CONTAINER_ENGINE": str(_engine_for_scripts(lab, place)),
    }  # fmt: skip
    command = [sys.executable, program]
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | told, capture_output=True, text=True, timeout=600
    )
    demand(done.returncode == 0, done.stderr)
    report = json.loads((checkout / "result.json").read_text())
    demand(report["schema"] == "classroom50/result/v1", report)
    demand(0 < report["score"] < report["max-score"] == 10000, report["score"])
    demand(report["score"] == sum(test["score"] for test in report["tests"]), report["tests"])
    demand("points" in (checkout / "release-body.md").read_text(), "release-body.md")
    return f"{report['score']} of {report['max-score']}"


def _engine_for_scripts(lab: Lab, place: Path) -> Path:
    """A program that stands in for `docker`, with what this machine needs besides."""
    program = place / "engine"
    command = shlex.join(lab.engine.command)
    options = shlex.join(lab.engine.ulimits)
    program.write_text(f'#!/bin/sh\nverb=$1; shift\nexec {command} "$verb" {options} "$@"\n')
    program.chmod(0o755)
    return program


def _package(lab: Lab, kind: str, *options: str) -> None:
    program = "from autograder.cli import main; main()"
    command = [sys.executable, "-c", program, "package", kind, lab.assignment, *options]
    done = subprocess.run(command, cwd=lab.course, capture_output=True, text=True, timeout=120)
    demand(done.returncode == 0, done.stderr)


def _unzip(archive: Path, folder: Path) -> None:
    """With the modes that the archive says, as Info-ZIP's unzip does."""
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            path = Path(opened.extract(info, folder))
            path.chmod(info.external_attr >> 16 & 0o777)


def _copy(source: Path, target: Path) -> None:
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
