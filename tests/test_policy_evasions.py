"""Ways around the rules: each must be found, wherever it hides."""

from __future__ import annotations

import pytest

from autograder.policy import Policy, check_source

RULES = Policy(rules=("no-autodiff", "no-evasion"))

# Each defines f, the graded function, and gets hold of something forbidden on the way to it. The
# left side is what one violation must name (a part of it).
REACHED = {
    # --- imports ---
    "plain": ("torch.autograd.grad", "import torch\ndef f(x): return torch.autograd.grad(x, x)"),
    "renamed": ("torch.autograd.grad", "import torch as t\ndef f(x): return t.autograd.grad(x, x)"),
    "from_torch": (
        "torch.autograd",
        "def f(x):\n  from torch import autograd as a\n  return a.grad(x)",
    ),
    "function": (
        "torch.autograd",
        "def f(x):\n  from torch.autograd import grad\n  return grad(x, x)",
    ),
    "inside": ("torch.func", "def f(x):\n  import torch.func as tf\n  return tf.grad(x)"),
    "unused_inside": ("torch.nn", "def f(x):\n  import torch.nn\n  return x"),
    "vmap": ("torch.vmap", "from torch import vmap\ndef f(x): return vmap(x)"),
    "vmap_renamed": ("torch.vmap", "from torch import vmap as every\ndef f(x): return every(x)"),
    "gradient": ("torch.gradient", "from torch import gradient\ndef f(x): return gradient(x)"),
    "in_try": (
        "torch.optim",
        "def f(x):\n  try:\n    import torch.optim\n  except ImportError: pass",
    ),
    "starred": ("torch.autograd", "from torch import *\ndef f(x): return autograd.grad(x)"),
    "starred_after_own": (
        "torch.vmap",
        "def vmap(f): return f\nfrom torch import *\ndef f(x): return vmap(x)",
    ),
    "through_functional": (
        "torch.nn.functional",
        "from torch import functional\ndef f(x): return functional.F.relu(x)",
    ),
    "through_random": (
        "torch.autograd",
        "import torch\ndef f(x): return torch.random.torch.autograd.grad(x)",
    ),
    "through_numpy_sys": (
        "sys.modules",
        "import dataclasses\ndef f(x): return dataclasses.sys.modules",
    ),
    "underscore_sys": (
        "sys.modules",
        "import collections\ndef f(x): return collections._sys.modules",
    ),
    "global_import": (
        "torch.vmap",
        "def g():\n  global v\n  from torch import vmap as v\ndef f(x): g(); return v(x)",
    ),
    "class_import": (
        "torch.vmap",
        "class C:\n  from torch import vmap\ndef f(x): return C.vmap(x)",
    ),
    "private_module": (
        "torch._tensor",
        "import torch\ndef f(x): return torch._tensor.Tensor(x)",
    ),
    # --- names for it ---
    "alias": (
        "torch.autograd.grad",
        "import torch\nag = torch.autograd\ndef f(x): return ag.grad(x)",
    ),
    "alias_of_alias": (
        "torch.autograd",
        "import torch\na = torch\nb = a\nc = b.autograd\nd = c\ndef f(x): return d.grad(x)",
    ),
    "local_alias": ("torch.vmap", "import torch\ndef f(x):\n  v = torch.vmap\n  return v(x)"),
    "tuple": ("torch.vmap", "import torch\na, b = torch.vmap, 1\ndef f(x): return a(x)"),
    "nested_tuple": (
        "torch.vmap",
        "import torch\n(a, (b, c)) = (1, (2, torch.vmap))\ndef f(x): return c(x)",
    ),
    "starred_tuple": (
        "torch.vmap",
        "import torch\na, *b = 1, torch.vmap\ndef f(x): return b[0](x)",
    ),
    "chained": ("torch.vmap", "import torch\na = b = torch.vmap\ndef f(x): return b(x)"),
    "walrus": ("torch.autograd", "import torch\ndef f(x): return (a := torch.autograd).grad(x)"),
    "walrus_in_list": (
        "torch.autograd",
        "import torch\ndef f(x):\n  [y := torch.autograd for _ in x]\n  return y.grad(x)",
    ),
    "default": ("torch.vmap", "import torch\ndef f(x, v=torch.vmap): return v(x)"),
    "keyword_default": ("torch.vmap", "import torch\ndef f(x, *, v=torch.vmap): return v(x)"),
    "lambda_default": ("torch.vmap", "import torch\nf = lambda x, v=torch.vmap: v(x)"),
    "loop": ("torch.vmap", "import torch\nfor v in [torch.vmap]: pass\ndef f(x): return v(x)"),
    "with": (
        "torch.autograd",
        "import torch, contextlib\ndef f(x):\n  with contextlib.nullcontext(torch) as t:\n"
        "    return t.autograd.grad(x)",
    ),
    "dictionary": ("torch.vmap", "import torch\nT = {'v': torch.vmap}\ndef f(x): return T['v'](x)"),
    "dictionary_get": (
        "torch.vmap",
        "import torch\nT = dict(v=torch.vmap)\ndef f(x): return T.get('v')(x)",
    ),
    "list": ("torch.vmap", "import torch\nT = [torch.vmap]\ndef f(x): return T[0](x)"),
    "late_list": (
        "torch.vmap",
        "import torch\nT = []\nT.append(torch.vmap)\ndef f(x): return T[0](x)",
    ),
    "late_dict": (
        "torch.vmap",
        "import torch\nT = {}\nT['v'] = torch.vmap\ndef f(x): return T['v'](x)",
    ),
    "module_in_list": (
        "torch.autograd",
        "import torch\nT = [torch]\ndef f(x): return T[0].autograd.grad(x)",
    ),
    "module_in_dict": (
        "torch.func",
        "import torch\nT = {'a': {'b': [torch]}}\ndef f(x): return T['a']['b'][0].func.grad(x)",
    ),
    "comprehension": (
        "torch.autograd",
        "import torch\ndef f(x): return [m.autograd.grad(x) for m in (torch,)][0]",
    ),
    "dict_comprehension": (
        "torch.vmap",
        "import torch\nT = {n: g for n, g in [('v', torch.vmap)]}\ndef f(x): return T['v'](x)",
    ),
    "conditional": (
        "torch.vmap",
        "import torch\nv = None if 0 else torch.vmap\ndef f(x): return v(x)",
    ),
    "or": ("torch.vmap", "import torch\nv = None or torch.vmap\ndef f(x): return v(x)"),
    "global": (
        "torch.vmap",
        "import torch\nv = None\ndef g():\n  global v\n  v = torch.vmap\ndef f(x):\n  return v(x)",
    ),
    "nonlocal": (
        "torch.autograd",
        "import torch\ndef f(x):\n  m = None\n  def g():\n    nonlocal m\n    m = torch\n  g()\n"
        "  return m.autograd.grad(x)",
    ),
    # --- classes and objects ---
    "class_attribute": (
        "torch.vmap",
        "import torch\nclass C: v = torch.vmap\ndef f(x): return C.v(x)",
    ),
    "method": (
        "torch.autograd",
        "import torch\nclass C:\n  def go(self, x): return torch.autograd.grad(x)\n"
        "def f(x): return C().go(x)",
    ),
    "inherited": (
        "torch.autograd",
        "import torch\nclass A:\n  def go(self, x): return torch.autograd.grad(x)\nclass B(A): pass\n"
        "def f(x): return B().go(x)",
    ),
    "instance_attribute": (
        "torch.autograd",
        "import torch\nclass C:\n  def __init__(self, m): self.m = m\n"
        "def f(x): return C(torch).m.autograd.grad(x)",
    ),
    "dataclass_field": (
        "torch.autograd",
        "import torch\nfrom dataclasses import dataclass\n@dataclass\nclass C:\n  m: object\n"
        "def f(x): return C(torch).m.autograd.grad(x)",
    ),
    "named_tuple": (
        "torch.autograd",
        "import torch\nfrom collections import namedtuple\nT = namedtuple('T', 'm')\n"
        "def f(x): return T(torch).m.autograd.grad(x)",
    ),
    "simple_namespace": (
        "torch.autograd",
        "import torch\nfrom types import SimpleNamespace\nn = SimpleNamespace(m=torch)\n"
        "def f(x): return n.m.autograd.grad(x)",
    ),
    "property": (
        "torch.autograd",
        "import torch\nclass C:\n  @property\n  def m(self): return torch\n"
        "def f(x): return C().m.autograd.grad(x)",
    ),
    "static_method": (
        "torch.autograd",
        "import torch\nclass C:\n  @staticmethod\n  def m(t): return t.autograd\n"
        "def f(x): return C.m(torch).grad(x)",
    ),
    "class_method": (
        "torch.autograd",
        "import torch\nclass C:\n  t = torch\n  @classmethod\n  def m(cls): return cls.t.autograd\n"
        "def f(x): return C.m().grad(x)",
    ),
    "getattr_hook": (
        "torch.autograd",
        "import torch\nclass C:\n  def __getattr__(self, n): return torch\n"
        "def f(x): return C().anything.autograd.grad(x)",
    ),
    "call_hook": (
        "torch.vmap",
        "import torch\nclass C:\n  def __call__(self, x): return torch.vmap(x)\nf = C()",
    ),
    "operator_hook": (
        "torch.vmap",
        "import torch\nclass C:\n  def __matmul__(self, x): return torch.vmap(x)\n"
        "def f(x): return C() @ x",
    ),
    "operator_returns": (
        "torch.autograd",
        "import torch\nclass C:\n  def __or__(self, x): return torch\n"
        "def f(x): return (C() | 1).autograd.grad(x)",
    ),
    "iterator_hook": (
        "torch.autograd",
        "import torch\nclass C:\n  def __iter__(self): yield torch\n"
        "def f(x):\n  for m in C(): return m.autograd.grad(x)",
    ),
    "item_hook": (
        "torch.autograd",
        "import torch\nclass C:\n  def __getitem__(self, i): return torch\n"
        "def f(x): return C()[0].autograd.grad(x)",
    ),
    "enter_hook": (
        "torch.autograd",
        "import torch\nclass C:\n  def __enter__(self): return torch\n  def __exit__(self, *a): pass\n"
        "def f(x):\n  with C() as m: return m.autograd.grad(x)",
    ),
    "tensor_subclass": (
        "torch.Tensor.backward",
        "import torch\nclass T(torch.Tensor): pass\ndef f(x): return T(x).backward()",
    ),
    "super_backward": (
        "torch.Tensor.backward",
        "import torch\nclass T(torch.Tensor):\n  def go(self): super().backward()\n"
        "def f(x): return T(x).go()",
    ),
    "own_dictionary": (
        "torch.autograd",
        "import torch\nclass C:\n  def __init__(self): self.t = torch\n"
        "def f(x): return C().__dict__['t'].autograd.grad(x)",
    ),
    "vars_of_own": (
        "torch.autograd",
        "import torch\nclass C:\n  def __init__(self): self.t = torch\n"
        "def f(x): return vars(C())['t'].autograd.grad(x)",
    ),
    "made_by_type": (
        "torch.vmap",
        "import torch\nT = type('T', (), {'go': lambda self, x: torch.vmap(x)})\n"
        "def f(x): return T().go(x)",
    ),
    "function_attribute": (
        "torch.autograd",
        "import torch\ndef g(): pass\ng.m = torch\ndef f(x): return g.m.autograd.grad(x)",
    ),
    "stored_on_a_module": (
        "torch.vmap",
        "import torch, math\ndef g(): math.v = torch.vmap\ndef f(x): g(); return math.v(x)",
    ),
    # --- functions that pass it on ---
    "helper": ("torch.vmap", "import torch\ndef g(x): return torch.vmap(x)\ndef f(x): return g(x)"),
    "deep_helper": (
        "torch.vmap",
        "import torch\ndef a(x): return torch.vmap(x)\ndef b(x): return a(x)\ndef c(x): return b(x)\n"
        "def f(x): return c(x)",
    ),
    "argument": (
        "torch.autograd",
        "import torch\ndef g(m, x): return m.autograd.grad(x)\ndef f(x): return g(torch, x)",
    ),
    "star_argument": (
        "torch.autograd",
        "import torch\ndef g(*a): return a[0].autograd.grad(a[1])\ndef f(x): return g(torch, x)",
    ),
    "keyword_argument": (
        "torch.autograd",
        "import torch\ndef g(**k): return k['m'].autograd\ndef f(x): return g(m=torch).grad(x)",
    ),
    "unpacked_argument": (
        "torch.autograd",
        "import torch\ndef g(m): return m.autograd\ndef f(x): return g(**{'m': torch}).grad(x)",
    ),
    "returned": (
        "torch.autograd",
        "import torch\ndef g(): return torch\ndef f(x): return g().autograd.grad(x)",
    ),
    "yielded": (
        "torch.autograd",
        "import torch\ndef g(): yield torch\ndef f(x): return next(g()).autograd.grad(x)",
    ),
    "sent": (
        "torch.autograd",
        "import torch\ndef g():\n  m = yield\n  yield m.autograd\n"
        "def f(x):\n  i = g()\n  next(i)\n  return i.send(torch).grad(x)",
    ),
    "closure": (
        "torch.vmap",
        "import torch\ndef make():\n  v = torch.vmap\n  def inner(x): return v(x)\n  return inner\n"
        "f = make()",
    ),
    "lambda": ("torch.vmap", "import torch\nf = lambda x: torch.vmap(x)"),
    "called_lambda": (
        "torch.autograd",
        "import torch\ndef f(x): return (lambda m: m.autograd)(torch).grad(x)",
    ),
    "decorator": (
        "torch.vmap",
        "import torch\ndef d(g):\n  def w(x): return torch.vmap(x)\n  return w\n@d\ndef f(x): return x",
    ),
    "class_decorator": (
        "torch.vmap",
        "import torch\nclass D:\n  def __init__(self, g): pass\n"
        "  def __call__(self, x): return torch.vmap(x)\n@D\ndef f(x): return x",
    ),
    "partial": (
        "torch.autograd.grad",
        "import torch, functools\nf = functools.partial(torch.autograd.grad, create_graph=True)",
    ),
    "partial_argument": (
        "torch.autograd",
        "import torch\nfrom functools import partial\ndef g(m, x): return m.autograd.grad(x)\n"
        "f = partial(g, torch)",
    ),
    "map": (
        "torch.autograd",
        "import torch\ndef f(x): return list(map(lambda m: m.autograd, [torch]))[0].grad(x)",
    ),
    "reduce": (
        "torch.autograd",
        "import torch, functools\n"
        "def f(x): return functools.reduce(lambda m, n: m.autograd, [0], torch).grad(x)",
    ),
    "lru_cache": (
        "torch.vmap",
        "import torch\nfrom functools import lru_cache\n@lru_cache\ndef g(): return torch.vmap\n"
        "def f(x): return g()(x)",
    ),
    "redefined": (
        "torch.vmap",
        "import torch\ndef f(x): return x\nif True:\n  def f(x): return torch.vmap(x)",
    ),
    "assigned": ("torch.vmap", "import torch\nf = torch.vmap"),
    "matched": (
        "torch.autograd",
        "import torch\ndef f(x):\n  match torch:\n    case object(autograd=a): return a.grad(x)",
    ),
    "matched_by_position": (
        "torch.autograd",
        "import torch\nclass M(type):\n  def __instancecheck__(c, o): return True\n"
        "class P(metaclass=M): __match_args__ = ('autograd',)\n"
        "def f(x):\n  match torch:\n    case P(a): return a.grad(x)",
    ),
    "module_getattr": (
        "torch.vmap",
        "import torch\ndef __getattr__(name): return torch.vmap",
    ),
    "set_by_other_exercise": (
        "torch.vmap",
        "import torch\nS = {}\ndef g(x): S['v'] = torch.vmap\ndef f(x): return S['v'](x)",
    ),
    "closure_shared_by_two": (
        "torch.vmap",
        "import torch\ndef make():\n  box = []\n  def put(v): box.append(v)\n"
        "  def get(): return box[0]\n  return put, get\nput, get = make()\n"
        "def g(x): put(torch.vmap)\ndef f(x): return get()(x)",
    ),
    # --- looked up by string ---
    "getattr": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, 'autograd').grad(x)",
    ),
    "getattr_sum": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, 'auto' + 'grad').grad(x)",
    ),
    "getattr_fstring": (
        "torch.autograd",
        "import torch\na = 'auto'\ndef f(x): return getattr(torch, f'{a}grad').grad(x)",
    ),
    "getattr_join": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, ''.join(['auto', 'grad']))",
    ),
    "getattr_percent": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, 'auto%s' % 'grad')",
    ),
    "getattr_format": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, '{}grad'.format('auto'))",
    ),
    "getattr_reversed": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, 'dargotua'[::-1])",
    ),
    "getattr_lower": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, 'AUTOGRAD'.lower())",
    ),
    "getattr_bytes": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(torch, b'autograd'.decode())",
    ),
    "getattr_computed": ("getattr", "import torch\ndef f(x, n): return getattr(torch, n)(x)"),
    "getattr_table": (
        "getattr",
        "import torch\nT = [getattr(torch, n) for n in open('names')]\ndef f(x): return T[0](x)",
    ),
    "getattr_decoded": (
        "getattr",
        "import torch, base64\ndef f(x): return getattr(torch, base64.b64decode('YQ==').decode())",
    ),
    "getattr_chr": (
        "getattr",
        "import torch\ndef f(x): return getattr(torch, ''.join(map(chr, [97, 117])))",
    ),
    "getattr_alias": (
        "torch.autograd",
        "import torch\ng = getattr\ndef f(x): return g(torch, 'autograd')",
    ),
    "getattr_helper": (
        "torch.autograd",
        "import torch\ndef look(m, n): return getattr(m, n)\ndef f(x): return look(torch, 'autograd')",
    ),
    "getattr_starred": (
        "torch.autograd",
        "import torch\ndef f(x): return getattr(*[torch, 'autograd'])",
    ),
    "getattr_mapped": (
        "",
        "import torch\ndef f(x): return list(map(getattr, [torch], ['autograd']))[0]",
    ),
    "getattr_reduced": (
        "",
        "import torch\nfrom functools import reduce\n"
        "def f(x): return reduce(getattr, ['autograd', 'grad'], torch)(x)",
    ),
    "getattr_partial": (
        "",
        "import torch\nfrom functools import partial\ng = partial(getattr, torch)\n"
        "def f(x): return g('autograd')",
    ),
    "attrgetter": (
        "autograd",
        "import torch, operator\ndef f(x): return operator.attrgetter('autograd.grad')(torch)(x)",
    ),
    "attrgetter_computed": (
        "attrgetter",
        "import torch, operator\ndef f(x, n): return operator.attrgetter(n)(torch)(x)",
    ),
    "attrgetter_mapped": (
        "",
        "import torch, operator\nfrom operator import attrgetter as ag\n"
        "def f(x, n): return [*map(ag(n), [torch])]",
    ),
    "methodcaller": (
        "backward",
        "from operator import methodcaller\ndef f(x): return methodcaller('backward')(x)",
    ),
    "dunder_getattribute": (
        "autograd",
        "import torch\ndef f(x): return object.__getattribute__(torch, 'autograd').grad(x)",
    ),
    "vars_of_torch": ("vars", "import torch\ndef f(x): return vars(torch)['autograd']"),
    "dict_of_torch": ("__dict__", "import torch\ndef f(x): return torch.__dict__['autograd']"),
    "sys_modules": (
        "sys.modules",
        "import sys\ndef f(x): return sys.modules['torch.autograd'].grad(x)",
    ),
    "sys_modules_from": (
        "sys.modules",
        "from sys import modules as m\ndef f(x): return m['torch']",
    ),
    "globals": ("globals", "import torch\ndef f(x): return globals()['torch'].x"),
    "locals": (
        "torch.autograd",
        "import torch\ndef f(x):\n  t = torch\n  return locals()['t'].autograd",
    ),
    "import_function": ("__import__", "def f(x): return __import__('torch').autograd.grad(x)"),
    "importlib": (
        "importlib",
        "def f(x):\n  import importlib\n  return importlib.import_module('torch.func')",
    ),
    "exec": ("exec", "def f(x): exec('import torch')"),
    "eval": ("eval", "def f(x): return eval('x.backward()')"),
    "compile": ("compile", "def f(x): return compile('1', '', 'eval')"),
    "exec_alias": ("exec", "e = exec\ndef f(x): e('1')"),
    "exec_in_dict": ("exec", "T = {'e': exec}\ndef f(x): T['e']('1')"),
    "exec_from_builtins": ("exec", "import builtins\ndef f(x): builtins.exec('1')"),
    "exec_shadowed_never": ("exec", "if False:\n  exec = None\ndef f(x): exec('1')"),
    "builtins_name": ("__builtins__", "def f(x): return __builtins__['exec']"),
    "subclasses": ("__", "def f(x): return ().__class__.__base__.__subclasses__()"),
    "number_class": ("__class__", "def f(x): return (1).__class__"),
    "globals_of_function": (
        "__globals__",
        "def g(): pass\ndef f(x): return g.__globals__['torch']",
    ),
    "code": ("__code__", "def g(): pass\ndef f(x): return g.__code__"),
    "builtin_self": ("__self__", "import torch\ndef f(x): return torch.sum.__self__"),
    "getattr_dunder": (
        "__globals__",
        "def g(): pass\ndef f(x): return getattr(g, '__glo' + 'bals__')",
    ),
    "attrgetter_dunder": (
        "__globals__",
        "from operator import attrgetter\ndef g(): pass\ndef f(x): return attrgetter('__globals__')(g)",
    ),
    "frame": ("sys._getframe", "import sys\ndef f(x): return sys._getframe(1)"),
    "traceback_frame": (
        "tb_frame",
        "def f(x):\n  try: 1 / 0\n  except Exception as e: return e.__traceback__.tb_frame",
    ),
    "generator_frame": ("gi_frame", "def f(x): return (i for i in x).gi_frame"),
    "inspect_frame": (
        "inspect.currentframe",
        "import inspect\ndef f(x): return inspect.currentframe()",
    ),
    "gc": ("gc.get_objects", "import gc\ndef f(x): return gc.get_objects()"),
    "ctypes": ("ctypes", "def f(x):\n  import ctypes\n  return ctypes.pythonapi"),
    "pickle": ("pickle", "def f(x):\n  import pickle\n  return pickle.loads(x)"),
    "subprocess": ("subprocess", "import subprocess\ndef f(x): subprocess.run(['python'])"),
    "os_system": ("os.system", "import os\ndef f(x): os.system('python')"),
    "os_by_posix": ("os.system", "import posix\ndef f(x): posix.system('python')"),
    "timeit": ("timeit", "import timeit\ndef f(x): timeit.timeit('exec')"),
    "formatter": (
        "string.Formatter",
        "import string, torch\ndef f(x): return string.Formatter().get_field('0.autograd', (torch,), {})",
    ),
    "type_hints": ("get_type_hints", "import typing\ndef f(x): return typing.get_type_hints(f)"),
    "annotations": (
        "__annotations__",
        "import torch\ndef g(x: torch.nn.Module): pass\ndef f(x): return g.__annotations__",
    ),
    "annotation_walrus": (
        "torch.autograd",
        "import torch\ndef g(x: (a := torch.autograd)): pass\ndef f(x): return a.grad(x)",
    ),
    "numpy_ctypes": (
        "numpy.ctypeslib",
        "import numpy as np\ndef f(x): return np.ctypeslib.load_library('c', '.')",
    ),
    "numpy_runstring": (
        "numpy.testing",
        "import numpy as np\ndef f(x): np.testing.runstring('1', {})",
    ),
    "numpy_pickle": (
        "allow_pickle",
        "import numpy as np\ndef f(x): return np.load(x, allow_pickle=True)",
    ),
    "torch_load": (
        "weights_only",
        "import torch\ndef f(x): return torch.load(x, weights_only=False)",
    ),
    # --- tensors ---
    "backward": ("torch.Tensor.backward", "def f(x): x.backward()"),
    "chain_backward": ("torch.Tensor.backward", "def f(x): x.sum().exp().backward()"),
    "backward_of_type": ("torch.Tensor.backward", "def f(x): type(x).backward(x)"),
    "backward_of_class": (
        "torch.Tensor.backward",
        "import torch\ndef f(x): torch.Tensor.backward(x)",
    ),
    "backward_imported": (
        "torch.Tensor.backward",
        "from torch import Tensor as T\ndef f(x): T.backward(x)",
    ),
    "backward_getattr": ("torch.Tensor.backward", "def f(x): getattr(x, 'back' + 'ward')()"),
    "backward_alias": ("torch.Tensor.backward", "def f(x):\n  b = x.backward\n  b()"),
    "backward_decoy": (
        "torch.Tensor.backward",
        "import torch\nclass D:\n  def backward(self): pass\ndef f(x): torch.sum(x).backward()",
    ),
    "grad_fn": ("grad_fn", "def f(x): return x.grad_fn(x)"),
    "requires_grad": (
        "requires_grad",
        "import torch\ndef f(x): return torch.tensor(1., requires_grad=True)",
    ),
    "requires_grad_variable": (
        "requires_grad",
        "import torch\ndef f(x, r): return torch.ones(1, requires_grad=r)",
    ),
    "requires_grad_method": (
        "requires_grad",
        "def f(x): return x.new_zeros(3, requires_grad=True)",
    ),
    "requires_grad_set": ("requires_grad", "def f(x): x.requires_grad = True"),
    "requires_grad_tuple": ("requires_grad", "def f(x): x.requires_grad, y = True, 1"),
    "requires_grad_or": ("requires_grad", "def f(x): x.requires_grad |= True"),
    "requires_grad_loop": ("requires_grad", "def f(x):\n  for x.requires_grad in [True]: pass"),
    "requires_grad_": ("requires_grad_", "def f(x): return x.clone().requires_grad_()"),
    "requires_grad_true": ("requires_grad_", "def f(x): return x.requires_grad_(True)"),
    "requires_grad_setattr": ("requires_grad", "def f(x): setattr(x, 'requires' + '_grad', True)"),
    "requires_grad_unpacked": (
        "requires_grad",
        "import torch\ndef f(x): return torch.ones(1, **{'requires_grad': True})",
    ),
    "requires_grad_dict": (
        "requires_grad",
        "import torch\nK = dict(requires_grad=True)\ndef f(x): return torch.ones(1, **K)",
    ),
    "requires_grad_partial": (
        "requires_grad",
        "import torch\nfrom functools import partial\np = partial(torch.ones, requires_grad=True)\n"
        "def f(x): return p(1)",
    ),
    "requires_grad_descriptor": (
        "torch.Tensor.requires_grad",
        "import torch\ndef f(x): torch.Tensor.requires_grad.__set__(x, True)",
    ),
    "make_subclass": (
        "_make_subclass",
        "import torch\ndef f(x): return torch.Tensor._make_subclass(torch.Tensor, x, True)",
    ),
    # --- the rest of torch ---
    "functional": (
        "torch.nn.functional.relu",
        "import torch\ndef f(x): return torch.nn.functional.relu(x)",
    ),
    "one_hot": (
        "torch.nn",
        "def f(x):\n  from torch.nn.functional import one_hot\n  return one_hot(x)",
    ),
    "parameter": ("torch.nn.Parameter", "import torch\ndef f(x): return torch.nn.Parameter(x)"),
    "optim": ("torch.optim.SGD", "import torch\ndef f(x): return torch.optim.SGD(x)"),
    "fused_adam": ("torch._fused_adam_", "import torch\ndef f(x): torch._fused_adam_(x)"),
    "compile_torch": ("torch.compile", "import torch\ndef f(x): return torch.compile(x)"),
    "jit": ("torch.jit.script", "import torch\ndef f(x): return torch.jit.script(x)"),
    "fx": ("torch.fx", "import torch\ndef f(x): return torch.fx.Tracer()"),
    "c": ("torch._C", "import torch\ndef f(x): return torch._C._nn.gelu(x)"),
    "c_functions": ("torch._C", "import torch\ndef f(x): return torch._C._functions"),
    "ops": ("torch.ops.aten.gelu", "import torch\ndef f(x): return torch.ops.aten.gelu(x)"),
    "softmax_backward": (
        "backward_data",
        "import torch\ndef f(x): return torch._softmax_backward_data(x)",
    ),
    "forward_ad": (
        "torch.autograd",
        "import torch\ndef f(x): return torch.autograd.forward_ad.make_dual(x, x)",
    ),
    "make_dual": (
        "torch._make_dual",
        "import torch\ndef f(x): return torch._make_dual(x, x, level=0)",
    ),
    "numpy_gradient": ("numpy.gradient", "import numpy as np\ndef f(x): return np.gradient(x)"),
    "jacobian_of_transform": (
        "torch.distributions.transforms",
        "import torch\ndef f(x): return torch.distributions.transforms.TanhTransform()",
    ),
    "overrides": (
        "torch.overrides",
        "import torch\ndef f(x): return torch.overrides.get_overridable_functions()",
    ),
    "import_dotted": (
        "import_dotted",
        "import torch\ndef f(x): return torch._import_dotted_name('torch.nn')",
    ),
    "other_package": (
        "scipy",
        "def f(x):\n  import scipy.special\n  return scipy.special.softmax(x)",
    ),
    "fullwidth": ("torch.autograd", "import torch\ndef f(x): return torch.ａutograd.grad(x)"),
    # --- numerical differentiation ---
    "central": ("numerical", "def f(g, x):\n  h = 1e-6\n  return (g(x + h) - g(x - h)) / (2 * h)"),
    "one_sided": ("numerical", "def f(g, x, eps=1e-7): return (g(x + eps) - g(x)) / eps"),
    "in_steps": (
        "numerical",
        "EPS = 1e-5\ndef f(g, x):\n  up = g(x + EPS)\n  down = g(x - EPS)\n  return (up - down) / (2 * EPS)",
    ),
    "in_place": (
        "numerical",
        "def f(g, x, h=1e-6):\n  a = x.clone()\n  a[0] += h\n  b = x.clone()\n  b[0] -= h\n"
        "  return (g(a) - g(b)).sum() / (2 * h)",
    ),
    "complex_step": ("numerical", "def f(g, x, h=1e-20): return g(x + 1j * h).imag / h"),
}


@pytest.mark.parametrize("name", REACHED)
def test_what_a_graded_function_reaches_is_found(name: str) -> None:
    expected, source = REACHED[name]
    report = check_source(source, "operators.py", ["f"], RULES)
    found = [violation.name for violation in report.by_function["f"]]
    assert any(expected in violation for violation in found), (found, report)


# Executed by the import itself: the whole submission is concerned.
AT_IMPORT = {
    "import": ("torch.autograd", "import torch.autograd"),
    "import_as": ("torch.nn", "import torch.nn as nn"),
    "from_import": ("torch.nn.functional", "from torch.nn import functional as F"),
    "from_torch": ("torch.autograd", "from torch import autograd"),
    "class_from_module": ("torch.nn.Module", "from torch.nn import Module"),
    "star": ("torch.nn.functional", "from torch.nn.functional import *"),
    "conditional": ("torch.func", "import sys\nif sys.version_info > (3,):\n  import torch.func"),
    "try": ("torch.nn", "try:\n  import torch.nn as nn\nexcept ImportError:\n  nn = None"),
    "functional_f": ("torch.nn.functional", "from torch.functional import F"),
    "ctypes": ("ctypes", "import ctypes"),
    "pickle": ("pickle", "import pickle"),
    "importlib": ("importlib", "import importlib.util"),
    "package": ("matplotlib", "import matplotlib.pyplot as plt"),
    "private": ("torch._tensor", "from torch._tensor import Tensor"),
    "call": ("torch.autograd.grad", "import torch\nG = torch.autograd.grad(1, 1)"),
    "exec": ("exec", "exec('x = 1')"),
    "exec_before_own": ("exec", "exec('x = 1')\ndef exec(s): pass"),
    "import_function": ("__import__", "m = __import__('torch.autograd')"),
    "globals": ("globals", "globals()['x'] = 1"),
    "vars": ("vars", "vars()['x'] = 1"),
    "decorator": ("torch.compile", "import torch\n@torch.compile\ndef f(x): return x"),
    "decorator_call": ("torch.jit.script", "import torch\n@torch.jit.script\ndef f(x): return x"),
    "base": ("torch.nn.Module", "import torch\nclass M(torch.nn.Module): pass"),
    "function_base": (
        "torch.autograd.Function",
        "import torch\nclass M(torch.autograd.Function): pass",
    ),
    "class_body": ("torch.vmap", "import torch\nclass M:\n  x = torch.vmap(1)"),
    "default": ("torch.vmap", "import torch\ndef f(x, y=torch.vmap(1)): return x"),
    "helper": ("torch.vmap", "import torch\ndef g(): return torch.vmap(1)\nT = g()"),
    "constructor": (
        "torch.vmap",
        "import torch\nclass C:\n  def __init__(self): self.x = torch.vmap(1)\nc = C()",
    ),
    "init_subclass": (
        "torch.vmap",
        "import torch\nclass A:\n  def __init_subclass__(cls): torch.vmap(1)\nclass B(A): pass",
    ),
    "comprehension": ("torch.vmap", "import torch\nT = [torch.vmap(i) for i in range(3)]"),
    "lambda_called": ("torch.vmap", "import torch\nT = (lambda: torch.vmap(1))()"),
    "requires_grad": ("requires_grad", "import torch\nX = torch.ones(1, requires_grad=True)"),
    "annotation_call": ("torch.vmap", "import torch\ndef f(x: torch.vmap(1)): return x"),
    "main_renamed": (
        "torch.vmap",
        "import torch\n__name__ = '__main__'\nif __name__ == '__main__':\n  torch.vmap(1)",
    ),
    "not_main": ("torch.vmap", "import torch\nif __name__ != '__main__':\n  torch.vmap(1)"),
    "else_of_main": (
        "torch.vmap",
        "import torch\nif __name__ == '__main__':\n  pass\nelse:\n  torch.vmap(1)",
    ),
    "main_or": ("torch.vmap", "import torch\nif __name__ == '__main__' or 1:\n  torch.vmap(1)"),
    "own_type_checking": ("torch.nn", "TYPE_CHECKING = True\nif TYPE_CHECKING:\n  import torch.nn"),
    "type_checking_set": (
        "torch.nn",
        "import typing\ntyping.TYPE_CHECKING = True\nif typing.TYPE_CHECKING:\n  import torch.nn",
    ),
}


@pytest.mark.parametrize("name", AT_IMPORT)
def test_what_the_import_runs_concerns_the_whole_submission(name: str) -> None:
    expected, source = AT_IMPORT[name]
    report = check_source(source, "operators.py", ["f"], RULES)
    found = [violation.name for violation in report.module_level]
    assert any(expected in violation for violation in found), report


def test_there_are_enough_ways_around() -> None:
    assert len(REACHED) + len(AT_IMPORT) >= 150
