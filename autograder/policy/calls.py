"""Calling things: where arguments go and what comes back."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection

from autograder.policy import texts
from autograder.policy.analysis import Analysis
from autograder.policy.attributes import Place, find_member, load
from autograder.policy.folding import fold
from autograder.policy.solver import Node, TooIntricate
from autograder.policy.values import (
    Bound,
    Box,
    BoxMethod,
    Call,
    Class,
    External,
    Forbidden,
    Function,
    Getter,
    Instance,
    Maker,
    Partial,
    Product,
    Some,
    Text,
    TextMethod,
)

__all__ = ["Externals", "apply", "element", "invoke", "operate"]

# How calls of things outside the student's code are understood; see `externals`.
Externals = Callable[[Analysis, Call, str, Node], None]


def apply(
    a: Analysis, call: Call, callee: Node, result: Node, externals: Externals, depth: int = 0
) -> None:
    """Let `result` have what calling any of `callee` returns, and let the arguments flow."""

    def react(atom: object) -> None:
        _check_keywords(a, call, atom)
        match atom:
            case Forbidden(site=site):
                ran(a, call, site)
                a.solver.add(result, Product(site))
            case Product():
                ran(a, call, atom.site)
                a.solver.add(result, atom)
            case External(path=path):
                externals(a, call, path, result)
            case Function():
                invoke(a, call, atom, result)
            case Bound(function=function, receiver=receiver):
                invoke(a, call, function, result, receiver)
                if function.decorated:
                    invoke(a, call, function, result)
            case Class():
                _construct(a, call, atom, result)
            case Instance():
                a.solver.add(result, Some.OUTSIDE)
                for hook in ("__call__", "__get__"):
                    _member_call(a, call, atom, atom.of, hook, result)
            case Partial() if depth < 8:
                more = Call(
                    call.node,
                    call.unit,
                    [*atom.call.positional, *call.positional],
                    [*atom.call.named, *call.named],
                    call.silent,
                )
                apply(a, more, atom.inner, result, externals, depth + 1)
            case Getter():
                _get(a, call, atom, result, externals, depth)
            case BoxMethod(box=box):
                _use_box(a, call, box, result)
            case Box(record=True):
                a.solver.add(result, atom)
            case Maker(record=record):
                a.solver.add(result, record)
                fill(a, call, record)
            case TextMethod(value=value, name=name):
                _format(a, call, value, name, result)
            case Some():
                _call_outside(a, call, atom, result)
            case _:
                pass

    a.solver.listen(callee, react)


def ran(a: Analysis, call: Call, target: object) -> None:
    """Record that a call runs `target`."""
    if not call.silent:
        a.runs(call.unit, target)


# --- the student's own functions and classes ---------------------------------------------------


def invoke(
    a: Analysis,
    call: Call,
    function: Function,
    result: Node,
    receiver: Instance | Class | None = None,
) -> None:
    """Pass arguments to a function of the student and take its result."""
    ran(a, call, function)
    a.solver.link(function.returns, result)
    if call.unit.dead:
        return
    result.arguments += call.everything()
    if not a.passes:
        for node in call.everything():
            a.not_passed(node)
        for name, node in call.named:
            if name in a.rulebook.keywords and node is not a.no:
                raise TooIntricate
        return
    position = 0
    if receiver is not None:
        if function.positional:
            a.solver.add(function.positional[0], receiver)
        position = 1
    spread = False
    for node, starred in call.positional:
        source = element(a, node) if starred else node
        spread = spread or starred
        targets = function.positional[position:]
        for target in targets if spread else targets[:1]:
            _pass(a, call, source, target)
        if function.rest is not None and (spread or not targets):
            a.solver.link(source, function.rest)
        position += 0 if spread else 1
    for name, node in call.named:
        if name is None:
            inside = element(a, node)
            for target in function.named.values():
                _pass(a, call, inside, target)
            if function.rest_named is not None:
                a.solver.link(inside, function.rest_named)
        elif name in function.named:
            _pass(a, call, node, function.named[name])
        elif function.rest_named is not None:
            a.solver.link(node, function.rest_named)
            a.solver.add(function.rest_named, Text(name))


def _pass(a: Analysis, call: Call, argument: Node, parameter: Node) -> None:
    a.solver.link(argument, parameter)
    if not call.silent:
        a.passed.append((call.unit, argument, parameter))


def _member_call(
    a: Analysis,
    call: Call,
    receiver: Instance | Class,
    of: Class,
    name: str,
    result: Node,
    initial: Callable[[], None] | None = None,
) -> None:
    """Call the method `name` of a class; `initial` is called if there is one."""

    def found(value: object) -> None:
        if initial is not None:
            initial()
        if isinstance(value, Function):
            invoke(a, call, value, result, receiver)
        elif isinstance(value, Forbidden):
            ran(a, call, value.site)

    find_member(a, Place(call.unit, call.node), of, name, found)


def _construct(a: Analysis, call: Call, of: Class, result: Node) -> None:
    instance = a.instance(call.node, of)
    a.solver.add(result, instance)
    nothing = Node()
    _member_call(a, call, instance, of, "__init__", nothing)
    _member_call(a, call, of, of, "__new__", result)
    empty = Call(call.node, call.unit)
    _member_call(a, empty, instance, of, "__post_init__", nothing)
    if of.metaclass is not None:

        def by_metaclass(meta: object) -> None:
            if isinstance(meta, Class):
                _member_call(a, call, of, meta, "__call__", result)

        a.solver.listen(of.metaclass, by_metaclass)
    if call.unit.dead:
        return
    # Dataclasses, named tuples and enumerations have fields and no __init__ to be read.
    annotated = [
        statement.target.id
        for statement in of.node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    ]
    for node, starred in call.positional:
        source = element(a, node) if starred else node
        for name in annotated:
            a.solver.link(source, a.field(instance, name))
    for keyword, node in call.named:
        if keyword is not None:
            a.solver.link(node, a.field(instance, keyword))
        else:
            for name in annotated:
                a.solver.link(element(a, node), a.field(instance, name))


def operate(
    a: Analysis,
    call: Call,
    operand: Node,
    hooks: Collection[str],
    result: Node,
    *,
    keeps_boxes: bool = False,
) -> None:
    """Let `result` have what an operator, a subscript or an iteration may make of `operand`.

    `hooks` are the special methods that it calls. `keeps_boxes` says that the result may be a
    container too, as with `[x] * 3`.
    """

    def react(atom: object) -> None:
        if isinstance(atom, Instance):
            for hook in hooks:
                _member_call(a, call, atom, atom.of, hook, result)
        kept = Some | Forbidden | Product | Box if keeps_boxes else Some | Forbidden | Product
        if isinstance(atom, kept):
            a.solver.add(result, atom)

    a.solver.listen(operand, react)


def element(a: Analysis, node: Node) -> Node:
    """What iterating over `node`, or a subscript of it, may give."""
    result = Node()

    def react(atom: object) -> None:
        if isinstance(atom, Box):
            a.solver.link(atom.contents, result)
        elif isinstance(atom, BoxMethod):
            # Not a method after all: `Kind.MEMBER.value[0]`.
            a.solver.link(atom.box.contents, result)
        elif isinstance(atom, Text):
            a.solver.add(result, Some.OUTSIDE)
        else:
            a.solver.add(result, atom)
            if atom is Some.OUTSIDE:
                a.solver.link(a.outside_contents, result)

    a.solver.listen(node, react)
    return result


# --- everything else ---------------------------------------------------------------------------


def fill(a: Analysis, call: Call, box: Box) -> None:
    """Put all arguments into a container."""
    if call.unit.dead:
        return
    for node, starred in call.positional:
        a.solver.link(element(a, node) if starred else node, box.contents)
    for name, node in call.named:
        a.solver.link(element(a, node) if name is None else node, box.contents)
        if name is not None:
            a.solver.add(box.contents, Text(name))


def _use_box(a: Analysis, call: Call, box: Box, result: Node) -> None:
    a.solver.add(result, box)
    a.solver.link(box.contents, result)
    fill(a, call, box)

    def react(atom: object) -> None:
        # `table.sort(key=f)`, `table.update(other)`
        if isinstance(atom, Function):
            given = Call(call.node, call.unit, [(box.contents, False)], silent=True)
            invoke(a, given, atom, Node())
        elif isinstance(atom, Box) and atom is not box and not call.unit.dead:
            a.solver.link(atom.contents, box.contents)

    for node in call.everything():
        a.solver.listen(node, react)


def _call_outside(a: Analysis, call: Call, atom: Some, result: Node) -> None:
    """A method of something that isn't the student's: it may call what it gets, or keep it."""
    a.solver.add(result, atom)
    if atom is Some.OUTSIDE:
        a.solver.link(a.outside_contents, result)

    def react(argument: object) -> None:
        if isinstance(argument, Function):
            # Whether it is called now, nobody knows: an unknown decorator keeps it for later.
            later = Call(call.node, call.unit, [(a.outside, False)] * 4, silent=True)
            invoke(a, later, argument, Node())
            a.solver.add(result, argument)
        elif isinstance(argument, Instance):
            a.graph.open_classes.add(argument.of)
        elif a.is_way_in(argument) and atom is Some.OUTSIDE and not call.unit.dead:
            a.solver.add(a.outside_contents, argument)
        elif isinstance(argument, Class | Bound | Partial | Forbidden | Product):
            a.solver.add(result, argument)

    for node in call.everything():
        a.solver.listen(a.flat(node), react)


def _get(
    a: Analysis, call: Call, getter: Getter, result: Node, externals: Externals, depth: int
) -> None:
    """Call what `operator.attrgetter` returned."""
    if not call.positional:
        return
    value, starred = call.positional[0]
    value = element(a, value) if starred else value
    if getter.name is None:
        hit = a.rulebook.computed

        def react(atom: object) -> None:
            if hit is not None and a.is_namespace(atom):
                a.forbid(call.unit, hit, "operator.attrgetter", call.node, result)

        a.solver.listen(value, react)
        return
    for name in getter.name.split("."):
        step = Node()
        load(a, Place(call.unit, call.node, named=True), value, name, step)
        value = step
    if getter.calls and depth < 8:
        apply(a, Call(call.node, call.unit), value, result, externals, depth + 1)
    else:
        a.solver.link(value, result)


def _format(a: Analysis, call: Call, value: str | bytes, name: str, result: Node) -> None:
    """A method of a known string: the result is known if the arguments are."""
    literal = _literal_strings(call.node) if name == "join" else None
    if literal is not None:
        made = texts.method(value, name, literal)
        a.solver.add(result, Some.OUTSIDE if made is None else Text(made))
    elif call.named or name == "join" or any(starred for _, starred in call.positional):
        a.solver.add(result, Some.OUTSIDE)
    else:
        nodes = [node for node, _ in call.positional]
        fold(a, nodes, lambda known: texts.method(value, name, known), result)


def _literal_strings(node: ast.AST) -> list[str | bytes] | None:
    """The elements of a literal list or tuple of strings that is the only argument."""
    if not (isinstance(node, ast.Call) and len(node.args) == 1):
        return None
    argument = node.args[0]
    if not isinstance(argument, ast.List | ast.Tuple):
        return None
    values = [e.value for e in argument.elts if isinstance(e, ast.Constant)]
    known = [value for value in values if isinstance(value, str | bytes)]
    return known if len(known) == len(argument.elts) else None


def _check_keywords(a: Analysis, call: Call, atom: object) -> None:
    """Report keyword arguments that this callee may not have."""
    if isinstance(atom, External):
        callee = atom.path
    elif isinstance(atom, Some):
        callee = "torch.Tensor.method"
    else:
        return
    for name, node in call.named:
        if name is not None:
            _check_keyword(a, call, callee, name, node, atom)
            continue

        def unpacked(inside: object, node: Node = node) -> None:
            if isinstance(inside, Text) and isinstance(inside.value, str):
                _check_keyword(a, call, callee, inside.value, node, atom)

        a.solver.listen(a.flat(node), unpacked)


def _check_keyword(
    a: Analysis, call: Call, callee: str, name: str, node: Node, atom: object
) -> None:
    found = a.rulebook.keyword(callee, name)
    if found is None:
        return
    keyword, hit = found
    fine = {True: a.yes, False: a.no, None: None}[keyword.harmless]
    own = atom is Some.OUTSIDE and name in a.own_names
    if node is not fine and not own:
        shown = f"{callee}({name}=…)" if isinstance(atom, External) else name
        a.commit(call.unit, hit, shown, call.node)
