"""What the image must do, one function per promise. Each returns a figure worth telling, or ""."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from archives import run_classroom50, run_gradescope_archive, run_prairielearn
from cohort import compare_cohort
from engine import LIMITS
from lab import RUN, Graded, Lab, Wrong, demand, read_report

MOST_MEGABYTES = 1300
SECONDS_OF_PLATFORM = 600
PYTHON = "/opt/autograder/venv/bin/python"

# Among tests/attacks, the ones whose ending depends on the container around the sandbox.
ATTACKS = (
    "reads a staff file by its path", "walks the whole disk for suites",
    "reads its parents' environment and command line", "connects to the network",
    "opens an abstract socket", "traces its parent", "lists other users' leftovers",
    "writes results.json wherever it can", "vanishes with success",
    "writes a forged answer into every descriptor", "stops itself", "forks",
    "starts threads without end", "eats memory in Python", "asks torch for a terabyte",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `long` ones are kept only with --all; `run` is also told about --all."""

    name: str
    run: Callable[[Lab, bool], str]
    long: bool = False


def contents(lab: Lab, everything: bool) -> str:
    facts = lab.engine.inspect(lab.image)
    size = facts["Size"] / 1e6
    demand(size <= MOST_MEGABYTES, f"{size:.0f} MB, more than {MOST_MEGABYTES}")
    config = facts["Config"]
    demand(not config.get("Entrypoint"), f"there is an entry point: {config.get('Entrypoint')}")
    own = lab.engine.inspect(lab.engine.base)["Config"].get("Cmd")
    demand(config.get("Cmd") == own, f"there is a command: {config.get('Cmd')}")
    labels = config["Labels"]
    demand(labels["dl-autograder.assignment"] == lab.assignment, labels)
    demand(labels["org.opencontainers.image.version"][0].isdigit(), labels)
    return f"{size:.0f} MB"


def secrets_are_closed(lab: Lab, everything: bool) -> str:
    """Suites, solutions and configs: nobody but root sees as much as their names."""
    script = (
        "ls /opt/autograder/course && exit 9; cat /opt/autograder/course/suites/*/*.py && exit 9; "
        "stat -c %a:%u /opt/autograder/course"
    )
    done = lab.engine.run(lab.image, ["sh", "-c", script], "--user=61234:61234")
    demand(done.code == 0 and done.out.strip() == "700:0", done.out + done.err)
    return ""


def limits_are_real(lab: Lab, everything: bool) -> str:
    """Or all that is shown below would show nothing."""
    for name, code, status, words in (
        ("memory", _HOARD, 137, ""),
        ("processes", _FORKS, 7, ""),
        ("network", _CALL, 1, "Network is unreachable"),
        ("read-only root", "open('/opt/autograder/x', 'w')", 1, "Read-only file system"),
        ("processor", _HALF, 0, ""),
    ):
        done = lab.engine.run(lab.image, [PYTHON, "-c", code], timeout=60)
        demand(done.code == status, f"{name}: exit status {done.code}: {done.err[-300:]}")
        demand(words in done.err, f"{name}: {done.err[-300:]}")
    return "memory, processes, network, read-only root, processor"


_HOARD = "x = bytearray(900 << 20); x[::4096] = b'1' * len(x[::4096])"
# An address that is reserved for documentation: nobody answers there.
_CALL = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
_FORKS = """
import os, time
for n in range(400):
    try:
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
    except BlockingIOError:
        os._exit(7)
"""
_HALF = """
import time
began = time.monotonic()
while time.monotonic() - began < 2:
    pass
share = time.process_time() / 2
exit(0 if share < 0.75 else f"{share:.2f} of a core")
"""


def one_grade(lab: Lab, everything: bool) -> str:
    """The solution, as Gradescope would grade it: full marks, every layer, within its limits."""
    graded = lab.grade(
        lab.place("solution", lab.solution), "--env=AUTOGRADER_ISOLATION=strict", measured=True
    )
    demand(graded.done.code == 0, graded.done.err)
    most = sum(test["max_score"] for test in graded.report["tests"])
    demand(graded.score == round(most, 2), f"{graded.score} of {most}: {graded.report['output']}")
    missing = [k for k, state in graded.isolation.items() if not state.startswith("active")]
    demand(graded.isolation and not missing, f"isolation: {graded.isolation}")
    demand(graded.done.seconds < SECONDS_OF_PLATFORM / 2, f"{graded.done.seconds:.0f} s")
    figures = dict(
        line.split(" ", 1) for line in graded.done.err.splitlines() if line.startswith("peak-")
    )
    anonymous = int(figures["peak-anon"].split()[-1]) / 2**20
    everything_else = int(figures["peak-all"].split()[-1]) / 2**20
    demand(anonymous < 700, f"{anonymous:.0f} MiB")
    return (
        f"{graded.done.seconds:.0f} s from start to end; peak {anonymous:.0f} MiB, "
        f"{everything_else:.0f} MiB with what the kernel caches of files; "
        f"layers: {', '.join(graded.isolation)}"
    )


def same_inside_and_outside(lab: Lab, everything: bool) -> str:
    return compare_cohort(lab, everything)


def attacks_inside(lab: Lab, everything: bool) -> str:
    """The project's own tests of attacks, against what is installed in the image."""
    test = "tests/attacks/test_attacks.py::test_the_sandbox_alone_holds"
    names = [f"{test}[{name}]" for name in ATTACKS]
    done = lab.engine.run(
        lab.image,
        [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *names],
        f"--volume={lab.course}/tests:/src/tests:ro",
        f"--volume={lab.course}/pyproject.toml:/src/pyproject.toml:ro",
        "--workdir=/src",
        "--env=AUTOGRADER_COURSE=/opt/autograder/course",
        "--env=PYTHONDONTWRITEBYTECODE=1",
        # These tests have short time limits, meant for a whole core.
        limits=[limit for limit in LIMITS if not limit.startswith("--cpus")],
    )
    last = done.out.strip().splitlines()[-1] if done.out.strip() else done.err[-300:]
    demand(done.code == 0, done.out[-3000:] + done.err[-1000:])
    demand(f"{len(ATTACKS)} passed" in last, last)
    return last


def nothing_handed_in(lab: Lab, everything: bool) -> str:
    graded = lab.grade(lab.place("empty"))
    demand(graded.done.code == 0, graded.done.err)
    demand(graded.score == 0, graded.score)
    demand("is missing from the submission" in graded.report["output"], graded.report["output"])
    return ""


def no_submission_folder(lab: Lab, everything: bool) -> str:
    place = lab.place("no-folder")
    options = [option for option in lab.mounts(place) if "/submission:" not in option]
    # The image has the folder, as the platform expects; here the platform's mount went wrong.
    script = f"rmdir /autograder/submission; exec {RUN}"
    limits = [limit for limit in LIMITS if limit != "--read-only"]
    done = lab.engine.run(lab.image, ["sh", "-c", script], *options, limits=limits)
    Graded(done, read_report(place)).demand_our_fault("there is no such folder")
    return ""


def another_assignment(lab: Lab, everything: bool) -> str:
    graded = lab.grade(
        lab.place("another", lab.solution), "--env=AUTOGRADER_ASSIGNMENT=b9_something"
    )
    graded.demand_our_fault("no assignment 'b9_something'", lab.assignment)
    return ""


def results_that_can_not_be_written(lab: Lab, everything: bool) -> str:
    """A read-only folder: one line, and the score in the log. A full one: what was there stays."""
    place = lab.place("read-only", lab.cohort / "submission_102")
    options = [o + ":ro" if o.endswith("/results") else o for o in lab.mounts(place)]
    done = lab.engine.run(lab.image, [RUN], *options)
    demand(done.code == 2, f"exit status {done.code}")
    lines = done.err.splitlines()
    demand(sum("can't be written" in line for line in lines) == 2, done.err)
    demand("score 0" in done.err, done.err)
    place = lab.place("full", lab.cohort / "submission_102")
    options = [o for o in lab.mounts(place) if not o.endswith("/results")]
    script = f"{RUN}; code=$?; cat /autograder/results/results.json; exit $code"
    done = lab.engine.run(
        lab.image, ["sh", "-c", script], *options, "--tmpfs=/autograder/results:size=16k"
    )
    demand(done.code == 2, f"exit status {done.code}")
    demand("No space left" in done.err, done.err)
    demand("score" not in json.loads(done.out), done.out)
    return ""


def killed_in_mid_suite(lab: Lab, everything: bool) -> str:
    """The grader by SIGKILL, the container by SIGTERM and by SIGKILL: what was known is kept."""
    known = []
    for way in ("grader", "stopped", "killed"):
        place = lab.place(f"dies-{way}", lab.solution)
        name = f"dl-autograder-dies-{way}"
        lab.engine.call("rm", "--force", name)
        lab.engine.start(name, lab.image, [RUN], *lab.mounts(place))
        try:
            _wait_for_a_passed_check(place)
            if way == "grader":
                lab.engine.call("exec", name, "sh", "-c", _KILL_GRADER)
            elif way == "stopped":
                lab.engine.call("kill", "--signal=TERM", name)
            else:
                lab.engine.call("kill", "--signal=KILL", name)
            code = int(lab.engine.call("wait", name).out.strip())
            log = lab.engine.call("logs", name).err
        finally:
            lab.engine.call("rm", "--force", name)
        report = read_report(place)
        demand("score" not in report, f"{way}: there is a score")
        demand("incomplete" in report["output"], report["output"])
        demand(report["extra_data"]["complete"] is False, f"{way}: passes for complete")
        passed = sum(test["status"] == "passed" for test in report["tests"])
        demand(0 < passed < len(report["tests"]), f"{way}: {passed} passed")
        known.append(f"{way} {passed} of {len(report['tests'])}")
        if way != "killed":
            demand(code == 2, f"{way}: exit status {code}")
            demand("SIGKILL" in log or "SIGTERM" in log, f"{way}: {log}")
    return f"checks known: {', '.join(known)}"


_KILL_GRADER = """
for folder in /proc/[0-9]*; do
    if tr '\\0' ' ' <$folder/cmdline | grep -q "platforms[.]grading"; then
        kill -9 ${folder#/proc/}
    fi
done
"""


def _wait_for_a_passed_check(place: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        report = read_report(place) if (place / "results" / "results.json").exists() else {}
        if any(test["status"] == "passed" for test in report.get("tests", ())):
            return
        time.sleep(0.2)
    raise Wrong("no check passed within two minutes")


def too_little_memory(lab: Lab, everything: bool) -> str:
    """The kernel kills the grader itself; its supervisor says so."""
    limits = [limit.replace("768m", "160m") for limit in LIMITS]
    graded = lab.grade(lab.place("memory", lab.solution), limits=limits)
    graded.demand_our_fault("SIGKILL")
    return ""


def not_root(lab: Lab, everything: bool) -> str:
    """An image for root, started as somebody else, and one that was built for them."""
    place = lab.place("not-root", lab.solution, world=True)
    graded = lab.grade(place, "--user=1000:1000")
    graded.demand_our_fault("its files are for user 0, and this is user 1000")
    image = f"{lab.image}-1000"
    lab.engine.build(lab.course, image, lab.arguments | {"GRADER_UID": "1000"})
    place = lab.place("as-1000", lab.solution, world=True)
    graded = lab.grade(place, "--user=1000:1000", image=image)
    demand(graded.done.code == 0, graded.done.err)
    uid = graded.isolation["uid"]
    demand(uid.startswith("missing: the grader doesn't run as root"), uid)
    for layer in ("landlock", "seccomp", "no_new_privs"):
        demand(graded.isolation[layer].startswith("active"), graded.isolation)
    demand(graded.score == 100, graded.score)
    place = lab.place("as-1000-strict", lab.solution, world=True)
    strict = lab.grade(place, "--user=1000:1000", "--env=AUTOGRADER_ISOLATION=strict", image=image)
    strict.demand_our_fault("strict isolation isn't available here", "uid is missing")
    return "refused; as user 1000: graded without `uid`; strict: refused"


def without_landlock_and_seccomp(lab: Lab, everything: bool) -> str:
    """A host or a container profile that refuses both, as Docker's once did."""
    profile = lab.work / "profile.json"
    names = ["landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"]
    rule = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]
    profile.write_text(
        json.dumps(
            {"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures, "syscalls": [rule]}
        )
    )
    option = f"--security-opt=seccomp={profile}"
    graded = lab.grade(lab.place("bare", lab.solution), option)
    demand(graded.done.code == 0, graded.done.err)
    demand(graded.isolation["landlock"].startswith("missing"), graded.isolation)
    demand(graded.isolation["seccomp"].startswith("missing"), graded.isolation)
    demand(graded.isolation["uid"].startswith("active"), graded.isolation)
    demand(graded.score == 100, graded.score)
    strict = lab.grade(
        lab.place("bare-strict", lab.solution), option, "--env=AUTOGRADER_ISOLATION=strict"
    )
    strict.demand_our_fault("strict isolation isn't available here")
    return "graded by user id alone, and recorded; strict: refused"


CHECKS = (
    Check("the cohort is graded inside as outside", same_inside_and_outside),
    Check("attacks inside", attacks_inside),
    Check("one grade within Gradescope's limits", one_grade),
    Check("killed in mid-suite", killed_in_mid_suite),
    Check("not as root", not_root),
    Check("without Landlock and seccomp", without_landlock_and_seccomp),
    Check("results that can't be written", results_that_can_not_be_written),
    Check("too little memory", too_little_memory),
    Check("limits are real", limits_are_real),
    Check("nothing handed in", nothing_handed_in),
    Check("no submission folder", no_submission_folder),
    Check("another assignment", another_assignment),
    Check("size, labels, no command", contents),
    Check("suites, solutions and configs are root's alone", secrets_are_closed),
    Check("PrairieLearn's way in", run_prairielearn),
    Check("Classroom 50's way in", run_classroom50),
    Check("Gradescope's archive, unpacked and run", run_gradescope_archive, long=True),
)
