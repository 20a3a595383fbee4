"""Reading import statements."""

from __future__ import annotations

import ast

from autograder.policy.expressions import Reader
from autograder.policy.names import canonical
from autograder.policy.scopes import Kind
from autograder.policy.solver import Node
from autograder.policy.units import File
from autograder.policy.values import External, Forbidden, Module, Some

__all__ = ["read_import"]


def read_import(reader: Reader, node: ast.Import | ast.ImportFrom) -> None:
    """Bind what an import statement binds; record it if it isn't allowed."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            _import(reader, node, alias)
    else:
        _import_from(reader, node)


def _import(reader: Reader, node: ast.Import, alias: ast.alias) -> None:
    a = reader.a
    top = alias.name.partition(".")[0]
    variable = reader.scope.variable(alias.asname or top)
    file = _own_file(reader, alias.name)
    if file is not None:
        _run(reader, file)
        a.solver.add(variable, Module(file))
        return
    path = canonical(alias.name)
    a.imports(path)
    written = f"import {alias.name}"
    package = a.rulebook.package(top, frozenset(a.files))
    if package is not None:
        a.commit(reader.unit, package, top, node, written)
        a.solver.add(variable, Some.OUTSIDE)
        return
    hit = a.rulebook.module(path) or a.rulebook.name(path)
    if hit is not None and not a.rulebook.leads_to_allowed(path):
        a.commit(reader.unit, hit, path, node, written)
        if alias.asname:
            a.solver.add(variable, Forbidden(a.site(reader.unit, hit, path, node)))
            return
    a.solver.add(variable, External(path if alias.asname else canonical(top)))


def _import_from(reader: Reader, node: ast.ImportFrom) -> None:
    a = reader.a
    module = node.module or ""
    file = _own_file(reader, module) if module else None
    if file is not None or node.level:
        _from_own(reader, node, file)
        return
    path = canonical(module)
    package = a.rulebook.package(module.partition(".")[0], frozenset(a.files))
    hit = package or a.rulebook.module(path)
    written = f"from {module} import …"
    if package is not None:
        a.commit(reader.unit, package, module.partition(".")[0], node, written)
    for alias in node.names:
        if alias.name == "*":
            if hit is None:
                reader.scope.module.stars.append((path, node.lineno))
            elif package is None and hit is not None:
                a.commit(reader.unit, hit, f"{path}.*", node, written)
            continue
        variable = reader.scope.variable(alias.asname or alias.name)
        if package is not None:
            a.solver.add(variable, Some.OUTSIDE)
            continue
        _from_outside(reader, node, alias, path, variable)


def _from_outside(
    reader: Reader, node: ast.ImportFrom, alias: ast.alias, path: str, variable: Node
) -> None:
    a, unit = reader.a, reader.unit
    full = canonical(f"{path}.{alias.name}")
    written = f"from {node.module} import {alias.name}"
    by_module = a.rulebook.module(path) or a.rulebook.module(full)
    by_name = by_module or a.rulebook.name(full)
    excepted = by_module is None and a.rulebook.excepted(full)
    if excepted or a.rulebook.leads_to_allowed(full):
        by_name = None
    if by_name is None:
        a.solver.add(variable, External(full))
    elif by_module is not None:
        a.commit(unit, by_module, full, node, written)
        a.solver.add(variable, Forbidden(a.site(unit, by_module, full, node, written)))
    elif reader.scope.kind is Kind.CLASS or (alias.asname or alias.name) in reader.scope.globals:
        # Elsewhere the name itself is the site, so that the message shows where it is used.
        a.solver.add(variable, Forbidden(a.site(unit, by_name, full, node, written)))


def _from_own(reader: Reader, node: ast.ImportFrom, file: File | None) -> None:
    a = reader.a
    for alias in node.names:
        target = file if file is not None else _own_file(reader, alias.name)
        if target is None:
            continue
        _run(reader, target)
        if file is None:
            a.solver.add(reader.scope.variable(alias.asname or alias.name), Module(target))
        elif alias.name == "*":
            for name, source in list(target.scope.variables.items()):
                if not name.startswith("_"):
                    _share(reader, target, name, source, name)
        else:
            source = target.scope.variables.setdefault(alias.name, Node())
            _share(reader, target, alias.name, source, alias.asname or alias.name)


def _share(reader: Reader, file: File, name: str, source: Node, bound_as: str) -> None:
    reader.a.solver.link(source, reader.scope.variable(bound_as))
    paths = file.scope.imported.get(name, ())
    reader.scope.imported.setdefault(bound_as, []).extend(paths)


def _own_file(reader: Reader, module: str) -> File | None:
    return reader.a.files.get(module)


def _run(reader: Reader, file: File) -> None:
    """Importing a file of the submission runs it."""
    reader.a.graph.edge(reader.unit.owner, file.run)
    reader.a.runs(reader.unit, file.run)
