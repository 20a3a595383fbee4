"""What the worker watches: every name exists, what is allowed doesn't trip, what isn't does."""

from __future__ import annotations

import inspect
import tomllib
import warnings
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .conftest import BY_HAND, COURSE, Policy, course_policy, tripwires

ASSIGNMENTS = [
    path.stem
    for path in sorted((COURSE / "grading_configs").glob("*.toml"))
    if "policy" in tomllib.loads(path.read_text("utf-8"))
]


class Operators(TorchDispatchMode):
    """Notes the operators that run."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.names.add(func._schema.name)
        return func(*args, **(kwargs or {}))


def operators_of(work: Callable[[], object]) -> set[str]:
    """The names of the operators that `work` runs, as a student's function would run them."""
    with warnings.catch_warnings(), torch.no_grad(), Operators() as operators:
        warnings.simplefilter("ignore")
        work()
    return operators.names


def watched(names: set[str], policy: Policy) -> set[str]:
    _, patterns = tripwires(policy)
    return {n for n in names if any(fnmatchcase(n, pattern) for pattern in patterns)}


def _operator_names() -> set[str]:
    return {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("aten::")}


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_name_exists(assignment: str) -> None:
    names, _ = tripwires(course_policy(assignment))
    for name in names:
        owner_name, _, attribute = name.rpartition(".")
        owner: Any = torch
        for part in owner_name.split(".")[1:]:
            owner = getattr(owner, part)
        if attribute == "*":
            assert any(callable(value) for value in vars(owner).values()), name
        else:
            inspect.getattr_static(owner, attribute)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_every_operator_pattern_matches_an_operator(assignment: str) -> None:
    known = {name.partition(".")[0] for name in _operator_names()}
    _, patterns = tripwires(course_policy(assignment))
    bare = {p.removeprefix("!") for p in patterns}
    nothing = {p for p in bare if not any(fnmatchcase(name, p) for name in known)}
    assert nothing == set()


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_no_tripwire_is_named_twice(assignment: str) -> None:
    names, patterns = tripwires(course_policy(assignment))
    assert len(set(names)) == len(names)
    assert len(set(patterns)) == len(patterns)


def test_derivatives_are_watched_under_their_own_names() -> None:
    names, patterns = tripwires(BY_HAND)
    assert {
        "torch.autograd.grad",
        "torch.autograd.backward",
        "torch.Tensor.backward",
        "torch.Tensor.requires_grad_",
        "torch.autograd.Function.apply",
        "torch.func.*",
        "torch.nn.functional.*",
        "torch.vmap",
        "torch.gradient",
        "torch.compile",
    } <= set(names)
    assert any(fnmatchcase("aten::_softmax_backward_data", p) for p in patterns)


def test_a_policy_without_rules_watches_only_what_the_config_names() -> None:
    policy = Policy(
        rules=(),
        forbid=("torch.conv2d", "torch.conv*", "numpy.convolve"),
        methods=("unfold",),
        operators=("aten::im2col",),
    )
    assert tripwires(policy) == (("torch.conv2d", "torch.Tensor.unfold"), ("aten::im2col",))


def test_what_is_allowed_again_is_not_watched() -> None:
    policy = Policy(rules=("no-autodiff",), allow=("torch.vmap",))
    assert "torch.vmap" not in tripwires(policy)[0]
    assert "torch.vmap" in tripwires(Policy(rules=("no-autodiff",)))[0]


def allowed_work() -> Iterator[tuple[str, Callable[[], object]]]:
    """What students build from: all of it may run in every assignment without a trip."""
    x = torch.linspace(0.1, 0.9, 12, dtype=torch.float64).reshape(3, 4)
    unary = """
        abs acos amax amin argmax argsort asin atan ceil clone cos cosh cov deg2rad digamma erf
        erfc erfinv exp exp2 expm1 flatten fliplr floor frac isfinite lgamma log log10 log1p log2
        logit max mean median min msort nan_to_num neg norm prod reciprocal relu round rsqrt sgn
        sigmoid sign sin sinc sinh sort sqrt square std sum tan tanh trace trunc unique var
        hardshrink celu selu
    """
    for name in unary.split():
        yield name, partial(getattr(torch, name), x)
    for name in ("cummax", "cummin", "cumprod", "cumsum", "unbind", "unsqueeze"):
        yield name, partial(getattr(torch, name), x, 0)
    yield from {
        "matmul": lambda: x @ x.mT,
        "einsum": lambda: torch.einsum("ij,kj->ik", x, x),
        "index_add": lambda: x.clone().index_add_(0, torch.tensor([0, 1]), x[:2]),
        "scatter_add": lambda: torch.zeros_like(x).scatter_add_(0, torch.zeros(3, 4).long(), x),
        "gather": lambda: x.gather(0, torch.zeros(1, 4).long()),
        "index_put": lambda: x.clone().index_put_((torch.tensor([0]),), x[0], accumulate=True),
        "as_strided": lambda: x.as_strided((2, 2), (4, 1)).sum(),
        "masked_fill": lambda: x.masked_fill(x > 0.5, 0.0),
        "where": lambda: torch.where(x > 0.5, x, -x),
        "logaddexp": lambda: torch.logaddexp(x, x),
        "xlogy": lambda: torch.special.xlogy(x, x),
        "log_ndtr": lambda: torch.special.log_ndtr(x),
        "fft": lambda: torch.fft.irfft(torch.fft.rfft(x)),
        "svd": lambda: torch.linalg.svd(x),
        "inv": lambda: torch.linalg.inv(x @ x.mT + torch.eye(3, dtype=x.dtype)),
        "vector_norm": lambda: torch.linalg.vector_norm(x, 3),
        "foreach": lambda: torch._foreach_add([x, x], 1.0),
        "in place": lambda: x.clone().mul_(2).add_(1).clamp_(min=0).sqrt_(),
        "stack and cat": lambda: torch.cat([torch.stack([x, x]).flatten(0, 1), x]),
        "cdist": lambda: torch.cdist(x, x),
        "numpy": lambda: torch.from_numpy(x.numpy().copy()) + 1,
        "random": lambda: torch.rand(3) + torch.randn(3) + torch.randint(0, 3, (3,)),
        "repr": lambda: repr(x),
        "addcdiv and lerp": lambda: x.addcdiv(x, x).lerp(x, 0.5),
    }.items()


ALLOWED = dict(allowed_work())
LAYERS: dict[str, Callable[[], object]] = {
    "softmax": lambda: torch.softmax(torch.ones(3), 0),
    "conv2d": lambda: torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)),
    "layer_norm": lambda: torch.layer_norm(torch.ones(2, 3), (3,)),
    "batch_norm": lambda: torch.batch_norm(
        torch.ones(2, 3), None, None, torch.zeros(3), torch.ones(3), True, 0.1, 1e-5, False
    ),
    "max_pool2d": lambda: torch.max_pool2d(torch.ones(1, 1, 4, 4), 2),
    "embedding": lambda: torch.embedding(torch.ones(3, 2), torch.tensor([1])),
    "dropout": lambda: torch.dropout(torch.ones(3), 0.5, True),
}


def test_what_a1_allows_trips_nothing_in_a1() -> None:
    work = {**ALLOWED, **LAYERS}
    assert {name for name in work if watched(operators_of(work[name]), BY_HAND)} == set()


@pytest.mark.parametrize("assignment", ["a2_losses", "a3_convolution", "a4_optimizers"])
def test_what_students_build_from_trips_nothing(assignment: str) -> None:
    policy = course_policy(assignment)
    assert {name for name in ALLOWED if watched(operators_of(ALLOWED[name]), policy)} == set()


SAMPLE = torch.linspace(0.1, 0.9, 4)
IMAGE = torch.ones(1, 1, 4, 4)
BACK_DOORS: dict[str, tuple[str, Callable[[], object]]] = {
    "torch._softmax": ("a2_losses", lambda: torch._softmax(SAMPLE, 0, False)),
    "torch._log_softmax": ("a2_losses", lambda: torch._log_softmax(SAMPLE, 0, False)),
    "torch._safe_softmax": ("a2_losses", lambda: torch._safe_softmax(SAMPLE, 0)),
    "x.softmax": ("a2_losses", lambda: SAMPLE.softmax(0)),
    "logsumexp": ("a2_losses", lambda: torch.logsumexp(SAMPLE, 0)),
    "_logcumsumexp": ("a2_losses", lambda: torch._logcumsumexp(SAMPLE, 0)),
    "masked": ("a2_losses", lambda: torch._masked_softmax(SAMPLE, SAMPLE > 0.5, 0)),
    "mse_loss": ("a2_losses", lambda: torch.nn.functional.mse_loss(SAMPLE, SAMPLE)),
    "bce": (
        "a2_losses",
        lambda: torch.binary_cross_entropy_with_logits(SAMPLE, SAMPLE),
    ),
    "nll": (
        "a2_losses",
        lambda: torch.nn.functional.nll_loss(SAMPLE[None], torch.tensor([1])),
    ),
    "attention": (
        "a2_losses",
        lambda: torch.nn.functional.scaled_dot_product_attention(*[IMAGE] * 3),
    ),
    "conv2d": ("a3_convolution", lambda: torch.conv2d(IMAGE, IMAGE)),
    "conv1d": ("a3_convolution", lambda: torch.conv1d(IMAGE[0], IMAGE[0])),
    "_convolution": ("a3_convolution", lambda: torch.conv_transpose2d(IMAGE, IMAGE)),
    "unfold": ("a3_convolution", lambda: SAMPLE.unfold(0, 2, 1)),
    "F.unfold": ("a3_convolution", lambda: torch.nn.functional.unfold(IMAGE, 2)),
    "F.fold": ("a3_convolution", lambda: torch.nn.functional.fold(torch.ones(1, 4, 9), 4, 2)),
    "max_pool2d": ("a3_convolution", lambda: torch.max_pool2d(IMAGE, 2)),
    "avg_pool2d": ("a3_convolution", lambda: torch.nn.functional.avg_pool2d(IMAGE, 2)),
    "adaptive": ("a3_convolution", lambda: torch._adaptive_avg_pool2d(IMAGE, (2, 2))),
    "max_pool3d": (
        "a3_convolution",
        lambda: torch.nn.functional.max_pool3d(torch.ones(1, 1, 2, 2, 2), 2),
    ),
}


@pytest.mark.parametrize("door", BACK_DOORS)
def test_a_back_door_to_the_task_trips_at_run_time(door: str) -> None:
    assignment, work = BACK_DOORS[door]
    assert watched(operators_of(work), course_policy(assignment)) != set()


def test_a_backward_operator_trips() -> None:
    def work() -> None:
        torch._softmax_backward_data(SAMPLE, SAMPLE, 0, SAMPLE.dtype)

    assert watched(operators_of(work), BY_HAND) == {"aten::_softmax_backward_data"}
