"""What a worker makes of student code: loading it, calling it, and saying what went wrong."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from autograder.outcome import Outcome
from autograder.sandbox import Sandbox
from autograder.student import (
    StudentCrashed,
    StudentFault,
    StudentMissing,
    StudentOutOfMemory,
    StudentRaised,
    StudentReplyInvalid,
    StudentTimedOut,
)

from .conftest import Load, ask


def load_files(
    sandbox: Sandbox,
    files: dict[str, bytes],
    functions: tuple[str, ...] = (),
    timeout: float = 20.0,
) -> Any:
    with sandbox.spawn() as worker:
        return worker.load(files, "operators", functions, timeout=timeout)


def test_load_says_which_functions_are_there(sandbox: Sandbox) -> None:
    source = b"import torch\nrelu = torch.relu\nmatmul = 3\ndef add(x, y): return x + y\n"
    found = load_files(sandbox, {"operators.py": source}, ("add", "relu", "matmul", "gelu"))
    assert dict(found) == {
        "add": "ok",
        "relu": "ok",
        "matmul": "not callable: int",
        "gelu": "missing",
    }


def test_calls_by_position_and_keyword_return_values(load: Load) -> None:
    worker = load(
        "def run(x, *, dim=0, keep=False): return x.sum(dim, keepdim=keep), [dim, keep]\n"
    )
    x = torch.arange(6.0).view(2, 3)
    reply = worker.call("run", (x,), {"dim": -1, "keep": True}, timeout=20)
    assert torch.equal(reply.value[0], x.sum(-1, keepdim=True))
    assert reply.value[1] == [-1, True]
    assert reply.mutated == ()
    assert 0 < reply.seconds < 20


def test_a_view_arrives_as_a_view(load: Load) -> None:
    worker = load("def run(x): return list(x.stride()), x.storage_offset(), x.is_contiguous()")
    x = torch.arange(24.0).view(4, 6)[1:, ::2].t()
    assert ask(worker, "run", x) == ([2, 6], 6, False)


def test_mutated_inputs_are_named(load: Load) -> None:
    worker = load(
        """
        def run(x, y, state, *, lr):
            x += 1
            state["step"] = 1
            return y * lr
        """
    )
    reply = worker.call(
        "run", (torch.ones(2), torch.ones(2), {}), {"lr": torch.ones(2)}, timeout=20
    )
    assert reply.mutated == ("0", "2")


def test_large_tensors_travel_both_ways(load: Load) -> None:
    worker = load("def run(x): return x")
    x = torch.arange(13_000_000, dtype=torch.float64)  # 104 MB
    assert torch.equal(ask(worker, "run", x), x)


def test_an_answer_beyond_the_limit_is_invalid(load: Load) -> None:
    worker = load("import torch\ndef run(): return torch.zeros(1).expand(1 << 28)")
    with pytest.raises(StudentReplyInvalid, match="too large to travel"):
        ask(worker)
    assert worker.alive


def test_an_answer_of_long_texts_is_invalid(load: Load) -> None:
    worker = load("def run(): return ['x' * 10000] * 200")
    with pytest.raises(StudentReplyInvalid, match="too many or too long values"):
        ask(worker)
    assert worker.alive


def test_state_goes_back_and_forth(load: Load) -> None:
    worker = load(
        """
        def run(state):
            return {"m": state.get("m", 0.0) / 2 + 1, "seen": (*state.get("seen", ()), None)}
        """
    )
    state = ask(worker, "run", ask(worker, "run", {}))
    assert state == {"m": 1.5, "seen": (None, None)}


def test_autograd_works_where_nothing_forbids_it(load: Load) -> None:
    worker = load(
        """
        import torch
        def run(x):
            x.requires_grad_()
            (x ** 3).sum().backward()
            return x.grad
        """
    )
    assert torch.equal(ask(worker, "run", torch.tensor([1.0, 2.0])), torch.tensor([3.0, 12.0]))


def test_helper_files_can_be_imported(sandbox: Sandbox) -> None:
    files = {"operators.py": b"import helper\nadd = helper.add\n", "helper.py": b"def add(): ...\n"}
    assert load_files(sandbox, files, ("add",)) == {"add": "ok"}


@pytest.mark.parametrize("name", ["torch", "json", "numpy", "token", "sandbox", "graphlib"])
def test_a_file_can_not_take_the_place_of_a_real_module(load: Load, name: str) -> None:
    fake = "FAKE = True\n"
    source = f"import {name}\ndef run(): return hasattr({name}, 'FAKE')\n"
    worker = load(source, **{name: fake})
    assert ask(worker) is (name == "sandbox")


def test_every_worker_starts_from_the_same_random_state(load: Load) -> None:
    source = """
        import random, numpy, torch
        def run(): return random.random(), numpy.random.rand(), torch.rand(1).item(), hash("x")
        """
    assert ask(load(source)) == ask(load(source))


def test_prints_cost_nothing_and_reach_no_one(
    load: Load, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = load(
        """
        import os, sys, warnings
        def run():
            print("x" * 100_000_000)
            sys.stderr.write("y")
            os.write(1, b"z"), os.write(2, b"z")
            warnings.warn("careful")
            with open(os.devnull, "w") as null:
                print("quiet", file=null)
            return sys.stdin.read(), input.__name__, sys.argv
        """
    )
    assert ask(worker) == ("", "input", [""])
    assert capfd.readouterr() == ("", "")


def test_tracebacks_and_getsource_see_the_source(load: Load) -> None:
    worker = load(
        """
        import inspect, traceback
        def run():
            try:
                1 / 0  # here
            except ZeroDivisionError:
                return inspect.getsource(run), traceback.format_exc()
        """
    )
    source, trace = ask(worker)
    assert source.startswith("def run():")
    assert "1 / 0  # here" in trace


RAISING: list[tuple[str, str, str]] = [
    ("raise ValueError('no')", "ValueError", "raised ValueError: no"),
    ("raise NotImplementedError('run')", "NotImplementedError", "raised NotImplementedError: run"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", "raised KeyboardInterrupt"),
    ("raise SystemExit(0)", "SystemExit", "raised SystemExit: 0"),
    ("raise GeneratorExit", "GeneratorExit", "raised GeneratorExit"),
    ("import sys; sys.exit()", "SystemExit", "raised SystemExit"),
    ("quit()", "SystemExit", "raised SystemExit"),
    ("import torch; torch.ones(2, 3) @ torch.ones(2)", "RuntimeError", "size mismatch"),
    ("raise ValueError('x' * 10_000_000)", "ValueError", "x…"),
    ("raise ValueError('\\x1b[31m\\u202e\\ud800')", "ValueError", "\ufffd[31m\ufffd\ufffd"),
    ("class E(Exception):\n  def __str__(self): raise OSError\n raise E", "E", "can't be shown"),
    ("class E(Exception):\n  def __str__(self): return 5\n raise E", "E", "can't be shown"),
    ("class E(Exception):\n  __class__ = int\n raise E('odd')", "E", "raised E: odd"),
    ("class E(BaseException):\n  def __getattribute__(s, n): raise OSError\n raise E", "E", "E"),
    ("class M(type):\n  __name__ = 5\n class E(Exception, metaclass=M): pass\n raise E", "E", "E"),
    ("raise type('A' * 10000, (Exception,), {})", "A" * 79 + "…", "A…"),
    ("raise ExceptionGroup('many', [ValueError()] * 3)", "ExceptionGroup", "many (3 sub"),
    ("def f(): f()\n f()", "RecursionError", "maximum recursion depth"),
    ("import pandas", "ModuleNotFoundError", "No module named 'pandas'"),
    ("import autograder", "ModuleNotFoundError", "No module named 'autograder'"),
    ("import pytest", "ModuleNotFoundError", "No module named 'pytest'"),
    ("x = bytearray(1 << 40)", "", "asked for more memory"),
    ("import mmap; x = [mmap.mmap(-1, 1 << 28) for _ in range(8)]", "OSError", "Cannot allocate"),
    ("import torch\n x = [torch.empty(1 << 26) for _ in range(8)]", "", "asked for more memory"),
    ("import torch; torch.empty(1 << 40)", "", "asked for more memory"),
]


@pytest.mark.parametrize(("body", "kind", "text"), RAISING)
def test_whatever_is_raised_becomes_a_fault(load: Load, body: str, kind: str, text: str) -> None:
    worker = load("def run():\n " + body + "\ndef other(): return 1\n")
    with pytest.raises(StudentFault) as caught:
        ask(worker)
    fault = caught.value
    assert text in fault.failure.rationale
    assert len(fault.failure.rationale) < 700
    if kind:
        assert isinstance(fault, StudentRaised)
        assert fault.kind == kind
        assert fault.outcome is Outcome.RAISED
    else:
        assert isinstance(fault, StudentOutOfMemory)
    assert not fault.fatal
    assert (fault.failure.where or "").startswith("operators.py:")
    assert ask(worker, "other") == 1


def test_a_fault_names_the_deepest_line_of_the_students_file(load: Load) -> None:
    worker = load(
        """
        import functools, torch

        def helper(x):
            return functools.reduce(torch.matmul, [x, x])

        def run(x):
            return helper(x)
        """
    )
    with pytest.raises(StudentRaised) as caught:
        ask(worker, "run", torch.ones(2, 3))
    place = "operators.py:5 in helper: return functools.reduce(torch.matmul, [x, x])"
    assert caught.value.failure.where == place


@pytest.mark.parametrize(
    ("source", "kind", "text", "where"),
    [
        (
            b"x = 1\ndef f(:\n",
            "SyntaxError",
            "operators.py is not valid Python: invalid",
            "operators.py:2: def f(:",
        ),
        (
            b"if 1:\nx = 2\n",
            "IndentationError",
            "expected an indented block",
            "operators.py:2: x = 2",
        ),
        (b"\0", "SyntaxError", "operators.py contains a null byte", "operators.py:1: \ufffd"),
        (b"x = 1\n\xff\n", "SyntaxError", "not valid utf-8", "operators.py:2: \ufffd"),
        (
            b"import helper\n",
            "ModuleNotFoundError",
            "importing operators.py raised ModuleNotFoundError: No module named 'helper'",
            "operators.py:1: import helper",
        ),
        (b"raise SystemExit(0)", "SystemExit", "importing operators.py raised SystemExit: 0", "op"),
        (
            b"def f():\n    return 1 / 0\nf()\n",
            "ZeroDivisionError",
            "importing operators.py raised ZeroDivisionError",
            "operators.py:2 in f: return 1 / 0",
        ),
        (b"(" * 1000, "SyntaxError", "too many nested parentheses", "operators.py:1: ((("),
        (b"x = " + b"-" * 100_000 + b"1", "MemoryError", "", ""),
    ],
)
def test_a_failed_import_says_where_and_why(
    sandbox: Sandbox, source: bytes, kind: str, text: str, where: str
) -> None:
    with pytest.raises(StudentFault) as caught:
        load_files(sandbox, {"operators.py": source})
    if isinstance(caught.value, StudentRaised):
        assert caught.value.kind == kind
    assert text in caught.value.failure.rationale
    assert (caught.value.failure.where or "").startswith(where)


@pytest.mark.parametrize(
    ("helper", "text"),
    [
        ("x = (\n", "helper.py is not valid Python: '(' was never closed"),
        (b"\xff", "helper.py is not valid utf-8"),
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_helper_imported_late_fails_in_the_call(
    load: Load, helper: str | bytes, text: str
) -> None:
    worker = load("def run():\n import helper", helper=helper)
    with pytest.raises(StudentRaised) as caught:
        ask(worker)
    assert text in caught.value.failure.rationale
    assert (caught.value.failure.where or "").startswith("helper.py:1")


def test_a_missing_file_and_a_missing_function_are_said(sandbox: Sandbox, load: Load) -> None:
    with pytest.raises(StudentMissing, match=r"the submission has no file operators\.py"):
        load_files(sandbox, {"other.py": b""})
    with pytest.raises(StudentMissing, match="does not define `gelu`"):
        ask(load("x = 1"), "gelu")


def test_an_import_that_never_ends_times_out(sandbox: Sandbox) -> None:
    with pytest.raises(StudentTimedOut, match=r"no answer within 0\.3 s"):
        load_files(sandbox, {"operators.py": b"import time\ntime.sleep(60)"}, timeout=0.3)


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("import os; os._exit(0)", StudentCrashed, "ended the whole process with exit status 0"),
        ("import os; os._exit(3)", StudentCrashed, "exit status 3"),
        ("import os; os.abort()", StudentCrashed, "an abort .* (SIGABRT)"),
        ("import ctypes; ctypes.string_at(8)", StudentCrashed, "a segmentation fault .* (SIGSEGV)"),
        ("import os; os.kill(os.getpid(), 15)", StudentCrashed, "a termination signal (SIGTERM)"),
        ("import os; os.kill(os.getpid(), 35)", StudentCrashed, "signal 35"),
        ("import os; os.kill(os.getpid(), 9)", StudentOutOfMemory, "using too much memory"),
        ("import signal; signal.raise_signal(24)", StudentTimedOut, "all the processor time"),
        ("import os; os.close(3)", StudentCrashed, "left the interpreter in a state"),
        ("import os; os.closerange(0, 64)", StudentCrashed, ""),
    ],
)
def test_a_death_is_a_fault_that_says_how(load: Load, body: str, kind: Any, text: str) -> None:
    worker = load(f"def run():\n {body}\ndef other(): return 1")
    with pytest.raises(kind) as caught:
        ask(worker)
    for part in text.split(" .* "):
        assert part in caught.value.failure.rationale
    assert caught.value.fatal
    assert not worker.alive
    with pytest.raises(kind):
        ask(worker, "other")


def test_an_unusable_recursion_limit_is_the_students_fault(load: Load) -> None:
    worker = load("import sys\ndef run(): sys.setrecursionlimit(12)")
    faults = []
    for _ in range(2):
        with contextlib.suppress(StudentFault):
            ask(worker)
            faults.append(0)
    assert faults != [0, 0]


def test_overflowing_the_stack_in_c_is_a_crash(load: Load) -> None:
    worker = load(
        """
        import sys
        def run():
            sys.setrecursionlimit(1 << 30)
            class A:
                def __getattr__(self, name): return getattr(self, name)
            return A().x
        """
    )
    with pytest.raises(StudentFault) as caught:
        ask(worker)
    assert caught.value.outcome in (Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.RAISED)


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import threading; threading.Lock().acquire(); threading.Event().wait()",
        "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
        "import signal; signal.pause()",
        "pow(3, 1 << 40)",
        "import re; re.match('(a+)+$', 'a' * 64 + 'b')",
    ],
)
def test_a_call_that_never_ends_times_out(load: Load, body: str) -> None:
    worker = load(f"def run():\n {body}\n")
    with pytest.raises(StudentTimedOut, match=r"gave no answer within 0\.2 s"):
        ask(worker, timeout=0.2)
    assert not worker.alive


def test_a_worker_that_stops_reading_times_out(load: Load) -> None:
    worker = load("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()")
    stopper = load(
        "import os, signal, threading, time\ndef run(): threading.Timer(0.05, "
        "lambda: os.kill(os.getpid(), signal.SIGSTOP)).start()"
    )
    ask(stopper)
    import time

    time.sleep(0.2)
    with pytest.raises(StudentTimedOut):
        ask(stopper, "run", torch.zeros(1 << 22), timeout=0.3)
    assert worker.alive
