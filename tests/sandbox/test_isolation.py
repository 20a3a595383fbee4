"""Hosts that lack a layer: what is used instead, what is said, and that `strict` refuses.

Each host is simulated in a subprocess, by giving up root or by a filter under which the kernel
seems to have no Landlock, or no seccomp.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can play all these hosts")

# Runs a sandbox on the simulated host and prints what attacks from inside a worker came to.
SCRIPT = """
import json, os, struct, sys
from pathlib import Path
from autograder.errors import SandboxError
from autograder.sandbox import Isolation, Sandbox, privileges, seccomp, syscalls

def without_root():
    # Python may be private to root: keep the right to read it, also across exec.
    syscalls.prctl(8, 1)
    os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
    header = struct.pack("<Ii", 0x20080522, 0)
    import ctypes
    syscalls.call("capset", ctypes.create_string_buffer(header, 8),
                  ctypes.create_string_buffer(struct.pack("<6I", 4, 4, 4, 0, 0, 0), 24))
    syscalls.prctl(47, 2, 2)

def without(name, code):
    number = syscalls.number(name)
    program = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (6, 0, 0, 0x50000 | code)]
    program.append((6, 0, 0, 0x7FFF0000))
    syscalls.prctl(38, 1)
    seccomp.install(b"".join(struct.pack("<HBBI", *i) for i in program))

host = sys.argv[1]
if host == "no root":
    without_root()
elif host == "no Landlock":
    without("landlock_create_ruleset", 95)
elif host == "no seccomp":
    without("seccomp", 22)

SOURCE = '''
import os
def attempt(step):
    try:
        step()
        return "done"
    except BaseException as error:
        return type(error).__name__
def run(grader, secret, shared):
    return {
        "fork": attempt(lambda: os._exit(0) if os.fork() == 0 else os.wait()),
        "kill": attempt(lambda: os.kill(grader, 0)),
        "socket": attempt(lambda: __import__("socket").socket()),
        "secret": attempt(lambda: open(secret).read()),
        "memory": attempt(lambda: open(f"/proc/{grader}/mem", "rb").read(0)),
        "shared": attempt(lambda: open(shared, "w")),
        "null": attempt(lambda: open(os.devnull).read()),
    }
'''
with Sandbox() as sandbox:
    with sandbox.spawn() as worker:
        worker.load({"operators.py": SOURCE.encode()}, "operators", (), timeout=20)
        attacks = worker.call("run", (os.getpid(), sys.argv[2], sys.argv[3]), {}, timeout=20).value
    layers = dict(sandbox.layers)
    sandbox.isolation = Isolation.STRICT
    try:
        sandbox.spawn().close()
        strict = ""
    except SandboxError as error:
        strict = str(error)
print(json.dumps({"layers": layers, "attacks": attacks, "strict": strict}))
"""


Found = dict[str, Any]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Callable[[str], Found]]:
    """What a sandbox and its attackers found on a host; all of them run at the same time."""
    # Not below a folder that only root can enter, or the user id would protect it.
    secret = Path(f"/var/tmp/autograder-test-secret-{os.getpid()}")
    shared = Path(f"/dev/shm/autograder-test-{os.getpid()}")
    secret.write_text("42")
    running = {
        host: subprocess.Popen(
            [sys.executable, "-c", SCRIPT, host, str(secret), str(shared)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for host in ("no root", "no Landlock", "no seccomp")
    }

    def found(host: str) -> Found:
        output, errors = running[host].communicate(timeout=60)
        assert running[host].returncode == 0, errors
        assert errors == ""
        assert not shared.exists()
        answer: Found = json.loads(output)
        return answer

    yield found
    for process in running.values():
        process.kill()
        process.communicate()
    secret.unlink()
    shared.unlink(missing_ok=True)


def test_without_root_the_other_layers_hold(hosts: Callable[[str], Found]) -> None:
    found = hosts("no root")
    layers, attacks = found["layers"], found["attacks"]
    assert layers["uid"].startswith("missing: the grader doesn't run as root; run it as root")
    assert layers["seccomp"] == layers["rlimits"] == "active"
    assert attacks["fork"] == attacks["kill"] == attacks["socket"] == "PermissionError"
    assert attacks["null"] == "done"
    if layers["landlock"].startswith("active"):
        assert attacks["secret"] == attacks["memory"] == attacks["shared"] == "PermissionError"
    assert "strict isolation isn't available here: uid is missing: the grader" in found["strict"]


def test_without_landlock_nothing_can_be_written_and_the_report_says_what_is_open(
    hosts: Callable[[str], Found],
) -> None:
    found = hosts("no Landlock")
    layers, attacks = found["layers"], found["attacks"]
    assert layers["landlock"].startswith("missing: landlock_create_ruleset: Operation not sup")
    assert layers["seccomp"] == "active"
    assert layers["dev_shm"] == "active (nothing can be opened for writing)"
    assert attacks["fork"] == attacks["kill"] == attacks["socket"] == "PermissionError"
    assert attacks["shared"] == attacks["memory"] == "PermissionError"
    assert attacks["null"] == "done"
    if not layers["uid"].startswith("active"):
        # Python is private to root here, and without Landlock nobody else may be let in.
        assert "others can't read" in layers["uid"]
        assert layers["landlock"].endswith("may read the grader's files and memory")
    assert "landlock is missing" in found["strict"]


def test_without_seccomp_landlock_holds(hosts: Callable[[str], Found]) -> None:
    found = hosts("no seccomp")
    layers, attacks = found["layers"], found["attacks"]
    assert layers["seccomp"].startswith("missing: the kernel refuses seccomp filters")
    if layers["landlock"].startswith("active"):
        assert attacks["secret"] == attacks["memory"] == attacks["shared"] == "PermissionError"
        assert attacks["kill"] == "PermissionError"  # Landlock's scope for signals, or the user id
    assert "seccomp is missing" in found["strict"]
