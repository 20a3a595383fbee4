"""Mutate a reference solution and count the mutants that its hidden suite kills.

    python tools/mutate.py a1_operators [--limit N] [-j N]

Every mutant changes one place of one function: an operator, a comparison, a constant (axes too),
a dropped term, factor, method call, keyword or statement, a swapped pair of results. A mutant
that still gets full marks survives. Survivors that compute the same function are listed with the
reason in tools/equivalent_mutants.toml and don't count; every other one is a hole in the suite.
The unmutated solution must get full marks, or nothing is measured. Exit code 1 if fewer than 98 %
are killed, 2 if the grader itself failed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import Assignment, load_assignment
from autograder.course import find_course
from autograder.pool import Job, grade_all
from autograder.submission import Submission

TARGET = 0.98
EQUIVALENT = Path(__file__).with_name("equivalent_mutants.toml")

_BINARY: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
}
_COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


@dataclass(frozen=True)
class Mutant:
    """One changed place: in which function, and what became what."""

    function: str
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        return f"{self.function}:{self.line}: {self.before} → {self.after}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of the module's functions."""
    tree = ast.parse(source)
    for index, function in enumerate(tree.body):
        if not isinstance(function, ast.FunctionDef):
            continue
        for path, node in list(_nodes(function)):
            for replacement in _variants(node):
                changed = copy.deepcopy(tree)
                target = changed.body[index]
                if not _put(target, path, replacement):
                    continue
                ast.fix_missing_locations(changed)
                yield Mutant(
                    function.name,
                    getattr(node, "lineno", function.lineno),
                    _text(node),
                    _text(replacement),
                    ast.unparse(changed) + "\n",
                )


Step = tuple[str, int | None]


def _nodes(
    root: ast.AST, path: tuple[Step, ...] = ()
) -> Iterator[tuple[tuple[Step, ...], ast.AST]]:
    for name, value in ast.iter_fields(root):
        if name in ("annotation", "returns", "decorator_list", "arg"):
            continue
        for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _docstring(root, name, i):
                here = (*path, (name, i))
                yield here, child
                yield from _nodes(child, here)


def _docstring(parent: ast.AST, field: str, index: int | None) -> bool:
    if field != "body" or index != 0 or not isinstance(parent, ast.FunctionDef):
        return False
    first = parent.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)


def _put(root: ast.AST, path: tuple[Step, ...], replacement: ast.AST) -> bool:
    parent = root
    for name, i in path[:-1]:
        value = getattr(parent, name)
        parent = value if i is None else value[i]
    name, i = path[-1]
    if i is None:
        setattr(parent, name, replacement)
    else:
        getattr(parent, name)[i] = replacement
    return True


def _variants(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        for operator in _BINARY.get(type(node.op), ()):
            yield ast.BinOp(node.left, operator(), node.right)
        if not _shape_arithmetic(node):
            yield node.left
            yield node.right
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in _COMPARE.get(type(node.ops[0]), ()):
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        opposite = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(opposite, node.values)
        yield from node.values
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.USub | ast.Not):
            yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.Attribute):
        if node.attr in ("T", "mT"):
            yield node.value
    elif isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        yield ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.If):
        yield ast.If(ast.Constant(True), node.body, node.orelse)
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Assign | ast.AugAssign):
        yield ast.Pass()
        if isinstance(node, ast.AugAssign):
            yield ast.Assign([node.target], node.value)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()


def _shape_arithmetic(node: ast.BinOp) -> bool:
    return isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant)


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        if value > 0:
            yield ast.Constant(value - 1)
    elif isinstance(value, float):
        yield ast.Constant(value * 2 if value else 1.0)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    method = isinstance(function, ast.Attribute)
    if method and not (isinstance(function.value, ast.Name) and function.value.id in _MODULES):
        yield function.value
    if isinstance(function, ast.Attribute | ast.Name) and len(node.args) == 1 and not node.keywords:
        yield node.args[0]
    for i in range(len(node.keywords)):
        yield ast.Call(function, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    if len(node.args) == 2:
        yield ast.Call(function, node.args[::-1], node.keywords)


_MODULES = {"torch", "math", "np", "numpy", "tl"}


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).split())[:70]


def exercises_of(assignment: Assignment, function: str, source: str) -> tuple[str, ...]:
    """The exercises that a function of the solution matters to, helpers included."""
    users = {function}
    functions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    changed = True
    while changed:
        changed = False
        for node in functions:
            names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            if node.name not in users and names & users:
                users.add(node.name)
                changed = True
    return tuple(e.id for e in assignment.config.exercises if users & set(e.functions))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignment")
    parser.add_argument("--limit", type=int, help="every n-th mutant only, at most this many")
    parser.add_argument("-j", "--jobs", type=int)
    options = parser.parse_args()
    course = find_course()
    assignment = load_assignment(course, options.assignment)
    main_file = assignment.config.files[0]
    source = ast.unparse(ast.parse(assignment.solution_files[main_file])) + "\n"
    found = list({m.source: m for m in mutants(source) if m.source != source}.values())
    if options.limit:
        found = found[:: max(1, len(found) // options.limit)][: options.limit]
    known = tomllib.loads(EQUIVALENT.read_text()).get(assignment.id, [])
    jobs = [Job("unmutated", Submission.from_files({main_file: source.encode()}))]
    jobs += [
        Job(
            str(i),
            Submission.from_files({main_file: m.source.encode()}),
            only=exercises_of(assignment, m.function, source),
        )
        for i, m in enumerate(found)
    ]
    by_id = {e.id: e for e in assignment.config.exercises}
    survivors = []
    for count, (job, result) in enumerate(
        grade_all(course, assignment.id, jobs, processes=options.jobs), 1
    ):
        if result.score is None:
            print(f"{job.name}: a fault of the grader: {result.fault}", file=sys.stderr)
            return 2
        if job.name == "unmutated":
            if result.score != result.max_score:
                print(f"the solution itself gets {result.score:g}", file=sys.stderr)
                return 2
            continue
        wanted = [by_id[name].points for name in job.only or ()]
        if result.score >= round(sum(wanted), 2):
            survivors.append(found[int(job.name)])
        if count % 100 == 0:
            print(f"{count} of {len(found)} mutants graded", file=sys.stderr)
    excused = {
        m.name: entry["reason"]
        for m in survivors
        for entry in known
        if (entry["function"], entry["before"], entry["after"]) == (m.function, m.before, m.after)
    }
    open_ones = [m for m in survivors if m.name not in excused]
    counted = len(found) - len(excused)
    killed = counted - len(open_ones)
    rate = killed / counted if counted else 0.0
    for mutant in sorted(survivors, key=lambda m: m.name):
        reason = excused.get(mutant.name)
        print(f"{'equivalent' if reason else 'SURVIVED  '} {mutant.name}"
              + (f"   ({reason})" if reason else ""))  # fmt: skip
    print(
        f"{assignment.id}: {killed} of {counted} non-equivalent mutants killed ({rate:.1%}, "
        f"target {TARGET:.0%}); {len(excused)} equivalent, {len(open_ones)} survive"
    )
    return 0 if rate >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
