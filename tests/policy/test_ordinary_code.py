"""Long, ordinary programs are read to their end, and nothing in them looks forbidden.

Python's own library is code by many hands that never heard of torch: whatever is flagged in it is a
false alarm, and a submission that is "too intricate" would be a lost one.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from .conftest import BY_HAND, Policy, all_of, check, reached

LIBRARY = Path(sysconfig.get_path("stdlib"))
MODULES = """
    fractions statistics collections/__init__ heapq graphlib numbers queue textwrap
    concurrent/futures/thread
"""
# They do run text and look behind names, so only the other rules are asked.
DERIVATIVES = Policy(rules=("no-autodiff",), methods=("softmax", "log_softmax", "unfold"))


@pytest.mark.parametrize("module", MODULES.split())
def test_nothing_in_pythons_library_is_a_derivative(module: str) -> None:
    source = (LIBRARY / f"{module}.py").read_bytes()
    found = [v.message for v in all_of(check(source, policy=DERIVATIVES)) if v.rule != "packages"]
    assert found == []


ENGINE = '''
"""An autodiff engine: {count} operations, modules on top of them, and a training loop."""
from __future__ import annotations
import math
from typing import Callable
import torch

class Node:
    def __init__(self, data, parents=(), rule=None, requires_grad=True):
        self.data, self.parents, self.rule = data, tuple(parents), rule
        self.grad, self.requires_grad, self.hooks = None, requires_grad, []
    def register_hook(self, hook): self.hooks.append(hook); return hook
    def detach(self): return Node(self.data, requires_grad=False)
    def backward(self, grad=None):
        order, seen = [], set()
        def visit(node):
            if id(node) not in seen:
                seen.add(id(node))
                for parent in node.parents: visit(parent)
                order.append(node)
        visit(self)
        self.grad = torch.ones_like(self.data) if grad is None else grad
        for node in reversed(order):
            for hook in node.hooks: node.grad = hook(node.grad)
            if node.rule is None: continue
            for parent, piece in zip(node.parents, node.rule(node.grad)):
                parent.grad = piece if parent.grad is None else parent.grad + piece
    def __add__(self, other): return op_0(self, lift(other))
    def __mul__(self, other): return op_1(self, lift(other))
    def __matmul__(self, other): return op_2(self, lift(other))
    def __neg__(self): return self * -1
    def __sub__(self, other): return self + (-lift(other))
    def __truediv__(self, other): return self * lift(other) ** -1
    def __pow__(self, k): return op_3(self, lift(k))
    __radd__, __rmul__ = __add__, __mul__
    def sum(self): return op_4(self, self)
    def softmax(self): return op_5(self, self)
    def __repr__(self): return f"Node({{self.data}}, grad={{self.grad}})"

def lift(value): return value if isinstance(value, Node) else Node(torch.as_tensor(value))
OPS: dict[str, Callable] = {{}}
def register(function):
    OPS[function.__name__] = function
    return function
'''
OPERATION = """
@register
def op_{0}(a: Node, b: Node) -> Node:
    value = torch.add(a.data, b.data) * {0}
    def rule(grad):
        scaled = grad * {0}
        return scaled * b.data, (scaled * a.data).reshape(b.data.shape)
    out = Node(value, (a, b), rule)
    return OPS["op_{0}"](out, out) if value.numel() > 1e9 else out

class Layer{0}:
    def __init__(self, size): self.weight = Node(torch.zeros(size)); self.bias = Node(torch.zeros(1))
    def parameters(self): return [self.weight, self.bias]
    def __call__(self, x): return op_{0}(x, self.weight) + self.bias
    def backward(self, grad): return self(grad)
"""
REST = """
class Chain:
    def __init__(self, *layers): self.layers = list(layers)
    def parameters(self): return [p for layer in self.layers for p in layer.parameters()]
    def __call__(self, x):
        for layer in self.layers: x = layer(x)
        return x
def train(model, data, lr=0.1):
    for x, y in data:
        loss = ((model(Node(x)) - y) ** 2).sum()
        loss.backward()
        for p in model.parameters():
            p.data = p.data - lr * p.grad
            p.grad = None
    return loss
def f(x):
    model = Chain({layers})
    return train(model, [(x, x)]).data
"""


def engine(count: int) -> str:
    """An honest autodiff engine with `count` operations and layers."""
    layers = ", ".join(f"Layer{i}(3)" for i in range(count))
    return (
        ENGINE.format(count=count)
        + "".join(OPERATION.format(i) for i in range(count))
        + REST.replace("{layers}", layers)
    )


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("count", [5, 25])
def test_an_autodiff_engine_of_ones_own_is_fine(count: int) -> None:
    assert all_of(check(engine(count), policy=BY_HAND)) == []


def test_torchs_autograd_within_such_an_engine_is_found() -> None:
    source = engine(8).replace(
        "scaled = grad * 7\n", "scaled = torch.autograd.grad(grad, a.data)\n"
    )
    assert [v.name for v in reached(check(source))] == ["torch.autograd.grad"]
