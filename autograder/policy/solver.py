"""Values that flow: a set of nodes, each holding the abstract values it may have.

`link(a, b)` says that whatever reaches a reaches b; `listen(a, react)` calls `react` once for every
value that reaches a. Values only ever get more, so the order of statements doesn't matter and the
process ends. (The method is Andersen's points-to analysis, 1994, solved with a work list.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

__all__ = ["Node", "Solver", "TooIntricate"]

Atom = object
React = Callable[[Atom], None]


class TooIntricate(Exception):
    """The flow of values takes more steps than any honest file needs."""


class Node:
    """A place that holds values: a variable, an attribute, the result of an expression."""

    __slots__ = ("arguments", "atoms", "counts", "reactions", "sources", "targets")

    def __init__(self) -> None:
        # Of the result of a call: what went into it. `make(op)` may return what calls op.
        self.arguments: list[Node] = []
        self.sources: list[Node] = []
        self.counts: dict[type, int] = {}
        self.atoms: set[Atom] = set()
        # In order, and each once: operators on objects ask for the same link again and again.
        self.targets: dict[Node, None] = {}
        self.reactions: list[React] = []


class Solver:
    """The work list. `run` returns once nothing changes any more.

    `bounds` says of some types of atoms how many a node may have; of more than that, it has what
    the function beside the number makes of them instead.
    """

    def __init__(
        self, bounds: Mapping[type, tuple[int, Callable[[Atom], Atom]]], budget: int
    ) -> None:
        self._queue: deque[tuple[Node, Atom]] = deque()
        self._bounds = bounds
        self._budget = budget

    def add(self, node: Node, *atoms: Atom) -> None:
        """Let `node` have `atoms`."""
        for atom in atoms:
            if atom in node.atoms:
                continue
            kind = type(atom)
            if kind in self._bounds:
                most, instead = self._bounds[kind]
                count = node.counts.get(kind, 0) + 1
                if count > most:
                    atom = instead(atom)
                    if atom in node.atoms:
                        continue
                else:
                    node.counts[kind] = count
            node.atoms.add(atom)
            self._queue.append((node, atom))

    def link(self, source: Node, target: Node) -> None:
        """Let `target` have all that `source` has or will have."""
        if source is target or target in source.targets:
            return
        source.targets[target] = None
        target.sources.append(source)
        self.add(target, *source.atoms)

    def listen(self, node: Node, react: React) -> None:
        """Call `react` for each value that `node` has or will have."""
        node.reactions.append(react)
        for atom in tuple(node.atoms):
            self._spend()
            react(atom)

    def make(self, *atoms: Atom, sources: Iterable[Node] = ()) -> Node:
        """A new node with these values and those of `sources`."""
        node = Node()
        self.add(node, *atoms)
        for source in sources:
            self.link(source, node)
        return node

    def run(self) -> None:
        """Spread all values. Raises TooIntricate."""
        queue = self._queue
        while queue:
            node, atom = queue.popleft()
            self._spend(1 + len(node.targets) + len(node.reactions))
            for target in tuple(node.targets):
                self.add(target, atom)
            for react in tuple(node.reactions):
                react(atom)

    def _spend(self, steps: int = 1) -> None:
        self._budget -= steps
        if self._budget < 0:
            raise TooIntricate
