"""The system calls that a worker is refused: a BPF filter, assembled here and installed for good.

A deny list: torch and the C library use far more calls than a course wants to enumerate, and what
they use changes with each release; what they must not do is short. A refused call fails with EPERM,
so that student code gets a PermissionError with a line number rather than a dead process. System
calls that are newer than this list don't exist for the worker (ENOSYS), nor do the x32 calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

from . import syscalls

__all__ = ["available", "build_filter", "install"]

# One line of reason per group.
_DENIED: tuple[tuple[str, ...], ...] = (
    # The network, DNS, abstract sockets, vsock. The worker's one socket is open already.
    ("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "shutdown"),
    # Messages that carry descriptors; the worker's own channel needs plain reads and writes only.
    ("sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "sendto", "recvfrom"),
    # SO_PEERPIDFD would give a handle on the grader.
    ("setsockopt", "getsockopt"),
    # Reading or steering other processes; the grader holds the answers.
    ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    ("kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "perf_event_open"),
    # A file by its handle goes around every path rule (and needs the capability we may keep).
    ("name_to_handle_at", "open_by_handle_at"),
    # Namespaces, mounts, roots: a large attack surface, and the way to a world with other rules.
    ("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr"),
    ("move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr"),
    ("statmount", "listmount", "swapon", "swapoff"),
    # Kernel interfaces with a history of exploits and no use in an exercise.
    ("bpf", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    ("io_setup", "io_submit", "io_destroy", "io_cancel", "io_getevents", "splice", "tee"),
    ("vmsplice", "fanotify_init", "fanotify_mark", "modify_ldt", "uselib", "personality"),
    ("add_key", "request_key", "keyctl", "seccomp", "lsm_get_self_attr", "lsm_set_self_attr"),
    # Memory that outlives the process, or that two processes share without a file.
    ("memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "shmdt"),
    ("semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd", "msgrcv", "msgctl"),
    ("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"),
    # The machine itself; all of these need privileges, and the worker should have none.
    ("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"),
    ("acct", "quotactl", "quotactl_fd", "syslog", "settimeofday", "clock_settime", "adjtimex"),
    ("clock_adjtime", "sethostname", "setdomainname", "vhangup", "lookup_dcookie", "_sysctl"),
    ("sysfs", "ustat", "nfsservctl", "iopl", "ioperm"),
    # Becoming someone else.
    ("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"),
    ("setfsuid", "setfsgid", "capset"),
    # Moving to other cores or up in priority: a way to disturb a timing that runs beside us.
    ("sched_setaffinity", "sched_setscheduler", "sched_setattr", "sched_setparam"),
    ("setpriority", "ioprio_set", "mbind", "set_mempolicy", "set_mempolicy_home_node"),
    ("migrate_pages", "move_pages"),
    # Leaving the session and process group that it was put into.
    ("setsid", "setpgid"),
)

# Creating processes; with CLONE_THREAD, which is looked at below, clone makes a thread.
_PROCESS_CREATION = ("fork", "vfork", "execve", "execveat")

# Modes, owners, times and attributes of files are beyond Landlock's sight.
_ATTRIBUTES: tuple[str, ...] = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr"),
    *("setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
    *("file_setattr",),
)

# Changing the file system, where Landlock isn't there to see the paths. Opening for writing is
# looked at below. openat2 hides its flags behind a pointer.
_WRITING: tuple[str, ...] = (
    *("creat", "truncate", "ftruncate", "fallocate", "mkdir", "mkdirat", "mknod", "mknodat"),
    *("rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat"),
    *("symlink", "symlinkat"),
)

# These signal calls name a process first; only the worker itself may be named.
_SIGNALS = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")

_NEWEST_KNOWN = 462  # mseal; what later kernels add is refused until someone has looked at it

# linux/prctl.h: naming threads and memory areas (glibc does), asking; nothing that changes trust.
_PRCTL_ALLOWED = (3, 15, 16, 21, 39, 0x53564D41)

# TIOCSTI, TIOCLINUX: typing into the operator's terminal. FIOASYNC, FIOSETOWN, SIOCSPGRP and
# F_SETOWN, F_SETSIG, F_SETOWN_EX: having the kernel send a signal to someone else.
_IOCTL_DENIED = (0x5412, 0x541C, 0x5452, 0x8901, 0x8902)
_FCNTL_DENIED = (8, 10, 15)

_CLONE_THREAD = 0x00010000
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | (os.O_TMPFILE & ~os.O_DIRECTORY)

# linux/bpf_common.h
_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERROR = 0x00050000
_EPERM = _ERROR | errno.EPERM
_ENOSYS = _ERROR | errno.ENOSYS

_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_X32 = 0x40000000

Instruction = tuple[int, int, int, int]


def available() -> str | None:
    """None if filters can be installed here, otherwise why not."""
    if syscalls.MACHINE not in syscalls.AUDIT_ARCHITECTURES or sys.byteorder != "little":
        return f"no filter is written for {syscalls.MACHINE}"
    action = ctypes.create_string_buffer(struct.pack("<I", _KILL_PROCESS), 4)
    try:
        syscalls.call("seccomp", 2, 0, action)  # SECCOMP_GET_ACTION_AVAIL
    except OSError as error:
        return f"the kernel refuses seccomp filters ({error.strerror})"
    return None


def build_filter(*, own_pid: int, processes: bool, writing: bool, attributes: bool) -> bytes:
    """The program for a worker with process id `own_pid`, as an array of struct sock_filter.

    `processes`: child processes may be created. `writing`: files may be opened for writing (say so
    only where Landlock or the user id decides which). `attributes`: those of files may be changed.
    """
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, syscalls.AUDIT_ARCHITECTURES[syscalls.MACHINE]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, 0, 1, _NEWEST_KNOWN),  # also catches x32, whose numbers carry bit 30
        (_RETURN, 0, 0, _ENOSYS),
    ]
    denied = [name for group in _DENIED for name in group]
    if not processes:
        denied += _PROCESS_CREATION
    if not writing:
        denied += _WRITING
    if not attributes:
        denied += _ATTRIBUTES
    for name in denied:
        program += _when(name, [(_RETURN, 0, 0, _EPERM)])
    # glibc then makes its threads with clone, whose flags a filter can see.
    program += _when("clone3", [(_RETURN, 0, 0, _ENOSYS)])
    if not processes:
        program += _when("clone", _unless_bit(0, _CLONE_THREAD))
    for name in _SIGNALS:
        program += _when(name, _unless_equal(0, (own_pid,)))
    program += _when("prctl", _unless_equal(0, _PRCTL_ALLOWED))
    # Limits of another process; 0 means the caller.
    program += _when("prlimit64", _unless_equal(0, (0, own_pid)))
    program += _when("ioctl", _if_equal(1, _IOCTL_DENIED))
    program += _when("fcntl", _if_equal(1, _FCNTL_DENIED))
    if not writing:
        program += _when("open", _if_bit(1, _WRITE_FLAGS))
        program += _when("openat", _if_bit(2, _WRITE_FLAGS))
        program += _when("openat2", [(_RETURN, 0, 0, _ENOSYS)])
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def install(program: bytes) -> None:
    """Install a filter on this process, for good. Needs PR_SET_NO_NEW_PRIVS. Raises OSError."""
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)), 16
    )
    syscalls.call("seccomp", 1, 0, header)  # SECCOMP_SET_MODE_FILTER


def _when(name: str, body: list[Instruction]) -> list[Instruction]:
    """Run `body` for this system call; it must return. Elsewhere the number stays loaded."""
    number = syscalls.number(name)
    if number is None:
        return []
    return [(_EQUAL, 0, len(body), number), *body]


def _argument(index: int) -> Instruction:
    # The low half: every argument looked at here is an int or fits one.
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _unless_equal(index: int, allowed: tuple[int, ...]) -> list[Instruction]:
    tests: list[Instruction] = []
    for position, value in enumerate(allowed):
        tests.append((_EQUAL, len(allowed) - position, 0, value))
    return [_argument(index), *tests, (_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]


def _if_equal(index: int, denied: tuple[int, ...]) -> list[Instruction]:
    tests: list[Instruction] = []
    for position, value in enumerate(denied):
        tests.append((_EQUAL, len(denied) - position, 0, value))
    return [_argument(index), *tests, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _EPERM)]


def _if_bit(index: int, bits: int) -> list[Instruction]:
    return [
        _argument(index),
        (_ANY_BIT, 0, 1, bits),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _unless_bit(index: int, bits: int) -> list[Instruction]:
    return [
        _argument(index),
        (_ANY_BIT, 1, 0, bits),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
