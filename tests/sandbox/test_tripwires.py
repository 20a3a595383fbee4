"""Tripwires: student code trips, torch's own use of the same function does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from autograder.sandbox import Sandbox, Tripwires
from autograder.sandbox.tripwires import Alarm, install
from autograder.student import StudentForbidden

from .conftest import Load, ask, opened

WIRES = Tripwires(
    names=(
        "torch.autograd.*",
        "torch.autograd.Function.apply",
        "torch.func.*",
        "torch.nn.*",
        "torch.nn.functional.*",
        "torch.optim.*",
        "torch.einsum",
        "torch.Tensor.backward",
        "torch.Tensor.requires_grad_",
        "torch.Tensor.requires_grad",
        "torch.Tensor.softmax",
        "torch.Tensor.sum",
        "torch.linalg.*",
        "torch.enable_grad",
    ),
    operators=("aten::convolution", "aten::*_backward*", "aten::_softmax", "aten::unfold"),
)


@pytest.fixture(scope="module")
def wired() -> Iterator[Sandbox]:
    with Sandbox(tripwires=WIRES) as sandbox:
        yield sandbox


@pytest.fixture
def load(wired: Sandbox) -> Iterator[Load]:
    with opened(wired) as load:
        yield load


FORBIDDEN: list[tuple[str, str]] = [
    ("torch.autograd.grad(x, x)", "torch.autograd.grad"),
    ("torch.autograd.backward(x)", "torch.autograd.backward"),
    ("torch.autograd.functional.jacobian(f, x)", "aten::"),  # not listed; what it does is
    ("torch.func.grad(f)(x)", "torch.func.grad"),
    ("torch.func.vmap(f)(x)", "torch.func.vmap"),
    ("x.backward()", "torch.Tensor.backward"),
    ("torch.Tensor.backward(x)", "torch.Tensor.backward"),
    ("x.requires_grad_()", "torch.Tensor.requires_grad_"),
    ("setattr(x, 'requires_grad', True)", "torch.Tensor.requires_grad"),
    ("x.sum()", "torch.Tensor.sum"),
    ("getattr(x, 'su' + 'm')()", "torch.Tensor.sum"),
    ("list(map(torch.Tensor.sum, [x]))", "torch.Tensor.sum"),
    ("functools.partial(torch.Tensor.sum, x)()", "torch.Tensor.sum"),
    ("operator.methodcaller('sum')(x)", "torch.Tensor.sum"),
    ("functools.reduce(lambda a, b: torch.einsum('i,i->i', a, b), [x, x])", "torch.einsum"),
    ("eval('torch.einsum(\"i->i\", x)')", "torch.einsum"),
    ("torch.nn.functional.relu(x)", "torch.nn.functional.relu"),
    ("F.gelu(x)", "torch.nn.functional.gelu"),
    ("torch.nn.Linear(2, 2)", "torch.nn.Linear"),
    ("torch.nn.ReLU()(x)", "torch.nn.ReLU"),
    ("type('M', (torch.nn.Module,), {})", "torch.nn.Module"),
    ("torch.optim.SGD([x], lr=1)", "torch.optim.SGD"),
    ("type('G', (torch.autograd.Function,), {})", "torch.autograd.Function"),
    ("torch.linalg.norm(x)", "torch.linalg.norm"),
    ("torch.softmax(x, 0)", "aten::_softmax"),
    ("x.unfold(0, 1, 1)", "aten::unfold"),
    ("torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))", "aten::convolution"),
    ("torch.ops.aten.threshold_backward(x, x, 0)", "aten::threshold_backward"),
    ("in_thread(lambda: torch.einsum('i->i', x))", "torch.einsum"),
]

HEADER = """
import functools, operator, threading, torch
from concurrent.futures import ThreadPoolExecutor
from torch.nn import functional as F

def f(x):
    return x * x

def in_thread(work):
    with ThreadPoolExecutor() as pool:
        return pool.submit(work).result()

def fine(x):
    return x * 2

"""


@pytest.mark.parametrize(("expression", "name"), FORBIDDEN)
def test_a_forbidden_call_trips(load: Load, expression: str, name: str) -> None:
    worker = load(HEADER + f"def run(x):\n    return {expression}\n")
    with pytest.raises(StudentForbidden) as caught:
        ask(worker, "run", torch.ones(2))
    assert f"used {name}" in caught.value.failure.rationale
    assert "which this assignment forbids" in caught.value.failure.rationale
    assert (caught.value.failure.where or "").startswith("operators.py:")
    # The worker lives on, and the fault is that of one call.
    assert torch.equal(ask(worker, "fine", torch.ones(2)), torch.full((2,), 2.0))


@pytest.mark.parametrize("handler", ["except:", "except BaseException:", "finally:"])
def test_swallowing_the_exception_does_not_help(load: Load, handler: str) -> None:
    source = f"""
def run(x):
    try:
        torch.einsum("i->i", x)
    {handler}
        return x * 2
"""
    worker = load(HEADER + source)
    with pytest.raises(StudentForbidden) as caught:
        ask(worker, "run", torch.ones(2))
    where = caught.value.failure.where or ""
    assert where.endswith('in run: torch.einsum("i->i", x)')


@pytest.mark.parametrize(
    "expression",
    [
        "repr(x)",
        "str(torch.ones(3, 3, dtype=torch.float64))",
        "torch.tensor([1.0, 2.0]) + torch.zeros(2)",
        "copy.deepcopy(x)",
        "torch.cdist(x.view(2, 1), x.view(2, 1))",
        "torch.stft(torch.ones(16), 4, return_complex=True, window=torch.ones(4)).real",
        "torch.norm(x)",
        "torch.tensordot(x, x, 1)",
        "torch.unique(x)",
        "torch.meshgrid(x, x, indexing='ij')[0]",
        "torch.block_diag(x)",
        "torch.matmul(x, x)",
        "torch.relu(x)",
        "x.detach().clone().requires_grad",
        "torch.no_grad()(f)(x)",
        "isinstance(x, torch.nn.Parameter)",
        "torch.utils.checkpoint",
    ],
)
def test_what_torch_does_inside_goes_through(load: Load, expression: str) -> None:
    worker = load(HEADER + f"import copy\ndef run(x):\n    {expression}\n    return x\n")
    ask(worker, "run", torch.ones(2))


def test_tripping_while_importing_is_forbidden(wired: Sandbox) -> None:
    source = b"import torch\nclass Net(torch.nn.Module):\n    pass\n"
    with wired.spawn() as worker, pytest.raises(StudentForbidden) as caught:
        worker.load({"operators.py": source}, "operators", (), timeout=20)
    assert caught.value.failure.where == "operators.py:2: class Net(torch.nn.Module):"


def test_a_class_of_ones_own_may_have_forbidden_names(load: Load) -> None:
    source = """
class Linear:
    def backward(self): return self.sum()
    def sum(self): return 3
def run(): return Linear().backward()
"""
    assert ask(load(HEADER + source)) == 3


def test_operators_are_watched_in_the_first_two_calls_of_each_function(load: Load) -> None:
    source = """
calls = 0
def run(x, when):
    global calls
    calls += 1
    return torch.softmax(x, 0) if calls == when else x
"""
    for when, trips in ((1, True), (2, True), (3, False)):
        worker = load(HEADER + source)
        outcome: list[Any] = []
        for _ in range(3):
            try:
                ask(worker, "run", torch.ones(2), when)
                outcome.append(None)
            except StudentForbidden:
                outcome.append("forbidden")
        assert ("forbidden" in outcome) is trips


def test_no_graph_is_built_where_nobody_may_use_it(load: Load) -> None:
    source = """
def run(x):
    leaf = torch.tensor([1.0], requires_grad=True)
    return torch.is_grad_enabled(), (leaf * 2).grad_fn is None
"""
    assert ask(load(HEADER + source), "run", torch.ones(2)) == (False, True)


def test_names_that_this_torch_does_not_have_are_returned() -> None:
    names = ("torch.nowhere.grad", "torch.Tensor.nothing", "nowhere.x")
    assert install(Tripwires(names=names), Alarm()) == list(names)


@pytest.mark.parametrize(
    "how",
    [
        (
            "import threading\n    thread = threading.Thread(target=work)\n"
            "    thread.start()\n    thread.join()"
        ),
        (
            "from concurrent.futures import ThreadPoolExecutor\n"
            "    ThreadPoolExecutor(1).submit(work).result()"
        ),
        "import _thread, time\n    _thread.start_new_thread(work, ())\n    time.sleep(0.2)",
    ],
    ids=["a thread", "a pool", "the machinery"],
)
def test_operators_are_watched_in_threads_too(load: Load, how: str) -> None:
    source = (
        "import torch\nbox = []\n"
        "def work():\n    box.append(torch._softmax(torch.zeros(2), 0, False))\n"
        f"def run():\n    {how}\n    return box[0]\n"
    )
    worker = load(source)
    with pytest.raises(StudentForbidden, match="_softmax"):
        ask(worker, "run")


def test_threads_that_do_nothing_forbidden_work_as_ever(load: Load) -> None:
    worker = load(
        "import threading, torch\n"
        "def run(x):\n"
        "    parts = {}\n"
        "    def work(i, *, scale): parts[i] = x[i] * scale\n"
        "    threads = [threading.Thread(target=work, args=(i,), kwargs={'scale': 2})"
        " for i in range(3)]\n"
        "    for thread in threads: thread.start()\n"
        "    for thread in threads: thread.join()\n"
        "    return torch.stack([parts[i] for i in range(3)])\n"
    )
    assert ask(worker, "run", torch.arange(3.0)).tolist() == [0, 2, 4]
