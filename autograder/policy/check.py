"""Checking a submission against a policy: from source to report."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Mapping

from autograder.policy.analysis import COARSE, FINE, SIMPLE, Analysis, Precision
from autograder.policy.calls import apply
from autograder.policy.differences import find_differences
from autograder.policy.externals import call_external
from autograder.policy.policy import Policy
from autograder.policy.report import PolicyReport, Violation
from autograder.policy.rulebook import Rulebook
from autograder.policy.solver import Node, TooIntricate
from autograder.policy.source import SourceError, parse
from autograder.policy.spelling import printable
from autograder.policy.statements import Statements
from autograder.policy.survey import dead_blocks, declare_module, own_names
from autograder.policy.units import File, Run, Site, Unit
from autograder.policy.values import Call, Some

__all__ = ["check_source", "check_sources"]


def check_source(
    source: str | bytes, filename: str, functions: Collection[str], policy: Policy
) -> PolicyReport:
    """What `policy` says of a submission of one file; `functions` are those that are graded.

    Raises SourceError if the file can't be read as Python.
    """
    return check_sources({filename: source}, filename, functions, policy)


def check_sources(
    sources: Mapping[str, str | bytes],
    main: str,
    functions: Collection[str],
    policy: Policy,
) -> PolicyReport:
    """The same for several files, by name; the graded functions are in `main`.

    Files that `main` doesn't import, directly or not, count as elsewhere. Raises SourceError.
    """
    trees = {filename: parse(source, filename) for filename, source in sources.items()}
    for precision in (FINE, COARSE, SIMPLE):
        try:
            return _check(trees, main, functions, policy, precision)
        except TooIntricate:
            continue
        except RecursionError:
            break
    raise SourceError(main, None, "is too intricate to be checked; simplify it")


def _check(
    trees: Mapping[str, ast.Module],
    main: str,
    functions: Collection[str],
    policy: Policy,
    precision: Precision,
) -> PolicyReport:
    files: dict[str, File] = {}
    guards: dict[File, frozenset[ast.If]] = {}
    own: set[str] = set()
    for filename, tree in trees.items():
        file = File(filename, tree, Run(filename))
        guards[file] = dead_blocks(tree)
        file.scope = declare_module(tree, guards[file])
        files[filename] = file
        own |= own_names(tree)
    # Python finds its own modules first: a submission's torch.py is never imported as torch.
    hidden = sys.stdlib_module_names | set(policy.packages)
    importable = {f.module: f for f in files.values() if f.module not in hidden}
    a = Analysis(Rulebook(policy), importable, own, functions, precision)
    _read(a, guards)
    _call_graded(a, files[main], functions)
    a.solver.run()
    a.settle()
    find_differences(a)
    return _report(a, files[main], functions)


def _read(a: Analysis, guards: Mapping[File, frozenset[ast.If]]) -> None:
    readers = {file: Statements(a, file, blocks) for file, blocks in guards.items()}
    for statements in readers.values():
        statements.read_module()
    while a.pending:
        function = a.pending.popleft()
        readers[function.unit.file].read_function(function)


def _call_graded(a: Analysis, main: File, functions: Collection[str]) -> None:
    """The grader calls the graded functions, which matters where they aren't plain functions."""
    for name in functions:
        variable = main.scope.variables.get(name)
        if variable is not None:
            unit = Unit(main, owner=variable)
            tensors = a.solver.make(Some.TENSOR)
            call = Call(main.tree, unit, [(tensors, True)], [(None, tensors)])
            apply(a, call, variable, Node(), call_external)


def _report(a: Analysis, main: File, functions: Collection[str]) -> PolicyReport:
    if not any(not site.superseded for site in a.sites):
        return PolicyReport(by_function=dict.fromkeys(functions, ()))
    _apply_arguments(a)
    at_import = a.graph.executed(main.run)
    seen = set(at_import)
    by_function: dict[str, tuple[Violation, ...]] = {}
    for name in functions:
        reached = a.graph.reach(*_roots(main, name))
        seen |= set(reached)
        by_function[name] = _violations(reached)
    elsewhere = [site for site in a.sites if site not in seen]
    return PolicyReport(_violations(at_import), by_function, _violations(elsewhere))


def _apply_arguments(a: Analysis) -> None:
    """Whoever passes a function to a parameter that gets called runs that function."""
    parameters = a.graph.parameters
    changed = True
    while changed:
        before = len(a.applied)
        for _, argument, parameter in a.passed:
            if parameter in a.applied and argument in parameters:
                a.applied.add(argument)
        changed = len(a.applied) > before
    for unit, argument, parameter in a.passed:
        if parameter in a.applied and argument not in parameters:
            a.runs(unit, argument)


def _roots(main: File, name: str) -> list[object]:
    """Where the search for what a graded function reaches begins."""
    variables = main.scope.variables
    found: list[object] = [variables[name]] if name in variables else []
    if name not in variables and "__getattr__" in variables:
        # PEP 562: a module's own __getattr__ may make up the function.
        found.append(variables["__getattr__"])
    return found


def _violations(sites: Iterable[Site]) -> tuple[Violation, ...]:
    shown = {
        (site.unit.file.filename, site.line, site.column, site.name): site
        for site in sites
        if not site.superseded
    }
    return tuple(_violation(shown[key]) for key in sorted(shown))


def _violation(site: Site) -> Violation:
    filename = site.unit.file.filename
    name = printable(site.name)[:120]
    aside = f" (written `{site.written}`)" if _says_more(site) else ""
    return Violation(
        rule=site.rule,
        name=name,
        file=filename,
        line=site.line,
        column=site.column,
        message=f"{filename}:{site.line}: {name}{aside} {site.why}",
        scope=site.unit.scope_name,
    )


def _says_more(site: Site) -> bool:
    return site.written not in (site.name, "", "…", f"import {site.name}")
