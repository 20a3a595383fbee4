"""The filter, run by a small interpreter of BPF for both machines that it is written for."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from autograder.sandbox import seccomp, syscalls

ALLOW, KILL = "allow", "kill"
READ = {"x86_64": 0, "aarch64": 63}
GETPID = {"x86_64": 39, "aarch64": 172}
PID = 4711


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(syscalls, "MACHINE", request.param)
    return str(request.param)


def verdict(program: bytes, number: int, *arguments: int, machine: str | None = None) -> str:
    """What the kernel would do: "allow", "kill" or the name of an errno. linux/filter.h."""
    architecture = syscalls.AUDIT_ARCHITECTURES[machine or syscalls.MACHINE]
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, architecture, 0, *values)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at, accumulator = 0, 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            kind, value = operand & 0xFFFF0000, operand & 0xFFFF
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}.get(kind) or errno.errorcode[value]
        else:
            tests = {
                0x15: accumulator == operand,
                0x25: accumulator > operand,
                0x45: bool(accumulator & operand),
            }
            at += if_true if tests[code] else if_false


def strict() -> bytes:
    return seccomp.build_filter(own_pid=PID, processes=False, writing=False, attributes=False)


def number(name: str) -> int:
    found = syscalls.number(name)
    assert found is not None
    return found


def test_the_filter_is_short_enough_for_the_kernel(machine: str) -> None:
    assert len(strict()) / 8 < 4096


def test_reading_and_asking_is_allowed(machine: str) -> None:
    assert verdict(strict(), READ[machine]) == ALLOW
    assert verdict(strict(), GETPID[machine]) == ALLOW


def test_another_architecture_is_killed(machine: str) -> None:
    other = "aarch64" if machine == "x86_64" else "x86_64"
    assert verdict(strict(), READ[machine], machine=other) == KILL


@pytest.mark.parametrize("big", [463, 500, 0x40000000, 0x40000027, 0xFFFFFFFF])
def test_numbers_beyond_the_list_do_not_exist(machine: str, big: int) -> None:
    assert verdict(strict(), big) == "ENOSYS"


def test_every_denied_call_is_denied(machine: str) -> None:
    groups = [*seccomp._DENIED, seccomp._PROCESS_CREATION, seccomp._WRITING, seccomp._ATTRIBUTES]
    for name in (name for group in groups for name in group):
        found = syscalls.number(name)
        if found is not None:
            expected = "EPERM" if found <= seccomp._NEWEST_KNOWN else "ENOSYS"
            assert verdict(strict(), found) == expected, name


def test_no_name_is_denied_twice() -> None:
    groups = [*seccomp._DENIED, seccomp._PROCESS_CREATION, seccomp._WRITING, seccomp._ATTRIBUTES]
    names = [name for group in groups for name in group]
    assert len(names) == len(set(names))


def test_threads_are_made_with_clone_and_processes_are_not(machine: str) -> None:
    thread = 0x3D0F00  # what glibc's pthread_create passes
    assert verdict(strict(), number("clone"), thread) == ALLOW
    assert verdict(strict(), number("clone"), 0x1200011) == "EPERM"  # what its fork passes
    assert verdict(strict(), number("clone3")) == "ENOSYS"
    program = seccomp.build_filter(own_pid=PID, processes=True, writing=False, attributes=False)
    assert verdict(program, number("clone"), 0x1200011) == ALLOW
    assert verdict(program, number("execve")) == ALLOW


def test_signals_reach_the_worker_only(machine: str) -> None:
    for name in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert verdict(strict(), number(name), PID) == ALLOW
        for pid in (0, 1, PID + 1, 2**64 - 1, 2**64 - PID):
            assert verdict(strict(), number(name), pid) == "EPERM"


def test_limits_of_others_can_not_be_set(machine: str) -> None:
    assert verdict(strict(), number("prlimit64"), 0) == ALLOW
    assert verdict(strict(), number("prlimit64"), PID) == ALLOW
    assert verdict(strict(), number("prlimit64"), 1) == "EPERM"


@pytest.mark.parametrize(("name", "position"), [("open", 1), ("openat", 2)])
def test_opening_for_writing_is_seen_in_the_flags(machine: str, name: str, position: int) -> None:
    nr = syscalls.number(name)
    if nr is None:
        return
    for flags in (os.O_RDONLY, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW):
        assert verdict(strict(), nr, *[0] * position, flags) == ALLOW
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE | os.O_RDWR):
        assert verdict(strict(), nr, *[0] * position, flags) == "EPERM"
    open_filter = seccomp.build_filter(own_pid=PID, processes=False, writing=True, attributes=False)
    assert verdict(open_filter, nr, *[0] * position, os.O_RDWR | os.O_CREAT) == ALLOW
    assert verdict(open_filter, number("fchmod")) == "EPERM"


def test_the_table_agrees_with_this_machines_headers() -> None:
    """Spot checks that a shifted column would fail."""
    assert syscalls._NUMBERS["ptrace"] == (101, 117)
    assert syscalls._NUMBERS["openat"] == (257, 56)
    assert syscalls._NUMBERS["landlock_restrict_self"] == (446, 446)
    for column in (0, 1):
        numbers = [pair[column] for pair in syscalls._NUMBERS.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))
