"""The life of zygotes and workers: who starts, who dies, and that nothing is left."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autograder.errors import SandboxError
from autograder.sandbox import Isolation, Sandbox, WorkerLimits
from autograder.sandbox.connection import DeadlineError, _Deadline
from autograder.sandbox.protocol import pack
from autograder.student import StudentTimedOut

from .conftest import Load, ask, wait_until

ONE = {"operators.py": b"def run(): return 1"}
SLEEPING = {"operators.py": b"import time\ndef run(): time.sleep(60)"}


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    """A sandbox that may be maltreated; started in a thread, whose end it must survive."""
    sandbox = Sandbox()
    thread = threading.Thread(target=sandbox.start)
    thread.start()
    thread.join()
    with sandbox:
        yield sandbox


def descriptors(pid: int | None = None) -> int:
    return len(os.listdir(f"/proc/{pid or os.getpid()}/fd"))  # noqa: PTH208


def children_of(pid: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.add(int(entry.name))
    return found


def zygote_pid(sandbox: Sandbox) -> int:
    zygote = sandbox._zygote
    assert zygote is not None
    return zygote.pid


def test_many_workers_leave_no_descriptor_and_no_zombie(own: Sandbox) -> None:
    own.spawn().close()
    gc.collect()
    before = descriptors()
    zygote = zygote_pid(own)
    # The zygote can't be looked into, except by root.
    inside = descriptors(zygote) if os.geteuid() == 0 else 0
    for index in range(100):
        worker = own.spawn()
        if index % 10 == 0:
            worker.load(ONE, "operators", (), timeout=20)
            assert ask(worker) == 1
        worker.close()
        worker.close()
    assert descriptors() == before
    wait_until(lambda: not children_of(zygote))
    if os.geteuid() == 0:
        assert descriptors(zygote) == inside


def test_a_worker_that_nobody_closes_is_killed_when_it_is_forgotten(own: Sandbox) -> None:
    worker = own.spawn()
    pid = worker.pid
    del worker
    gc.collect()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_two_workers_live_side_by_side(own: Sandbox) -> None:
    with own.spawn() as first, own.spawn() as second:
        for worker in (first, second):
            worker.load(
                {"operators.py": b"n = 0\ndef run():\n global n\n n += 1\n return n"},
                "operators",
                (),
                timeout=20,
            )
        assert [ask(first), ask(first), ask(second)] == [1, 2, 1]
        first.close()
        assert ask(second) == 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_of_the_grader_can_not_end_the_sandbox(own: Sandbox) -> None:
    with own.spawn() as worker:
        worker.load(ONE, "operators", (), timeout=20)
        child = os.fork()
        if child == 0:
            try:
                worker.close()
                own.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert ask(worker) == 1
        with own.spawn() as other:
            other.load(ONE, "operators", (), timeout=20)
            assert ask(other) == 1


def test_a_worker_loads_one_submission(own: Sandbox) -> None:
    with own.spawn() as worker:
        worker.load(ONE, "operators", (), timeout=20)
        with pytest.raises(SandboxError, match="a worker loads one submission; spawn another"):
            worker.load(ONE, "operators", (), timeout=20)


def test_closing_the_sandbox_kills_everything() -> None:
    before = descriptors()
    sandbox = Sandbox(limits=WorkerLimits(scratch=True))
    worker = sandbox.spawn()
    pids = [worker.pid, zygote_pid(sandbox)]
    folders = set(Path("/tmp").glob("autograder-scratch-*/*"))
    assert folders
    sandbox.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not any(folder.exists() for folder in folders)
    assert not worker.alive
    assert descriptors() == before


def test_start_does_not_wait() -> None:
    sandbox = Sandbox()
    sandbox.start()
    sandbox.start()
    assert sandbox._zygote is not None
    assert not sandbox._zygote._ready
    sandbox.close()


def test_workers_die_with_their_zygote_and_the_next_spawn_starts_another(own: Sandbox) -> None:
    worker = own.spawn()
    old = zygote_pid(own)
    worker.load(SLEEPING, "operators", (), timeout=20)
    threading.Timer(0.2, os.kill, (old, signal.SIGKILL)).start()
    # Nobody blames the student.
    with pytest.raises(SandboxError, match="the sandbox's zygote died, and its workers with it"):
        ask(worker)
    wait_until(lambda: not Path(f"/proc/{worker.pid}").exists())
    worker.close()
    with own.spawn() as other:
        other.load(ONE, "operators", (), timeout=20)
        assert ask(other) == 1
    assert zygote_pid(own) != old


def test_an_interrupt_during_a_call_ends_the_worker_only(own: Sandbox) -> None:
    worker = own.spawn()
    worker.load(SLEEPING, "operators", (), timeout=20)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ask(worker)
    timer.join()
    assert not worker.alive
    with own.spawn() as other:
        other.load(ONE, "operators", (), timeout=20)
        assert ask(other) == 1


def test_ctrl_c_in_the_terminal_does_not_reach_the_workers(own: Sandbox) -> None:
    own.spawn().close()
    with own.spawn() as worker:
        assert os.getsid(worker.pid) != os.getsid(0)
        assert os.getpgid(zygote_pid(own)) != os.getpgid(0)


GRADER = """
import sys, time
from autograder.sandbox import Sandbox
import threading
def work():
    sandbox = Sandbox()
    worker = sandbox.spawn()
    worker.load({"operators.py": b"def run():\\n while True: pass"}, "operators", (), timeout=20)
    print(sandbox._zygote.pid, worker.pid, flush=True)
    worker.call("run", (), {}, timeout=60)
# Not the main thread: its end must not be taken for the grader's.
thread = threading.Thread(target=work, daemon=True)
thread.start()
thread.join(60)
"""


def test_everything_dies_with_a_grader_that_is_killed() -> None:
    grader = subprocess.Popen([sys.executable, "-c", GRADER], stdout=subprocess.PIPE, text=True)
    assert grader.stdout is not None
    with grader:
        pids = [int(pid) for pid in grader.stdout.readline().split()]
        assert len(pids) == 2
        grader.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_a_deadline_is_extended_three_times_at_most() -> None:
    asked = []

    def starved(cpu_before: float, timeout: float) -> bool:
        asked.append((cpu_before, timeout))
        return True

    deadline = _Deadline(0.0, 1.5, starved)
    for _ in range(3):
        deadline.extend()
    with pytest.raises(DeadlineError):
        deadline.extend()
    assert asked == [(1.5, 0.0)] * 3


@pytest.mark.parametrize(
    ("source", "timeout", "expected"),
    [
        (b"def run():\n while True: pass", 100.0, True),
        (b"def run():\n while True: pass", 0.01, False),
        (b"import time\ndef run(): time.sleep(60)", 100.0, False),
    ],
)
def test_only_who_wants_to_run_but_hardly_could_is_starved(
    own: Sandbox, source: bytes, timeout: float, expected: bool
) -> None:
    with own.spawn() as worker:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
        connection = worker._connection
        before = connection._cpu_seconds()
        connection.send(pack({"id": 1, "op": "call", "function": "run", "args": [], "kwargs": {}}))
        wait_until(lambda: connection._starved(before, timeout) is expected)
        # And not only while it was starting.
        time.sleep(0.1)
        assert connection._starved(before, timeout) is expected


def test_a_worker_on_a_crowded_core_meets_its_deadline_late(own: Sandbox) -> None:
    """Five hogs and the worker share a core: 0.08 s of work doesn't fit into 0.3 s."""
    source = b"""
import time
def run():
    began = time.process_time()
    while time.process_time() - began < 0.08:
        pass
    return 1
"""
    with own.spawn() as worker:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
        hog = "import os\nos.sched_setaffinity(0, {0})\nprint(flush=True)\nwhile True: pass"
        hogs = [
            subprocess.Popen([sys.executable, "-c", hog], stdout=subprocess.PIPE) for _ in range(5)
        ]
        try:
            for process in hogs:
                assert process.stdout is not None
                process.stdout.readline()
            os.sched_setaffinity(worker.pid, {0})
            assert ask(worker, timeout=0.3) == 1
        finally:
            for process in hogs:
                process.kill()
                process.communicate()


def test_strict_isolation_names_what_is_missing() -> None:
    sandbox = Sandbox(Isolation.STRICT)
    sandbox._layers = {"uid": "missing: not root; be root", "seccomp": "active"}
    with pytest.raises(SandboxError, match="here: uid is missing: not root; be root"):
        sandbox._check([])
    sandbox._layers = {"uid": "active (with a detail)", "seccomp": "active"}
    sandbox._check([])


def test_a_tripwire_on_an_unknown_name_is_the_graders_fault() -> None:
    with pytest.raises(SandboxError, match=r"names that this torch doesn't have: torch\.nowhere"):
        Sandbox()._check(["torch.nowhere"])


def test_none_isolation_limits_but_does_not_confine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    with Sandbox(Isolation.NONE) as sandbox:
        with sandbox.spawn() as worker:
            source = b"import os\ndef run(path): return open(path).read(), os.getuid()"
            worker.load({"operators.py": source}, "operators", (), timeout=20)
            assert ask(worker, "run", str(secret)) == ("42", os.getuid())
            assert sandbox.layers["closed_fds"] == sandbox.layers["rlimits"] == "active"
            assert sandbox.layers["landlock"] == "missing: switched off (isolation none)"
        with pytest.raises(SandboxError, match="this worker is closed"):
            ask(worker)
        # A zygote that hangs doesn't hang the close.
        monkeypatch.setattr("autograder.sandbox.zygote_process._EXIT_SECONDS", 0.1)
        os.kill(zygote_pid(sandbox), signal.SIGSTOP)
    sandbox.close()
    with pytest.raises(SandboxError, match="this sandbox is closed"):
        sandbox.spawn()


def test_probe_reports_every_layer() -> None:
    from autograder.sandbox import probe
    from autograder.sandbox.confine import LAYERS
    from autograder.sandbox.layers import PURPOSES

    states = probe()
    assert tuple(states) == LAYERS == tuple(PURPOSES)


def test_a_deadline_in_the_middle_of_a_large_argument_holds(load: Load) -> None:
    worker = load("import os, signal\ndef run(x): os.kill(os.getpid(), signal.SIGSTOP)")
    with pytest.raises(StudentTimedOut):
        ask(worker, "run", torch.zeros(1), timeout=0.2)
