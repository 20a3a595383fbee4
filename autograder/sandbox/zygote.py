"""The zygote: a warm process with torch loaded, from which confined workers are forked.

Trusted, and ignorant: it never sees a submission, a suite or an answer, so that a worker inherits
nothing worth reading. It has one thread and takes orders on one socket:

    {"op": "spawn"} + the worker's end of a socket  →  {"pid"} + a pidfd, or {"failed"}
    {"op": "reap", "pid"}     wait for a worker      →  {"status"}
    {"op": "discard", "pid"}  kill it, wait later    →  no answer

It ends, and takes its workers along, when that socket closes or the grader dies.

Forking is sound only with one thread. On a CPU host autograd's backward runs in the calling thread,
so the warm-up may use it; where there is a GPU, the first backward starts a thread per device and
touching CUDA makes every fork useless, so there nothing is warmed beyond the imports.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import json
import os
import select
import shutil
import signal
import socket
import sys
import sysconfig
import tempfile
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from . import confine, landlock, privileges, syscalls
from .limits import (
    Isolation,
    Tripwires,
    WorkerLimits,
    has_gpu,
    limits_from,
    tripwires_from,
)
from .protocol import WORKER_FAILED

__all__ = ["main"]

_MAX_MESSAGE = 1 << 16
_REAP_SECONDS = 10.0
_PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 4, 36


@dataclass(frozen=True, slots=True)
class _Child:
    """A forked worker: its pidfd, its user if it has one, its scratch folder if it has one."""

    pidfd: int
    claim: privileges.UidClaim | None
    scratch: Path | None


def main(arguments: list[str]) -> None:
    """Serve on the socket whose descriptor is the first argument, until the grader is gone."""
    control = socket.socket(fileno=int(arguments[0]))
    config = json.loads(control.recv(_MAX_MESSAGE))
    try:
        zygote = Zygote(control, config)
        zygote.warm_up()
    except BaseException as error:
        last = traceback.format_exception_only(error)[-1].strip()
        control.send(json.dumps({"failed": last[:2000]}).encode())
        raise
    control.send(json.dumps({"ready": True}).encode())
    try:
        zygote.serve()
    finally:
        zygote.end()


class Zygote:
    """The state of the zygote: what to fork with, and who has been forked."""

    def __init__(self, control: socket.socket, config: dict[str, Any]) -> None:
        self._control = control
        self._isolation = Isolation(config["isolation"])
        self._limits: WorkerLimits = limits_from(config["limits"])
        self._tripwires: Tripwires = tripwires_from(config["tripwires"])
        self._packages: tuple[str, ...] = tuple(config["packages"])
        self._scratch_root = Path(config["scratch"]) if config["scratch"] else None
        self._children: dict[int, _Child] = {}
        self._dying: dict[int, _Child] = {}
        self._poll = select.poll()
        # Also when the grader was forked and a copy of the socket lives on elsewhere. A pidfd and
        # not PR_SET_PDEATHSIG, which fires when the *thread* that started us ends.
        self._grader = os.pidfd_open(config["grader"])
        if os.getppid() != config["grader"]:
            raise RuntimeError("the grader died while its zygote was starting")
        # Orphans of workers become ours, and can be killed and reaped.
        syscalls.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        # No one with the same user id may look into us, and so into the workers to come.
        syscalls.prctl(_PR_SET_DUMPABLE, 0)
        _forget_other_packages(self._packages)
        self._plan = confine.survey(self._isolation, self._packages)
        self._foreign_uids: frozenset[int] = frozenset()
        if self._plan.uid_reason is None:
            privileges.kill_orphans()
            # Whoever these are, their processes must not be swept as a worker's.
            self._foreign_uids = privileges.uids_in_use()

    def warm_up(self) -> None:
        """Import and touch all that a worker would otherwise load for itself, every time."""
        gc.disable()
        if not has_gpu():
            # Triton decides when it is imported whether it compiles kernels or interprets them.
            os.environ.setdefault("TRITON_INTERPRET", "1")
        for package in self._packages:
            with contextlib.suppress(ImportError):
                importlib.import_module(package)
        # Not at the top: it imports torch, and the survey before this forks a small process.
        from . import worker

        self._worker = worker
        _exercise_torch(gpu=has_gpu())
        # Once, and not 5 ms in each worker. After the warm-up, which the tripwires would slow down.
        packages = {*landlock.TORCH_NEEDS, *self._packages}
        self._harness = worker.Harness(self._limits, self._tripwires, packages)
        self._plan = confine.prepare(self._plan, self._limits)
        threads = len(list(Path("/proc/self/task").iterdir()))
        if threads != 1:
            raise RuntimeError(f"the zygote has {threads} threads; forking it would be unsound")
        _forget_ourselves()
        # What is alive now stays alive, and out of the collector's way, which would otherwise
        # write to (and so copy) every page of it in each worker.
        gc.freeze()
        gc.enable()

    def serve(self) -> None:
        """Take orders until the grader hangs up or dies."""
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._grader, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            if self._grader in ready:
                return
            for pid in [pid for pid, child in self._dying.items() if child.pidfd in ready]:
                self._reap(pid)
            if self._control.fileno() in ready and not self._obey():
                return

    def end(self) -> None:
        """Kill every worker."""
        for pid, child in list(self._children.items()):
            _kill(child.pidfd)
            self._reap(pid)
        if self._scratch_root is not None:
            shutil.rmtree(self._scratch_root, ignore_errors=True)

    def _obey(self) -> bool:
        """Carry out one order; False when there will be no more."""
        message, descriptors, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, 1)
        if not message:
            return False
        order = json.loads(message)
        if order["op"] == "spawn":
            try:
                self._spawn(descriptors[0])
            except OSError as error:
                self._control.send(json.dumps({"failed": str(error)}).encode())
            finally:
                os.close(descriptors[0])
        elif order["op"] == "reap":
            status = self._reap(order["pid"])
            self._control.send(json.dumps({"status": status}).encode())
        elif order["pid"] in self._children:
            child = self._dying[order["pid"]] = self._children[order["pid"]]
            _kill(child.pidfd)
            self._poll.register(child.pidfd, select.POLLIN)
        return True

    def _spawn(self, channel: int) -> None:
        claim = None
        if self._plan.uid_reason is None:
            claim = privileges.claim_uid(self._foreign_uids)
        uid = claim.uid if claim is not None else None
        scratch = self._make_scratch(uid)
        pid = os.fork()
        if pid == 0:
            self._become_worker(channel, uid, scratch)
        pidfd = os.pidfd_open(pid)
        self._children[pid] = _Child(pidfd, claim, scratch)
        answer = json.dumps({"pid": pid}).encode()
        socket.send_fds(self._control, [answer], [pidfd])

    def _become_worker(self, channel: int, uid: int | None, scratch: Path | None) -> None:
        """In the fork: confine, serve, exit. Never returns, whatever happens."""
        code = WORKER_FAILED
        try:
            zygote = os.getppid()
            os.setsid()
            os.umask(0o077)
            _set_home(scratch)
            layers = confine.apply(
                self._plan, self._limits, channel=channel, uid=uid, scratch=scratch
            )
            if os.getppid() != zygote:
                return  # it died before its death could have been noticed
            self._worker.tidy()
            self._worker.serve(self._worker.Channel(confine.CHANNEL), self._harness, layers)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _make_scratch(self, uid: int | None) -> Path | None:
        if self._scratch_root is None:
            return None
        folder = Path(tempfile.mkdtemp(dir=self._scratch_root))
        if uid is not None:
            os.chown(folder, uid, uid)
        return folder

    def _reap(self, pid: int) -> int | None:
        """The wait status of a worker that was killed or died by itself; cleans up after it.

        None if it doesn't die: then it hangs in the kernel, and its id stays claimed.
        """
        child = self._children.get(pid)
        if child is None:
            return None
        death = select.poll()
        death.register(child.pidfd, select.POLLIN)
        if not death.poll(_REAP_SECONDS * 1000):
            return None
        _, status = os.waitpid(pid, 0)
        del self._children[pid]
        if self._dying.pop(pid, None) is not None:
            self._poll.unregister(child.pidfd)
        os.close(child.pidfd)
        if self._limits.processes or self._plan.seccomp_reason is not None:
            # Without children there is nothing to sweep; the filter saw to that.
            self._sweep(child)
        if child.claim is not None:
            child.claim.release()
        if child.scratch is not None:
            shutil.rmtree(child.scratch, ignore_errors=True)
        return status

    def _sweep(self, child: _Child) -> None:
        """Kill whatever processes a worker has left behind, and reap them.

        Its orphans have become our children, as we are a subreaper.
        """
        if child.claim is not None:
            privileges.kill_user(child.claim.uid)
        listing = Path(f"/proc/self/task/{os.getpid()}/children")
        for _ in range(100):
            try:
                strays = {int(pid) for pid in listing.read_text().split()} - set(self._children)
            except OSError:
                return
            if not strays:
                return
            for pid in strays:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def _kill(pidfd: int) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _set_home(scratch: Path | None) -> None:
    home = str(scratch) if scratch is not None else "/nonexistent"
    os.environ["HOME"] = home
    if scratch is None:
        os.chdir("/")
        return
    os.environ["TMPDIR"] = os.environ["TRITON_CACHE_DIR"] = home
    tempfile.tempdir = None
    os.chdir(scratch)


def _forget_other_packages(packages: tuple[str, ...]) -> None:
    """Leave on the import path only the standard library and the folders that hold `packages`."""
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    kept = []
    for entry in sys.path:
        inside = any(entry == folder or entry == f"{folder}/lib-dynload" for folder in standard)
        if inside or (entry and any((Path(entry) / name).exists() for name in packages)):
            kept.append(entry)
    sys.path[:] = kept
    # Hooks of editable installs would find what the path no longer leads to.
    sys.meta_path[:] = [
        importlib.machinery.BuiltinImporter,
        importlib.machinery.FrozenImporter,
        importlib.machinery.PathFinder,
    ]
    sys.argv[:] = [""]


def _forget_ourselves() -> None:
    """Take our own modules out of the table: `import sandbox` in student code finds nothing.

    Here, because a walk over the table writes to every name in it: 3 ms of copied pages in a fork.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
        del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")


def _exercise_torch(*, gpu: bool) -> None:
    """Touch what torch sets up on first use, so that each worker finds it done."""
    import torch

    torch.set_num_threads(1)
    if gpu:
        return
    from . import tripwires

    watch = tripwires.OperatorWatch((), tripwires.Alarm())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in (torch.float32, torch.float64):
            x = torch.ones(2, 3, dtype=dtype, requires_grad=True)
            w = torch.ones(3, 2, dtype=dtype, requires_grad=True)
            y = torch.einsum("ij,jk->ik", x, w) + torch.nn.functional.linear(x, w.t())
            y = torch.erf(y).softmax(-1).exp().log().amax(dim=-1, keepdim=True)
            torch.autograd.backward(y.sum())
            with torch.no_grad(), watch:
                repr(torch.linalg.norm(x @ w).sum(dim=0))
            torch.tensor(x.detach().numpy()).unfold(0, 1, 1).as_strided((2,), (1,)).index_add_(
                0, torch.tensor([0]), torch.ones(1, dtype=dtype)
            )
    # Every worker starts from these states: an answer must not depend on luck.
    torch.manual_seed(0)
    importlib.import_module("numpy").random.seed(0)
