"""Attacks on the clock, in real workers: none gains, whatever the machine is busy with.

Nothing here depends on how fast anything is. Work is an amount of processor time that a function
burns, so that a bill can be too high (a busy machine) but never too low; who avoids work is found
out by digests and the oracle, with all calls of a chain revealed instead of two.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from autograder.checks.compare import CheckFailed, assert_close
from autograder.sandbox import Sandbox, Tripwires, WorkerLimits
from autograder.sandbox.timed_worker import TimedWorker
from autograder.student import StudentFault, StudentForbidden
from autograder.timing.audit import Audit
from autograder.timing.recipe import recipe_of, uniform
from autograder.timing.rounds import charge_for

from .clock_attacks import ATTACKS, BURN, ClockAttack, End

# "cuda" lets the same attacks loose on a GPU.
DEVICE = os.environ.get("AUTOGRADER_TIMING_DEVICE", "cpu")
PATIENCE = 20 if DEVICE == "cpu" else 120  # a GPU's first call compiles

CALLS = 6
RECIPE = recipe_of((uniform(64, 65, dtype=torch.float32),))
CHARGE = charge_for(DEVICE, confined=True)
# Processor time is counted in steps of the scheduler's clock.
SURELY = 0.9


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    limits = WorkerLimits()
    if DEVICE != "cpu":
        limits = limits.on_gpu()
    with Sandbox(limits=limits) as warm:
        for layer in ("seccomp", "landlock"):
            if not warm.layers[layer].startswith("active"):
                pytest.skip(f"open on this host: {layer} is {warm.layers[layer]}")
        yield warm


def compare(arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
    (x,) = arguments
    (y,) = results
    assert_close(y, torch.softmax(x, -1), what="`f`", rtol=1e-5)


AUDIT = Audit("f", RECIPE, DEVICE, compare)


def loaded(sandbox: Sandbox, source: bytes) -> TimedWorker:
    worker = sandbox.spawn()
    worker.load({"kernels.py": source}, "kernels", ["f"], timeout=20)
    return TimedWorker(worker)


def prepared(sandbox: Sandbox, source: bytes) -> TimedWorker:
    worker = loaded(sandbox, source)
    worker.prepare("f", RECIPE, DEVICE, calls=2, count=CALLS, timeout=PATIENCE)
    return worker


def bill(sandbox: Sandbox, source: bytes) -> float:
    """What a chain is charged, if it withstands the audit. Raises StudentFault or CheckFailed."""
    worker = prepared(sandbox, source)
    try:
        run = worker.time(CALLS, timeout=2)
        everything = range(CALLS)
        AUDIT.judge(run, everything, worker.reveal(everything, timeout=20))
    finally:
        worker.close()
    return CHARGE(run.elapsed)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_no_attack_gains(sandbox: Sandbox, attack: ClockAttack) -> None:
    if DEVICE != "cpu" and "child process" in attack.name:
        pytest.skip("a GPU's worker may start processes, and is charged by the clock")
    said = None
    try:
        charged = bill(sandbox, attack.source)
    except CheckFailed as failed:
        ended, said = End.CAUGHT, failed.failure
    except StudentFault as fault:
        swapped = "showed other results" in fault.failure.rationale
        ended, said = End.CAUGHT if swapped else End.FAULT, fault.failure
    else:
        ended = End.PAID
        assert charged >= SURELY * CALLS * BURN
    wanted = {attack.end} if attack.end is not End.EITHER else {End.PAID, End.CAUGHT}
    assert ended in wanted, said
    if said is not None:
        told = f"{said.rationale} {said.expected} {said.actual}"
        assert re.search(attack.says, told), said


def test_a_forbidden_operator_that_is_used_only_on_the_clock_is_found(sandbox: Sandbox) -> None:
    source = b"""
import sys, torch
def f(x):
    if sys._getframe(1).f_code.co_name == "_time":
        return torch.softmax(x, -1)
    e = torch.exp(x)
    return e / e.sum(-1, keepdim=True)
"""
    wires = Tripwires(operators=("aten::_softmax*", "aten::softmax*"))
    with Sandbox(limits=sandbox.limits, tripwires=wires) as wired:
        worker = prepared(wired, source)
        with pytest.raises(StudentForbidden, match=r"used aten::_softmax, which .* forbids"):
            worker.time(CALLS, timeout=20, watch=True)
        worker.close()


def test_there_are_enough_of_them() -> None:
    assert len(ATTACKS) >= 15
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


HOG = b"""
import signal, threading, torch
def spin():
    while True:
        pass
for _ in range(2):
    threading.Thread(target=spin, daemon=True).start()
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
def f(x):
    return torch.softmax(x, -1)
"""


def test_threads_left_behind_can_not_run_while_the_baseline_does(sandbox: Sandbox) -> None:
    worker = prepared(sandbox, HOG)
    try:
        clock = (~worker.pid << 3) | 2
        stopped_at = time.clock_gettime(clock)
        time.sleep(0.2)
        assert time.clock_gettime(clock) - stopped_at < 0.05
        # And while its own chain runs, they are on its bill.
        run = worker.time(CALLS, timeout=20)
        assert CHARGE(run.elapsed) >= SURELY * run.elapsed.cpu
    finally:
        worker.close()


def test_a_stopped_worker_can_be_killed(sandbox: Sandbox) -> None:
    worker = prepared(sandbox, HOG)
    worker.close()
    with pytest.raises(Exception, match="closed"):
        worker.time(1, timeout=1)
