"""Journeys of stateful steps: which parameters go how far, in what order, from which states."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from autograder.checks.cases import LAYOUTS, TensorDrawer, Variation, laid_out, show
from autograder.checks.values import Values, signed

__all__ = ["PARAMETERS", "Journey", "Run", "branching", "journeys_of", "learning_rates"]

# Not near 0, so that a step is never all that there is of a parameter: its rounding would be, too.
PARAMETERS = signed(0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Run:
    """One parameter on its way: where it starts, and what it is given at each step.

    With `branches = (other, n)` the first n steps are those of the run number `other`, and aren't
    taken again: the run goes on from the parameter and the state that it had then.
    """

    param: Tensor
    grads: Sequence[Tensor]
    rates: Sequence[float]
    branches: tuple[int, int] | None = None

    def describe(self, steps: int | None = None) -> str:
        """In words, up to the step that matters."""
        grads, rates = list(self.grads[:steps]), list(self.rates[:steps])
        lr = str(rates[0]) if len(set(rates)) == 1 else f"{rates} in turn"
        return f"param = {show(self.param)}, grads = {show(torch.stack(grads))}, lr = {lr}"


@dataclass(frozen=True, slots=True)
class Journey:
    """Runs with the same hyperparameters, and `order`: whose turn it is at each call."""

    runs: Sequence[Run]
    settings: Mapping[str, Any]
    order: Sequence[int]

    def describe(self, run: int = 0, steps: int | None = None) -> str:
        """The run that matters, in words."""
        names = "".join(f", {name} = {value!r}" for name, value in self.settings.items())
        return f"{self.runs[run].describe(steps)}{names}"

    def walk(self, step: Callable[..., Any]) -> Iterator[tuple[int, int, Any]]:
        """Take all steps: yields the run, the number of its step, and what `step` returned.

        `step` is called like a student's function; each new parameter and state is kept as it is.
        """
        reached: dict[tuple[int, int], tuple[Tensor, Any]] = {}
        taken: dict[int, int] = {}
        for i in self.order:
            run = self.runs[i]
            if i not in taken:
                taken[i] = 0 if run.branches is None else run.branches[1]
                start = (run.param, {}) if run.branches is None else reached[run.branches]
                reached[i, taken[i]] = start
            n = taken[i]
            param, state = reached[i, n]
            answer = step(param, run.grads[n], state, lr=run.rates[n], **self.settings)
            taken[i] = n + 1
            yield i, n + 1, answer
            new_param, new_state = answer
            reached[i, n + 1] = (new_param, new_state)


def branching(journey: Journey) -> Journey:
    """Two runs that take turns; then one goes back to its first step, and starts again, too."""
    first, last = journey.runs[0], journey.runs[-1]
    grads, rates = list(first.grads), list(first.rates)
    branch = replace(
        first, grads=[grads[0], *grads[:0:-1]], rates=[rates[0], *rates[:0:-1]], branches=(0, 1)
    )
    again = replace(first, grads=grads[::-1])
    order = (0, 0, 1, 0, 1, 2, 2, 0, 3, 1, 3)
    return replace(journey, runs=(first, last, branch, again), order=order)


def learning_rates(steps: int, generator: torch.Generator) -> tuple[float, ...]:
    """Learning rates between 0.02 and 0.1, all different."""
    unit = torch.rand(steps, generator=generator, dtype=torch.float64)
    return tuple(round(rate, 3) for rate in (0.02 + 0.08 * unit).tolist())


# One composite for all: hypothesis inspects a composite's source each time one is defined.
@st.composite
def journeys_of(
    draw: Callable[[st.SearchStrategy[Any]], Any],
    variation: Variation,
    runs: int,
    steps: int,
    settings: st.SearchStrategy[Mapping[str, Any]],
    gradients: Values,
    zeros: bool,
) -> Journey:
    chosen = draw(settings)
    changing = draw(st.booleans())
    made = []
    for _ in range(draw(st.integers(1, runs))):
        drawer = TensorDrawer(draw, variation)
        shape = drawer.leading("shape")
        param = drawer.tensor_of(shape, PARAMETERS)
        generator = drawer.generator
        grads = gradients((steps, *shape), generator).to(variation.dtype)
        if zeros:
            kept = torch.rand((steps, *shape), generator=generator) < 0.8
            kept &= torch.rand((steps, *[1] * len(shape)), generator=generator) < 0.5
            grads = torch.where(kept, grads, 0.0)
        layout = draw(st.sampled_from(LAYOUTS)) if variation.strided else None
        made.append(
            Run(
                param,
                [grad if layout is None else laid_out(grad, layout) for grad in grads],
                learning_rates(steps, generator) if changing else (0.1,) * steps,
            )
        )
    order = [i for _ in range(steps) for i in range(len(made))]
    return Journey(tuple(made), chosen, tuple(order))
