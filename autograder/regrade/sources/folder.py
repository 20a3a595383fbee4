"""A folder (or archive) with an entry per submission: a folder, an archive or a .py file."""

from __future__ import annotations

from functools import partial

from autograder.regrade.gradebook import Person
from autograder.regrade.sources.item import Item, safe_name
from autograder.regrade.sources.tree import Tree, is_archive

__all__ = ["items"]


def items(tree: Tree) -> list[Item]:
    """Every submission; its name is all that is known about its student."""
    return [
        Item(safe_name(name), (Person(safe_name(name)),), partial(tree.submission, name))
        for name in tree.names()
        if tree.is_folder(name) or name.endswith(".py") or is_archive(name)
    ]
