"""Honest code, some of it unusual: nothing in it may ever be held against a student."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.policy import Policy, check_source

ALL = Policy(rules=("no-autodiff", "no-evasion", "no-softmax", "no-windows"))
HEAD = """\
from __future__ import annotations
import functools, itertools, math, operator, typing
from dataclasses import dataclass, field
import numpy as np
import torch
from torch import Tensor
"""

# Each follows HEAD and defines f, the graded function. Nothing at all may be reported.
CLEAN = {
    # --- names that are the student's own ---
    "own_softmax": "def softmax(x): return x\ndef f(x): return softmax(x)",
    "own_relu_and_conv": "def conv2d(x): return x\ndef relu(x): return x\ndef f(x): return relu(conv2d(x))",
    "own_grad": "def grad(x): return x\ndef f(x): return grad(x)",
    "own_backward": "def backward(x): return x\ndef f(x): return backward(x)",
    "own_vmap": "def vmap(g): return g\ndef f(x): return vmap(abs)(x)",
    "own_compile": "def compile(x): return x\ndef f(x): return compile(x)",
    "own_eval": "def eval(model): return model\ndef f(x): return eval(x)",
    "own_exec": "class Machine:\n  def exec(self, x): return x\ndef f(x): return Machine().exec(x)",
    "own_globals": "globals = {}\ndef f(x): return globals.get('a', x)",
    "parameter_torch": "def g(torch): return torch.autograd\ndef f(x): return g(x)",
    "local_nn": "def f(x):\n  nn = x.shape[0]\n  return nn",
    "local_functional": "def f(x):\n  F = x.shape[0]\n  optim = F + 1\n  return F * optim",
    "parameter_autograd": "def f(autograd): return autograd + 1",
    "variable_backward": "def f(x):\n  backward = x * 2\n  return backward",
    "dictionary_keys": "T = {'autograd': 1, 'backward': 2}\ndef f(x): return T['autograd'] + T['backward']",
    "keyword_grad": "def g(*, grad, requires_grad=True): return grad\ndef f(x): return g(grad=x)",
    "own_requires_grad": "def g(x, requires_grad): return x\ndef f(x): return g(x, requires_grad=True)",
    "own_fields_requires_grad": "class V:\n  def __init__(self, data, requires_grad=False):\n"
    "    self.data = data\n    self.requires_grad = requires_grad\n"
    "def f(x): return V(x, requires_grad=True).data",
    # --- classes of one's own ---
    "backward_method": "class Relu:\n  def forward(self, x):\n    self.x = x\n    return x\n"
    "  def backward(self, g): return g * (self.x > 0)\n"
    "def f(x):\n  layer = Relu()\n  layer.forward(x)\n  return layer.backward(x)",
    "backward_of_unknown": "class Relu:\n  def backward(self, g): return g\n"
    "def run(layers, g):\n  for layer in reversed(layers): g = layer.backward(g)\n  return g\n"
    "def f(x): return run([Relu(), Relu()], x)",
    "softmax_method": "class Head:\n  def softmax(self, x): return x\ndef f(x): return Head().softmax(x)",
    "unfold_attribute": "class C:\n  def __init__(self): self.unfold = lambda x: x\ndef f(x): return C().unfold(x)",
    "engine": "class Value:\n  def __init__(self, data, parents=()):\n    self.data = data\n    self.grad = 0\n"
    "    self._backward = lambda: None\n    self.parents = parents\n"
    "  def __mul__(self, other):\n    out = Value(self.data * other.data, (self, other))\n"
    "    def _backward():\n      self.grad += other.data * out.grad\n"
    "      other.grad += self.data * out.grad\n    out._backward = _backward\n    return out\n"
    "  def backward(self):\n    self.grad = 1\n    for p in self.parents: p._backward()\n"
    "def f(x):\n  y = Value(x) * Value(x)\n  y.backward()\n  return y.grad",
    "no_grad_decorator": "@torch.no_grad()\ndef f(x): return x * 2",
    "no_grad_bare": "@torch.no_grad\ndef f(x): return x * 2",
    "no_grad_block": "def f(x):\n  with torch.no_grad():\n    return x.detach().clone()",
    "inference_mode": "def f(x):\n  with torch.inference_mode(): return x + 1",
    "autograd_no_grad": "def f(x):\n  with torch.autograd.no_grad(): return x + 1",
    "set_grad_enabled": "def f(x):\n  with torch.set_grad_enabled(False): return x",
    "requires_grad_false": "def f(x): return torch.zeros(3, requires_grad=False) + x",
    "requires_grad__false": "def f(x): return x.detach().requires_grad_(False)",
    "set_requires_grad_false": "def f(x):\n  x = x.clone()\n  x.requires_grad = False\n  return x",
    "reads_requires_grad": "def f(x):\n  assert not x.requires_grad\n  return x",
    "reads_grad_fn": "def f(x):\n  assert x.grad_fn is None\n  return x",
    "reads_grad": "def f(x): return 0 if x.grad is None else x.grad",
    "super_init": "class A:\n  def __init__(self): self.x = 1\nclass B(A):\n  def __init__(self):\n"
    "    super().__init__()\n    super(B, self).__init__()\n    A.__init__(self)\ndef f(x): return B().x + x",
    "frozen_dataclass": "@dataclass(frozen=True)\nclass C:\n  x: Tensor\n  y: int = 0\n"
    "  def __post_init__(self): object.__setattr__(self, 'y', 2)\ndef f(x): return C(x).y",
    "dunders": "class M:\n  def __init__(self, x): self.x = x\n  def __matmul__(self, o): return self.x @ o.x\n"
    "  def __getitem__(self, i): return self.x[i]\n  def __len__(self): return len(self.x)\n"
    "  def __call__(self, y): return y\n  def __eq__(self, o): return True\n"
    "  def __hash__(self): return 1\n  def __repr__(self): return type(self).__name__\n"
    "  def __iter__(self): return iter(self.x)\n  def __enter__(self): return self\n"
    "  def __exit__(self, *a): return None\n  def __neg__(self): return M(-self.x)\n"
    "def f(x):\n  with M(x) as m: return (m @ m, m[0], len(m), m(1), -m, list(m), m == m, repr(m))",
    "own_class_name": "class A:\n  def __repr__(self): return self.__class__.__name__\ndef f(x): return str(A())",
    "own_dict": "class A:\n  def __init__(self, **k): self.__dict__.update(k)\ndef f(x): return A(a=x).a",
    "vars_of_own": "class A:\n  def __init__(self): self.a = 1\ndef f(x): return vars(A())['a']",
    "own_getattr": "class A:\n  def __getattr__(self, name): return 1\ndef f(x): return A().anything + x",
    "slots_property": "class A:\n  __slots__ = ('_x',)\n  def __init__(self, x): self._x = x\n"
    "  @property\n  def x(self): return self._x\n  @x.setter\n  def x(self, v): self._x = v\n"
    "  @staticmethod\n  def make(x): return A(x)\n  @classmethod\n  def of(cls, x): return cls(x)\n"
    "def f(x):\n  a = A.make(x)\n  a.x = 2\n  return A.of(a.x).x",
    "named_tuple": "from collections import namedtuple\nLayer = namedtuple('Layer', 'forward backward')\n"
    "def f(x):\n  layer = Layer(abs, lambda g: g)\n  return layer.backward(x)",
    "typed_named_tuple": "class Grads(typing.NamedTuple):\n  x: Tensor\n  softmax: Tensor\n"
    "def f(x): return Grads(x, x).softmax",
    "namespace": "from types import SimpleNamespace\nops = SimpleNamespace(backward=abs)\n"
    "def f(x): return ops.backward(x)",
    "enumeration": "from enum import Enum, auto\nclass R(Enum):\n  MEAN = auto()\n  SUM = 'sum'\n"
    "def f(x): return R('sum') is R.SUM",
    "protocol": "class Layer(typing.Protocol):\n  def backward(self, g: Tensor) -> Tensor: ...\n"
    "def f(layer: Layer, g): return layer.backward(g)",
    "abstract": "from abc import ABC, abstractmethod\nclass L(ABC):\n  @abstractmethod\n"
    "  def backward(self, g): ...\nclass R(L):\n  def backward(self, g): return g\ndef f(x): return R().backward(x)",
    "generic_class": "T = typing.TypeVar('T')\nclass Box(typing.Generic[T]):\n  def __init__(self, x: T): self.x = x\n"
    "def f(x): return Box[int](x).x",
    "metaclass": "class Registry(type):\n  def __new__(m, n, b, d): return super().__new__(m, n, b, d)\n"
    "class A(metaclass=Registry): pass\ndef f(x): return A()",
    "singleton": "class A:\n  _one = None\n  def __new__(cls):\n    if cls._one is None: cls._one = super().__new__(cls)\n"
    "    return cls._one\ndef f(x): return A() is A()",
    # --- functions as values ---
    "table": "TABLE = {'relu': torch.relu, 'tanh': torch.tanh, 'exp': torch.exp}\ndef f(x): return TABLE['relu'](x)",
    "registry": "OPS = {}\ndef register(name):\n  def wrap(g):\n    OPS[name] = g\n    return g\n  return wrap\n"
    "@register('relu')\ndef relu(x): return x\ndef f(x): return OPS['relu'](x)",
    "decorator": "def checked(g):\n  @functools.wraps(g)\n  def wrapper(*a, **k):\n    assert a\n"
    "    return g(*a, **k)\n  wrapper.__name__ = g.__name__\n  wrapper.__doc__ = g.__doc__\n  return wrapper\n"
    "@checked\ndef f(x): return x",
    "cache": "@functools.lru_cache(maxsize=None)\ndef offsets(k): return [*range(k)]\n@functools.cache\n"
    "def g(k): return k\ndef f(x): return offsets(3), g(2)",
    "partial": "f = functools.partial(torch.clamp, min=0)",
    "partial_keywords": "def step(p, g, *, lr): return p - lr * g\nf = functools.partial(step, lr=0.1)",
    "reduce": "def f(xs): return functools.reduce(operator.add, xs)",
    "reduce_lambda": "def f(xs): return functools.reduce(lambda a, b: a @ b, xs)",
    "map": "def pair(v): return (v, v)\ndef f(x): return list(map(pair, (x, x)))",
    "starmap": "def f(x): return list(itertools.starmap(pow, [(x, 2), (x, 3)]))",
    "made": "def make(op):\n  def g(x): return op(x)\n  return g\nf = make(torch.exp)",
    "conditional_definition": "if hasattr(torch, 'exp2'):\n  def f(x): return torch.exp2(x)\n"
    "else:\n  def f(x): return 2 ** x",
    "attrgetter": "def f(x): return operator.attrgetter('shape')(x)",
    "methodcaller": "def f(x): return operator.methodcaller('sum', 0)(x)",
    "itemgetter": "def f(x): return operator.itemgetter(0)(x)",
    "getattr_constant": "def f(x): return getattr(torch, 'exp')(x)",
    "getattr_method": "def f(x, op): return getattr(x, op)(dim=0)",
    "getattr_default": "def f(x): return getattr(x, 'mT', None)",
    "getattr_loop": "def f(x): return [getattr(torch, n)(x) for n in ('sin', 'cos')]",
    "getattr_self": "class A:\n  def __init__(self): self.a_1 = 2\n"
    "  def get(self, i): return getattr(self, f'a_{i}')\ndef f(x): return A().get(1)",
    "setattr_self": "class A:\n  def __init__(self, **k):\n    for n, v in k.items(): setattr(self, n, v)\n"
    "def f(x): return A(a=x).a",
    "hasattr": "def f(x): return hasattr(torch, 'autograd') and hasattr(x, 'backward')",
    "array_namespace": "def f(x):\n  xp = torch if isinstance(x, Tensor) else np\n  return xp.exp(x)",
    "array_namespace_argument": "def g(x, xp): return xp.sum(xp.exp(x))\ndef f(x): return g(x, torch) + g(x, np)",
    "locals": "def f(x):\n  y = 2\n  return '{x} {y}'.format(**locals())",
    # --- ordinary torch and NumPy ---
    "einsum": "def f(a, b): return torch.einsum('ij,jk->ik', a, b)",
    "many_functions": "def f(x): return torch.where(x > 0, torch.exp(x), torch.log1p(x).clamp(0)).sum().sqrt()",
    "relu_like": "def f(x): return torch.relu(x) + torch.sigmoid(x) + torch.tanh(x) + x.relu() + torch.selu(x)",
    "special": "def f(x): return torch.special.xlogy(x, x) + torch.special.expit(x) + torch.special.erf(x)",
    "logaddexp": "def f(x): return torch.logaddexp(x, x) + torch.log1p(x) + torch.xlogy(x, x)",
    "linalg": "def f(x): return torch.linalg.norm(x) + torch.linalg.vector_norm(x, 2)",
    "fft": "def f(x): return torch.fft.ifft2(torch.fft.fft2(x)).real",
    "foreach": "def f(xs): return torch._foreach_add(xs, 1)",
    "as_strided": "def f(x): return x.as_strided((2, 2), (1, 1)) + torch.as_strided(x, (2, 2), (1, 1))",
    "scatter": "def f(x, i): return torch.zeros(3).index_add(0, i, x).scatter_add(0, i, x).index_put((i,), x)",
    "stride_tricks": "from numpy.lib.stride_tricks import as_strided, sliding_window_view\n"
    "def f(x): return torch.from_numpy(sliding_window_view(x.numpy(), (2, 2)).copy())",
    "numpy_round_trip": "def f(x): return torch.from_numpy(np.exp(x.detach().cpu().numpy()))",
    "numpy_random": "rng = np.random.default_rng(0)\ndef f(x): return rng.normal(size=3)",
    "numpy_convolve": "def f(x): return np.convolve(x, x)",
    "numpy_lists": "def f(x): return np.asarray([t.numpy() for t in x]).sum(axis=0).tolist()",
    "cuda": "def f(x): return x.to('cuda' if torch.cuda.is_available() else 'cpu', non_blocking=True)",
    "finfo": "EPS = torch.finfo(torch.float64).eps\ndef f(x): return x.clamp_min(EPS)",
    "stack": "def f(x): return torch.stack([row * 2 for row in x]).reshape(-1)",
    "tensordot": "def f(x, w): return torch.tensordot(x, w, dims=([1], [0])) / x.numel()",
    "broadcast": "def f(x, s): return x.sum(tuple(range(x.ndim - len(s)))).expand(s) + torch.broadcast_shapes(s, s)[0]",
    "data_utils": "from torch.utils.data import DataLoader, TensorDataset\ndef f(x): return DataLoader(TensorDataset(x))",
    "data": "def f(x): return x.data.clone()",
    "torch_load": "def f(p): return torch.load(p, weights_only=True)",
    "numpy_load": "def f(p): return np.load(p, allow_pickle=False)",
    "testing": "def f(x):\n  torch.testing.assert_close(x, x)\n  np.testing.assert_allclose(x, x)\n  return x",
    "type_of": "def f(x): return type(x)(x.shape), type(x).__name__, isinstance(x, torch.Tensor)",
    "quotient": "def f(x, eps=1e-6): return (x - x.mean()) / (x.std() + eps)",
    "difference": "def g(x): return x\ndef f(x): return (g(x) - g(x + 1)) / 2",
    "divided_by_small": "def f(x, eps=1e-8): return (x.sum() - x.max()) / eps",
    "power_rule": "def power(x, k): return x ** k\ndef f(g, x, k): return g * k * power(x, k - 1)",
    "central_moment": "def g(x): return x\ndef f(x, h): return (g(x + 1) - g(x - 1)) / 2",
    # --- styles ---
    "match": "def f(x, reduction):\n  match reduction:\n    case 'mean': return x.mean()\n    case 'sum' | 'add': return x.sum()\n"
    "    case [a, *rest]: return a\n    case {'k': v, **other}: return v\n    case Tensor(shape=s): return s\n    case _: raise ValueError(reduction)",
    "match_positional": "@dataclass\nclass P:\n  x: int\n  y: int\ndef f(p):\n  match p:\n    case P(x, y=0): return x",
    "walrus": "def f(x):\n  while (n := x.numel()) > 3: x = x[:n - 1]\n  return [y for i in range(3) if (y := i * 2)]",
    "generators": "def rows(x):\n  for i in range(len(x)): yield x[i]\n  yield from x\ndef f(x): return torch.stack(list(rows(x)))",
    "try_finally": "def f(x):\n  try:\n    return x / 0\n  except (ZeroDivisionError, RuntimeError) as error:\n"
    "    raise ValueError(f'bad: {error!r}') from error\n  finally:\n    del x",
    "nested": "def f(x):\n  total = 0\n  def add(y):\n    nonlocal total\n    total += y\n  for r in x: add(r)\n  return total",
    "globals_statement": "COUNT = 0\ndef f(x):\n  global COUNT\n  COUNT += 1\n  return x",
    "async": "import asyncio\nasync def g(x):\n  await asyncio.sleep(0)\n  return x\ndef f(x): return asyncio.run(g(x))",
    "threads": "from concurrent.futures import ThreadPoolExecutor\ndef g(x): return x\n"
    "def f(x):\n  with ThreadPoolExecutor() as pool: return list(pool.map(g, x))",
    "logging": "import logging\nlog = logging.getLogger(__name__)\ndef f(x):\n  log.debug('shape %s', x.shape)\n  return x",
    "warnings": "import warnings\ndef f(x):\n  warnings.warn('slow', stacklevel=2)\n  return x",
    "file_io": "import json, os, pathlib, sys, time\ndef f(x):\n  print(os.environ.get('HOME'), sys.maxsize, time.time(), file=sys.stderr)\n"
    "  return json.loads('{}') or pathlib.Path(__file__).name",
    "signature": "import inspect\ndef f(x): return inspect.signature(f).parameters, inspect.isfunction(f), inspect.getdoc(f)",
    "collect": "import gc\ndef f(x):\n  gc.collect()\n  return x",
    "regular_expressions": "import re\nP = re.compile(r'a+')\ndef f(x): return P.sub('', x), P.match(x).group()",
    "copy": "import copy\ndef f(x): return copy.deepcopy(x)",
    "random": "import random\nrandom.seed(0)\ntorch.manual_seed(0)\nnp.random.seed(0)\ndef f(x): return random.random()",
    "contextmanager": "import contextlib\n@contextlib.contextmanager\ndef timed(name): yield name\ndef f(x):\n  with timed('a') as n: return n",
    "heap": "import heapq, bisect, collections\ndef f(x):\n  q = collections.deque(maxlen=3)\n  q.append(x)\n  c = collections.Counter('ab')\n  heapq.heappush([], 1)\n  return q.popleft(), c.most_common()",
    "state_dict": "def f(param, grad, state, *, lr):\n  m = state.get('m', torch.zeros_like(param))\n  m = 0.9 * m + grad\n"
    "  return param - lr * m, {**state, 'm': m, 'step': state.get('step', 0) + 1}",
    "setdefault": "def f(x, state):\n  buffer = state.setdefault('softmax', x)\n  state['backward'] = buffer\n  return state['backward']",
    "comments": "# torch.autograd.grad(x), exec('...'), import ctypes\ndef f(x):\n  '''Like x.backward() with torch.nn.'''\n  return x  # eval(...)",
    "strings": "HELP = 'torch.autograd is not allowed; neither is __globals__'\ndef f(x): return f'{HELP} torch.nn {x}'",
    "annotated_with_module": "def f(x: torch.Tensor, m: torch.nn.Module | None = None) -> list[torch.nn.Parameter]: return x",
    "jaxtyping": "from jaxtyping import Float, Int, jaxtyped\ndef f(x: Float[Tensor, '*batch d'], i: Int[torch.Tensor, ' n']) -> Float[Tensor, '']: return x",
    "type_alias": "Pair = int | tuple[int, int]\nArray = typing.Union[Tensor, np.ndarray]\ndef f(x: Array, k: Pair = 1) -> Array: return x",
    "overload": "@typing.overload\ndef f(x: int) -> int: ...\n@typing.overload\ndef f(x: str) -> str: ...\ndef f(x): return x",
    "positional_only": "def f(x, /, y=1, *args, z, **kw): return x, y, args, z, kw",
    "star_expressions": "def f(x):\n  a, *b, c = x\n  return [*b, a], {**{'a': c}}, (*b, c)",
    "chained_comparison": "def f(x): return 0 < x < 1 <= 2 != 3",
    "ellipsis": "def f(x): return x[..., None, ::2, 1:-1]",
    "ternaries": "def f(x, b=None): return x if b is None else x + b if b.ndim else x - b",
    "lambda_default": "f = lambda x, k=2: [g(x) for g in (lambda y, k=k: y ** k,)]",
    "global_expression": "np.set_printoptions(precision=3)\ntorch.set_printoptions(precision=3)\ntorch.set_default_dtype(torch.float32)\ndef f(x): return x",
    "assert_shapes": "def f(x):\n  assert x.ndim == 2, f'expected 2 dims, got {tuple(x.shape)}'\n  return x",
    "star_import": "from math import *\ndef f(x): return exp(sqrt(x)) + pi",
    "star_torch": "from torch import *\ndef f(x): return exp(x) + relu(x)",
    "own_after_star": "from torch import *\ndef softmax(x): return x\ndef f(x): return softmax(x)",
    "unused_numpy_aliases": "import numpy.linalg as la\nfrom numpy import *\ndef f(x): return la.norm(x)",
    "redefinition": "class Tensor(Tensor): pass\nclass Tensor(Tensor): pass\ndef f(x): return x",
    "recursive": "def f(n): return 1 if n <= 1 else n * f(n - 1)",
    "mutual": "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\ndef f(n): return even(n)",
    "context_object": "class Ctx:\n  def save_for_backward(self, *t): self.saved_tensors = t\n"
    "def forward(ctx, x):\n  ctx.save_for_backward(x)\n  return x\ndef f(x):\n  c = Ctx()\n  forward(c, x)\n  return c.saved_tensors",
    "function_style": "class MatMul:\n  @staticmethod\n  def forward(ctx, x, w):\n    ctx.append((x, w))\n    return x @ w\n"
    "  @staticmethod\n  def backward(ctx, g):\n    x, w = ctx.pop()\n    return g @ w.T, x.T @ g\n"
    "def f(x):\n  ctx = []\n  y = MatMul.forward(ctx, x, x)\n  return MatMul.backward(ctx, y)",
    "layers_list": "class Linear:\n  def __init__(self, w): self.w, self.grads = w, {}\n  def __call__(self, x):\n    self.x = x\n    return x @ self.w\n"
    "  def backward(self, g):\n    self.grads['w'] = self.x.T @ g\n    return g @ self.w.T\n"
    "class Net:\n  def __init__(self, *layers): self.layers = list(layers)\n  def forward(self, x):\n    for l in self.layers: x = l(x)\n    return x\n"
    "  def backward(self, g):\n    for l in self.layers[::-1]: g = l.backward(g)\n    return g\n"
    "def f(x):\n  net = Net(Linear(x), Linear(x))\n  return net.backward(net.forward(x))",
    "doctest_import": "import doctest, pdb, timeit, unittest, subprocess, builtins\ndef f(x): return x",
    "default_timer": "from timeit import default_timer as timer\ndef f(x): return timer()",
    "chunked": "def f(x): return torch.cat([c.sum(0, keepdim=True) for c in x.split(2)] + [*x.unbind(0)][:0])",
    "complex": "def f(x): return torch.complex(x, x).imag + torch.view_as_real(x).real",
    "in_place": "def f(x):\n  y = torch.empty_like(x)\n  y[...] = x\n  y[0] += 1\n  y.mul_(2).add_(1)\n  return y",
    "string_building": "def f(eq):\n  lhs, out = eq.split('->')\n  a, b = lhs.split(',')\n  return ''.join(sorted(set(a) - set(b))) + '%s,%s->%s' % (out, b, a)",
}  # fmt: skip


@pytest.mark.parametrize("name", CLEAN)
def test_honest_code_is_left_alone(name: str) -> None:
    report = check_source(HEAD + CLEAN[name], "operators.py", ["f"], ALL)
    assert report.module_level == ()
    assert report.by_function == {"f": ()}
    assert report.elsewhere == ()


# Something forbidden is there, but no graded function and no import reaches it: it costs nothing.
COSTS_NOTHING = {
    "annotated_with_function": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  from torch import nn\ndef f(x: nn.Module): return x",
    "main_guard": "def f(x): return x\nif __name__ == '__main__':\n  import torch.nn as nn\n  x = torch.ones(1, requires_grad=True)\n  f(x).backward()",
    "main_guard_reversed": "def f(x): return x\nif '__main__' == __name__: torch.autograd.grad(f(1), 1)",
    "main_guard_and": "def f(x): return x\nif __name__ == '__main__' and True: torch.autograd.grad(f(1), 1)",
    "main_function": "def main(): torch.autograd.grad(f(1), 1)\ndef f(x): return x\nif __name__ == '__main__': main()",
    "dead_helper": "def check(x): return torch.autograd.gradcheck(f, x)\ndef f(x): return x",
    "dead_helper_calls_f": "def check(g, reference): return (g(1) - reference(1)).abs()\ndef everything(): check(f, torch.softmax)\ndef f(x): return x",
    "shared_helper": "def show(g, x): return g(x)\ndef f(x): return show(torch.exp, x)\ndef test(): show(torch.softmax, 1)",
    "shared_factory": "def make(op):\n  def g(x): return op(x)\n  return g\nf = make(torch.exp)\nreference = make(torch.softmax)",
    "unused_table": "REFERENCE = {'softmax': torch.softmax}\ndef f(x): return x",
    "unused_from_import": "from torch import softmax\ndef f(x): return x",
    "unused_alias": "ag = torch.autograd\ndef f(x): return x",
    "other_method": "class Ops:\n  @staticmethod\n  def relu(x): return x\n  @staticmethod\n  def check(x): return torch.autograd.grad(x, x)\ndef f(x): return Ops.relu(x)",
    "other_exercise": "def g(x): return torch.softmax(x, 0)\ndef f(x): return x",
    "local_table": "CASES = []\ndef collect(cases): cases.append(torch.softmax)\ndef f(x): return CASES",
    "cached_in_dead_code": "CACHE = {}\ndef f(x): return CACHE.setdefault('x', x)\ndef try_it(): return torch.softmax(f(1), 0)",
    "numerical_check": "def numerical_gradient(g, x, h=1e-6): return (g(x + h) - g(x - h)) / (2 * h)\ndef f(x): return x",
    "instances": "class Layer:\n  def __init__(self, op): self.op = op\n  def __call__(self, x): return self.op(x)\n"
    "def check(): return Layer(torch.softmax)\ndef f(x): return Layer(torch.exp)(x)",
    "plot": "def plot(x):\n  import matplotlib.pyplot as plt\n  plt.plot(x)\ndef f(x): return x",
    "assigned_in_main": "def f(x): return g(x)\ndef g(x): return x\nif __name__ == '__main__':\n  g = torch.softmax\n  f = torch.vmap(g)",
    "table_in_main": "TABLE = {}\ndef f(x): return TABLE\nif __name__ == '__main__':\n  TABLE['s'] = torch.softmax",
}  # fmt: skip


@pytest.mark.parametrize("name", COSTS_NOTHING)
def test_code_that_nothing_reaches_costs_nothing(name: str) -> None:
    report = check_source(HEAD + COSTS_NOTHING[name], "operators.py", ["f"], ALL)
    assert report.module_level == ()
    assert report.by_function == {"f": ()}
    if name not in ("unused_from_import", "local_table", "annotated_with_function"):
        assert report.elsewhere


COURSE = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("folder", ["solutions", "assignments"])
def test_the_courses_own_files_are_clean(folder: str) -> None:
    paths = [
        p for p in (COURSE / folder).glob("*/*.py") if not p.name.startswith(("test_", "misc"))
    ]
    assert paths or folder == "assignments"
    for path in paths:
        kernels = path.parent.name.startswith("a8")
        rules = ("no-evasion", "kernels-only") if kernels else ALL.rules[:2]
        packages = ("torch", "triton") if kernels else ALL.packages
        source = path.read_bytes()
        names = [
            line.split(b"(")[0][4:].decode() for line in source.splitlines() if line[:4] == b"def "
        ]
        report = check_source(source, path.name, names, Policy(rules=rules, packages=packages))
        assert not report.module_level, path
        assert not any(report.by_function.values()), path


def test_there_is_enough_honest_code() -> None:
    assert len(CLEAN) + len(COSTS_NOTHING) >= 150
