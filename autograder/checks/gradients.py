"""The oracle's gradients, and `torch.autograd.gradcheck` through the student's two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from autograder.checks.compare import CheckFailed
from autograder.outcome import Failure

__all__ = ["gradcheck", "truth", "upstream_like", "vjp"]

Function = Callable[..., Tensor]
R = TypeVar("R")


def truth(function: Callable[..., R], arguments: Mapping[str, Any]) -> R:
    """`function` of the arguments in float64, with contiguous copies, without a graph."""
    with torch.no_grad():
        return function(**{name: _exact(value) for name, value in arguments.items()})


def vjp(
    function: Function,
    arguments: Mapping[str, Any],
    wrt: Sequence[str],
    grad_output: Tensor,
) -> tuple[Tensor, ...]:
    """torch.autograd's gradients of `function` with respect to the arguments named in `wrt`.

    Everything is computed in float64; an argument that the output doesn't depend on has a
    gradient of zeros.
    """
    exact = {name: _exact(value) for name, value in arguments.items()}
    leaves = [exact[name].requires_grad_(True) for name in wrt]
    with torch.enable_grad():
        output = function(**exact)
        if not output.requires_grad:
            return tuple(torch.zeros_like(leaf).detach() for leaf in leaves)
        if output.shape != grad_output.shape:
            raise ValueError(
                f"an upstream gradient of shape {tuple(grad_output.shape)} "
                f"for an output of shape {tuple(output.shape)}"
            )
        # Of a scalar, whose upstream gradient is 1: an explicit one makes torch import its
        # compiler's symbolic shapes and sympy, 0.4 s of every cold grade.
        product = (output * grad_output.detach().double()).sum()
        return torch.autograd.grad(product, leaves, materialize_grads=True)


def upstream_like(output: Tensor, seed: int, dtype: torch.dtype) -> Tensor:
    """A random upstream gradient for `output`: never ones, so that ignoring it shows."""
    # Another stream than the arguments', which may have the same seed (0, in a smallest input).
    generator = torch.Generator().manual_seed(seed ^ 0x5EED5EED)
    return torch.randn(output.shape, generator=generator, dtype=torch.float64).to(dtype)


def gradcheck(
    forward: Function,
    backward: Callable[..., Any],
    arguments: Mapping[str, Any],
    wrt: Sequence[str],
    *,
    forward_name: str,
    backward_name: str,
) -> None:
    """Compare `backward` with numerical derivatives of `forward` (both the student's).

    `forward(**arguments)` returns a tensor; `backward(grad_output, arguments, output)` returns
    the gradients. Uses torch.autograd.gradcheck in float64 (central differences, eps 1e-6).
    Raises CheckFailed.
    """
    fixed = {name: value for name, value in arguments.items() if name not in wrt}

    class Node(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *leaves: Tensor) -> Any:
            given = _assemble(arguments, wrt, leaves, fixed)
            output = forward(**given)
            ctx.given, ctx.output = given, output
            return output

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            result = backward(grads[0].contiguous(), ctx.given, ctx.output)
            return tuple(result) if isinstance(result, tuple | list) else result

    leaves = tuple(_exact(arguments[name]).requires_grad_(True) for name in wrt)
    try:
        torch.autograd.gradcheck(
            Node.apply, leaves, eps=1e-6, atol=1e-6, rtol=1e-4, check_undefined_grad=False
        )
    except GradcheckError as error:
        raise CheckFailed(_gradcheck_failure(str(error), forward_name, backward_name)) from None


def _gradcheck_failure(text: str, forward: str, backward: str) -> Failure:
    if "not multiplied by grad_output" in text:
        return Failure(
            f"`{backward}` gives gradients that are not zero for an upstream gradient of zeros",
            help="Every term of a gradient has grad_output as a factor.",
        )
    rationale = f"`{backward}` does not agree with numerical derivatives of your own `{forward}`"
    return Failure(rationale, *_jacobians(text))


def _assemble(
    arguments: Mapping[str, Any],
    wrt: Sequence[str],
    leaves: Sequence[Tensor],
    fixed: Mapping[str, Any],
) -> dict[str, Any]:
    moving = dict(zip(wrt, (leaf.detach() for leaf in leaves), strict=True))
    return {name: moving[name] if name in moving else fixed[name] for name in arguments}


def _jacobians(text: str) -> tuple[str | None, str | None]:
    numerical, analytical = None, None
    if "numerical:" in text and "analytical:" in text:
        head, tail = text.split("analytical:", 1)
        numerical = "a Jacobian of " + _squeeze(head.split("numerical:", 1)[1])
        analytical = "a Jacobian of " + _squeeze(tail)
    return numerical, analytical


def _squeeze(text: str) -> str:
    inside = text.strip().removeprefix("tensor(")
    inside = inside.split(", dtype", 1)[0].split(")\n", 1)[0]
    return " ".join(inside.split())[:160]


def _exact(value: Any) -> Any:
    if isinstance(value, Tensor):
        copy = value.detach().clone(memory_format=torch.contiguous_format)
        return copy.double() if copy.is_floating_point() else copy
    if isinstance(value, list):
        return [_exact(element) for element in value]
    return value
