"""Confinement of a worker: which layers this host has, and their order.

    close stray descriptors → resource limits → own user, no capabilities → no new privileges
    → Landlock → seccomp

The order matters: limits such as the number of processes belong to the user that sets them, a
filter without NO_NEW_PRIVS needs privileges that are gone by then, and seccomp comes last because
it refuses the calls that the layers before it are made of.

`survey` and `prepare` run once, in the zygote, and do what is slow; `apply` runs in each worker.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import resource
import signal
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import landlock, privileges, seccomp, syscalls
from .limits import Isolation, WorkerLimits

__all__ = ["CHANNEL", "LAYERS", "Plan", "apply", "prepare", "survey"]

LAYERS = ("closed_fds", "rlimits", "uid", "no_new_privs", "landlock", "seccomp", "dev_shm")
"""Every layer, in the order in which it is applied. `strict` demands all of them."""

CHANNEL = 3
"""Where a confined worker finds its socket; 0 to 2 are the null device, the rest is closed."""

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_STACK = 16 << 20
"""Bytes of the main thread's stack: deep recursion in C must end before the memory limit does."""
_CPU_GRACE = 5
"""Seconds between SIGXCPU, which says what happened, and SIGKILL."""
_TRUNCATE_ABI = 3
"""From this version on Landlock sees that a file is emptied."""
_USER_SLACK = 512
"""Tasks that may appear under a shared user before a worker's threads fail; see `_tasks`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What this host offers. A reason says why a layer is missing; None where it is there."""

    off: bool = False
    uid_reason: str | None = None
    keep_read_capability: bool = False
    landlock_reason: str | None = None
    landlock_abi: int = 0
    seccomp_reason: str | None = None
    packages: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    ruleset: int | None = None


def survey(isolation: Isolation, packages: Sequence[str]) -> Plan:
    """Find out which layers this host offers. `packages` are what student code may import.

    Call it while the process is small: it forks.
    """
    if isolation is Isolation.NONE:
        off = "switched off (isolation none)"
        return Plan(off=True, uid_reason=off, landlock_reason=off, seccomp_reason=off)
    plan = Plan(seccomp_reason=seccomp.available(), packages=tuple(packages))
    try:
        plan = replace(plan, landlock_abi=landlock.abi_version())
    except (OSError, NotImplementedError) as error:
        advice = "use a kernel from 5.13 on that has Landlock enabled"
        text = error.strerror if isinstance(error, OSError) else str(error)
        plan = replace(plan, landlock_reason=f"{text}; {advice}")
    reason = privileges.can_switch_user()
    if reason is not None:
        return replace(plan, uid_reason=reason)
    try:
        unreadable = privileges.unreadable_by_others(_interpreter_paths(packages))
    except OSError as error:
        advice = "run it where user ids up to 65535 are mapped"
        return replace(plan, uid_reason=f"{error}; {advice}")
    if unreadable is None:
        return plan
    if (
        plan.landlock_reason is None
        and plan.seccomp_reason is None
        and privileges.holds_read_capability()
    ):
        return replace(plan, keep_read_capability=True)
    return replace(
        plan,
        uid_reason=f"others can't read {unreadable}; install Python where they can, as in /usr",
    )


def prepare(plan: Plan, limits: WorkerLimits) -> Plan:
    """The plan with its Landlock ruleset. Call it after torch is imported: it looks at what is."""
    if plan.landlock_reason is not None:
        return plan
    readable = landlock.readable_paths(
        plan.packages, toolchain=limits.processes > 0, gpu=limits.gpu
    )
    devices = tuple(landlock.gpu_devices()) if limits.gpu else ()
    ruleset = landlock.build_ruleset(readable, devices=devices)
    return replace(plan, readable=tuple(readable), devices=devices, ruleset=ruleset)


def apply(
    plan: Plan, limits: WorkerLimits, *, channel: int, uid: int | None, scratch: Path | None
) -> dict[str, str]:
    """Confine this process, and say what became of each layer: "active…" or "missing: reason".

    The descriptor `channel` is kept, as `CHANNEL`. `uid` is the worker's own user, None to stay who
    we are. A layer that fails is reported as missing; the grader says whether that will do.
    Raises privileges.PrivilegeError if the process would be left with more rights than planned.
    """
    layers = dict.fromkeys(LAYERS, "missing: switched off (isolation none)")
    ruleset = plan.ruleset
    if scratch is not None and ruleset is not None:
        ruleset = landlock.build_ruleset(plan.readable, [scratch], plan.devices)
    _prefer_for_out_of_memory_kill()
    ruleset = _close_descriptors(channel, ruleset)
    layers["closed_fds"] = "active"
    layers["rlimits"] = _attempt(lambda: _limit_resources(limits, own_user=uid is not None))
    if not plan.off:
        layers["uid"] = _switch_user(plan, uid)
    syscalls.prctl(_PR_SET_DUMPABLE, 0)
    # After the change of user, which clears it. The zygote has one thread, so the death of the
    # thread that forked us is the death of the zygote.
    syscalls.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if plan.off:
        return layers
    layers["no_new_privs"] = _attempt(lambda: syscalls.prctl(_PR_SET_NO_NEW_PRIVS, 1))
    layers["landlock"] = _enter_landlock(plan, ruleset)
    has_landlock = layers["landlock"].startswith("active")
    if plan.keep_read_capability and not has_landlock:
        privileges.drop_capabilities()
        layers["uid"] = "missing: without Landlock the worker can't be left to read Python"
    layers["seccomp"] = _install_filter(
        plan,
        limits,
        writing=scratch is not None or (has_landlock and plan.landlock_abi >= _TRUNCATE_ABI),
        attributes=scratch is not None and layers["uid"].startswith("active"),
    )
    has_seccomp = layers["seccomp"] == "active"
    if plan.keep_read_capability and not has_seccomp:
        privileges.drop_capabilities()
        layers["uid"] = "missing: without seccomp the worker can't be left to read Python"
    if has_landlock:
        layers["dev_shm"] = "active (no path leads to it)"
    elif has_seccomp and scratch is None:
        layers["dev_shm"] = "active (nothing can be opened for writing)"
    else:
        layers["dev_shm"] = "missing: /dev/shm stays writable; Landlock would close it"
    if not has_landlock and not layers["uid"].startswith("active"):
        # A child of the same user can open /proc/PARENT/mem.
        layers["landlock"] += "; until then student code may read the grader's files and memory"
    return layers


def _attempt(step: Callable[[], object]) -> str:
    try:
        step()
    except OSError as error:
        return f"missing: {error.strerror}"
    except (ValueError, NotImplementedError) as error:
        return f"missing: {error}"
    return "active"


def _switch_user(plan: Plan, uid: int | None) -> str:
    if uid is None:
        # Even so: root without capabilities can't trace a root that has them.
        _attempt(privileges.drop_capabilities)
        return f"missing: {plan.uid_reason}"
    keep = plan.keep_read_capability
    state = _attempt(lambda: privileges.become(uid, keep_read_capability=keep))
    if state != "active":
        privileges.drop_capabilities()
    elif keep:
        return "active (reads a private Python by CAP_DAC_READ_SEARCH, within Landlock's list)"
    return state


def _enter_landlock(plan: Plan, ruleset: int | None) -> str:
    if ruleset is None:
        return f"missing: {plan.landlock_reason}"
    state = _attempt(lambda: landlock.restrict(ruleset))
    os.close(ruleset)
    return f"active (ABI {plan.landlock_abi})" if state == "active" else state


def _install_filter(plan: Plan, limits: WorkerLimits, *, writing: bool, attributes: bool) -> str:
    if plan.seccomp_reason is not None:
        return f"missing: {plan.seccomp_reason}"
    program = seccomp.build_filter(
        own_pid=os.getpid(),
        processes=limits.processes > 0,
        writing=writing,
        attributes=attributes,
    )
    return _attempt(lambda: seccomp.install(program))


def _interpreter_paths(packages: Sequence[str]) -> list[Path]:
    """One file or folder of each place that a worker has to read."""
    paths = [Path(os.__file__), Path(sysconfig.get_path("stdlib")) / "lib-dynload"]
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            paths.append(Path(spec.origin))
    return [path for path in paths if path.exists()]


def _prefer_for_out_of_memory_kill() -> None:
    """If the machine runs out of memory, the worker goes first, not the grader."""
    try:
        # A process that may not be dumped has its files in /proc belong to root.
        syscalls.prctl(_PR_SET_DUMPABLE, 1)
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def _close_descriptors(channel: int, ruleset: int | None) -> int | None:
    """Close all but the channel and the ruleset. Returns the ruleset's new descriptor."""
    null = os.open(os.devnull, os.O_RDWR)
    wanted = (
        [null, null, null, channel] if ruleset is None else [null, null, null, channel, ruleset]
    )
    # First out of the way, so that no descriptor is overwritten before it has been moved.
    spare = [fcntl.fcntl(old, fcntl.F_DUPFD_CLOEXEC, len(wanted)) for old in wanted]
    for target, old in enumerate(spare):
        os.dup2(old, target, inheritable=target <= 2)
    try:
        syscalls.call("close_range", len(wanted), 0xFFFFFFFF, 0)
    except (OSError, NotImplementedError):
        os.closerange(len(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return None if ruleset is None else CHANNEL + 1


def _limit_resources(limits: WorkerLimits, *, own_user: bool) -> None:
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = {
        resource.RLIMIT_AS: resource.RLIM_INFINITY
        if limits.gpu
        else mapped + (limits.memory_mib << 20),
        resource.RLIMIT_CPU: limits.cpu_seconds + _CPU_GRACE,
        resource.RLIMIT_NPROC: _tasks(own_user) + limits.threads + limits.processes,
        resource.RLIMIT_FSIZE: limits.file_mib << 20 if limits.scratch else 0,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_STACK: _STACK,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_RTPRIO: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_SIGPENDING: 64,
    }
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        if value == resource.RLIM_INFINITY:
            limit = hard
        soft = max(limit - _CPU_GRACE, 0) if kind == resource.RLIMIT_CPU else limit
        resource.setrlimit(kind, (soft, limit))


def _tasks(own_user: bool) -> int:
    """How many tasks the worker's user has besides what the worker may start.

    The kernel counts all tasks of a user on the machine. For a user of its own that is the worker
    itself; for a shared one, others come and go, so the limit only stops a bomb.
    """
    if own_user:
        return 1
    own = os.getuid()
    tasks = _USER_SLACK
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.stat().st_uid == own:
                    tasks += len(list((entry / "task").iterdir()))
            except OSError:
                continue
    return tasks
