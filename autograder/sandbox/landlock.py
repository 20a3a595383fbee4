"""Landlock: the paths that a worker may read, decided by the kernel whatever its user is.

An allow list of what Python and torch need after they are loaded: the rest of the standard library,
the packages that exercises use, the shared libraries beside those already mapped. Neither the
course, nor this package, nor `/proc`, nor `/tmp` is on it, also where the virtual environment lies
inside the course's folder or this package is installed beside torch: what is allowed is each
package and each entry of the standard library by itself, never the `site-packages` around them.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from . import syscalls

__all__ = ["TORCH_NEEDS", "abi_version", "build_ruleset", "readable_paths", "restrict"]

# linux/landlock.h
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_ALL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK = 0b11  # bind and connect TCP, from ABI 4
_SCOPES = 0b11  # abstract unix sockets and signals, from ABI 6

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

# What torch imports lazily, whatever the exercise: symbolic shapes, templates, the compiler.
TORCH_NEEDS = (
    *("torch", "torchgen", "functorch", "numpy", "triton", "nvidia", "typing_extensions"),
    *("sympy", "mpmath", "networkx", "filelock", "fsspec", "jinja2", "markupsafe", "packaging"),
)
_SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
    "/dev/urandom",
    "/dev/zero",
)
# What code on a GPU talks to, and what its libraries read to find out which GPUs there are.
_GPU_NODES = ("/dev/kfd", "/dev/dri", "/dev/dxg")
_GPU_FILES = (
    *("/proc/driver/nvidia", "/proc/modules", "/proc/devices", "/proc/meminfo"),
    *("/sys/bus/pci", "/sys/devices", "/sys/module/nvidia", "/usr/local/nvidia", "/usr/local/cuda"),
)
# A compiler for kernels that are built on the spot; only where child processes are allowed.
_TOOLCHAIN = ("/bin", "/usr/bin", "/lib", "/lib64", "/usr/lib", "/usr/libexec", "/usr/include")


def abi_version() -> int:
    """The Landlock ABI of this kernel. Raises OSError if it has none, or it is switched off."""
    return syscalls.call("landlock_create_ruleset", None, 0, 1)


def readable_paths(
    packages: Sequence[str], *, toolchain: bool = False, gpu: bool = False
) -> list[Path]:
    """What a worker may read, given what this process has loaded so far.

    `packages` are the top-level packages that student code may import. Call it after they were
    imported, so that their libraries are mapped.
    """
    paths = [Path(name) for name in _SYSTEM_FILES]
    paths += _standard_library()
    paths += _packages((*TORCH_NEEDS, *packages))
    paths += _shared_libraries()
    if toolchain:
        paths += [Path(name) for name in _TOOLCHAIN]
        paths.append(Path(sysconfig.get_path("include")))
    if gpu:
        paths += [Path(name) for name in _GPU_FILES]
    return paths


def gpu_devices() -> list[Path]:
    """The devices of the GPUs' drivers."""
    nodes = [entry for entry in _entries(Path("/dev")) if entry.name.startswith("nvidia")]
    return [*nodes, *(Path(name) for name in _GPU_NODES)]


def build_ruleset(
    readable: Iterable[Path], writable: Iterable[Path] = (), devices: Iterable[Path] = ()
) -> int:
    """A ruleset's descriptor: `readable` to read and execute, `writable` folders for everything.

    `devices` may be read, written and controlled. Paths that don't exist are skipped. Raises
    OSError if the kernel has no Landlock.
    """
    abi = abi_version()
    handled = max(rights for since, rights in _ALL_BY_ABI.items() if since <= abi)
    attributes = struct.pack(
        "<QQQ", handled, _NETWORK if abi >= 4 else 0, _SCOPES if abi >= 6 else 0
    )
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = syscalls.call(
        "landlock_create_ruleset", ctypes.create_string_buffer(attributes, 24), size, 0
    )
    for path in readable:
        _allow(ruleset, path, _READ & handled)
    # Silencing output is a habit; the null device takes no harm.
    _allow(ruleset, Path(os.devnull), (_READ_FILE | _WRITE_FILE | _TRUNCATE) & handled)
    for path in writable:
        _allow(ruleset, path, handled & ~_IOCTL_DEV)
    for path in devices:
        _allow(ruleset, path, (_READ | _WRITE_FILE | _IOCTL_DEV) & handled)
    return ruleset


def restrict(ruleset: int) -> None:
    """Confine this process to a ruleset, for good. Needs PR_SET_NO_NEW_PRIVS. Raises OSError."""
    syscalls.call("landlock_restrict_self", ruleset, 0)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(descriptor):  # noqa: PTH112  (a descriptor, not a path)
            rights &= _FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, descriptor), 12)
        syscalls.call("landlock_add_rule", ruleset, 1, rule, 0)
    finally:
        os.close(descriptor)


def _standard_library() -> Iterator[Path]:
    """Each entry by itself, because many installations keep site-packages among them."""
    for key in ("stdlib", "platstdlib"):
        folder = Path(sysconfig.get_path(key)).resolve()
        for entry in _entries(folder):
            if entry.name not in ("site-packages", "dist-packages", "ensurepip", "idlelib"):
                yield entry


def _packages(names: Iterable[str]) -> Iterator[Path]:
    """Where these top-level packages lie, with the folder of libraries that wheels put beside."""
    for folder in dict.fromkeys(Path(entry) for entry in sys.path if entry):
        for name in dict.fromkeys(names):
            for candidate in (name, f"{name}.py", f"{name}.libs"):
                path = folder / candidate
                if path.exists():
                    yield path.resolve()


def _shared_libraries() -> Iterator[Path]:
    """The libraries beside those that are mapped, file by file.

    A rarely used part of the standard library may need one that nothing has loaded yet. Whole
    folders would be shorter, but some distributions keep Python packages below theirs.
    """
    folders = set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        name = line.partition("/")[2]
        if ".so" in name:
            folders.add(Path("/" + name).parent)
    for folder in folders:
        for entry in _entries(folder):
            if ".so" in entry.name and not entry.is_dir():
                yield entry


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
