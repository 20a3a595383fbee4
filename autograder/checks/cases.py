"""Arguments of a call as a hypothesis strategy: shared dimensions, layouts, dtypes.

    arguments(x=tensors("*batch d"), w=tensors("d e"), k=lambda x: st.integers(0, x.ndim))

A dimension string names dimensions; the same name is the same size throughout the call. `*name`
stands for any number of leading dimensions, which may be empty and, where a variation asks for
it, of size 0. `~name` is `*name` as broadcasting sees it: each tensor that says so gets its own
version, with some dims 1 and some leading dims left out. A parameter given as a function is
drawn after the parameters that the function names.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks.values import Values, normal

__all__ = [
    "Arguments",
    "Case",
    "TensorSpec",
    "Variation",
    "arguments",
    "combinations",
    "custom",
    "tensors",
]

LAYOUTS = ("permuted", "sliced", "expanded")
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True, slots=True)
class Variation:
    """How a check varies the same arguments.

    `sides` are the smallest and largest size of a dimension, `leading` the largest number of
    leading dims, `smooth` keeps values away from kinks and ties (for numerical derivatives).
    """

    dtype: torch.dtype = torch.float64
    sides: tuple[int, int] = (1, 4)
    leading: int = 3
    empty: bool = False
    strided: bool = False
    smooth: bool = False
    values: str = "ordinary"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor parameter: its dimensions and where its values come from.

    `smooth` replaces `values` where a numerical derivative is taken, `extreme` where a check
    asks for hostile magnitudes.
    """

    dims: str
    values: Values = field(default_factory=normal)
    smooth: Values | None = None
    extreme: Values | None = None

    def values_for(self, variation: Variation) -> Values:
        if variation.smooth and self.smooth is not None:
            return self.smooth
        if variation.values == "extreme" and self.extreme is not None:
            return self.extreme
        return self.values


def tensors(
    dims: str,
    values: Values | None = None,
    *,
    smooth: Values | None = None,
    extreme: Values | None = None,
) -> TensorSpec:
    """A tensor parameter with the dimensions that `dims` names."""
    return TensorSpec(dims, normal() if values is None else values, smooth, extreme)


@dataclass(frozen=True, slots=True)
class Case:
    """The arguments of one call, by name and in order.

    `memo` is for what a check computes from them (the truth, say): a case is used again for the
    next submission.
    """

    arguments: Mapping[str, Any]
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(self.arguments.values())

    def describe(self, extra: Mapping[str, Any] | None = None) -> str:
        """The input in words: shapes, and values if they are few."""
        given = {**(extra or {}), **self.arguments}
        return ", ".join(f"{name} = {show(value)}" for name, value in given.items())


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parameters of a function and how to draw them."""

    build: Callable[[TensorDrawer], Mapping[str, Any]]

    def cases(self, variation: Variation | None = None) -> st.SearchStrategy[Case]:
        """A strategy of calls under `variation`."""
        return _case(self.build, Variation() if variation is None else variation)


# One composite for all: hypothesis inspects a composite's source each time one is defined.
@st.composite
def _case(
    draw: Draw, build: Callable[[TensorDrawer], Mapping[str, Any]], variation: Variation
) -> Case:
    return Case(dict(build(TensorDrawer(draw, variation))))


def custom(build: Callable[[TensorDrawer], Mapping[str, Any]]) -> Arguments:
    """Arguments made by a function of a `TensorDrawer`, where dimension strings don't suffice."""
    return Arguments(build)


def arguments(**parameters: Any) -> Arguments:
    """The parameters of a call: tensors, hypothesis strategies, functions, or plain constants."""

    def build(drawer: TensorDrawer) -> dict[str, Any]:
        made: dict[str, Any] = {}
        waiting = dict(parameters)
        while waiting:
            for name, spec in list(waiting.items()):
                if isinstance(spec, TensorSpec):
                    made[name] = drawer.tensor(spec)
                elif isinstance(spec, st.SearchStrategy):
                    made[name] = drawer.draw(spec)
                elif inspect.isfunction(spec):
                    needed = list(inspect.signature(spec).parameters)
                    if any(need not in made for need in needed):
                        continue
                    made[name] = drawer.draw(spec(**{need: made[need] for need in needed}))
                else:
                    made[name] = spec
                del waiting[name]
        return {name: made[name] for name in parameters}

    return Arguments(build)


def combinations(**choices: Sequence[Any]) -> list[dict[str, Any]]:
    """Every way to take one of each parameter's choices: for `for_each`.

    The first choice is the plain one: combinations that depart from it least come first.
    """
    plain = [options[0] for options in choices.values()]
    every = itertools.product(*choices.values())
    made = sorted(every, key=lambda chosen: sum(map(_differs, chosen, plain)))
    return [dict(zip(choices, chosen, strict=True)) for chosen in made]


def _differs(left: Any, right: Any) -> bool:
    return bool(left != right)


# Hypothesis looks into each new strategy object before it draws from it: half of a draw's time.
@functools.cache
def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@functools.cache
def _booleans(count: int) -> st.SearchStrategy[list[bool]]:
    return st.lists(st.booleans(), min_size=count, max_size=count)


_LAYOUT = st.sampled_from(LAYOUTS)


class TensorDrawer:
    """Draws tensors whose dimension names agree within one call."""

    def __init__(self, draw: Draw, variation: Variation) -> None:
        self.draw = draw
        self.variation = variation
        self._sizes: dict[str, int] = {}
        self._leading: dict[str, tuple[int, ...]] = {}
        self._generator: torch.Generator | None = None

    @property
    def generator(self) -> torch.Generator:
        """Where the numbers of this call come from."""
        if self._generator is None:
            seed = self.draw(_integers(0, 2**32 - 1))
            self._generator = torch.Generator().manual_seed(seed)
        return self._generator

    def size(self, name: str) -> int:
        """The size of the dimension `name` (at least 1)."""
        if name not in self._sizes:
            low, high = self.variation.sides
            self._sizes[name] = self.draw(_integers(low, high))
        return self._sizes[name]

    def leading(self, name: str) -> tuple[int, ...]:
        """The sizes of the leading dimensions `name`; with an `empty` variation one is 0."""
        if name not in self._leading:
            low, high = self.variation.sides
            # Not st.lists: it favours short ones, and errors hide in the third dimension.
            rank = self.draw(_integers(0, self.variation.leading))
            shape = [self.draw(_integers(low, high)) for _ in range(rank)]
            if self.variation.empty:
                shape = shape or [1]
                shape[self.draw(_integers(0, len(shape) - 1))] = 0
            self._leading[name] = tuple(shape)
        return self._leading[name]

    def broadcast(self, name: str) -> tuple[int, ...]:
        """One version of the leading dimensions `name` that broadcasts with the others."""
        shape = self.leading(name)
        ones = self.draw(_booleans(len(shape)))
        own = tuple(1 if one else n for one, n in zip(ones, shape, strict=True))
        return own[self.draw(_integers(0, len(own))) :]

    def shape(self, dims: str) -> tuple[int, ...]:
        """The sizes that a dimension string stands for."""
        sizes: list[int] = []
        for name in dims.split():
            if name.startswith("*"):
                sizes.extend(self.leading(name[1:]))
            elif name.startswith("~"):
                sizes.extend(self.broadcast(name[1:]))
            elif name.isdigit():
                sizes.append(int(name))
            else:
                sizes.append(self.size(name))
        return tuple(sizes)

    def tensor(self, spec: TensorSpec) -> Tensor:
        """A tensor for `spec`, with the variation's dtype and layout."""
        return self.tensor_of(self.shape(spec.dims), spec.values_for(self.variation))

    def tensor_of(self, shape: tuple[int, ...], values: Values | None = None) -> Tensor:
        """A tensor of a known shape, with the variation's dtype and layout."""
        made = (normal() if values is None else values)(shape, self.generator)
        if made.is_floating_point():
            made = made.to(self.variation.dtype)
        if not self.variation.strided:
            return made
        return laid_out(made, self.draw(_LAYOUT))


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """The same values (but for `expanded`, which repeats some) as a non-contiguous view."""
    if layout == "expanded":
        wide = [dim for dim, n in enumerate(tensor.shape) if n > 1]
        if wide:
            return tensor.narrow(wide[0], 0, 1).expand(tensor.shape)
    if layout == "permuted" and tensor.ndim > 1:
        order = list(range(tensor.ndim))[::-1]
        return tensor.permute(order).contiguous().permute(order)
    room = torch.full([2 * n + 1 for n in tensor.shape] or [3], 7, dtype=tensor.dtype)
    window = tuple(slice(1, 2 * n + 1, 2) for n in tensor.shape) if tensor.ndim else (1,)
    room[window] = tensor
    return room[window]


def with_dtype(variation: Variation, dtype: torch.dtype) -> Variation:
    """The same variation in another dtype."""
    return replace(variation, dtype=dtype)


def show(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
        layout = "" if value.is_contiguous() else f" with strides {value.stride()}"
        if 0 < value.numel() <= 12:
            return f"{kind}{layout} {_rounded(value.tolist())}"
        return f"{kind}{layout}"
    if isinstance(value, list):
        return "[" + ", ".join(map(show, value)) + "]"
    return str(tuple(value)) if isinstance(value, torch.Size) else repr(value)


def _rounded(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_rounded(element) for element in value) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
