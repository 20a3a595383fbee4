"""What a worker sees of Triton kernels: unwritten memory, stray writes, launches, mistakes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.sandbox import Sandbox, Tripwires, WorkerLimits
from autograder.sandbox.kernels import LAUNCHES
from autograder.student import StudentForbidden, StudentRaised, StudentReplyInvalid

from .conftest import Load, ask, opened

HEAD = """
import torch
import triton
import triton.language as tl


@triton.jit
def doubled(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, 2 * tl.load(x + at, mask=at < n), mask=at < n)


@triton.jit
def unmasked(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at))
"""
X = torch.arange(5.0)


@pytest.fixture(scope="module")
def sandbox_with_triton() -> Iterator[Sandbox]:
    wires = Tripwires(names=("triton.compile",), operators=("aten::mul",))
    with Sandbox(tripwires=wires) as sandbox:
        yield sandbox


@pytest.fixture
def kernels(sandbox_with_triton: Sandbox) -> Iterator[Load]:
    with opened(sandbox_with_triton) as load:
        yield lambda source: load(HEAD + "\n" + source)


def run(load: Load, body: str, *args: Any, **kwargs: Any) -> Any:
    worker = load("def run(x):\n" + "\n".join(f"    {line}" for line in body.split("; ")))
    return worker.call("run", args or (X,), kwargs, timeout=20.0)


LAUNCH = "y = torch.empty_like(x); doubled[(1,)](x, y, x.numel(), BLOCK=8); return y"


def test_kernels_run_in_the_interpreter_without_a_file_on_any_disk(kernels: Load) -> None:
    assert run(kernels, LAUNCH).value.tolist() == [0, 2, 4, 6, 8]


def test_workers_of_other_assignments_do_not_load_triton(load: Load) -> None:
    worker = load("import sys\n\ndef run():\n    return 'triton' in sys.modules")
    assert ask(worker) is False


@pytest.mark.parametrize(
    "allocate",
    [
        "torch.empty(5)",
        "torch.empty_like(x)",
        "x.new_empty(5)",
        "torch.empty((5, 1)).t()[0]",
        "torch.empty_strided((5,), (2,))",
        "torch.empty(5, dtype=torch.float16)",
    ],
)
def test_memory_that_nobody_wrote_is_nan(kernels: Load, allocate: str) -> None:
    answer = run(kernels, f"y = {allocate}; return y").value
    assert answer.shape == (5,)
    assert bool(answer.isnan().all())


def test_memory_that_was_written_holds_what_was_written(kernels: Load) -> None:
    made = (
        "torch.zeros(2), torch.ones_like(x), torch.full((1,), 7.0), x.clone(), x.double(), x.int()"
    )
    zeros, ones, full, clone, double, ints = run(kernels, f"return {made}").value
    assert (zeros.tolist(), ones.tolist(), full.tolist()) == ([0, 0], [1] * 5, [7])
    assert clone.tolist() == double.tolist() == ints.tolist() == X.tolist()
    assert (double.dtype, ints.dtype) == (torch.float64, torch.int32)


@pytest.mark.parametrize("made", ["torch.empty_like(x)", "torch.zeros(5)", "x.clone()", "x.int()"])
def test_a_store_behind_the_end_is_reported(kernels: Load, made: str) -> None:
    with pytest.raises(StudentReplyInvalid, match="wrote outside of its tensors"):
        run(kernels, f"y = {made}; unmasked[(1,)](torch.zeros(8), y, 5, BLOCK=8); return y")


def test_a_store_before_the_beginning_of_an_input_is_reported(kernels: Load) -> None:
    with pytest.raises(StudentReplyInvalid, match="wrote outside of its tensors"):
        run(kernels, "doubled[(1,)](torch.zeros(3), x.as_strided((8,), (1,), 0)[3:6], 3, BLOCK=4)")


def test_a_load_behind_the_end_of_an_input_reads_nan(kernels: Load) -> None:
    answer = run(kernels, "y = torch.empty(8); unmasked[(1,)](x, y, 5, BLOCK=8); return y").value
    assert answer[:5].tolist() == X.tolist()
    assert bool(answer[5:].isnan().all())


@pytest.mark.parametrize("strides", [(1,), (3,), (0,)])
def test_inputs_keep_their_strides(kernels: Load, strides: tuple[int]) -> None:
    x = torch.arange(40.0).as_strided((5,), strides)
    assert run(kernels, "return list(x.stride()), x.clone()", x).value[0] == list(strides)
    assert torch.equal(run(kernels, "return x.contiguous()", x).value, x)


def test_a_kernel_that_writes_into_its_input_is_noticed(kernels: Load) -> None:
    reply = run(kernels, "doubled[(1,)](x, x, 5, BLOCK=8); return x")
    assert reply.mutated == ("0",)
    assert run(kernels, LAUNCH).mutated == ()
    assert X.tolist() == [0, 1, 2, 3, 4]


def test_launches_are_counted(kernels: Load) -> None:
    reply = run(
        kernels, f"doubled[(1,)](x, x.clone(), 5, BLOCK=8); {LAUNCH}", **{LAUNCHES: "count"}
    )
    assert reply.value["launches"] == 2
    assert reply.value["result"].tolist() == [0, 2, 4, 6, 8]


def test_an_autotuned_launch_is_one(kernels: Load) -> None:
    body = (
        "tuned = triton.autotune([triton.Config({'BLOCK': 8})], key=['n'])(doubled); "
        "y = torch.empty_like(x); tuned[lambda given: (1,)](x, y, 5); return y"
    )
    reply = run(kernels, body, **{LAUNCHES: "count"}).value
    assert (reply["launches"], reply["result"].tolist()) == (1, [0, 2, 4, 6, 8])


def test_skipped_launches_write_nothing(kernels: Load) -> None:
    reply = run(kernels, LAUNCH, **{LAUNCHES: "skip"}).value
    assert reply["launches"] == 1
    assert bool(reply["result"].isnan().all())


def test_launches_are_only_watched_during_the_call_that_asks(kernels: Load) -> None:
    worker = kernels("def run(x):\n    " + LAUNCH.replace("; ", "\n    "))
    for how in ("skip", "count", "skip"):
        worker.call("run", (X,), {LAUNCHES: how}, timeout=20.0)
    assert ask(worker, "run", X).tolist() == [0, 2, 4, 6, 8]


def test_a_mistake_in_a_kernel_is_reported_at_its_own_line(kernels: Load) -> None:
    source = """
@triton.jit
def broken(x):
    tl.store(x + tl.arange(0, 6), 0.0)

def run(x):
    broken[(1,)](x)
"""
    with pytest.raises(StudentRaised, match="must be a power of 2") as caught:
        ask(kernels(source), "run", X)
    assert "in broken: tl.store(x + tl.arange(0, 6), 0.0)" in (caught.value.failure.where or "")


def test_what_triton_does_not_implement_is_not_taken_for_a_stub(kernels: Load) -> None:
    source = """
@triton.jit
def old(x):
    tl.make_block_ptr(x, (5,), (1,), (0,), (8,), (0,))

def run(x):
    old[(1,)](x)
"""
    with pytest.raises(StudentRaised, match="Triton can't do this") as caught:
        ask(kernels(source), "run", X)
    assert not caught.value.not_implemented


def test_operators_are_watched_in_every_call(kernels: Load) -> None:
    worker = kernels("def run(x, wrong=False):\n    return x * 2 if wrong else x.clone()")
    for _ in range(4):
        ask(worker, "run", X)
    with pytest.raises(StudentForbidden, match="aten::mul"):
        ask(worker, "run", X, True)


def test_limits_for_a_gpu_open_a_private_folder_and_nothing_else() -> None:
    source = """
import os
import resource

def run(path):
    own = os.environ["TRITON_CACHE_DIR"]
    with open(f"{own}/made", "w") as file:
        file.write("built")
    try:
        os.listdir(path)
        outside = "readable"
    except OSError:
        outside = "closed"
    return sorted(os.listdir(own)), resource.getrlimit(resource.RLIMIT_AS)[0], outside
"""
    with Sandbox(limits=WorkerLimits().on_gpu()) as sandbox, opened(sandbox) as load:
        hidden = sandbox.layers["landlock"].startswith("active")
        made, address_space, outside = ask(load(source), "run", str(Path(__file__).parent))
        assert made == ["made"]
        assert address_space == resource.RLIM_INFINITY
        assert outside == ("closed" if hidden else "readable")
        # Nothing of it is left for the next worker.
        assert ask(load(source), "run", "/")[0] == ["made"]
