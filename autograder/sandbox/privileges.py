"""A user of its own for each worker, and no capabilities.

Each living worker has a user id from a reserved range. An id is claimed by binding an abstract
socket named after it: the claim vanishes with the process that holds it, however that dies, so that
two graders on one machine never share an id and never sweep each other's workers.

An interpreter that other users can't read (pyenv's, say, in root's home) would leave the worker
unable to import anything. There, and only where Landlock and seccomp are both active, the worker
keeps CAP_DAC_READ_SEARCH. What that gives it, Landlock takes away again except for the allow list;
what it would give beyond paths (files by handle) seccomp refuses; ptrace and signals don't look at
it; and it is dropped again if either layer turns out not to hold.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import random
import signal
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import syscalls

__all__ = [
    "PrivilegeError",
    "UidClaim",
    "become",
    "can_switch_user",
    "claim_uid",
    "drop_capabilities",
    "holds_read_capability",
    "kill_orphans",
    "kill_user",
    "uids_in_use",
    "unreadable_by_others",
]

FIRST_UID, LAST_UID = 61000, 64999
"""Above what distributions give to people and services; what is in use all the same is avoided."""

_CAP_DAC_READ_SEARCH, _CAP_KILL, _CAP_SETGID, _CAP_SETUID = 2, 5, 6, 7
_PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 8, 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522


class PrivilegeError(Exception):
    """The process holds privileges that it was to lose."""


class UidClaim:
    """A user id that nobody else on this machine uses for a worker, until `release`."""

    def __init__(self, uid: int, holder: socket.socket) -> None:
        self.uid = uid
        self._holder = holder

    def release(self) -> None:
        """Give the id back."""
        self._holder.close()


def claim_uid(avoid: Collection[int] = ()) -> UidClaim:
    """Claim a free id that belongs to nobody and is not in `avoid`. Raises OSError if none is left.

    The search begins at a random id: containers that share a kernel but not a network namespace
    don't see each other's claims, and would otherwise count against one another's process limit.
    """
    count = LAST_UID - FIRST_UID + 1
    start = random.SystemRandom().randrange(count)
    for step in range(count):
        uid = FIRST_UID + (start + step) % count
        if uid in avoid or _belongs_to_someone(uid):
            continue
        claim = _try_claim(uid)
        if claim is not None:
            return claim
    raise OSError(f"all user ids from {FIRST_UID} to {LAST_UID} are in use")


def uids_in_use() -> frozenset[int]:
    """The user ids in our range under which something runs now, ours or not."""
    return frozenset(
        status.uids[0] for status in _processes() if FIRST_UID <= status.uids[0] <= LAST_UID
    )


def _belongs_to_someone(uid: int) -> bool:
    """Whether the id is a person's or a service's: large sites give out ids in any range."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _try_claim(uid: int) -> UidClaim | None:
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0autograder-worker-uid-{uid}")
    except OSError:
        holder.close()
        return None
    return UidClaim(uid, holder)


def can_switch_user() -> str | None:
    """None if this process may give a worker its own user id and kill it later, else why not."""
    permitted = _permitted()
    missing = [
        name
        for name, bit in (
            ("CAP_SETUID", _CAP_SETUID),
            ("CAP_SETGID", _CAP_SETGID),
            ("CAP_KILL", _CAP_KILL),
        )
        if not permitted >> bit & 1
    ]
    if not missing:
        return None
    if os.geteuid() != 0:
        return "the grader doesn't run as root; run it as root, in a container if in doubt"
    return f"root lacks {', '.join(missing)} here; don't drop it from the container"


def holds_read_capability() -> bool:
    """Whether this process could leave CAP_DAC_READ_SEARCH to a worker."""
    return bool(_permitted() >> _CAP_DAC_READ_SEARCH & 1)


def unreadable_by_others(paths: Iterable[Path]) -> Path | None:
    """The first of `paths` that a worker's user id couldn't read; None if it could read all.

    Asks the kernel, in a child that is that user. Call it while this process is still small.
    Raises OSError if the child can't become that user.
    """
    candidates = list(paths)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = -1
        try:
            become(LAST_UID, keep_read_capability=False)
            unreadable = [not os.access(path, os.R_OK) for path in candidates]
            answer = unreadable.index(True) if any(unreadable) else len(candidates)
        finally:
            os.write(writer, struct.pack("<i", answer))
            os._exit(0)
    os.close(writer)
    try:
        (index,) = struct.unpack("<i", os.read(reader, 4))
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    if index < 0:
        raise OSError(f"this process can't become user {LAST_UID}")
    return candidates[index] if index < len(candidates) else None


def become(uid: int, *, keep_read_capability: bool) -> None:
    """Become the user `uid`, with a group of the same number, no other groups, no capabilities.

    `keep_read_capability` spares CAP_DAC_READ_SEARCH. Raises OSError if it can't be done, and
    PrivilegeError if it was half done: then this process must not run student code.
    """
    if keep_read_capability:
        syscalls.prctl(_PR_SET_KEEPCAPS, 1)
    _drop_bounding_set()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    try:
        _set_capabilities(1 << _CAP_DAC_READ_SEARCH if keep_read_capability else 0)
    except OSError as error:
        # PR_SET_KEEPCAPS has just kept all of them.
        raise PrivilegeError(f"capabilities can't be dropped: {error}") from error


def drop_capabilities() -> None:
    """Give up every capability, now and across exec. Raises PrivilegeError."""
    _drop_bounding_set()
    try:
        _set_capabilities(0)
    except OSError as error:
        raise PrivilegeError(f"capabilities can't be dropped: {error}") from error


def kill_user(uid: int) -> None:
    """Kill every process of a user at once, from a child that becomes that user.

    One kill(-1) can't be outrun by a fork bomb, as a walk over process ids could be.
    """
    for _ in range(5):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        # A survivor may have shot the child first; then try again.
        if status == 0:
            return


def kill_orphans() -> int:
    """Kill what a grader that died by force left behind. Returns how many processes were killed.

    A worker dies with its zygote; only processes that it was allowed to start can survive. To be
    one, a process must look like nothing else on a machine: user and group the same id of our
    range, claimed by nobody and nobody's, no other groups, under a filter, fallen to init.
    """
    killed = 0
    for status in _processes():
        uid = status.uids[0]
        if (
            not FIRST_UID <= uid <= LAST_UID
            or {*status.uids, *status.gids} != {uid}
            or status.groups
            or not status.filtered
            or status.parent != 1
            or _belongs_to_someone(uid)
        ):
            continue
        claim = _try_claim(uid)
        if claim is None:
            continue
        with contextlib.suppress(OSError):
            os.kill(status.pid, signal.SIGKILL)
            killed += 1
        claim.release()
    return killed


@dataclass(frozen=True, slots=True)
class _Status:
    """What /proc/PID/status says about who a process is."""

    pid: int
    parent: int
    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...]
    filtered: bool


def _processes() -> Iterator[_Status]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            lines = (entry / "status").read_text().splitlines()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        numbers = {
            name: tuple(map(int, fields.get(name, "").split()))
            for name in ("PPid", "Uid", "Gid", "Groups", "Seccomp", "NoNewPrivs")
        }
        if len(numbers["Uid"]) == 4 and numbers["PPid"]:
            yield _Status(
                int(entry.name),
                numbers["PPid"][0],
                numbers["Uid"],
                numbers["Gid"],
                numbers["Groups"],
                numbers["Seccomp"] == (2,) and numbers["NoNewPrivs"] == (1,),
            )


def _permitted() -> int:
    header = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(24)
    syscalls.call("capget", header, data)
    words = struct.unpack("<6I", data.raw)
    return int(words[1] | words[4] << 32)


def _set_capabilities(mask: int) -> None:
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        syscalls.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(struct.pack("<6I", low, low, 0, high, high, 0), 24)
    syscalls.call("capset", header, data)


def _drop_bounding_set() -> None:
    for capability in range(64):
        try:
            if syscalls.prctl(_PR_CAPBSET_READ, capability):
                syscalls.prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            # The last capability has been passed, or CAP_SETPCAP is missing: then no new
            # privileges come from exec anyway, as NO_NEW_PRIVS is set.
            return
