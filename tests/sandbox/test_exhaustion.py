"""Using up the machine from inside a worker: threads, files, memory, processes, disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Sandbox, WorkerLimits
from autograder.student import StudentFault, StudentRaised

from .conftest import Load, ask, layer, wait_until


def test_a_thread_bomb_ends_in_an_exception(load: Load, hosts_layers: dict[str, str]) -> None:
    source = """
        import threading
        def run():
            stop, n = threading.Event(), 0
            try:
                while n < 10_000:
                    threading.Thread(target=stop.wait, daemon=True).start()
                    n += 1
            except RuntimeError as error:
                return n, str(error)
            finally:
                stop.set()
        """
    count, text = ask(load(source))
    # A shared user's other tasks count too, so that there the limit on memory is hit first.
    assert 1 <= count <= (16 if hosts_layers["uid"].startswith("active") else 600)
    assert "can't start new thread" in text


def test_many_open_files_end_in_an_exception(load: Load) -> None:
    source = """
        import os
        def run():
            try:
                return [os.open(os.devnull, 0) for _ in range(10_000)]
            except OSError as error:
                return error.strerror
        """
    assert ask(load(source)) == "Too many open files"


def test_the_worker_is_the_first_to_go_when_memory_runs_out(sandbox: Sandbox) -> None:
    with sandbox.spawn() as worker:
        assert Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "1000"


def test_no_core_is_dumped(load: Load) -> None:
    source = "import resource\ndef run(): return resource.getrlimit(resource.RLIMIT_CORE)"
    assert ask(load(source)) == (0, 0)


def test_limits_can_not_be_raised(load: Load) -> None:
    worker = load("import resource\ndef run(): resource.setrlimit(9, (1 << 40, 1 << 40))")
    with pytest.raises(StudentRaised, match=r"raised (ValueError|PermissionError)"):
        ask(worker)


@pytest.fixture(scope="module")
def roomy() -> Iterator[Sandbox]:
    """A sandbox with scratch folders and child processes, as kernels that are compiled need."""
    limits = WorkerLimits(processes=4, file_mib=1, scratch=True)
    with Sandbox(limits=limits) as sandbox:
        yield sandbox


def test_a_scratch_folder_is_private_bounded_and_removed(roomy: Sandbox) -> None:
    source = b"""
import os, tempfile
def run():
    with open("notes", "w") as file:
        file.write("x" * 100)
    with tempfile.TemporaryDirectory() as folder:
        inside = folder.startswith(os.getcwd())
    try:
        with open("big", "wb") as file:
            file.write(bytes(2 << 20))
    except OSError as error:
        text = error.strerror
    others = []
    for path in ("..", "/tmp/x", "/dev/shm/x"):
        try:
            os.listdir(path) if path == ".." else open(path, "w")
            others.append(path)
        except OSError:
            pass
    return os.getcwd(), os.environ["HOME"], os.environ["TMPDIR"], inside, text, others
"""
    with roomy.spawn() as worker:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
        folder, home, temporary, inside, text, others = ask(worker)
        assert folder == home == temporary
        assert inside
        assert text == "File too large"
        assert Path(folder, "notes").stat().st_size == 100
    wait_until(lambda: not Path(folder).exists())
    if all(state.startswith("active") for state in roomy.layers.values()):
        assert others == []


@layer("uid")
def test_daemons_die_with_their_worker(roomy: Sandbox, needs: None) -> None:
    source = b"""
import os, time
def run():
    pids = []
    for _ in range(3):
        reader, writer = os.pipe()
        if os.fork() == 0:
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                os.closerange(0, 64)
                time.sleep(600)
            os._exit(0)
        pids.append(int(os.read(reader, 100)))
        os.wait()
    return pids
"""
    with roomy.spawn() as worker:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
        pids = ask(worker)
        assert len(pids) == 3
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


@layer("uid")
def test_a_fork_bomb_is_bounded_and_swept(roomy: Sandbox, needs: None) -> None:
    source = b"""
import os
def run():
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
    with roomy.spawn() as worker:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
        uid = os.stat(f"/proc/{worker.pid}").st_uid or real_uid(worker.pid)  # noqa: PTH116
        with pytest.raises(StudentFault):
            ask(worker, timeout=0.5)
    wait_until(lambda: uid not in set(uids_of_processes()))
    with roomy.spawn() as worker:
        worker.load({"operators.py": b"def run(): return 1"}, "operators", (), timeout=20)
        assert ask(worker) == 1


def real_uid(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("Uid:")[1].split()[0])


def uids_of_processes() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield real_uid(int(entry.name))
            except OSError:
                continue
