"""The abstract values: what an expression may stand for, as far as the rules care.

Equality matters: values are members of sets. Data are equal by content, things that were created at
one place in the code (functions, classes, containers) are equal only to themselves.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from autograder.policy.solver import Node

if TYPE_CHECKING:
    from autograder.policy.scopes import Scope
    from autograder.policy.units import File, Site, Unit

__all__ = [
    "Bound",
    "Box",
    "BoxMethod",
    "Call",
    "Class",
    "External",
    "Forbidden",
    "Function",
    "Getter",
    "Instance",
    "Maker",
    "Many",
    "Module",
    "Partial",
    "Product",
    "Some",
    "Super",
    "Text",
    "TextMethod",
    "Truth",
]


class Some(Enum):
    """Values that have no identity: anything from outside, and tensors that torch made."""

    OUTSIDE = auto()
    TENSOR = auto()


class Truth(Enum):
    """The two constants that some rules ask for."""

    YES = True
    NO = False


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the student's code with a name: `torch.sum`, `builtins.getattr`."""

    path: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string or bytes that is known."""

    value: str | bytes


@dataclass(frozen=True, slots=True)
class TextMethod:
    """A method of a known string: `"auto%s".format`."""

    value: str | bytes
    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """Another file of the submission, as a value."""

    file: File


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A forbidden thing, with the place where the code gets hold of it."""

    site: Site


@dataclass(frozen=True, slots=True)
class Product:
    """What a forbidden thing returned."""

    site: Site


@dataclass(frozen=True, slots=True)
class Getter:
    """What `operator.attrgetter` and `methodcaller` return. No name: it isn't known."""

    name: str | None
    calls: bool


@dataclass(eq=False, slots=True)
class Box:
    """A container, or (`record`) an object with attributes, made at one place in the code."""

    contents: Node
    record: bool = False


@dataclass(frozen=True, slots=True)
class BoxMethod:
    """A method of a container."""

    box: Box


@dataclass(eq=False, slots=True)
class Function:
    """A function, method or lambda of the student."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    unit: Unit
    returns: Node
    positional: list[Node] = field(default_factory=list)
    named: dict[str, Node] = field(default_factory=dict)
    rest: Node | None = None
    rest_named: Node | None = None
    decorated: bool = False
    is_property: bool = False
    fields: dict[str, Node] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Class:
    """A class of the student."""

    node: ast.ClassDef
    scope: Scope
    bases: list[Node] = field(default_factory=list)
    fields: dict[str, Node] = field(default_factory=dict)
    generic: Instance | None = None
    instances: int = 0
    inherited: dict[str, Node] = field(default_factory=dict)
    metaclass: Node | None = None


@dataclass(eq=False, slots=True)
class Instance:
    """An object of a class of the student, made at one place in the code."""

    of: Class
    fields: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bound:
    """A method together with the object (or class) that it was taken from."""

    function: Function
    receiver: Instance | Class


@dataclass(frozen=True, slots=True)
class Super:
    """What `super()` returns inside a class."""

    of: Class


@dataclass(frozen=True, slots=True)
class Maker:
    """A class made by a call (`namedtuple(…)`): calling it makes a record of its arguments."""

    record: Box


@dataclass(eq=False, slots=True)
class Call:
    """The arguments of one call.

    `silent` says that the call doesn't show what runs: its callee is a parameter, so that it is
    for the code that passes it to say, or it happens later, if ever.
    """

    node: ast.AST
    unit: Unit
    positional: list[tuple[Node, bool]] = field(default_factory=list)
    named: list[tuple[str | None, Node]] = field(default_factory=list)
    silent: bool = False

    def everything(self) -> list[Node]:
        """All arguments, in any position."""
        return [node for node, _ in self.positional] + [node for _, node in self.named]


@dataclass(eq=False, slots=True)
class Many:
    """Atoms that are too many to be told apart."""

    members: set[object] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Partial:
    """What `functools.partial` returns."""

    inner: Node
    call: Call
