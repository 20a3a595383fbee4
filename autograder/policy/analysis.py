"""What all parts of the analysis share: values that flow, sites found, code still to be read."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

from autograder.policy.graph import ANY, Graph
from autograder.policy.names import canonical
from autograder.policy.rulebook import Hit, Rulebook
from autograder.policy.solver import Node, Solver, TooIntricate
from autograder.policy.spelling import spell
from autograder.policy.units import File, Site, Unit
from autograder.policy.values import (
    Bound,
    Box,
    BoxMethod,
    Class,
    External,
    Forbidden,
    Function,
    Instance,
    Many,
    Module,
    Product,
    Some,
    Text,
    Truth,
)

__all__ = ["COARSE", "FINE", "SIMPLE", "Analysis", "Precision", "is_carried"]

# Modules of torch and NumPy that aren't forbidden. (A test compares them with those that exist.)
_MODULES = {
    "torch": frozenset(
        "accelerator amp backends cpu cuda distributions fft functional futures linalg masked "
        "monitor mps mtia nested profiler quasirandom random return_types serialization signal "
        "sparse special storage testing torch_version types utils version xpu".split()
    ),
    "numpy": frozenset(
        "_core char core ctypeslib dtypes emath exceptions f2py fft lib linalg ma matlib "
        "matrixlib polynomial random rec strings testing typing".split()
    ),
}
_DEEPEST_MODULE = 4

_WAYS_IN = frozenset(("torch", "sys", "builtins"))


@dataclass(frozen=True, slots=True)
class Precision:
    """How many atoms of one kind a node may tell apart; more than that count as one.

    `steps` is the budget of the solver. `passes` says whether arguments are followed into the
    student's own functions.
    """

    texts: int
    boxes: int
    objects: int
    names: int
    sites: int
    steps: int
    passes: bool = True


# Solutions need 2,000 to 25,000 steps; 300,000 take about half a second.
FINE = Precision(texts=32, boxes=16, objects=8, names=32, sites=24, steps=300_000)
# For code in which everything may be everything: less is told apart, nothing is overlooked.
COARSE = Precision(texts=8, boxes=1, objects=1, names=6, sites=4, steps=300_000)
# For programs that are large and full of objects: parameters hold what they hold, unless a module
# is passed to one, which would be worth hiding.
SIMPLE = Precision(texts=8, boxes=1, objects=1, names=6, sites=4, steps=600_000, passes=False)


class Analysis:
    """The state of one analysis of one submission."""

    def __init__(
        self,
        rulebook: Rulebook,
        files: Mapping[str, File],
        own_names: Collection[str],
        graded: Collection[str],
        precision: Precision = FINE,
    ) -> None:
        self.rulebook = rulebook
        self._precision = precision
        self.files = files
        self.own_names = own_names
        self.graded = frozenset(graded)
        self.solver = Solver(
            {
                Text: (precision.texts, lambda _: Some.OUTSIDE),
                Box: (precision.boxes, self._pooled),
                BoxMethod: (precision.boxes, lambda _: BoxMethod(self._pool)),
                External: (precision.names, self._plain_name),
                Function: (precision.names, self._one_of_many),
                Forbidden: (precision.sites, self._one_of_many),
                Product: (precision.sites, self._one_of_many),
                Instance: (precision.objects, _generic),
                Bound: (precision.objects, _generic),
            },
            precision.steps,
        )
        self.graph = Graph()
        self.sites: list[Site] = []
        self.pending: deque[Function] = deque()
        self.functions: list[Function] = []
        self.outside = self.solver.make(Some.OUTSIDE)
        self.yes = self.solver.make(Truth.YES)
        self.no = self.solver.make(Truth.NO)
        # What was put into things that aren't the student's, and may come back from there.
        self.outside_contents = self.solver.make()
        # What `match_args` name, and what `.send(…)` sends: rare enough to be pooled.
        self.match_arguments = self.solver.make()
        self.sent = self.solver.make(Some.OUTSIDE)
        # What exceptions carry: `except ValueError as error` may get any of it.
        self.carried = Box(Node(), record=True)
        self.raised = self.solver.make(Some.OUTSIDE, self.carried)
        # Which arguments go to which parameters, and which parameters get called.
        self.passed: list[tuple[Unit, Node, Node]] = []
        self.applied: set[Node] = set()
        # Methods that are forbidden if the object can only be a tensor.
        self.doubtful: list[tuple[Unit, Hit, str, ast.AST, Node]] = []
        # Keyed by the syntax nodes themselves: an id may be used again once a node is gone.
        self._found: dict[tuple[ast.AST, str], Site] = {}
        self._pool = Box(Node())
        self._pool_members: set[Box] = {self._pool}
        self._instances: dict[tuple[ast.AST, Class], Instance] = {}
        self._boxes: dict[tuple[ast.AST, bool], Box] = {}
        self._shared: dict[str, Node] = {}
        self.kept: set[tuple[Node, str]] = set()
        self._modules_in: dict[str, Node] = {}
        self._many = Many()
        self._flat: dict[Node, Node] = {}
        self._imported_modules: set[str] = set()

    # --- sites ---------------------------------------------------------------------------------

    def site(self, unit: Unit, hit: Hit, name: str, at: ast.AST, written: str = "") -> Site:
        """The site of something forbidden at a place in the code; the same one if asked again."""
        key = (at, name)
        if key not in self._found:
            site = Site(
                rule=hit.rule,
                why=hit.why,
                name=name,
                written=written or spell(at),
                unit=unit,
                line=getattr(at, "lineno", 1),
                column=getattr(at, "col_offset", 0),
                at=at,
            )
            self._found[key] = site
            self.sites.append(site)
            if not unit.importing:
                self.graph.edge(unit.owner, site)
        return self._found[key]

    def forbid(self, unit: Unit, hit: Hit, name: str, at: ast.AST, result: Node) -> None:
        """Record that an expression gets hold of something forbidden, which then flows on."""
        self.solver.add(result, Forbidden(self.site(unit, hit, name, at)))

    def commit(self, unit: Unit, hit: Hit, name: str, at: ast.AST, written: str = "") -> None:
        """Record a forbidden act: it happens whenever the code runs."""
        self.runs(unit, self.site(unit, hit, name, at, written))

    def runs(self, unit: Unit, target: object) -> None:
        """Record that the code of `unit` runs `target`."""
        self.graph.run(unit.owner, target)

    def settle(self) -> None:
        """Record the doubtful cases in which the object can be nothing but a tensor."""
        for unit, hit, name, at, base in self.doubtful:
            if all(isinstance(atom, Truth | Text) or atom is Some.TENSOR for atom in base.atoms):
                self.commit(unit, hit, f"torch.Tensor.{name}", at)

    @property
    def passes(self) -> bool:
        """Whether arguments are followed into the student's own functions."""
        return self._precision.passes

    def not_passed(self, argument: Node) -> None:
        """See to it that an argument that isn't followed is nothing that would have to be.

        Raises TooIntricate, at once or while the values spread.
        """

        def react(atom: object) -> None:
            hidden = isinstance(atom, Text) and atom.value in self.rulebook.keywords
            if hidden or self.is_way_in(atom):
                raise TooIntricate

        self.solver.listen(self.flat(argument), react)

    # --- values --------------------------------------------------------------------------------

    def instance(self, at: ast.AST, of: Class) -> Instance:
        """The object that a call of a class makes, one for each place in the code (if few)."""
        key = (at, of)
        if key not in self._instances:
            of.instances += 1
            few = of.instances <= self._precision.objects or of.generic is None
            self._instances[key] = Instance(of) if few else cast("Instance", of.generic)
        return self._instances[key]

    def _pooled(self, atom: object) -> Box:
        """One container for all of those of which a node would have too many."""
        if isinstance(atom, Box) and atom not in self._pool_members and not atom.record:
            self._pool_members.add(atom)
            self.solver.link(atom.contents, self._pool.contents)
            self.solver.link(self._pool.contents, atom.contents)
        elif isinstance(atom, Box) and atom.record:
            return atom
        return self._pool

    def box(self, at: ast.AST, *, record: bool = False, known: bool = False) -> Box:
        """The container that is made at a place in the code; `known` if all it holds will be."""
        key = (at, record)
        if key not in self._boxes:
            contents = Node() if known else self.solver.make(Some.OUTSIDE)
            self._boxes[key] = Box(contents, record)
        return self._boxes[key]

    def field(self, owner: Class | Instance | Function, name: str) -> Node:
        """An attribute of an object. ANY has what all of them have."""
        if name not in owner.fields:
            node = owner.fields[name] = Node()
            if name != ANY:
                self.solver.link(node, self.field(owner, ANY))
        return owner.fields[name]

    def shared(self, name: str) -> Node:
        """What was stored as attribute `name` of something that isn't the student's."""
        if name not in self._shared:
            self._shared[name] = Node()
        return self._shared[name]

    def modules_in(self, name: str) -> Node:
        """The modules that any object of the student has as attribute `name`."""
        if name not in self._modules_in:
            self._modules_in[name] = Node()
        return self._modules_in[name]

    def _one_of_many(self, atom: object) -> object:
        self._many.members.add(atom)
        return self._many

    def _plain_name(self, atom: object) -> object:
        return atom if self.is_way_in(atom) else Some.OUTSIDE

    def flat(self, node: Node) -> Node:
        """All that `node` holds, containers with what is in them."""
        if node not in self._flat:
            flat = self._flat[node] = Node()

            def unpack(atom: object) -> None:
                self.solver.add(flat, atom)
                if isinstance(atom, Box):
                    self.solver.link(self.flat(atom.contents), flat)

            self.solver.listen(node, unpack)
        return self._flat[node]

    # --- modules -------------------------------------------------------------------------------

    def imports(self, path: str) -> None:
        """Remember that `path` is a module, because an import statement says so."""
        self._imported_modules.add(canonical(path))

    def is_way_in(self, atom: object) -> bool:
        """Whether an atom is a module that leads to forbidden things by ordinary names."""
        if isinstance(atom, Module):
            return True
        return self.is_namespace(atom) and (
            isinstance(atom, External) and atom.path.partition(".")[0] in _WAYS_IN
        )

    def is_namespace(self, atom: object) -> bool:
        """Whether an atom is a module (or torch.Tensor), in which names can be looked up."""
        if isinstance(atom, Module):
            return True
        if not isinstance(atom, External):
            return False
        path = atom.path
        if "." not in path or path in self._imported_modules or path == "torch.Tensor":
            return True
        top, _, rest = path.partition(".")
        return rest in _MODULES.get(top, ()) or path == "os.path"

    def leads_on(self, path: str) -> bool:
        """Whether the attributes of what has this name may matter by their names.

        What a function or a class of torch has is data, as far as the rules care. Of the standard
        library's names it isn't known which are modules.
        """
        if self.is_namespace(External(path)):
            return True
        top, _, rest = path.partition(".")
        first, _, _ = rest.partition(".")
        if top in _MODULES:
            return first in _MODULES[top] and rest.islower() and rest.count(".") < _DEEPEST_MODULE
        if top == "builtins":
            return rest in ("object", "type")
        return rest.islower() and "." not in rest


def _generic(atom: object) -> object:
    """The object that stands for all of its class."""
    match atom:
        case Instance(of=of) if of.generic is not None:
            return of.generic
        case Bound(function=function, receiver=Instance(of=of)) if of.generic is not None:
            return Bound(function, of.generic)
    return atom


def is_carried(atom: object) -> bool:
    """Whether it matters where an atom goes: data of unknown kind don't, the rest does."""
    return not isinstance(atom, Some | Truth | BoxMethod | Many)
