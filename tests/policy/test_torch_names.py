"""The lists against the torch that is installed: nothing forbidden slips, nothing allowed is lost.

When torch is updated these tests say which of its names are new and have to be thought about.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.autograd.forward_ad
import torch.func
import torch.fx
import torch.utils.checkpoint

from .conftest import BY_HAND, Policy, check, course_policy

# What no-autodiff and no-evasion take away from torch's own namespace, by what it does.
FORBIDDEN_IN_TORCH = """
    # modules
    autograd func nn optim jit fx ops ao
    compiler export library classes hub package
    overrides quantization distributed _C _VF
    _functorch _ops
    # modules of Python's that torch happens to import
    ctypes importlib
    # derivatives
    vmap gradient batch_norm_backward_elemt
    batch_norm_backward_reduce mkldnn_linear_backward_weights
    _softmax_backward_data _log_softmax_backward_data
    _sparse_softmax_backward_data _sparse_log_softmax_backward_data
    _make_dual _make_dual_copy _unpack_dual _fw_primal_copy
    _add_batch_dim _remove_batch_dim _dirichlet_grad
    _standard_gamma_grad
    # compilers and what they make
    compile CompilationUnit ExecutionPlan Gradient Graph
    GraphExecutorState ScriptClass ScriptClassFunction
    ScriptDict ScriptDictIterator ScriptDictKeyIterator
    ScriptFunction ScriptList ScriptListIterator ScriptMethod
    ScriptModule ScriptModuleSerializer ScriptObject
    ScriptObjectProperty StaticModule parse_ir
    import_ir_module import_ir_module_from_buffer cpp
    # layers and optimizers under other names
    ParameterDict ModuleDict BufferDict quantized_gru
    quantized_lstm _fused_adam_ _fused_adamw_ _fused_sgd_
    _fused_adagrad_ _import_dotted_name
"""
FORBIDDEN = {
    f"torch.{name}"
    for line in FORBIDDEN_IN_TORCH.splitlines()
    for name in line.partition("#")[0].split()
}
FORBIDDEN_METHODS = {
    "backward",
    "requires_grad",
    "requires_grad_",
    "grad_fn",
    "_make_subclass",
    "_backward_hooks",
}


def flagged(expressions: Iterable[str], policy: Policy = BY_HAND) -> set[str]:
    """Those of the expressions that a function may not contain: each has a line of its own."""
    lines = list(expressions)
    report = check("\n ".join(["import torch, numpy\ndef f(x):", *lines, "pass"]), policy=policy)
    assert report.module_level == ()
    return {lines[violation.line - 3] for violation in report.by_function.get("f", ())}


def names_of(owner: Any, path: str) -> list[str]:
    return [f"{path}.{n}" for n in dir(owner) if n.isidentifier() and not n.startswith("__")]


def members(module: ModuleType, path: str) -> Iterator[tuple[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names_of(module, path):
            try:
                yield name, getattr(module, name.rpartition(".")[2])
            except Exception:  # some names only raise
                continue


def test_of_torch_exactly_these_names_are_forbidden() -> None:
    # Whether other tests have imported them decides if torch._dynamo and its like are there.
    ours = flagged(names_of(torch, "torch"))
    lazily = {"torch._dynamo", "torch._inductor", "torch.onnx", "torch.dist"}
    assert ours - lazily == {name for name in FORBIDDEN if hasattr(torch, name[6:])}


def test_torch_dist_is_a_distance() -> None:
    """… and `torch.distributed as dist` is another matter."""
    assert flagged(["torch.dist(x, x)", "x.dist(x)", "torch.Tensor.dist(x, x)"]) == set()


def test_of_tensors_methods_exactly_these_are_forbidden() -> None:
    of_a_class = flagged(names_of(torch.Tensor, "torch.Tensor"))
    assert {name[13:] for name in of_a_class} - {"dist"} == FORBIDDEN_METHODS
    of_an_object = flagged(names_of(torch.Tensor, "x"))
    assert {name[2:] for name in of_an_object} <= FORBIDDEN_METHODS
    assert {"x.backward", "x.requires_grad_"} <= of_an_object


@pytest.mark.parametrize(
    ("path", "forbidden"),
    [
        ("torch.special", {"_special"}),
        ("torch.linalg", {"_linalg"}),
        ("torch.fft", {"_fft"}),
        ("torch.sparse", {"_sparse"}),
        ("torch.masked", set()),
        ("torch.signal", set()),
        ("torch.signal.windows", set()),
        ("torch.random", set()),
        ("torch.functional", {"F", "_VF"}),
        ("torch.nested", {"F", "_nested"}),
        ("torch.utils", {"checkpoint", "copyreg"}),
        ("numpy", {"gradient", "polyder", "ctypeslib", "f2py"}),
        ("numpy.linalg", set()),
        ("numpy.fft", set()),
    ],
)
def test_of_a_module_exactly_these_names_are_forbidden(path: str, forbidden: set[str]) -> None:
    module: Any = {"torch": torch, "numpy": np}[path.partition(".")[0]]
    for part in path.split(".")[1:]:
        module = getattr(module, part)
    found = {name.rpartition(".")[2] for name in flagged(names_of(module, path))}
    assert found - {"ctypeslib", "f2py", "checkpoint"} == forbidden - {
        "ctypeslib",
        "f2py",
        "checkpoint",
    }


# Where derivatives, layers and the way to all of it live.
ORIGINS = re.compile(
    r"(torch\.(autograd|nn|func|_functorch|optim|jit|fx|ops|_ops|_dynamo|_inductor|compiler|export"
    r"|onnx|utils\.checkpoint)|torch\._C|functorch|importlib|ctypes|pickle)(\.|$)"
)
# Objects from there that compute nothing.
HARMLESS = re.compile(
    r"(no_grad|enable_grad|inference_mode|set_grad_enabled|JITException|Future|SDPBackend"
    r"|KinetoStepTracker|record_function|c_\w+|interface|find_spec|cast"
    r"|register_optimizer_step_post_hook|_itt|return_types)$"
)


def _leads_astray(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return bool(ORIGINS.match(value.__name__))
    origin = getattr(value, "__module__", None)
    # Functions of torch._C are torch's functions: torch.special.erf is from torch._C._special.
    return (
        callable(value)
        and isinstance(origin, str)
        and bool(ORIGINS.match(origin))
        and not origin.startswith("torch._C")
    )


def test_no_way_through_torchs_modules_leads_to_something_forbidden() -> None:
    """A walk along every path of modules that isn't forbidden: torch.functional.F and the like."""
    leaks: set[str] = set()
    seen: set[int] = set()
    level: list[tuple[str, ModuleType]] = [("torch", torch), ("numpy", np)]
    while level:
        found = {
            path: value
            for module_path, module in level
            for path, value in members(module, module_path)
            if _leads_astray(value)
            or (isinstance(value, ModuleType) and value.__name__.startswith(("torch.", "numpy.")))
        }
        stopped = flagged(found)
        level = []
        for path, value in found.items():
            if path in stopped:
                continue
            if _leads_astray(value) and not HARMLESS.search(path):
                leaks.add(path)
            elif isinstance(value, ModuleType) and id(value) not in seen:
                seen.add(id(value))
                level.append((path, value))
    assert leaks == set()
    assert len(seen) > 100


def test_the_private_functions_of_torch_are_allowed_unless_they_differentiate() -> None:
    """`torch._foreach_add` and `torch._assert` are functions like others; modules are not."""
    private = [
        name
        for name in names_of(torch, "torch")
        if name.startswith("torch._") and callable(getattr(torch, name[6:]))
    ]
    assert {name for name in flagged(private) if not hasattr(getattr(torch, name[6:]), "__path__")}
    assert flagged(private) <= FORBIDDEN


# --- what the assignments add ---------------------------------------------------------------------


SOFTMAX = re.compile(r"softmax|softmin|logsumexp|logcumsumexp|_loss$|cross_entropy|kl_div", re.I)
WINDOWS = re.compile(r"conv(olution|[123]d|_)|pool|unfold|(?<!un)fold$|im2col|col2im", re.I)
# They have nothing to do with windows, or run on no CPU.
OTHERS = re.compile(r"graph_pool|_convert|MemPool|mem_pool|is_.*conv|can_cast|miopen|cudnn")


@pytest.mark.parametrize(
    ("assignment", "kind"), [("a2_losses", SOFTMAX), ("a3_convolution", WINDOWS)]
)
@pytest.mark.parametrize("path", ["torch", "torch.Tensor", "torch.special", "torch.sparse"])
def test_an_assignment_forbids_what_does_its_task(
    assignment: str, kind: re.Pattern[str], path: str
) -> None:
    owner: Any = torch if path == "torch" else getattr(torch, path[6:])
    public = [n for n in names_of(owner, path) if not n.rpartition(".")[2].startswith("_")]
    task = {n for n in public if kind.search(n.rpartition(".")[2]) and not OTHERS.search(n)}
    assert task - flagged(public, course_policy(assignment)) == set()


ALLOWED = {
    "a2_losses": """
        torch.logaddexp(x, x) | torch.logaddexp2(x, x) | torch.sigmoid(x) | torch.log1p(x)
        torch.xlogy(x, x) | torch.special.xlogy(x, x) | torch.special.expit(x) | torch.exp(x)
        torch.special.log1p(x) | torch.log(x) | x.exp() | x.log() | x.amax() | x.logaddexp(x)
        torch.gather(x, 0, x) | x.scatter(0, x, x) | torch.tanh(x) | torch.where(x, x, x)
        torch.special.xlog1py(x, x) | torch.special.entr(x) | torch.logit(x) | torch.nansum(x)
        torch.linalg.norm(x) | torch.special.log_ndtr(x) | torch.clamp(x) | torch.cdist(x, x)
        numpy.logaddexp.reduce(x) | softmax(x) | log_softmax(x) | own.softmax(x) | x.sigmoid()
    """,
    "a3_convolution": """
        torch.as_strided(x, (1,), (1,)) | x.as_strided((1,), (1,)) | x.index_add(0, x, x)
        x.scatter_add(0, x, x) | x.scatter(0, x, x) | torch.einsum("i", x) | x.flip(0)
        x.unflatten(0, x) | torch.gather(x, 0, x) | x.take_along_dim(x) | torch.fft.rfft2(x)
        numpy.lib.stride_tricks.sliding_window_view(x, 2) | numpy.lib.stride_tricks.as_strided(x)
        numpy.convolve(x, x) | x.repeat_interleave(2) | torch.amax(x, 0) | x.index_put((x,), x)
        conv2d(x) | unfold(x) | fold(x) | max_pool2d(x) | x.view(1) | own.unfold(x) | own.conv2d(x)
        torch.roll(x, 1) | torch.nonzero(x) | torch.meshgrid(x) | torch.matmul(x, x) | x.reshape(1)
    """,
}
OWN = """
import torch, numpy
def softmax(x): return x
def log_softmax(x): return x
def conv2d(x): return x
def unfold(x): return x
def fold(x): return x
def max_pool2d(x): return x
class Own:
    def softmax(self, x): return softmax(x)
    def unfold(self, x): return unfold(x)
    def conv2d(self, x): return conv2d(x)
own = Own()
"""


@pytest.mark.parametrize("assignment", ALLOWED)
def test_an_assignment_leaves_what_its_task_is_built_from(assignment: str) -> None:
    expressions = [e.strip() for e in re.split(r"[|\n]", ALLOWED[assignment]) if e.strip()]
    names = [f"f{i}" for i in range(len(expressions))]
    lines = [f"def {n}(x): return {e}" for n, e in zip(names, expressions, strict=True)]
    report = check(OWN + "\n".join(lines), names, course_policy(assignment))
    assert [v.message for found in report.by_function.values() for v in found] == []
    assert len(expressions) > 25


@pytest.mark.parametrize(
    ("assignment", "expression"),
    [
        ("a2_losses", "torch.softmax(x, 0)"),
        ("a2_losses", "x.softmax(0)"),
        ("a2_losses", "x.exp().log_softmax(0)"),
        ("a2_losses", "torch.Tensor.softmax(x, 0)"),
        ("a2_losses", "torch.special.logsumexp(x, 0)"),
        ("a2_losses", "torch.masked.softmax(x, 0)"),
        ("a2_losses", "getattr(x, 'log' + '_softmax')(0)"),
        ("a2_losses", "torch.distributions.Categorical(logits=x)"),
        ("a3_convolution", "torch.conv2d(x, x)"),
        ("a3_convolution", "x.unfold(0, 1, 1)"),
        ("a3_convolution", "torch.Tensor.unfold(x, 0, 1, 1)"),
        ("a3_convolution", "torch.max_pool2d(x, 2)"),
        ("a3_convolution", "torch._convolution(x)"),
        ("a3_convolution", "getattr(torch, 'conv' + '2d')(x, x)"),
        ("a3_convolution", "torch.nn.functional.unfold(x, 2)"),
        ("a4_optimizers", "torch.optim.SGD([x])"),
        ("a4_optimizers", "torch._fused_adam_(x)"),
    ],
)
def test_an_assignment_forbids_its_task_under_any_name(assignment: str, expression: str) -> None:
    report = check(
        f"import torch\ndef f(x): return {expression}\n", policy=course_policy(assignment)
    )
    assert report.by_function["f"]
