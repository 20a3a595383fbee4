"""Whom a violation costs: the whole submission, the functions that reach it, or nobody."""

from __future__ import annotations

import textwrap

import pytest

from .conftest import check, reached

# Each reaches bad() from f and not from g. `bad` is defined below in front of each.
REACHED = {
    "a direct call": """
        def f(x): return bad(x)
    """,
    "a call of a call": """
        def helper(x): return bad(x)
        def f(x): return helper(x)
    """,
    "a nested function": """
        def f(x):
            def inner(): return bad(x)
            return inner()
    """,
    "a lambda": """
        f = lambda x: bad(x)
    """,
    "another name": """
        f = bad
    """,
    "a method of a new instance": """
        class Tape:
            def run(self, x): return bad(x)
        def f(x): return Tape().run(x)
    """,
    "a method of a shared instance": """
        class Tape:
            def run(self, x): return bad(x)
        tape = Tape()
        def f(x): return tape.run(x)
    """,
    "a method that another method calls": """
        class Tape:
            def run(self, x): return self.step(x)
            def step(self, x): return bad(x)
        def f(x): return Tape().run(x)
    """,
    "a property": """
        class Tape:
            @property
            def value(self): return bad(1)
        def f(x): return Tape().value
    """,
    "a cached property": """
        import functools
        class Tape:
            @functools.cached_property
            def value(self): return bad(1)
        def f(x): return Tape().value
    """,
    "a static method": """
        class Ops:
            @staticmethod
            def run(x): return bad(x)
        def f(x): return Ops.run(x)
    """,
    "a class method": """
        class Ops:
            @classmethod
            def run(cls, x): return bad(x)
        def f(x): return Ops.run(x)
    """,
    "an inherited method": """
        class Base:
            def run(self, x): return bad(x)
        class Derived(Base): pass
        def f(x): return Derived().run(x)
    """,
    "a method that overrides what the base class calls": """
        class Base:
            def run(self, x): return self.step(x)
        class Derived(Base):
            def step(self, x): return bad(x)
        def f(x): return Derived().run(x)
    """,
    "super": """
        class Base:
            def run(self, x): return bad(x)
        class Derived(Base):
            def run(self, x): return super().run(x)
        def f(x): return Derived().run(x)
    """,
    "a constructor": """
        class Tape:
            def __init__(self, x): self.x = bad(x)
        def f(x): return Tape(x).x
    """,
    "a dataclass's __post_init__": """
        import dataclasses
        @dataclasses.dataclass
        class Tape:
            x: object
            def __post_init__(self): self.x = bad(self.x)
        def f(x): return Tape(x).x
    """,
    "a callable instance": """
        class Op:
            def __call__(self, x): return bad(x)
        op = Op()
        def f(x): return op(x)
    """,
    "an operator": """
        class Var:
            def __matmul__(self, other): return bad(other)
        def f(x): return Var() @ x
    """,
    "a reflected operator": """
        class Var:
            def __rmul__(self, other): return bad(other)
        def f(x): return 2 * Var()
    """,
    "indexing": """
        class Table:
            def __getitem__(self, key): return bad(key)
        def f(x): return Table()[x]
    """,
    "iterating": """
        class Walk:
            def __iter__(self): yield bad(1)
        def f(x): return list(Walk())
    """,
    "a context manager": """
        class Context:
            def __enter__(self): return bad(1)
            def __exit__(self, *error): pass
        def f(x):
            with Context() as value: return value
    """,
    "a context manager by decorator": """
        import contextlib
        @contextlib.contextmanager
        def context():
            yield bad(1)
        def f(x):
            with context() as value: return value
    """,
    "__getattr__": """
        class Lazy:
            def __getattr__(self, name): return bad(name)
        def f(x): return Lazy().value
    """,
    "a generator": """
        def values():
            yield bad(1)
        def f(x): return list(values())
    """,
    "a comprehension": """
        def f(x): return [bad(v) for v in x]
    """,
    "map": """
        def f(x): return list(map(bad, x))
    """,
    "sorted with a key": """
        def f(x): return sorted(x, key=bad)
    """,
    "reduce": """
        import functools
        def f(x): return functools.reduce(lambda a, v: bad(v), x, 0)
    """,
    "an argument": """
        def apply(function, x): return function(x)
        def f(x): return apply(bad, x)
    """,
    "a default": """
        def f(x, function=bad): return function(x)
    """,
    "a partial": """
        import functools
        f = functools.partial(bad, 1)
    """,
    "a module-level table": """
        TABLE = {"bad": bad}
        def f(x): return TABLE["bad"](x)
    """,
    "a table of pairs": """
        TABLE = {"op": (len, bad)}
        def f(x): return TABLE["op"][1](x)
    """,
    "a table with a computed key": """
        TABLE = {"bad": bad}
        def f(x): return TABLE["".join("bad")](x)
    """,
    "a table that is filled later": """
        TABLE = {}
        TABLE["bad"] = bad
        def f(x): return TABLE["bad"](x)
    """,
    "a table that is updated": """
        TABLE = {}
        TABLE.update(bad=bad)
        def f(x): return TABLE["bad"](x)
    """,
    "a table that a function fills": """
        TABLE = []
        def fill(): TABLE.append(bad)
        fill()
        def f(x): return TABLE[0](x)
    """,
    "a registering decorator": """
        TABLE = {}
        def register(function):
            TABLE[function.__name__] = function
            return function
        @register
        def hidden(x): return bad(x)
        def f(x): return TABLE["hidden"](x)
    """,
    "a registering decorator with an argument": """
        TABLE = {}
        def register(name):
            def decorate(function):
                TABLE[name] = function
                return function
            return decorate
        @register("op")
        def hidden(x): return bad(x)
        def f(x): return TABLE["op"](x)
    """,
    "a registry object": """
        class Registry:
            def __init__(self): self.table = {}
            def add(self, name, function): self.table[name] = function
            def get(self, name): return self.table[name]
        registry = Registry()
        registry.add("op", bad)
        def f(x): return registry.get("op")(x)
    """,
    "a decorated function": """
        import functools
        def checked(function):
            @functools.wraps(function)
            def wrapper(*args): return function(*args)
            return wrapper
        @checked
        def f(x): return bad(x)
    """,
    "what the decorator does around it": """
        import functools
        def checked(function):
            @functools.wraps(function)
            def wrapper(*args): return bad(function(*args))
            return wrapper
        @checked
        def f(x): return x
    """,
    "a class as decorator": """
        class Checked:
            def __init__(self, function): self.function = function
            def __call__(self, x): return bad(self.function(x))
        @Checked
        def f(x): return x
    """,
    "a cached function": """
        import functools
        @functools.lru_cache(maxsize=None)
        def helper(x): return bad(x)
        def f(x): return helper(x)
    """,
    "a function that a factory makes": """
        def make(function):
            def made(x): return function(x)
            return made
        f = make(bad)
    """,
    "a lambda given to a factory": """
        def make(function):
            def made(x): return function(x)
            return made
        f = make(lambda x: bad(x))
    """,
    "composition": """
        def compose(a, b): return lambda x: a(b(x))
        f = compose(len, bad)
    """,
    "a function stored on a function": """
        def helper(x): return helper.step(x)
        helper.step = bad
        def f(x): return helper(x)
    """,
    "a function stored on an instance": """
        class Op: pass
        op = Op()
        op.step = bad
        def f(x): return op.step(x)
    """,
    "a function stored on a class": """
        class Op: pass
        Op.step = bad
        def f(x): return Op.step(x)
    """,
    "an alias in a class": """
        class Op:
            step = bad
        def f(x): return Op.step(x)
    """,
    "a callback kept in an attribute": """
        class Node:
            def __init__(self, rule): self.rule = rule
            def run(self, x): return self.rule(x)
        def f(x): return Node(bad).run(x)
    """,
    "a method looked up by name": """
        class Ops:
            def run_bad(self, x): return bad(x)
        def f(x, name="bad"): return getattr(Ops(), "run_" + name)(x)
    """,
    "a method looked up by a name nobody knows": """
        class Ops:
            def run_bad(self, x): return bad(x)
        def f(x, name=None): return getattr(Ops(), name)(x)
    """,
    "a function defined in a branch": """
        if len("abc") == 3:
            def helper(x): return bad(x)
        else:
            def helper(x): return x
        def f(x): return helper(x)
    """,
    "the second definition of the same name": """
        def helper(x): return x
        def helper(x): return bad(x)
        def f(x): return helper(x)
    """,
    "a match statement": """
        def f(x):
            match x:
                case 1: return bad(x)
    """,
    "an except clause": """
        def f(x):
            try: return x.nothing
            except AttributeError: return bad(x)
    """,
    "a finally clause and a while loop": """
        def f(x):
            while x:
                try: break
                finally: bad(x)
    """,
    "a global that another function sets": """
        step = len
        def choose():
            global step
            step = bad
        def f(x):
            choose()
            return step(x)
    """,
    "mutual recursion": """
        def even(x): return odd(x)
        def odd(x): return bad(x) or even(x)
        def f(x): return even(x)
    """,
    "an assert": """
        def f(x):
            assert bad(x)
    """,
    "an f-string": """
        def f(x): return f"{bad(x)}"
    """,
    "a thread": """
        import threading
        def f(x): threading.Thread(target=bad, args=(x,)).start()
    """,
}

BAD = """
import torch
def bad(x): return torch.autograd.grad(x, x)
def g(x): return 2 * x
"""


@pytest.mark.parametrize("way", REACHED)
def test_a_violation_costs_the_function_that_reaches_it_and_no_other(way: str) -> None:
    report = check(BAD + textwrap.dedent(REACHED[way]), ("f", "g"))
    assert report.module_level == ()
    assert [v.name for v in report.by_function["f"]] == ["torch.autograd.grad"]
    assert not report.by_function.get("g")
    assert report.elsewhere == ()


# Each runs bad() while the submission is imported.
AT_IMPORT = {
    "a call": "bad(1)",
    "a call whose result is kept": "value = bad(1)",
    "a call in a list": "values = [bad(1)]",
    "a call in a comprehension": "values = [bad(v) for v in (1, 2)]",
    "a call of a function that calls it": "def helper(): return bad(1)\nhelper()",
    "a call in a class body": "class Ops:\n    value = bad(1)",
    "a default": "def helper(x=bad(1)): return x",
    "a decorator that calls it": "def deco(f):\n    bad(1)\n    return f\n@deco\ndef h(x): return x",
    "the decorator itself": "@bad\ndef helper(x): return x",
    "a class decorator": "@bad\nclass Helper: pass",
    "a constructor": "class A:\n    def __init__(self): bad(1)\na = A()",
    "a method": "class A:\n    def run(self): bad(1)\nA().run()",
    "a property": "class A:\n    @property\n    def value(self): return bad(1)\nvalue = A().value",
    "an operator": "class A:\n    def __add__(self, o): return bad(o)\nvalue = A() + 1",
    "a context manager": (
        "class A:\n    def __enter__(self): bad(1)\n    def __exit__(self, *e): pass\n"
        "with A(): pass"
    ),
    "a loop": "for v in (1, 2): bad(v)",
    "an if": "if bad(1): pass",
    "a try": "try: bad(1)\nexcept Exception: pass",
    "a lambda called at once": "(lambda: bad(1))()",
    "map": "list(map(bad, [1]))",
    "sorted with a key": "sorted([1, 2], key=bad)",
    "a hook for subclasses": (
        "class A:\n    def __init_subclass__(cls): bad(1)\nclass B(A): pass"
    ),
    "a metaclass": "class M(type):\n    def __new__(m, *a): return bad(a)\nclass A(metaclass=M): pass",
    "a thread": "import threading\nthreading.Thread(target=bad, args=(1,)).start()",
}


@pytest.mark.parametrize("way", AT_IMPORT)
def test_a_violation_at_import_costs_everything(way: str) -> None:
    report = check(BAD + AT_IMPORT[way], ("g",))
    assert {v.name for v in report.module_level} == {"torch.autograd.grad"}


# Each mentions bad() without running it, neither at import nor from f.
NOT_RUN = {
    "nobody calls it": "def f(x): return x",
    "it stands in a table": "TABLE = {'bad': bad}\ndef f(x): return x",
    "it stands in a partial": "import functools\nlater = functools.partial(bad, 1)\ndef f(x): return x",
    "it is registered": (
        "TABLE = []\ndef register(function):\n    TABLE.append(function)\n    return function\n"
        "@register\ndef hidden(x): return bad(x)\ndef f(x): return x"
    ),
    "it stands in the main block": "def f(x): return x\nif __name__ == '__main__':\n    bad(f(1))",
    "it stands in a turned main block": "def f(x): return x\nif '__main__' == __name__:\n    bad(1)",
    "another method has it": (
        "class Ops:\n    @staticmethod\n    def bad(x): return bad(x)\n"
        "    @staticmethod\n    def good(x): return x\ndef f(x): return Ops.good(x)"
    ),
    "another method of an instance has it": (
        "class Ops:\n    def bad(self, x): return bad(x)\n    def good(self, x): return x\n"
        "ops = Ops()\ndef f(x): return ops.good(x)"
    ),
    "another function has the same decorator": (
        "import functools\ndef checked(function):\n    @functools.wraps(function)\n"
        "    def wrapper(*a): return function(*a)\n    return wrapper\n"
        "@checked\ndef other(x): return bad(x)\n@checked\ndef f(x): return x"
    ),
    "a self-test function has it": (
        "def f(x): return x\ndef test_f(): assert bad(1) == f(1)\n"
        "if __name__ == '__main__':\n    test_f()"
    ),
    "a lambda nobody calls": "later = lambda: bad(1)\ndef f(x): return x",
    "a class nobody uses": "class Ops:\n    def run(self, x): return bad(x)\ndef f(x): return x",
}


@pytest.mark.parametrize("way", NOT_RUN)
def test_what_no_graded_function_reaches_is_only_a_note(way: str) -> None:
    report = check(BAD + NOT_RUN[way], ("f", "g"))
    assert report.module_level == ()
    assert not report.by_function.get("f")
    assert not report.by_function.get("g")
    assert [v.name for v in report.elsewhere] == ["torch.autograd.grad"]


@pytest.mark.parametrize(
    "trick",
    [
        "__name__ = '__main__'",
        "import torch as __name__",
        "def __name__(): pass",
        "for __name__ in ['__main__']: pass",
        "class __name__: pass",
        "[__name__ := '__main__']",
    ],
)
def test_a_main_block_counts_once_the_file_may_have_become_main(trick: str) -> None:
    source = f"import torch\n{trick}\nif __name__ == '__main__':\n    torch.autograd.grad(1, 1)\n"
    assert check(source).module_level


def test_the_other_branch_of_a_main_block_runs_at_import() -> None:
    source = "import torch\nif __name__ == '__main__':\n    pass\nelse:\n    torch.autograd.grad(1, 1)\n"
    assert check(source).module_level


@pytest.mark.parametrize("test", ["__name__ != '__main__'", "__name__ == 'student'", "True"])
def test_only_the_usual_main_block_is_left_out(test: str) -> None:
    assert check(f"import torch\nif {test}:\n    torch.autograd.grad(1, 1)\n").module_level


def test_an_import_for_the_type_checker_counts_once_it_may_run() -> None:
    source = "TYPE_CHECKING = True\nif TYPE_CHECKING:\n    from torch import nn\n"
    assert check(source).module_level
    source = "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    from torch import nn\n"
    assert check(source).module_level


def test_a_violation_says_where_it_is() -> None:
    source = "import torch as t\n\n\nclass Tape:\n    def run(self, x):\n        y = 1; return t.jit\n"
    (violation,) = reached(check(source + "def f(x): return Tape().run(x)\n"))
    assert (violation.line, violation.column, violation.scope) == (6, 22, "Tape")
    assert (violation.rule, violation.name) == ("no-autodiff", "torch.jit")
    assert violation.message.startswith("student.py:6: ")


def test_a_violation_in_a_function_is_counted_once_however_often_it_is_reached() -> None:
    source = BAD + "def h(x): return bad(x)\ndef f(x): return bad(x) + h(x) + bad(h(x))\n"
    assert len(check(source).by_function["f"]) == 1


def test_violations_are_in_the_order_of_the_file() -> None:
    source = "import torch\ndef f(x):\n    torch.jit\n    torch.func\n    x.backward()\n"
    assert [v.line for v in reached(check(source))] == [3, 4, 5]


def test_a_function_that_is_missing_costs_nothing_here() -> None:
    report = check("import torch\n", ("f", "missing"))
    assert not report.by_function.get("missing")


def test_the_report_is_the_same_every_time() -> None:
    source = BAD + textwrap.dedent(REACHED["a registry object"])
    assert len({repr(check(source, ("f", "g"))) for _ in range(5)}) == 1
