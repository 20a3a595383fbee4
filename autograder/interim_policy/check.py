"""Checking a source file: parse it, find what is forbidden, and say whom it costs."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterator

from autograder.interim_policy.model import Policy, PolicyReport, SourceError, Violation
from autograder.interim_policy.names import BUILTIN, Scope, fold, scopes_of
from autograder.interim_policy.reach import TopLevel, top_level
from autograder.interim_policy.rules import (
    BUILTINS, DERIVATIVE, DUNDERS, EVASION, OWN_HOOKS, PACKAGE, TASK, Rules, rules_of,
)  # fmt: skip

__all__ = ["check_source"]

MAX_BYTES = 2_000_000
_Finding = tuple[ast.AST, str, str, str]


def check_source(
    source: str | bytes, filename: str, functions: Collection[str], policy: Policy
) -> PolicyReport:
    """Check one file against a policy. Raises SourceError if it can't be read as Python."""
    tree = parse(source, filename)
    rules = rules_of(policy)
    try:
        scopes = scopes_of(tree)
        top = top_level(tree, functions)
        findings = list(_Scan(tree, scopes, rules).findings())
        return _report(findings, scopes, top, functions, filename)
    except RecursionError:
        raise SourceError(f"{filename}: is nested too deeply to be checked; simplify it") from None


def parse(source: str | bytes, filename: str) -> ast.Module:
    """The syntax tree. Raises SourceError with file, line and what is wrong."""
    if len(source) > MAX_BYTES:
        raise SourceError(f"{filename}: is larger than {MAX_BYTES // 1_000_000} MB of source")
    null = b"\0" if isinstance(source, bytes) else "\0"
    if null in source:  # type: ignore[operator]
        raise SourceError(f"{filename}: contains null bytes; save it as plain UTF-8 text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, filename)
            # Some errors (return outside a function …) are found only by compiling.
            compile(tree, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{filename}:{error.lineno}" if error.lineno else filename
        line = f" in `{error.text.strip()[:80]}`" if error.text and error.text.strip() else ""
        raise SourceError(f"{place}: syntax error: {error.msg}{line}") from None
    except (ValueError, UnicodeError) as error:
        raise SourceError(f"{filename}: can't be read as Python source: {error}") from None
    except (RecursionError, MemoryError):
        raise SourceError(f"{filename}: is nested too deeply to be read; simplify it") from None
    return tree


class _Scan:
    """Everything forbidden in a module, whoever it costs."""

    def __init__(self, tree: ast.Module, scopes: dict[ast.AST, Scope], rules: Rules) -> None:
        self._tree = tree
        self._scopes = scopes
        self._rules = rules
        self._own = _own_attributes(tree)
        # The functions of calls whose only argument is the constant False.
        self._off = {
            call.func
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            and [_is_false(a) for a in (*call.args, *(k.value for k in call.keywords))] == [True]
        }

    def findings(self) -> Iterator[_Finding]:
        """(node, rule, name, sentence) for each place; the longest chain, once."""
        pending: list[ast.AST] = [self._tree]
        while pending:
            node = pending.pop()
            found = list(self._look(node))
            yield from found
            if found and isinstance(node, ast.Attribute):
                continue
            pending.extend(_worth_a_look(node))

    def _look(self, node: ast.AST) -> Iterator[_Finding]:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._import(node)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield from self._name(node)
        elif isinstance(node, ast.Call):
            yield from self._call(node)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from self._assignment(node)
        elif isinstance(node, ast.Dict):
            yield from self._display(node)
        elif isinstance(node, ast.MatchClass):
            for attribute in node.kwd_attrs:
                if self._rules.evasion and attribute in DUNDERS:
                    yield node, "no-evasion", attribute, f"`{attribute}` {EVASION}"

    def _import(self, node: ast.Import | ast.ImportFrom) -> Iterator[_Finding]:
        if isinstance(node, ast.ImportFrom):
            if node.level:
                yield node, "packages", ".", f"relative imports: every import {PACKAGE}"
                return
            module = node.module or ""
            names = [f"{module}.{alias.name}" if alias.name != "*" else module
                     for alias in node.names]  # fmt: skip
        else:
            names = [alias.name for alias in node.names]
        for name in names:
            if self._rules.forbids_package(name):
                top = name.partition(".")[0]
                yield node, "packages", top, f"the package `{top}` {PACKAGE}"
            elif forbidden := self._rules.forbids(name):
                rule, reason = forbidden
                yield node, rule, name, f"`{name}` {reason}"

    def _attribute(self, node: ast.Attribute) -> Iterator[_Finding]:
        rules = self._rules
        for name in sorted(self._scopes[node].values(node)):
            if forbidden := rules.forbids(name):
                rule, reason = forbidden
                yield node, rule, name, _sentence(node, name, reason)
                return
        if rules.evasion and node.attr in DUNDERS and not self._may_define(node):
            yield node, "no-evasion", node.attr, f"`.{node.attr}` {EVASION}"
        elif node.attr in rules.methods and node.attr not in self._own:
            if self._is_foreign(node):
                return
            if self._switches_off(node):
                return
            reason = DERIVATIVE if node.attr not in rules.methods - _autodiff(rules) else TASK
            yield node, "methods", node.attr, f"`.{node.attr}` {reason}"

    def _is_foreign(self, node: ast.Attribute) -> bool:
        """Whether the attribute is known to be something else than a tensor's (say, numpy's)."""
        bases = self._scopes[node].values(node.value)
        return bool(bases) and not any(base.startswith("torch") for base in bases)

    def _switches_off(self, node: ast.Attribute) -> bool:
        return node.attr == "requires_grad_" and node in self._off

    def _may_define(self, node: ast.Attribute) -> bool:
        if node.attr in OWN_HOOKS and _is_super(node.value):
            return True
        return node.attr in self._own and not node.attr.startswith("__")

    def _name(self, node: ast.Name) -> Iterator[_Finding]:
        for name in sorted(self._scopes[node].lookup(node.id)):
            if name.startswith(BUILTIN):
                bare = name.removeprefix(BUILTIN)
                if self._rules.evasion and (bare in BUILTINS or bare in DUNDERS):
                    yield node, "no-evasion", bare, f"`{bare}` {EVASION}"
                    return
            elif "." in name and (forbidden := self._rules.forbids(name)):
                rule, reason = forbidden
                yield node, rule, name, _sentence(node, name, reason)
                return

    def _call(self, node: ast.Call) -> Iterator[_Finding]:
        rules, scope = self._rules, self._scopes[node]
        if rules.autodiff:
            for keyword in node.keywords:
                if keyword.arg == "requires_grad" and not _is_false(keyword.value):
                    yield node, "no-autodiff", "requires_grad", f"`requires_grad` {DERIVATIVE}"
        if not rules.evasion:
            return
        functions = scope.values(node.func)
        if functions & {f"{BUILTIN}getattr", f"{BUILTIN}setattr", f"{BUILTIN}delattr"}:
            yield from self._reflection(node, scope)
        if functions & {"operator.attrgetter", "operator.methodcaller"}:
            for argument in node.args[: 1 if "operator.methodcaller" in functions else None]:
                yield from self._getter(node, argument, scope)
        if functions & {f"{BUILTIN}vars", f"{BUILTIN}dir"} and node.args:
            if scope.values(node.args[0]):
                yield node, "no-evasion", "vars", f"listing a module's names {EVASION}"

    def _reflection(self, node: ast.Call, scope: Scope) -> Iterator[_Finding]:
        if len(node.args) < 2:
            return
        name = fold(node.args[1], scope)
        bases = scope.values(node.args[0])
        if name is None:
            if any(self._is_module(base) for base in bases):
                text = "looking up a module's attribute by a computed name"
                yield node, "no-evasion", "getattr", f"{text} {EVASION}"
            return
        if name in DUNDERS and name not in OWN_HOOKS:
            yield node, "no-evasion", name, f"`{name}` {EVASION}"
            return
        for base in sorted(bases):
            if forbidden := self._rules.forbids(f"{base}.{name}"):
                rule, reason = forbidden
                yield node, rule, f"{base}.{name}", f"`{base}.{name}` {reason}"
                return
        if name in self._rules.methods and name not in self._own:
            yield node, "methods", name, f"`.{name}` {DERIVATIVE if self._rules.autodiff else TASK}"

    def _is_module(self, base: str) -> bool:
        top = base.partition(".")[0]
        return top in ("torch", "numpy", "functorch", "sys", "builtins", "importlib", "operator")

    def _getter(self, node: ast.Call, argument: ast.expr, scope: Scope) -> Iterator[_Finding]:
        path = fold(argument, scope)
        if path is None:
            yield node, "no-evasion", "attrgetter", f"an attribute of a computed name {EVASION}"
            return
        for part in path.split("."):
            if part in DUNDERS or (part in self._rules.methods and part not in self._own):
                yield node, "no-evasion", part, f"`.{part}` looked up by name {EVASION}"
                return
            if forbidden := self._rules.forbids(f"torch.{part}"):
                yield node, forbidden[0], part, f"`.{part}` looked up by name {EVASION}"
                return

    def _assignment(self, node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[_Finding]:
        if not self._rules.autodiff:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            for part in ast.walk(target):
                if (
                    isinstance(part, ast.Attribute)
                    and part.attr == "requires_grad"
                    and isinstance(part.ctx, ast.Store)
                    and not _is_false(node.value)
                    and "requires_grad" not in self._own
                ):
                    name = "requires_grad"
                    yield part, "no-autodiff", name, f"`.requires_grad = …` {DERIVATIVE}"

    def _display(self, node: ast.Dict) -> Iterator[_Finding]:
        if not self._rules.autodiff:
            return
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "requires_grad":
                if not _is_false(value):
                    yield node, "no-autodiff", "requires_grad", f"`requires_grad` {DERIVATIVE}"


def _report(
    findings: list[_Finding],
    scopes: dict[ast.AST, Scope],
    top: TopLevel,
    functions: Collection[str],
    filename: str,
) -> PolicyReport:
    by_scope: dict[str | None, list[Violation]] = {}
    for node, rule, name, sentence in findings:
        scope = top.scope_of.get(node)
        line = getattr(node, "lineno", 1)
        where = f"{filename}:{line}"
        by_scope.setdefault(scope, []).append(
            Violation(rule, name, line, getattr(node, "col_offset", 0), f"{where}: {sentence}", scope)
        )
    for violations in by_scope.values():
        violations.sort(key=lambda violation: (violation.line, violation.column))
    at_import = top.reachable(top.called_at_import)
    module_level = [
        violation
        for scope, violations in by_scope.items()
        if scope is None or scope in at_import
        for violation in violations
    ]
    by_function = {}
    spent = {None, *at_import}
    for function in functions:
        reached = top.reachable([function])
        own = [v for scope, vs in by_scope.items() if scope in reached for v in vs]
        spent |= reached
        if own:
            by_function[function] = tuple(sorted(own, key=lambda v: (v.line, v.column)))
    elsewhere = [v for scope, vs in by_scope.items() if scope not in spent for v in vs]
    return PolicyReport(
        tuple(sorted(module_level, key=lambda v: (v.line, v.column))), by_function, tuple(elsewhere)
    )


def _worth_a_look(node: ast.AST) -> Iterator[ast.AST]:
    """The children that can run: an annotation that merely names a type can't."""
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            if field in ("annotation", "returns") and not _computes(child):
                continue
            yield child


def _computes(annotation: ast.AST) -> bool:
    kinds = (ast.Call, ast.NamedExpr, ast.Lambda, ast.Await, ast.Yield, ast.YieldFrom)
    comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    return any(isinstance(node, (*kinds, *comprehensions)) for node in ast.walk(annotation))


def _own_attributes(tree: ast.Module) -> frozenset[str]:
    """Names that the student's own classes define: methods, class and instance attributes."""
    own: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                own.add(part.name)
            elif isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                if isinstance(part.value, ast.Name) and part.value.id in ("self", "cls"):
                    own.add(part.attr)
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                own.add(part.id)
    return frozenset(own)


def _sentence(node: ast.AST, name: str, reason: str) -> str:
    written = ast.unparse(node) if isinstance(node, ast.expr) else name
    alias = "" if written == name or len(written) > 60 else f" (here as `{written}`)"
    return f"`{name}`{alias} {reason}"


def _autodiff(rules: Rules) -> frozenset[str]:
    from autograder.interim_policy.rules import AUTODIFF_METHODS

    return AUTODIFF_METHODS if rules.autodiff else frozenset()


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )
