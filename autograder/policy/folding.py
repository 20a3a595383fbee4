"""Operations on strings whose values are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

from autograder.policy.analysis import Analysis
from autograder.policy.solver import Node
from autograder.policy.texts import Known
from autograder.policy.values import Some, Text

__all__ = ["fold"]

# A variable that may hold more strings than this counts as unknown.
_MOST_COMBINATIONS = 64


def fold(
    a: Analysis,
    nodes: Sequence[Node],
    make: Callable[[Sequence[Known]], Known | None],
    result: Node,
) -> None:
    """Let `result` have `make(values)` for all known values of `nodes`.

    It also has "anything" if one of them may be something else, or if `make` doesn't know.
    """
    known: list[list[Known]] = [[] for _ in nodes]

    def combine() -> None:
        if math.prod(map(len, known)) > _MOST_COMBINATIONS:
            a.solver.add(result, Some.OUTSIDE)
            return
        for values in product(*known):
            made = make(values)
            a.solver.add(result, Some.OUTSIDE if made is None else Text(made))

    def react(index: int, atom: object) -> None:
        if not isinstance(atom, Text) or len(known[index]) >= _MOST_COMBINATIONS:
            a.solver.add(result, Some.OUTSIDE)
        elif atom.value not in known[index]:
            known[index].append(atom.value)
            combine()

    for index, node in enumerate(nodes):
        a.solver.listen(node, lambda atom, index=index: react(index, atom))  # type: ignore[misc]
    if not nodes:
        combine()
