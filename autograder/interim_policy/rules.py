"""What each group of rules forbids, as data: dotted names, methods, and the matching tripwires."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from autograder.interim_policy.model import Policy

__all__ = ["Rules", "rules_of", "tripwires"]

DERIVATIVE = "computes derivatives for you; in this assignment you derive them yourself"
LAYER = "is a ready-made layer, function or optimizer; build it from torch's basic operations"
COMPILER = "hands your code to a compiler or tracer, which this assignment doesn't allow"
PRIVATE = "is a private part of torch; use its public functions"
EVASION = "gets around the rules of the assignment; write the code directly"
NUMERICAL = "differentiates numerically; in this assignment you derive the gradient"
TASK = "does this assignment's task for you; build it from basic operations"
PACKAGE = "is not available to submissions; use torch, numpy and the standard library"

# (pattern, reason). A pattern matches a dotted name and everything below it; `*` stays within one
# component.
NO_AUTODIFF: tuple[tuple[str, str], ...] = (
    ("torch.autograd", DERIVATIVE),
    ("torch.func", DERIVATIVE),
    ("torch.vmap", DERIVATIVE),
    ("functorch", DERIVATIVE),
    ("torch.utils.checkpoint", DERIVATIVE),
    ("torch.*backward*", DERIVATIVE),
    ("torch.*.*_backward*", DERIVATIVE),
    ("torch.Tensor.backward", DERIVATIVE),
    ("torch.Tensor.requires_grad", DERIVATIVE),
    ("torch.Tensor.requires_grad_", DERIVATIVE),
    ("torch.gradient", NUMERICAL),
    ("numpy.gradient", NUMERICAL),
    ("torch.nn", LAYER),
    ("torch.optim", LAYER),
    ("torch.ao", LAYER),
    ("torch.quantization", LAYER),
    ("torch.compile", COMPILER),
    ("torch.compiler", COMPILER),
    ("torch.jit", COMPILER),
    ("torch.fx", COMPILER),
    ("torch.export", COMPILER),
    ("torch.onnx", COMPILER),
    ("torch.library", COMPILER),
    ("torch.package", COMPILER),
    ("torch.hub", COMPILER),
    ("torch.ops", PRIVATE),
    ("torch.classes", PRIVATE),
    ("torch.overrides", PRIVATE),
    ("torch.nested.F", PRIVATE),
    ("torch.functional.F", PRIVATE),
    ("torch.functional.torch", PRIVATE),
    ("torch.utils.cpp_extension", PRIVATE),
    ("torch._*", PRIVATE),
    ("torch.*._*", PRIVATE),
    ("torch.*.F", PRIVATE),
    ("torch.*.*.F", PRIVATE),
)

NO_EVASION: tuple[tuple[str, str], ...] = tuple(
    (name, EVASION)
    for name in (
        *("builtins", "ctypes", "_ctypes", "importlib", "imp", "pickle", "_pickle", "cPickle"),
        *("marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy", "code", "codeop"),
        *("pkgutil", "zipimport", "pdb", "bdb", "trace", "timeit", "cffi", "_thread"),
        *("__builtins__", "__loader__", "__spec__"),
        *("sys.modules", "sys._*", "sys.meta_path", "sys.path_hooks", "sys.settrace"),
        *("sys.setprofile", "sys.path", "threading.settrace", "threading.setprofile"),
        *("gc.get_*", "inspect.currentframe", "inspect.stack", "inspect.trace"),
        *("inspect.get*frames", "inspect.getmembers", "inspect.getmodule"),
        *("inspect.getattr_static", "inspect.getclosurevars", "inspect.getsource*"),
        *("types.CodeType", "types.FunctionType", "types.FrameType", "types.ModuleType"),
        *("typing.get_type_hints", "typing.ForwardRef", "annotationlib"),
        *("numpy.ctypeslib", "numpy.f2py", "numpy.testing.rundocs", "numpy.distutils"),
        *("torch.load", "torch.serialization", "torch.utils.data._*"),
    )
)

# Builtins that run text or look names up by text.
BUILTINS = frozenset({"exec", "eval", "compile", "__import__", "globals", "breakpoint"})

# Attributes that lead out of an object into the machinery behind it.
DUNDERS = frozenset(
    {
        *("__dict__", "__class__", "__globals__", "__builtins__", "__subclasses__", "__mro__"),
        *("__bases__", "__base__", "__code__", "__closure__", "__func__", "__wrapped__"),
        *("__getattribute__", "__loader__", "__spec__", "__reduce__", "__reduce_ex__"),
        *("__import__", "__self__", "__defaults__", "__kwdefaults__", "mro", "f_globals"),
        *("f_locals", "f_back", "f_code", "f_builtins", "gi_frame", "cr_frame", "tb_frame"),
        *("cell_contents", "co_code", "__torch_function__", "__torch_dispatch__"),
    }
)
# A class of one's own may define these; only reaching for them is refused.
OWN_HOOKS = frozenset({"__torch_function__", "__torch_dispatch__", "__getattribute__"})

# Methods of Tensor, and names of torch's forbidden modules, on an object that we know nothing of.
AUTODIFF_METHODS = frozenset(
    {"backward", "requires_grad_", "autograd", "_C", "_VF", "register_hook", "retain_grad"}
)

_TRIPWIRES = (
    *("torch.autograd.grad", "torch.autograd.backward", "torch.autograd.functional.*"),
    *("torch.autograd.gradcheck", "torch.autograd.Function.apply", "torch.autograd.forward_ad.*"),
    *("torch.Tensor.backward", "torch.Tensor.requires_grad_", "torch.Tensor.requires_grad"),
    *("torch.func.*", "torch.vmap", "torch.gradient", "torch.compile", "torch.jit.script"),
    *("torch.jit.trace", "torch.nn.functional.*", "torch.nn.Module.__init__"),
    *("torch.optim.Optimizer.__init__", "torch.library.*", "torch.utils.checkpoint.checkpoint"),
)
_OPERATORS = ("aten::*_backward*",)


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy's rules, ready to be asked about names."""

    names: tuple[tuple[re.Pattern[str], str, str], ...]
    allowed: tuple[str, ...]
    methods: frozenset[str]
    packages: frozenset[str]
    evasion: bool
    autodiff: bool

    def forbids(self, dotted: str) -> tuple[str, str] | None:
        """(rule, reason) if the dotted name, or something above it, is forbidden."""
        if any(_covers(pattern, dotted) for pattern in self.allowed):
            return None
        for pattern, rule, reason in self.names:
            if pattern.match(dotted):
                return rule, reason
        return None

    def forbids_package(self, dotted: str) -> bool:
        """Whether a module is neither in the standard library nor an allowed package."""
        top = dotted.partition(".")[0]
        return top not in self.packages and top not in sys.stdlib_module_names


@lru_cache
def rules_of(policy: Policy) -> Rules:
    """The rules that a policy names."""
    autodiff, evasion = "no-autodiff" in policy.rules, "no-evasion" in policy.rules
    listed = [("forbid", pattern, TASK) for pattern in policy.forbid]
    if autodiff:
        listed += [("no-autodiff", pattern, reason) for pattern, reason in NO_AUTODIFF]
    if evasion:
        listed += [("no-evasion", pattern, reason) for pattern, reason in NO_EVASION]
    return Rules(
        names=tuple((_compiled(pattern), rule, reason) for rule, pattern, reason in listed),
        allowed=policy.allow,
        methods=frozenset(policy.methods) | (AUTODIFF_METHODS if autodiff else frozenset()),
        packages=frozenset(policy.packages),
        evasion=evasion,
        autodiff=autodiff,
    )


def tripwires(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(dotted torch names, ATen operator globs) that the worker watches for under `policy`."""
    names: list[str] = []
    operators = list(policy.operators)
    if "no-autodiff" in policy.rules:
        names += _TRIPWIRES
        operators += _OPERATORS
    # Globs over torch's namespace can't be patched by name: their operators are watched instead.
    names += [name for name in policy.forbid if name.startswith("torch.") and "*" not in name]
    names += [f"torch.Tensor.{method}" for method in policy.methods]
    kept = [name for name in names if not any(_covers(p, name) for p in policy.allow)]
    return tuple(dict.fromkeys(kept)), tuple(dict.fromkeys(operators))


def _covers(pattern: str, dotted: str) -> bool:
    return fnmatchcase(dotted, pattern) or fnmatchcase(dotted, f"{pattern}.*")


def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression: `*` within a component, then anything below."""
    body = re.escape(pattern).replace(r"\*", r"[^.]*")
    return re.compile(rf"{body}(\.|$)")
