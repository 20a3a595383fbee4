"""Attacks from inside a worker, as student code would try them, against every layer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autograder
from autograder.sandbox import Sandbox, Worker
from autograder.sandbox.confine import LAYERS
from autograder.sandbox.landlock import readable_paths

from .conftest import Load, ask, layer

REPOSITORY = Path(__file__).resolve().parents[2]

# What `attempt` returns when the kernel said no.
REFUSED = {"PermissionError", "EPERM", "EACCES"}

TOOLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(step):
    try:
        return ["done", repr(step())[:200]]
    except BaseException as error:
        return [type(error).__name__, str(error)[:200]]
def run(step, *arguments):
    return attempt(lambda: eval(step, globals(), {f"a{i}": a for i, a in enumerate(arguments)}))
def syscall(number, arguments):
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    code = ctypes.get_errno()
    return ["done", str(result)] if result >= 0 else [errno.errorcode[code], ""]
"""


@pytest.fixture(scope="module")
def attacker(sandbox: Sandbox) -> Iterator[Worker]:
    """A worker whose student code evaluates what it is given."""
    with sandbox.spawn() as worker:
        worker.load({"operators.py": TOOLS.encode()}, "operators", (), timeout=20)
        yield worker


def attack(attacker: Worker, step: str, *arguments: Any) -> list[str]:
    """What becomes of an expression, evaluated by student code: [exception or "done", text]."""
    answer = ask(attacker, "run", step, *arguments)
    assert isinstance(answer, list)
    return answer


def raw(attacker: Worker, numbers: tuple[int, int], *arguments: int) -> list[str]:
    """What becomes of a system call, given its numbers on x86_64 and aarch64."""
    answer = ask(attacker, "syscall", numbers[os.uname().machine == "aarch64"], list(arguments))
    assert isinstance(answer, list)
    return answer


def test_every_layer_is_reported(hosts_layers: dict[str, str]) -> None:
    assert tuple(hosts_layers) == LAYERS
    assert all(state.startswith(("active", "missing: ")) for state in hosts_layers.values())


# --- reading what is hidden


@layer("landlock")
@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/hostname",
        "/proc/self/environ",
        "/proc/self/maps",
        "/proc/self/mem",
        "/proc/self/status",
        "/proc/1/cmdline",
        "/proc/{grader}/cmdline",
        "/proc/{grader}/environ",
        "/proc/{grader}/maps",
        "/proc/{grader}/mem",
        "/proc/{grader}/stat",
        "/proc/{zygote}/environ",
        "/proc/{zygote}/mem",
        "/proc/{zygote}/fd/3",
        "/proc/sys/kernel/hostname",
        "{repository}/pyproject.toml",
        "{repository}/autograder/errors.py",
        "{repository}/autograder/sandbox/worker.py",
        "{repository}/.git/HEAD",
        "{tests}",
        "/dev/tty",
        "/dev/kmsg",
    ],
)
def test_a_file_outside_python_can_not_be_read(
    attacker: Worker, sandbox: Sandbox, needs: None, path: str
) -> None:
    zygote = sandbox._zygote
    assert zygote is not None
    real = path.format(
        grader=os.getpid(), zygote=zygote.pid, repository=REPOSITORY, tests=Path(__file__)
    )
    assert attack(attacker, "open(a0, 'rb').read(100)", real)[0] in {
        "PermissionError",
        "FileNotFoundError",
    }


@layer("landlock")
@pytest.mark.parametrize("path", ["/", "/proc", "/tmp", "{repository}", "/root", "/home", "{site}"])
def test_a_folder_outside_python_can_not_be_listed(
    attacker: Worker, needs: None, path: str
) -> None:
    site = Path(pytest.__file__).parents[1]
    real = path.format(repository=REPOSITORY, site=site)
    assert attack(attacker, "os.listdir(a0)", real)[0] == "PermissionError"


@layer("landlock")
def test_another_package_beside_torch_can_not_be_read(attacker: Worker, needs: None) -> None:
    assert attack(attacker, "open(a0).read()", pytest.__file__)[0] == "PermissionError"


def test_nothing_on_the_allow_list_holds_a_course_or_other_packages() -> None:
    allowed = readable_paths(("torch", "numpy", "jaxtyping"))
    assert any(path.name == "torch" for path in allowed)
    for hidden in (Path(autograder.__file__), Path(__file__), Path(pytest.__file__), Path("/tmp")):
        for folder in (hidden, *hidden.parents):
            assert folder not in allowed


def test_the_rest_of_the_standard_library_and_torch_can_be_imported(load: Load) -> None:
    # Each is imported by nothing that the zygote has loaded, reads files, or needs a library.
    modules = "sqlite3 lzma ssl wave statistics colorsys xml.dom.minidom torch.fft torch.testing "
    modules += "numpy.polynomial torch.distributions torch.nn.utils.rnn zoneinfo cProfile"
    source = """
        import importlib
        def run(names):
            failed = []
            for name in names:
                try:
                    importlib.import_module(name)
                except ImportError as error:
                    failed.append(f"{name}: {error}")
            return failed
        """
    failed = ask(load(source), "run", modules.split())
    assert all("No module named '_" in text for text in failed), failed  # left out of this Python


def test_the_environment_holds_no_secret(load: Load) -> None:
    environment = ask(load("import os\ndef run(): return dict(os.environ)"))
    assert "hunter2" not in str(environment)  # SECRET_TOKEN, set when the zygote was started
    allowed = {"PATH", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TRITON_INTERPRET"}
    allowed |= {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"}
    allowed |= {"PYTHONHASHSEED", "PYTHONUTF8", "LC_ALL", "TZ"}
    assert set(environment) <= allowed


def test_nothing_of_the_grader_is_in_the_workers_memory(load: Load) -> None:
    source = """
        import gc, sys
        def run():
            frames, f = [], sys._getframe()
            while f is not None:
                frames.append(f.f_code.co_filename)
                f = f.f_back
            ours = ("autograder", "pytest", "sandbox")
            names = [name for name in sys.modules if name.split(".")[0] in ours]
            texts = [t for t in gc.get_objects() if isinstance(t, dict) and "hypothesis" in t]
            return names, len(texts), frames, sys.path
        """
    names, texts, frames, path = ask(load(source))
    assert names == []
    assert texts == 0
    assert str(REPOSITORY) not in path
    assert not any("client" in frame or "tests" in frame for frame in frames)


def test_only_four_descriptors_are_open(load: Load) -> None:
    source = """
        import os, stat
        def run():
            found = {}
            for fd in range(4096):
                try:
                    mode = os.fstat(fd).st_mode
                except OSError:
                    continue
                kinds = {stat.S_IFSOCK: "socket", stat.S_IFCHR: "null"}
                found[str(fd)] = kinds.get(stat.S_IFMT(mode), "?")
            return found
        """
    assert ask(load(source)) == {"0": "null", "1": "null", "2": "null", "3": "socket"}


# --- other processes


@layer("seccomp")
@pytest.mark.parametrize(
    "step",
    [
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "__import__('subprocess').run(['true'])",
        "os.system('true') and 1 / 0",
        "__import__('socket').socket()",
        "__import__('socket').socketpair()",
        "__import__('socket').socket(__import__('socket').AF_VSOCK)",
        "os.kill(os.getppid(), 9)",
        "os.kill(a0, 9)",
        "os.kill(-1, 9)",
        "os.kill(0, 9)",
        "os.killpg(0, 9)",
        "os.pidfd_open(os.getppid())",
        "os.setsid()",
        "os.setuid(0)",
        "os.setgroups([0])",
        "os.memfd_create('x')",
        "os.chroot('/')",
        "os.nice(-5)",
        "os.sched_setaffinity(0, {0})",
        "os.splice(3, 3, 1)",
        "__import__('resource').prlimit(a0, 7, (1, 1))",
        "__import__('signal').pidfd_send_signal(3, 9)",
    ],
)
def test_what_leads_out_of_the_process_is_refused(attacker: Worker, needs: None, step: str) -> None:
    kind, text = attack(attacker, step, os.getpid())
    assert kind in {"PermissionError", "OSError", "ZeroDivisionError"}, text
    assert kind == "ZeroDivisionError" or "not permitted" in text


@layer("seccomp")
@pytest.mark.parametrize(
    ("numbers", "arguments"),
    [
        pytest.param((101, 117), (0, 0, 0, 0), id="ptrace TRACEME"),
        pytest.param((101, 117), (16, 1, 0, 0), id="ptrace ATTACH"),
        pytest.param((310, 270), (1, 0, 0, 0, 0, 0), id="process_vm_readv"),
        pytest.param((311, 271), (1, 0, 0, 0, 0, 0), id="process_vm_writev"),
        pytest.param((425, 425), (1, 0), id="io_uring_setup"),
        pytest.param((272, 97), (0x10000000,), id="unshare"),
        pytest.param((308, 268), (3, 0), id="setns"),
        pytest.param((165, 40), (0, 0, 0, 0, 0), id="mount"),
        pytest.param((428, 428), (0, 0, 0), id="open_tree"),
        pytest.param((304, 265), (0, 0, 0), id="open_by_handle_at"),
        pytest.param((303, 264), (0, 0, 0, 0, 0), id="name_to_handle_at"),
        pytest.param((248, 217), (0, 0, 0, 0, 0), id="add_key"),
        pytest.param((321, 280), (0, 0, 0), id="bpf"),
        pytest.param((298, 241), (0, 0, 0, 0, 0), id="perf_event_open"),
        pytest.param((323, 282), (0,), id="userfaultfd"),
        pytest.param((29, 194), (0, 4096, 0o1600), id="shmget"),
        pytest.param((240, 180), (0, 0, 0, 0), id="mq_open"),
        pytest.param((317, 277), (0, 0, 0), id="seccomp"),
        pytest.param((46, 211), (3, 0, 0), id="sendmsg"),
        pytest.param((157, 167), (4, 1, 0, 0, 0), id="prctl SET_DUMPABLE"),
        pytest.param((157, 167), (1, 0, 0, 0, 0), id="prctl SET_PDEATHSIG"),
        pytest.param((126, 91), (0, 0), id="capset"),
        pytest.param((16, 29), (0, 0x5412, 0), id="ioctl TIOCSTI"),
        pytest.param((16, 29), (3, 0x8901, 0), id="ioctl FIOSETOWN"),
        pytest.param((72, 25), (3, 8, 1), id="fcntl F_SETOWN"),
        pytest.param((72, 25), (3, 10, 9), id="fcntl F_SETSIG"),
        pytest.param((55, 209), (3, 1, 77, 0, 0), id="getsockopt SO_PEERPIDFD"),
        pytest.param((91, 52), (3, 0o777), id="fchmod"),
        pytest.param((56, 220), (17, 0, 0, 0, 0), id="clone without CLONE_THREAD"),
        pytest.param((434, 434), (1, 0), id="pidfd_open"),
        pytest.param((135, 92), (0x0400000,), id="personality"),
    ],
)
def test_a_system_call_is_refused_before_its_arguments_are_looked_at(
    attacker: Worker, needs: None, numbers: tuple[int, int], arguments: tuple[int, ...]
) -> None:
    assert raw(attacker, numbers, *arguments) == ["EPERM", ""]


@layer("seccomp")
@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param((435, 435), id="clone3, so that threads come from clone"),
        pytest.param((463, 463), id="newer than the list"),
        pytest.param((0x40000000 + 39, 5000), id="x32 getpid"),
    ],
)
def test_unknown_system_calls_do_not_exist(
    attacker: Worker, needs: None, numbers: tuple[int, int]
) -> None:
    assert raw(attacker, numbers, 0, 0)[0] == "ENOSYS"


@layer("uid")
def test_the_worker_is_a_user_of_its_own_without_rights(load: Load, needs: None) -> None:
    source = """
        import ctypes, os
        def run():
            header = (ctypes.c_uint32 * 2)(0x20080522, 0)
            data = (ctypes.c_uint32 * 6)()
            ctypes.CDLL(None).capget(header, data)
            return list(os.getresuid()), list(os.getresgid()), os.getgroups(), list(data)
        """
    first, second = load(source), load(source)
    uids, gids, groups, capabilities = ask(first)
    assert 61000 <= uids[0] <= 64999
    assert uids == gids == [uids[0]] * 3
    assert groups == []
    # At most the right to read, which Landlock bounds: effective and permitted, low words.
    assert capabilities in ([0] * 6, [4, 4, 0, 0, 0, 0])
    assert ask(second)[0] != uids


@layer("uid", "landlock")
def test_the_right_to_read_ends_at_landlock(attacker: Worker, needs: None, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("42")
    secret.chmod(0o600)
    public = tmp_path / "public"
    public.write_text("42")
    for path in (secret, public):
        assert attack(attacker, "open(a0).read()", str(path))[0] == "PermissionError"


@layer("landlock")
def test_an_abstract_socket_inherited_by_name_can_not_be_reached(
    attacker: Worker, needs: None
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind("\0autograder-test")
        server.listen()
        step = "__import__('socket').socket(1, 1).connect('\\0autograder-test')"
        assert attack(attacker, step)[0] == "PermissionError"


# --- leaving something behind


@layer("dev_shm")
@pytest.mark.parametrize(
    "step",
    [
        "open('/tmp/x', 'w')",
        "open('/dev/shm/x', 'w')",
        "open('/var/tmp/x', 'w')",
        "open('x', 'w')",
        "open(os.__file__, 'a')",
        "os.mkdir('/tmp/x')",
        "os.symlink('/etc/passwd', '/tmp/x')",
        "os.mkfifo('/tmp/x')",
        "os.mknod('/tmp/x')",
        "os.unlink('/tmp/nothing-here')",
        "os.rename(os.__file__, '/tmp/x')",
        "os.link(os.__file__, '/tmp/x')",
        "os.truncate(os.__file__, 0)",
        "__import__('tempfile').mkdtemp()",
        "__import__('multiprocessing.shared_memory').shared_memory.SharedMemory('x', True, 9)",
        "__import__('torch').multiprocessing.get_context('spawn').Lock()",
        "__import__('torch').ones(9).share_memory_()",
    ],
)
def test_nothing_can_be_written(attacker: Worker, needs: None, step: str) -> None:
    kind, text = attack(attacker, step)
    assert kind in {"PermissionError", "OSError", "FileNotFoundError", "RuntimeError"}, text
    assert kind != "done"


def test_changed_modes_and_owners_stay(attacker: Worker, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("x")
    before = target.stat()
    for step in ("os.chmod(a0, 0o777)", "os.chown(a0, 61000, 61000)", "os.utime(a0, (1, 1))"):
        assert attack(attacker, step, str(target))[0] in REFUSED
    after = target.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime,
    )
