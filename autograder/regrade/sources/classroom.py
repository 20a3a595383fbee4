"""GitHub-Classroom-style clones: one repository per student, `a1-operators-octocat`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from autograder.regrade.gradebook import Person
from autograder.regrade.sources.commit import commit_time
from autograder.regrade.sources.item import Item, safe_name
from autograder.regrade.sources.tree import FolderTree, Tree

__all__ = ["items", "recognise"]


def recognise(tree: Tree) -> bool:
    return any(tree.is_folder(name) and tree.has(name, ".git") for name in tree.names())


def items(tree: Tree) -> list[Item]:
    """One per repository; the part that all names share is the assignment's, not the student's."""
    names = [name for name in tree.names() if tree.is_folder(name)]
    shared = len(_shared_prefix(names))
    return [
        Item(
            safe_name(name),
            (Person(safe_name(name[shared:])),),
            partial(tree.submission, name),
            clock=partial(commit_time, tree.path / name / ".git")
            if isinstance(tree, FolderTree)
            else None,
        )
        for name in names
    ]


def _shared_prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to a hyphen: logins may begin alike."""
    first, last = min(names, default=""), max(names, default="")
    pairs = enumerate(zip(first, last, strict=False))
    end = next((i for i, (a, b) in pairs if a != b), min(len(first), len(last)))
    return first[: first.rfind("-", 0, end) + 1] if len(names) > 1 else ""
