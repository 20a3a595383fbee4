"""Reading expressions: each becomes a node that holds what it may evaluate to."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from autograder.policy import texts
from autograder.policy.analysis import Analysis
from autograder.policy.attributes import Place, load, store
from autograder.policy.calls import apply, element, operate
from autograder.policy.externals import call_external
from autograder.policy.folding import fold
from autograder.policy.functions import make_function
from autograder.policy.graph import ANY
from autograder.policy.hooks import (
    AWAIT,
    COMPARISON,
    FORMAT,
    ITERATION,
    SUBSCRIPT,
    of_operator,
)
from autograder.policy.names import canonical
from autograder.policy.scopes import BUILTINS, Comprehension, Kind, Scope
from autograder.policy.solver import Node
from autograder.policy.units import Unit
from autograder.policy.values import Box, Call, Class, External, Function, Instance, Some, Text

__all__ = ["Reader"]


@dataclass(frozen=True)
class Reader:
    """Reads the expressions of one scope."""

    a: Analysis
    scope: Scope
    unit: Unit

    def read(self, node: ast.expr | None) -> Node:
        """What `node` may evaluate to."""
        a = self.a
        match node:
            case None:
                return a.outside
            case ast.Name():
                return self._name(node)
            case ast.Constant(value=value):
                return self._constant(value)
            case ast.Attribute():
                return self._attribute(node, "")
            case ast.Call():
                return self._call(node)
            case ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, self.read(left), op, self.read(right))
            case ast.UnaryOp(op=sign, operand=operand):
                made = self._operator(node, of_operator(sign), self.read(operand))
                return a.solver.make(Some.OUTSIDE, sources=[made])
            case ast.BoolOp(values=values):
                return a.solver.make(sources=[self.read(value) for value in values])
            case ast.Compare(left=left, comparators=comparators):
                sides = [self._compared(side) for side in (left, *comparators)]
                made = self._operator(node, COMPARISON, *sides)
                return a.solver.make(Some.OUTSIDE, sources=[made])
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.read(test)
                return a.solver.make(sources=[self.read(body), self.read(orelse)])
            case ast.NamedExpr(target=target, value=value):
                made = self.read(value)
                self.assign(target, made)
                return made
            case ast.Lambda():
                return a.solver.make(make_function(self, node))
            case ast.Subscript():
                return self._subscript(node)
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                return self._container(node, [self.read(e) for e in elements])
            case ast.Starred(value=value):
                return element(a, self.read(value))
            case ast.Dict(keys=keys, values=values):
                return self._dictionary(node, keys, values)
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                return self._comprehension(node)
            case ast.JoinedStr(values=values):
                return self._formatted(node, values)
            case ast.FormattedValue(value=value, format_spec=specification):
                self.read(specification)
                return self._operator(node, FORMAT, self.read(value))
            case ast.Await(value=value):
                awaited = self.read(value)
                made = self._operator(node, AWAIT, awaited)
                return a.solver.make(sources=[awaited, made])
            case ast.Yield(value=value):
                self._returns(self.read(value))
                return a.sent
            case ast.YieldFrom(value=value):
                made = element(a, self.read(value))
                self._returns(made)
                return made
            case ast.Slice(lower=lower, upper=upper, step=step):
                for bound in (lower, upper, step):
                    self.read(bound)
                return a.outside
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.read(child)
                return a.outside

    def annotation(self, node: ast.expr | None) -> None:
        """Read an annotation. One that only names a type (`torch.nn.Module`) computes nothing."""
        match node:
            case None | ast.Constant():
                pass
            case ast.Name(id=name) | ast.Attribute(attr=name) if name[:1].isupper():
                pass
            case ast.Subscript(value=value, slice=inside):
                self.annotation(value)
                self.annotation(inside)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                self.annotation(left)
                self.annotation(right)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                for part in elements:
                    self.annotation(part)
            case _:
                self.read(node)

    # --- names ---------------------------------------------------------------------------------

    def _name(self, node: ast.Name) -> Node:
        a, name = self.a, node.id
        found = self.scope.find(name)
        if found is None:
            return self._unbound(node)
        scope, variable = found
        elsewhere = [scope for scope in (self.scope, scope) if scope.kind is Kind.CLASS]
        result = variable
        if not self.unit.importing and self._is_shared(scope, name):
            a.graph.edge(self.unit.owner, variable)
        for path in scope.imported.get(name, ()):
            hit = a.rulebook.name(canonical(path))
            if hit is not None:
                result = a.solver.make(sources=[result])
                a.forbid(self.unit, hit, canonical(path), node, result)
        if elsewhere or (
            scope.kind in (Kind.MODULE, Kind.DEAD) and not self._is_certain(scope, node)
        ):
            outer = scope.parent.find(name) if elsewhere and scope.parent else None
            if outer is not None:
                result = a.solver.make(sources=[result, outer[1]])
            elif self._paths(node.id):
                result = a.solver.make(sources=[result, self._unbound(node)])
        return result

    def _is_shared(self, scope: Scope, name: str) -> bool:
        """Whether a variable outlives the call: a global, or what an enclosing function keeps."""
        if name in scope.parameters or scope.kind in (Kind.CLASS, Kind.COMPREHENSION):
            return False
        owner = self.unit.owner
        return not (isinstance(owner, Function) and owner.scope is scope)

    def _is_certain(self, scope: Scope, node: ast.Name) -> bool:
        """Whether a global name surely means the student's own, not a built-in or starred one."""
        first = scope.first_bound.get(node.id)
        if first is None or (self.unit.importing and node.lineno < first):
            return False
        last = scope.last_bound.get(node.id, first)
        return all(line <= last for _, line in scope.stars)

    def _unbound(self, node: ast.Name) -> Node:
        """A name that the student doesn't bind: a built-in, or from a starred import."""
        a = self.a
        result = Node()
        paths = self._paths(node.id)
        for path in map(canonical, paths):
            hit = a.rulebook.name(path)
            if hit is not None:
                a.forbid(self.unit, hit, path.removeprefix("builtins."), node, result)
            else:
                a.solver.add(result, External(path))
        attribute = a.rulebook.attribute(node.id)
        if attribute is not None and not paths:
            a.forbid(self.unit, attribute, node.id, node, result)
        if not paths:
            a.solver.add(result, Some.OUTSIDE)
        return result

    def _paths(self, name: str) -> list[str]:
        """What a name that the student doesn't bind may be."""
        paths = [f"{module}.{name}" for module, _ in self.scope.module.stars]
        return [*paths, f"builtins.{name}"] if name in BUILTINS else paths

    def _constant(self, value: object) -> Node:
        match value:
            case True:
                return self.a.yes if value is True else self.a.outside
            case False:
                return self.a.no if value is False else self.a.outside
            case str() | bytes() if texts.is_name_like(value):
                return self.a.solver.make(Text(value))
            case _:
                return self.a.outside

    # --- attributes and calls ------------------------------------------------------------------

    def _attribute(self, node: ast.Attribute, after: str, *, compared: bool = False) -> Node:
        value = node.value
        if isinstance(value, ast.Attribute):
            base = self._attribute(value, f"{node.attr}.{after}" if after else node.attr)
        else:
            base = self.read(value)
        result = Node()
        place = Place(self.unit, node, self._is_named(value), after, compared)
        load(self.a, place, base, node.attr, result)
        return result

    def _is_named(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name):
            return False
        found = self.scope.find(node.id)
        return found is None or node.id not in found[0].parameters

    def _compared(self, node: ast.expr) -> Node:
        if isinstance(node, ast.Attribute) and node.attr == "grad_fn":
            return self._attribute(node, "", compared=True)
        return self.read(node)

    def _call(self, node: ast.Call) -> Node:
        a = self.a
        match node:
            # Switching recording off is what no_grad does.
            case ast.Call(
                func=ast.Attribute(value=value, attr="requires_grad_"),
                args=[ast.Constant(value=False)],
                keywords=[],
            ):
                return self.read(value)
        callee = self.read(node.func)
        call = Call(node, self.unit)
        if isinstance(node.func, ast.Name):
            found = self.scope.find(node.func.id)
            if found is not None and node.func.id in found[0].parameters:
                call.silent = True
                if isinstance(self.unit.owner, Function) and found[0] is self.unit.owner.scope:
                    a.applied.add(found[1])
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                call.positional.append((self.read(argument.value), True))
            else:
                call.positional.append((self.read(argument), False))
        for keyword in node.keywords:
            call.named.append((keyword.arg, self.read(keyword.value)))
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("send", "asend"):
            for argument_node in call.everything():
                a.solver.link(argument_node, a.sent)
        return self.call(callee, call)

    def call(self, callee: Node, call: Call) -> Node:
        """What a call returns."""
        result = Node()
        apply(self.a, call, callee, result, call_external)
        return result

    # --- operators and containers --------------------------------------------------------------

    def _binary(self, node: ast.BinOp, left: Node, op: ast.operator, right: Node) -> Node:
        result = self._operator(node, of_operator(op), left, right)
        if isinstance(op, ast.Add):
            fold(self.a, (left, right), lambda known: texts.concatenate(*known), result)
        elif isinstance(op, ast.Mod):
            parts = [right]
            if isinstance(node.right, ast.Tuple):
                parts = [self.read(e) for e in node.right.elts]
            fold(self.a, (left, *parts), lambda k: texts.interpolate(k[0], k[1:]), result)
        else:
            self.a.solver.add(result, Some.OUTSIDE)
        return result

    def _operator(self, node: ast.AST, hooks: tuple[str, ...], *operands: Node) -> Node:
        """What operators make of their operands: their special methods may return anything."""
        result = Node()
        others = [(operand, False) for operand in operands[1:]] or [(self.a.outside, False)]
        call = Call(node, self.unit, others)
        keeps_boxes = isinstance(node, ast.BinOp)
        for operand in operands:
            operate(self.a, call, operand, hooks, result, keeps_boxes=keeps_boxes)
        return result

    def _subscript(self, node: ast.Subscript) -> Node:
        a = self.a
        base, index = self.read(node.value), self.read(node.slice)
        result = self._operator(node, SUBSCRIPT, base, index)
        a.solver.link(element(a, base), result)
        if isinstance(node.slice, ast.Slice):
            bounds = _bounds(node.slice)

            def react(atom: object) -> None:
                if isinstance(atom, Text) and bounds is not None:
                    made = texts.slice_of(atom.value, bounds)
                    a.solver.add(result, Some.OUTSIDE if made is None else Text(made))
                elif not isinstance(atom, Text):
                    a.solver.add(result, atom)

            a.solver.listen(base, react)
        return result

    def _container(self, node: ast.expr, elements: list[Node]) -> Node:
        # What is written out is known; what fills an empty container later may not be.
        box = self.a.box(node, known=bool(elements))
        for part in elements:
            self.a.solver.link(part, box.contents)
        return self.a.solver.make(box)

    def _dictionary(
        self, node: ast.Dict, keys: list[ast.expr | None], values: list[ast.expr]
    ) -> Node:
        inside = []
        for key, value in zip(keys, values, strict=True):
            if key is None:
                inside.append(element(self.a, self.read(value)))
            else:
                inside += [self.read(key), self.read(value)]
        return self._container(node, inside)

    def _comprehension(self, node: Comprehension) -> Node:
        inner = Reader(self.a, Scope(Kind.COMPREHENSION, self.scope), self.unit)
        for index, generator in enumerate(node.generators):
            for target in ast.walk(generator.target):
                if isinstance(target, ast.Name):
                    inner.scope.variables.setdefault(target.id, Node())
            # Python evaluates the first iterable outside.
            source = (self if index == 0 else inner).read(generator.iter)
            inner.assign(generator.target, inner.iterate(generator.iter, source))
            for condition in generator.ifs:
                inner.read(condition)
        if isinstance(node, ast.DictComp):
            return self._container(node, [inner.read(node.key), inner.read(node.value)])
        return self._container(node, [inner.read(node.elt)])

    def iterate(self, node: ast.AST, source: Node, hooks: tuple[str, ...] = ITERATION) -> Node:
        """What a loop over `source` binds (or `with`, given its hooks)."""
        result = self._operator(node, hooks, source)
        self.a.solver.link(element(self.a, source), result)
        return result

    def _formatted(self, node: ast.JoinedStr, values: list[ast.expr]) -> Node:
        result = Node()
        parts = []
        plain = True
        for value in values:
            if isinstance(value, ast.FormattedValue):
                parts.append(self.read(value.value))
                self.read(value.format_spec)
                plain = plain and value.conversion == -1 and value.format_spec is None
            else:
                parts.append(self.read(value))
        if plain:
            fold(self.a, parts, _joined, result)
        else:
            self.a.solver.add(result, Some.OUTSIDE)
        return result

    def _returns(self, value: Node) -> None:
        if isinstance(self.unit.owner, Function):
            self.a.solver.link(value, self.unit.owner.returns)

    # --- assignment ----------------------------------------------------------------------------

    def assign(self, target: ast.expr, value: Node) -> None:
        """Let an assignment target have `value`."""
        a = self.a
        match target:
            case ast.Name(id=name):
                a.solver.link(value, self.scope.variable(name))
            case ast.Attribute(value=base, attr=name):
                store(a, self.unit, self.read(base), name, value, target)
            case ast.Subscript(value=base, slice=index):
                key, holder = self.read(index), self.read(base)
                self._put(holder, value, key)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                inside = element(a, value)
                for part in elements:
                    self.assign(part, inside)
            case ast.Starred(value=inner):
                box = a.box(target)
                a.solver.link(value, box.contents)
                self.assign(inner, a.solver.make(box))
            case _:
                self.read(target)

    def _put(self, holder: Node, value: Node, key: Node) -> None:
        a, dead = self.a, self.unit.dead

        def react(atom: object) -> None:
            if isinstance(atom, Box) and not dead:
                a.solver.link(value, atom.contents)
                a.solver.link(key, atom.contents)
            elif isinstance(atom, Instance | Class) and not dead:
                a.solver.link(value, a.field(atom, ANY))

        a.solver.listen(holder, react)


def _bounds(node: ast.Slice) -> list[int | None] | None:
    bounds: list[int | None] = []
    for bound in (node.lower, node.upper, node.step):
        match bound:
            case None:
                bounds.append(None)
            case ast.Constant(value=int(value)):
                bounds.append(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                bounds.append(-value)
            case _:
                return None
    return bounds


def _joined(known: object) -> str | None:
    if isinstance(known, tuple) and all(isinstance(part, str) for part in known):
        text = "".join(known)
        return text if len(text) <= 200 else None
    return None
