"""What a worker may use, and what it may not call: plain data that crosses into the zygote."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

__all__ = [
    "Isolation",
    "Tripwires",
    "WorkerLimits",
    "has_gpu",
    "limits_from",
    "tripwires_from",
]

_GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def has_gpu() -> bool:
    """Whether this machine has the device of a GPU driver (which torch may or may not support)."""
    return any(map(os.path.exists, _GPU_NODES))


class Isolation(StrEnum):
    """How much confinement is demanded.

    `STRICT` refuses to run a worker if one layer is missing, `AUTO` uses the layers that this host
    has and reports the rest, `NONE` is a bare worker process for a student's own machine: only
    stray descriptors are closed and resource limits set.
    """

    STRICT = "strict"
    AUTO = "auto"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one worker process may use.

    `memory_mib` is address space on top of what the zygote already maps (torch itself). `processes`
    counts child processes; 0 makes creating any impossible. `threads` counts threads beside the
    main one. `file_mib` bounds each file written, which is possible only with `scratch`, a private
    folder that is removed with the worker. `cpu_seconds` is a backstop behind the deadline of each
    call. `reply_mib` bounds the tensors of one answer (the grader has to hold them).
    """

    memory_mib: int = 1024
    processes: int = 0
    threads: int = 16
    file_mib: int = 0
    open_files: int = 64
    scratch: bool = False
    cpu_seconds: int = 3600
    reply_mib: int = 128
    gpu: bool = False

    def on_gpu(self) -> WorkerLimits:
        """These limits for code that builds kernels and runs them on a GPU.

        Triton starts a C compiler and an assembler, and keeps what they make in a folder.
        """
        return replace(self, gpu=True, processes=32, threads=256, scratch=True, file_mib=256,
                       open_files=1024)  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Tripwires:
    """What raises `Forbidden` inside the worker when student code reaches it.

    `names` are dotted torch names (`torch.autograd.grad`, `torch.Tensor.backward`); `x.*` means
    every public callable of that module or class. They trip only when called from student code:
    torch's own use of the same function goes through. `operators` are fnmatch patterns over ATen
    operator names without overload (`aten::convolution`, `aten::*_backward*`), watched during the
    first two calls of every function, whoever called them.
    """

    names: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)


def limits_from(data: dict[str, Any]) -> WorkerLimits:
    """The inverse of `WorkerLimits.to_json`."""
    return WorkerLimits(**data)


def tripwires_from(data: dict[str, Any]) -> Tripwires:
    """The inverse of `Tripwires.to_json`."""
    return Tripwires(tuple(data["names"]), tuple(data["operators"]))
