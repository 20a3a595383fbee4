"""The submissions that a validation grades: what must get everything, and what must get nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from autograder.assignment import Assignment
from autograder.misconceptions import Misconception
from autograder.stub import render_stub
from autograder.swap import swapped_source

__all__ = ["Candidate", "candidates"]

Kind = Literal["solution", "stub", "trivial", "misconception"]

# Wrapped around the reference solution, so that structure and shapes are always right: the best
# that an answer without any thought could be.
_TRIVIAL = """

import torch as _torch


def _first(given, otherwise):
    for value in given:
        if isinstance(value, tuple | list):
            value = _first(value, None)
        if isinstance(value, _torch.Tensor):
            return value
    return otherwise


def _answer(like, given):
    if isinstance(like, _torch.Tensor):
        {body}
    if isinstance(like, tuple | list):
        return type(like)(_answer(element, given) for element in like)
    if isinstance(like, float):
        {number}
    return like


def _trivially(function):
    def trivial(*args, **kwargs):
        given = [*args, *kwargs.values()]
        {whole}

    return trivial


{assignments}
"""

_BODIES = {
    "zeros": ("return _torch.zeros_like(like)", "return 0.0"),
    "ones": ("return _torch.ones_like(like)", "return 1.0"),
    "random": (
        "return _torch.rand(like.shape, dtype=_torch.float64).to(like.dtype)",
        "return 0.37",
    ),
    "input": (
        "return _first(given, like)",
        "return float(next(v for v in given if v is not None))",
    ),
    "shape_only": ("return _torch.full_like(like, 0.5)", "return 0.5"),
    "none": ("return None", "return None"),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A submission whose grade is known beforehand."""

    kind: Kind
    name: str
    files: dict[str, bytes]
    seed: int = 0
    exercise: str = ""
    replaces: str = ""


def candidates(assignment: Assignment, seeds: int = 3) -> Iterator[Candidate]:
    """Solution (under several seeds), stub, trivial answers, every misconception."""
    files = assignment.solution_files
    main = assignment.config.files[0]
    for seed in range(seeds):
        yield Candidate("solution", f"seed {seed}", files, seed)
    stubs = {name: render_stub(content.decode(), name).encode() for name, content in files.items()}
    yield Candidate("stub", "handout", stubs)
    source = files[main].decode()
    for name in _BODIES:
        trivial = source + trivial_source(name, assignment.config.functions)
        yield Candidate("trivial", name, {**files, main: trivial.encode()})
    for misconception in assignment.misconceptions:
        yield Candidate(
            "misconception",
            misconception.id,
            _swapped(files, misconception),
            exercise=misconception.exercise,
            replaces=misconception.replaces,
        )


def _swapped(files: dict[str, bytes], misconception: Misconception) -> dict[str, bytes]:
    name = f"{misconception.module}.py"
    return {**files, name: swapped_source(files[name].decode(), misconception).encode()}


def trivial_source(name: str, functions: tuple[str, ...]) -> str:
    """Code that, appended to a solution, makes every function answer trivially."""
    body, number = _BODIES[name]
    whole = "return _answer(function(*args, **kwargs), given)"
    return _TRIVIAL.format(
        body=body,
        number=number,
        whole="return None" if name == "none" else whole,
        assignments="\n".join(f"{f} = _trivially({f})" for f in functions),
    )
