"""Which layout a source has, and its entries one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import InputError
from autograder.regrade.entry import Entry
from autograder.regrade.sources import canvas, classroom, folder, gradescope, moodle
from autograder.regrade.sources.item import Item
from autograder.regrade.sources.layout import Layout
from autograder.regrade.sources.tree import ArchiveTree, Tree, open_tree

__all__ = ["Source", "open_source"]

# Asked in this order: what is most particular comes first, and a folder is always a folder.
_RECOGNISERS: tuple[tuple[Layout, Callable[[Tree], bool]], ...] = (
    (Layout.GRADESCOPE, gradescope.recognise),
    (Layout.MOODLE, moodle.recognise),
    (Layout.CANVAS, canvas.recognise),
    (Layout.CLASSROOM, classroom.recognise),
)
_READERS: dict[Layout, Callable[[Tree], list[Item]]] = {
    Layout.FOLDER: folder.items,
    Layout.GRADESCOPE: gradescope.items,
    Layout.MOODLE: moodle.items,
    Layout.CANVAS: canvas.items,
    Layout.CLASSROOM: classroom.items,
}


@dataclass(frozen=True, slots=True)
class Source:
    """A cohort. Its length is known at once; its submissions are read while it is iterated."""

    where: str
    layout: Layout
    items: tuple[Item, ...]
    wanted: tuple[str, ...]
    max_bytes: int

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Entry]:
        return (item.read(self.wanted, self.max_bytes) for item in self.items)


def open_source(
    path: Path, wanted: Sequence[str], *, max_bytes: int, layout: Layout | None = None
) -> Source:
    """The cohort at `path`: a folder or an archive. `layout` overrides what it looks like.

    Raises InputError if there is nothing, no submission in it, or not what `layout` says.
    """
    tree = _unwrapped(open_tree(path), wanted)
    try:
        found = layout or next((kind for kind, fits in _RECOGNISERS if fits(tree)), Layout.FOLDER)
        items = _READERS[found](tree)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}; check permissions") from None
    if not items:
        what = "" if layout is None else f" in the layout {layout.value}"
        raise InputError(f"{path}: there are no submissions in it{what}")
    return Source(str(path), found, _distinct(items), tuple(wanted), max_bytes)


def _unwrapped(tree: Tree, wanted: Sequence[str]) -> Tree:
    """Archives often wrap everything in one folder of their own name."""
    while isinstance(tree, ArchiveTree):
        names = tree.names()
        if len(names) != 1 or not tree.is_folder(names[0]):
            break
        inner = tree.below(names[0])
        if gradescope.recognise(tree) or any(inner.has(name) for name in wanted):
            break
        if not folder.items(inner) and not canvas.recognise(inner):
            break
        tree = inner
    return tree


def _distinct(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items by name, each with a name of its own that can be the name of a folder."""
    seen: set[str] = set()
    found = []
    for item in sorted(items, key=lambda item: item.name):
        name, number = item.name, 2
        while name.casefold() in seen:
            name, number = f"{item.name}~{number}", number + 1
        seen.add(name.casefold())
        found.append(item.renamed(name))
    return tuple(found)
