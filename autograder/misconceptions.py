"""Named wrong implementations, each with the hint that helps: how courses write and load them.

A course's `misconceptions.py` imports the solution by its bare module name (`from operators import
unbroadcast`). That name may mean something else in the same process: another course's solution,
or a student's module. So the file and the solution are run in a world of their own: an `__import__`
in their builtins answers for the solution's names, and no name that anyone else imports changes its
meaning. It keeps answering after loading, for imports within functions.
"""

from __future__ import annotations

import ast
import builtins
import copy
import difflib
import inspect
import re
import symtable
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from autograder.bindings import bound_by, bound_names, names_in
from autograder.errors import SuiteError

__all__ = ["Misconception", "load_misconceptions", "misconception"]

_MARK = "__misconception__"
_MIN_HINT = 20
_ID = re.compile(r"[a-z][a-z0-9_]*")

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Misconception:
    """A wrong idea that students really have.

    `function` has the signature of the solution's function `replaces`, which is in the module
    `module`; `id` is its own name. `source` is a module that defines the function under its own
    name, with whatever it needs of the file it comes from. `where` is its place, for messages.
    """

    id: str
    exercise: str
    replaces: str
    hint: str
    function: Callable[..., Any]
    source: str
    module: str
    where: str


@dataclass(frozen=True, slots=True)
class _Mark:
    exercise: str
    replaces: str
    hint: str


def misconception(exercise: str, *, replaces: str, hint: str) -> Callable[[_Function], _Function]:
    """Mark a function as a misconception about `exercise`.

    `replaces` is the function of the solution that it stands in for, with the same signature;
    `hint` is what a student reads whose answer equals this function's. The function itself stays
    as it is. Raises SuiteError, with file and line, for an argument that can't be meant.
    """

    def mark(function: _Function) -> _Function:
        if not isinstance(function, FunctionType):
            raise SuiteError(f"{function!r} can't be a misconception; decorate a plain function.")
        where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
        name = function.__name__
        words = " ".join(hint.split()) if isinstance(hint, str) else ""
        faults = {
            f"its exercise {exercise!r} is no exercise id": not _is_id(exercise),
            f"replaces={replaces!r} is no function's name": not _is_identifier(replaces),
            f"its hint has fewer than {_MIN_HINT} characters": len(words) < _MIN_HINT,
            f"the name {name!r} is not in snake_case": not _is_id(name),
            "it is marked twice": _MARK in vars(function),
        }
        for fault, found in faults.items():
            if found:
                raise SuiteError(f"{where}: misconception `{name}`: {fault}; change that.")
        vars(function)[_MARK] = _Mark(exercise, replaces, words)
        return function

    return mark


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _is_identifier(value: object) -> bool:
    return isinstance(value, str) and value.isidentifier()


# --- loading --------------------------------------------------------------------------------------


def load_misconceptions(path: Path, modules: Mapping[str, Path]) -> tuple[Misconception, ...]:
    """The misconceptions of a file, in its order.

    `modules` maps the bare names under which it may import the solution's modules to their files.
    Nothing outside is changed by loading, and the functions keep working afterwards. Raises
    SuiteError, with file and line, if the file or the solution can't be run, an id is there twice,
    `replaces` is unknown, or a signature differs from that of the function it replaces.
    """
    world = _World(modules)
    namespace = vars(world.run("misconceptions", path))
    tree = ast.parse(path.read_bytes())
    _refuse_star_imports(tree, path)
    solution = {name: _functions(ast.parse(file.read_bytes())) for name, file in modules.items()}
    marks = {name for name, value in namespace.items() if value is misconception}
    statements = _bare_statements(tree, marks)
    loaded: dict[int, Misconception] = {}
    for name, node in _functions(tree, path).items():
        function = namespace.get(name)
        mark = vars(function).get(_MARK) if isinstance(function, FunctionType) else None
        if function is None or not isinstance(mark, _Mark):
            continue
        where = f"{path}:{node.lineno}"
        module = _module_of(mark.replaces, solution, where)
        _require_same_signature(function, vars(world.module(module))[mark.replaces], mark, where)
        loaded[id(function)] = Misconception(
            id=name,
            exercise=mark.exercise,
            replaces=mark.replaces,
            hint=mark.hint,
            function=function,
            source=_source_alone(statements, name, modules, where),
            module=module,
            where=where,
        )
    for value in namespace.values():
        if isinstance(value, FunctionType) and _MARK in vars(value) and id(value) not in loaded:
            raise SuiteError(
                f"{path}:{value.__code__.co_firstlineno}: the misconception `{value.__name__}` "
                f"isn't a plain `def` at the top level of this file; make it one."
            )
    return tuple(loaded.values())


def _refuse_star_imports(tree: ast.Module, path: Path) -> None:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            raise SuiteError(
                f"{path}:{node.lineno}: `import *` hides what is used; list the names."
            )


def _functions(tree: ast.Module, path: Path | None = None) -> dict[str, ast.FunctionDef]:
    """The functions that a module defines; with `path`, none may be defined twice."""
    functions: dict[str, ast.FunctionDef] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if path is not None and node.name in functions:
                raise SuiteError(
                    f"{path}:{node.lineno}: line {functions[node.name].lineno} defines a "
                    f"`{node.name}` already; rename one of the two."
                )
            functions[node.name] = node
    return functions


class _World:
    """Modules that import each other by name, and that nothing else can import."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._modules: dict[str, ModuleType] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def module(self, name: str) -> ModuleType:
        """The solution's module of that name, run on first use."""
        if name not in self._modules:
            self.run(name, self._paths[name])
        return self._modules[name]

    def run(self, name: str, path: Path) -> ModuleType:
        module = ModuleType(f"{name}@{id(self):x}")
        module.__file__ = str(path)
        vars(module)["__builtins__"] = self._builtins
        self._modules[name] = module  # before it runs, as modules may import each other in a circle
        # While it runs it is registered, because dataclasses look up the module that defines them;
        # under a name that no import asks for, so that nobody can meet it.
        sys.modules[module.__name__] = module
        try:
            code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            exec(code, vars(module))  # noqa: S102  the course's own code, as an import would run it
        except SuiteError:
            raise
        except Exception as error:  # whatever a module may raise when it is imported
            raise SuiteError(f"{_place(error, path)}: {_words(error)}; mend the file.") from error
        finally:
            del sys.modules[module.__name__]
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002  the names of __import__
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and name in self._paths:
            return self.module(name)
        return builtins.__import__(name, globals, locals, fromlist or (), level)


def _place(error: Exception, path: Path) -> str:
    """Where in the file it went wrong, as far as one can tell."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _words(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    return " ".join(f"{type(error).__name__}: {text}".split())


def _module_of(
    replaces: str, solution: Mapping[str, Mapping[str, ast.FunctionDef]], where: str
) -> str:
    found = [module for module, functions in solution.items() if replaces in functions]
    if len(found) == 1:
        return found[0]
    if found:
        raise SuiteError(f"{where}: {' and '.join(found)} both define {replaces!r}; rename one.")
    names = [name for functions in solution.values() for name in functions]
    close = difflib.get_close_matches(replaces, names, n=1)
    advice = f"did you mean {close[0]!r}?" if close else "name one of its functions."
    raise SuiteError(f"{where}: the solution has no function {replaces!r}; {advice}")


def _require_same_signature(
    function: Callable[..., Any], original: Callable[..., Any], mark: _Mark, where: str
) -> None:
    ours, theirs = _parameters(function), _parameters(original)
    if ours != theirs:
        raise SuiteError(
            f"{where}: the parameters {ours} differ from {theirs}, those of `{mark.replaces}`; "
            f"make them the same."
        )


def _parameters(function: Callable[..., Any]) -> str:
    """Names, kinds and defaults, as text; annotations don't matter."""
    signature = inspect.signature(function)
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))


# --- the source of one misconception --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Statement:
    """A top-level statement without marks, the names in it, and those that it binds."""

    node: ast.stmt
    names: frozenset[str]
    bound: frozenset[str]


def _bare_statements(tree: ast.Module, marks: Set[str]) -> list[_Statement]:
    """The file's statements, ready to be moved elsewhere; changes the tree.

    Annotations go as well: their names need not exist in the solution. A decorator may read them,
    as Triton's does, and then they stay.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [
                each for each in node.decorator_list if not _is_mark(each, marks)
            ]
            if not node.decorator_list:
                node.returns = None
                for argument in ast.walk(node.args):
                    if isinstance(argument, ast.arg):
                        argument.annotation = None
    return [
        _Statement(node, frozenset(names_in(node)), frozenset(bound_names(node)))
        for node in tree.body
    ]


def _source_alone(
    statements: Sequence[_Statement], name: str, modules: Collection[str], where: str
) -> str:
    """A module with the function of that name and, in their order, the statements that it needs.

    Which ones it needs is judged by the names that occur in it, then in those, and so on: that may
    take one too many along, never one too few.
    """
    names, known = {name}, set[str]()
    needed: set[int] = set()
    while names != known:
        known = set(names)
        needed = {index for index, each in enumerate(statements) if each.bound & known}
        names = known.union(*(statements[index].names for index in needed))
    kept = [_without_unneeded_imports(statements[index].node, names) for index in sorted(needed)]
    for statement in kept:
        _refuse_what_cannot_move(statement, name, modules, where)
    source = ast.unparse(ast.Module(kept, [])) + "\n"
    undefined = sorted(_undefined_names(symtable.symtable(source, where, "exec")))
    if undefined:
        raise SuiteError(
            f"{where}: `{name}` uses `{undefined[0]}`, which this file doesn't define; define or "
            f"import it."
        )
    return source


def _undefined_names(table: symtable.SymbolTable, known: Set[str] | None = None) -> Iterator[str]:
    if known is None:
        known = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_local()}
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_global() and name not in known and not hasattr(builtins, name):
            yield name
    for child in table.get_children():
        yield from _undefined_names(child, known)


def _is_mark(decorator: ast.expr, marks: Set[str]) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (isinstance(name, ast.Name) and name.id in marks) or (
        isinstance(name, ast.Attribute) and name.attr == misconception.__name__
    )


def _without_unneeded_imports(node: ast.stmt, names: Set[str]) -> ast.stmt:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return node
    needed = copy.copy(node)
    needed.names = [each for each in node.names if bound_by(each) in names]
    return needed


def _refuse_what_cannot_move(
    statement: ast.stmt, name: str, modules: Collection[str], where: str
) -> None:
    for node in ast.walk(statement):
        fault = None
        if isinstance(node, ast.Global):
            fault = "a `global` statement; return what it changes"
        elif isinstance(node, ast.Import) and any(each.name in modules for each in node.names):
            fault = "the solution as a module; import names from it"
        elif isinstance(node, ast.ImportFrom) and node.module in modules and node is not statement:
            fault = "an import from the solution within other code; import at the top"
        if fault is not None:
            raise SuiteError(
                f"{where}: `{name}` uses {fault} (its code has to run inside the solution, too)."
            )
