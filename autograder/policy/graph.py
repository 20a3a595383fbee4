"""What can be reached from where: the call graph, with containers and objects as inner nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from autograder.policy.solver import Node
from autograder.policy.units import Site
from autograder.policy.values import (
    Bound,
    Box,
    BoxMethod,
    Class,
    Forbidden,
    Function,
    Instance,
    Maker,
    Many,
    Partial,
    Product,
    Super,
)

__all__ = ["ANY", "Graph"]

# Stands for every attribute name: some code asks for a name that isn't known.
ANY = "*"


class Graph:
    """Edges that the analysis found, and those that follow from what a value holds."""

    def __init__(self) -> None:
        self._edges: defaultdict[object, list[object]] = defaultdict(list)
        self._runs: defaultdict[object, list[object]] = defaultdict(list)
        self._asked: defaultdict[object, set[str]] = defaultdict(set)
        self.open_classes: set[Class] = set()
        self.parameters: set[Node] = set()

    def edge(self, source: object, target: object) -> None:
        """Whoever reaches `source` reaches `target`."""
        self._edges[source].append(target)

    def run(self, source: object, target: object) -> None:
        """When `source` runs, so does `target`."""
        self._runs[source].append(target)

    def executed(self, root: object) -> dict[Site, None]:
        """The forbidden things that happen when `root` runs, in the order of discovery."""
        sites: dict[Site, None] = {}
        seen: set[object] = {root}
        stack = [root]
        while stack:
            item = stack.pop()
            if isinstance(item, Site):
                sites[item] = None
            targets = list(self._runs.get(item, ()))
            if isinstance(item, Node):
                targets += [atom for atom in item.atoms if not isinstance(atom, Box)]
            elif isinstance(item, Bound | Partial | Forbidden):
                targets += _holds(item)
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)
        return sites

    def ask(self, source: object, attribute: str) -> None:
        """Whoever reaches `source` asks some object for `attribute`."""
        self._asked[source].add(attribute)

    def reach(self, *roots: object) -> dict[Site, None]:
        """The sites that can be reached from `roots`, in the order of discovery.

        A method or attribute of an object counts only once some code that is reached asks for its
        name, or if Python asks for it by itself (`__init__`, `__matmul__`).
        """
        sites: dict[Site, None] = {}
        seen: set[object] = set(roots)
        asked: set[str] = set()
        waiting: defaultdict[str, list[object]] = defaultdict(list)
        stack: list[object] = list(roots)

        def push(targets: Iterable[object]) -> None:
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    stack.append(target)

        while stack:
            item = stack.pop()
            if isinstance(item, Site):
                sites[item] = None
                continue
            push(self._edges.get(item, ()))
            push(_holds(item))
            if isinstance(item, Node) and item not in self.parameters:
                # What a parameter holds depends on the caller, who is asked instead.
                push(node for node in item.sources if node not in self.parameters)
                push(node for node in item.arguments if node not in self.parameters)
            for name in self._asked.get(item, ()):
                if name not in asked:
                    asked.add(name)
                    if name == ANY:
                        for targets in waiting.values():
                            push(targets)
                    else:
                        push(waiting.pop(name, ()))
            for member, node in self._members(item):
                if member is None or member in asked or ANY in asked or _by_python(member):
                    push((node,))
                else:
                    waiting[member].append(node)
        return sites

    def _members(self, item: object) -> Iterator[tuple[str | None, Node]]:
        """The attributes of an object; None as name: reached with the object itself."""
        if isinstance(item, Class):
            unknown_callers = item in self.open_classes
            for table in (item.scope.variables, item.fields):
                for name, node in table.items():
                    yield (None if unknown_callers else name), node
        elif isinstance(item, Instance | Function):
            yield from item.fields.items()


def _by_python(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _holds(item: object) -> Iterable[object]:
    """What comes with a value."""
    if isinstance(item, Node):
        return item.atoms
    if isinstance(item, Forbidden | Product):
        return (item.site,)
    if isinstance(item, Box):
        return (item.contents,)
    if isinstance(item, BoxMethod):
        return (item.box,)
    if isinstance(item, Many):
        return item.members
    if isinstance(item, Maker):
        return (item.record,)
    if isinstance(item, Bound):
        return (item.function, item.receiver)
    if isinstance(item, Partial):
        return (item.inner, *item.call.everything())
    if isinstance(item, Instance | Super):
        return (item.of,)
    if isinstance(item, Class):
        return (*item.bases, *((item.metaclass,) if item.metaclass else ()))
    return ()
