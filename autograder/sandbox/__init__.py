"""The sandbox: student code runs in processes that it can't leave, and that know nothing.

Theory of operation
===================

    grader     pytest, hypothesis, torch, suites, expected values                          trusted
      │  control socket (SEQPACKET): "spawn", "reap", "discard"                              ▲
      ▼                                                                                      │
    zygote     a fresh exec of this folder's `__main__`: torch is imported, nothing          │
      │        hidden is; one thread; user: the grader's                                     │
      ▼  fork, then confinement                                                              │
    worker     one submission, loaded from memory; user: its own        untrusted            │
      └── channel (STREAM): requests, and a reply to each in turn: JSON and raw tensors ─────┘

**Who knows what.** The grader sends a submission's bytes and the arguments of calls straight to the
worker. The zygote sees neither, and is started by exec with an environment of our choosing, so what
a worker inherits by fork (memory, environment, arguments) holds nothing worth reading. Expected
values, suites and other submissions exist in the grader only.

**Who trusts whom.** The zygote trusts the grader, the worker trusts both, and nobody trusts a
worker once it has been handed a submission. Its first frame says which layers of confinement are
active; it is sent before any student code, and believed. Every later frame is hostile: `connection`
bounds its length and the time it takes, `protocol` and `decoder` its shape, and anything but the
replies that are due is a crash of the student's code. Nothing is ever unpickled. What a worker
says about itself (which input it changed, where an exception came from, what tripped a wire) is
testimony; the values it returns are evidence, and the grader judges them.

**What a worker can do.** Compute, with torch, NumPy and the standard library; read Python's own
files; fail. `confine` says in which order the layers are put on, and `layers` reports them:

    closed_fds    nothing open but the null device and the channel
    rlimits       address space, processor time, threads, files, stack; no core dumps
    uid           a user id that no living process shares; no capabilities (`privileges`)
    no_new_privs  no program it might start gains any
    landlock      reads only Python and the packages of the course; writes nowhere, or in a scratch
                  folder of its own; no TCP, no abstract sockets, no signals to the outside
    seccomp       no sockets, no processes, no ptrace and its kin, no mounts, no fresh kernel calls
    dev_shm       nothing shared in memory: implied by the two above

`strict` refuses to grade if one is missing, `auto` uses what there is and says so, `none` keeps
only the first two. A process of the grader's own user *without* Landlock is not confined at all: it
could open /proc/PARENT/mem. Then the state of `landlock` says so.

**What dies when.** A worker is killed through its pidfd when its handle is closed, when it misses a
deadline, or when it breaks the protocol; then whatever else runs under its user id is killed too.
Asked politely is nobody. If the zygote dies, its workers get SIGKILL from the kernel, and the next
`spawn` starts a new zygote. If the grader dies, however it dies, the zygote sees the control socket
close or the grader's pidfd become readable, kills its workers and ends. A worker that dies of
SIGKILL without our doing died of memory: it has told the kernel to choose it first.

**Where to read on.** Grader's side: `client`, `zygote_process`, `worker_handle`, `connection`,
`request`, `faults`, `layers`, `timed_worker`. Both: `limits`, `protocol`, `wire`, `encoder`,
`decoder`, `chain`, `digest`, `drawing`. Other side: `zygote`, `confine`, `privileges`, `landlock`,
`seccomp`, `syscalls`, `worker`, `loader`, `tripwires`, `mutation`, `testimony`, `stopwatch`,
`kernels`, `digest_kernel`; these import the standard library, torch and, where there is one,
Triton only.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.sandbox.client import Sandbox
    from autograder.sandbox.layers import probe
    from autograder.sandbox.limits import Isolation, Tripwires, WorkerLimits
    from autograder.sandbox.worker_handle import Worker

__all__ = ["Isolation", "Sandbox", "Tripwires", "Worker", "WorkerLimits", "probe"]

_HOMES = {
    "Isolation": "limits",
    "Sandbox": "client",
    "Tripwires": "limits",
    "Worker": "worker_handle",
    "WorkerLimits": "limits",
    "probe": "layers",
}


def __getattr__(name: str) -> Any:
    # Lazily: a grader starts its sandbox first, and imports torch while the zygote does the same.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
