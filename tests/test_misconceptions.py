"""Misconceptions: written, loaded without a trace, and moved into the solution."""

from __future__ import annotations

import ast
import gc
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autograder.errors import SuiteError
from autograder.misconceptions import (
    Misconception,
    load_misconceptions,
    misconception,
)
from autograder.swap import swapped_source

HINT = "Think of what happens to the rows."

SOLUTION = '''\
"""Scaling and adding."""

from __future__ import annotations

import math
from dataclasses import dataclass

FACTOR = 10


@dataclass(slots=True)
class Pair:
    left: float
    right: "float"


def _double(x):
    return 2 * x


def scale(x, k=FACTOR, *, twice=False):
    """k times x."""
    # BEGIN SOLUTION
    return _double(k * x) if twice else k * x
    # END SOLUTION


def add(x, y):
    importlib = x + y
    return importlib


def norm(x, y):
    return math.sqrt(_double(add(x * x, y * y)) / 2)
'''

FILE = f'''\
"""Wrong ideas about scaling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from autograder.misconceptions import misconception
from operators import FACTOR, Pair, _double, add, scale

if TYPE_CHECKING:
    from nowhere import Number

OFFSET = 1


def _double(x: Number) -> Number:  # not the solution's, which is why it is here
    return x + _offset()


def _offset() -> int:
    return OFFSET


@misconception("scale", replaces="scale", hint="{HINT}")
def adds_instead(x: Number, k: Number = FACTOR, *, twice: bool = False) -> Number:
    return add(x, k)


@misconception(
    "scale",
    replaces="scale",
    hint=(
        "The factor is applied once; you apply it "
        "once more than that."
    ),
)
def applies_it_twice(
    x,
    k=FACTOR,
    *,
    twice=False,
):
    """Calls what it replaces."""
    return scale(scale(x, k), k, twice=twice)


@misconception("norm", replaces="norm", hint="{HINT}")
def uses_its_own_helper(x, y):
    _ = Pair(x, y)
    return math.hypot(_double(x), y)


def not_marked(x, y):
    return 0
'''


@pytest.fixture
def course(tmp_path: Path) -> Path:
    (tmp_path / "operators.py").write_text(SOLUTION)
    return tmp_path


def load(folder: Path, source: str = FILE) -> dict[str, Misconception]:
    """Write and load a file that may import the solution as `operators`."""
    path = folder / "misconceptions.py"
    path.write_text(textwrap.dedent(source))
    found = load_misconceptions(path, {"operators": folder / "operators.py"})
    return {one.id: one for one in found}


def marked(body: str, replaces: str = "add", head: str = "") -> str:
    return (
        f"from autograder.misconceptions import misconception\n{textwrap.dedent(head)}\n"
        f'@misconception("sums", replaces="{replaces}", hint="{HINT}")\n{textwrap.dedent(body)}'
    )


def refusal(folder: Path, source: str) -> str:
    with pytest.raises(SuiteError) as caught:
        load(folder, source)
    text = str(caught.value)
    assert "\n" not in text
    return text.replace(f"{folder}/", "")


def run(source: str) -> dict[str, Any]:
    """The module's names after running this source, as a submission would be run."""
    module = ModuleType("operators")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "operators", module)
        exec(compile(source, "operators.py", "exec", dont_inherit=True), vars(module))
    return vars(module)


def swapped(folder: Path, source: str, name: str) -> dict[str, Any]:
    return run(swapped_source((folder / "operators.py").read_text(), load(folder, source)[name]))


# --- the decorator --------------------------------------------------------------------------------


def test_a_marked_function_is_the_function_itself() -> None:
    def drops_a_row(x: int) -> int:
        return x - 1

    assert misconception("sums", replaces="add", hint=HINT)(drops_a_row) is drops_a_row
    assert drops_a_row(3) == 2


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"exercise": ""}, "its exercise '' is no exercise id"),
        ({"exercise": "Mat mul"}, "its exercise 'Mat mul' is no exercise id"),
        ({"exercise": None}, "its exercise None is no exercise id"),
        ({"replaces": "mat-mul"}, "replaces='mat-mul' is no function's name"),
        ({"replaces": 3}, "replaces=3 is no function's name"),
        ({"hint": ""}, "its hint has fewer than 20 characters"),
        ({"hint": "look     \n\n\n\n again"}, "its hint has fewer than 20 characters"),
        ({"hint": None}, "its hint has fewer than 20 characters"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, Any], fault: str) -> None:
    def wrong(x: int) -> int:
        return x

    given = {"exercise": "sums", "replaces": "add", "hint": HINT, **arguments}
    with pytest.raises(SuiteError) as caught:
        misconception(given.pop("exercise"), **given)(wrong)
    line = wrong.__code__.co_firstlineno
    assert str(caught.value) == f"{__file__}:{line}: misconception `wrong`: {fault}; change that."


def test_only_a_plain_function_in_snake_case_can_be_marked_and_only_once() -> None:
    mark = misconception("sums", replaces="add", hint=HINT)

    def CamelCase() -> None: ...

    def once() -> None: ...

    with pytest.raises(SuiteError, match="the name 'CamelCase' is not in snake_case"):
        mark(CamelCase)
    with pytest.raises(SuiteError, match="the name '<lambda>' is not in snake_case"):
        mark(lambda: None)
    with pytest.raises(SuiteError, match="decorate a plain function"):
        mark(len)
    mark(once)
    with pytest.raises(SuiteError, match="`once`: it is marked twice"):
        mark(once)


# --- loading --------------------------------------------------------------------------------------


def test_loading_gives_the_marked_functions_in_order(course: Path) -> None:
    found = load(course)
    assert list(found) == ["adds_instead", "applies_it_twice", "uses_its_own_helper"]
    one = found["applies_it_twice"]
    assert (one.exercise, one.replaces, one.module) == ("scale", "scale", "operators")
    assert one.hint == "The factor is applied once; you apply it once more than that."
    line = FILE.splitlines().index("def applies_it_twice(") + 1
    assert one.where == f"{course / 'misconceptions.py'}:{line}"


def test_loaded_functions_work_and_see_the_solution(course: Path) -> None:
    found = load(course)
    assert found["adds_instead"].function(5) == 15
    assert found["applies_it_twice"].function(1, 2) == 4
    assert found["uses_its_own_helper"].function(2, 4) == 5


def test_loading_changes_nothing_outside(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    student = ModuleType("operators")
    vars(student)["add"] = lambda x, y: 0
    monkeypatch.setitem(sys.modules, "operators", student)
    monkeypatch.delitem(sys.modules, "misconceptions", raising=False)
    modules, path = dict(sys.modules), list(sys.path)
    found = load(course)
    assert (dict(sys.modules), sys.path) == (modules, path)
    gc.collect()
    assert found["adds_instead"].function(5, 6) == 11  # the solution's `add`, not the student's


def test_imports_within_a_solutions_functions_work_after_loading(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("import operators\n\n\ndef one():\n    return 1\n")
    (tmp_path / "operators.py").write_text(
        "import helpers\n\n\ndef add(x, y):\n    from helpers import one\n    return x + one()\n"
    )
    path = tmp_path / "misconceptions.py"
    path.write_text(
        marked("def wrong(x, y):\n    return add(x, y)", head="from operators import add")
    )
    modules = {name: tmp_path / f"{name}.py" for name in ("operators", "helpers")}
    (one,) = load_misconceptions(path, modules)
    assert one.function(4, 0) == 5


def test_two_courses_with_the_same_module_name_stay_apart(tmp_path: Path) -> None:
    functions = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "operators.py").write_text(f"def add(x, y):\n    return {number}\n")
        source = marked("def wrong(x, y):\n    return add(x, y)", head="from operators import add")
        functions.append(load(folder, source)["wrong"].function)
    assert [function(0, 0) for function in functions] == [1, 2]


def test_a_file_without_misconceptions_has_none(course: Path) -> None:
    assert load(course, '"""Nothing yet."""\n') == {}


def test_misconceptions_may_be_marked_under_another_name(course: Path) -> None:
    source = marked("def wrong(x, y):\n    return x - y\n")
    as_module = source.replace("@misconception", "@autograder.misconceptions.misconception")
    as_module = as_module.replace(
        "from autograder.misconceptions import misconception", "import autograder.misconceptions"
    )
    as_alias = source.replace("import misconception", "import misconception as m")
    as_alias = as_alias.replace("@misconception", "@m")
    for text in (as_module, as_alias):
        assert swapped(course, text, "wrong")["add"](5, 3) == 2
        assert "autograder" not in load(course, text)["wrong"].source


@pytest.mark.parametrize(
    ("source", "wording"),
    [
        (
            marked("def wrong(x, y): ...", replaces="ad"),
            "misconceptions.py:4: the solution has no function 'ad'; did you mean 'add'?",
        ),
        (
            marked("def wrong(x, y): ...", replaces="transpose"),
            "misconceptions.py:4: the solution has no function 'transpose'; name one of its",
        ),
        (
            marked("def wrong(x, y): ...", replaces="math"),
            "misconceptions.py:4: the solution has no function 'math'; ",
        ),
        (
            marked("def wrong(y, x): ..."),
            "misconceptions.py:4: the parameters (y, x) differ from (x, y), those of `add`; make",
        ),
        (
            marked("def wrong(x, k=11, *, twice=False): ...", replaces="scale"),
            "the parameters (x, k=11, *, twice=False) differ from (x, k=10, *, twice=False)",
        ),
        (
            marked("def wrong(x, k=10, twice=False): ...", replaces="scale"),
            "the parameters (x, k=10, twice=False) differ from (x, k=10, *, twice=False)",
        ),
        (
            marked("def wrong(x, y): ...") + "\n" + marked("def wrong(x, y): ..."),
            "misconceptions.py:8: line 4 defines a `wrong` already; rename one of the two.",
        ),
        (
            marked("def wrong(x, y): ...") + "\ndef wrong(x, y): ...",
            "misconceptions.py:5: line 4 defines a `wrong` already",
        ),
        (
            marked("def wrong(x, y): ...\n") + "other = wrong\ndel wrong\n",
            "misconceptions.py:3: the misconception `wrong` isn't a plain `def` at the top level",
        ),
        (
            "if True:\n" + textwrap.indent(marked("def wrong(x, y): ..."), "    "),
            "isn't a plain `def` at the top level of this file; make it one",
        ),
        (
            marked("def wrong(x, y): ...").replace(HINT, "short"),
            "misconceptions.py:3: misconception `wrong`: its hint has fewer than 20 characters",
        ),
        ("def f(:\n", "misconceptions.py:1: SyntaxError: invalid syntax"),
        ("import no_such_module_at_all\n", "misconceptions.py:1: ModuleNotFoundError: No module"),
        ("\nfrom operators import subtract\n", "misconceptions.py:2: ImportError: cannot import"),
        ("def f():\n    1 / 0\n\n\nf()\n", "misconceptions.py:2: ZeroDivisionError: division"),
        ("from operators import *\n", "misconceptions.py:1: `import *` hides what is used"),
        (
            marked("def wrong(x, y):\n    return undefined_name\n"),
            "misconceptions.py:4: `wrong` uses `undefined_name`, which this file doesn't define",
        ),
        (
            marked("def wrong(x, y):\n    return operators.add(y, x)\n", head="import operators"),
            "misconceptions.py:4: `wrong` uses the solution as a module; import names from it",
        ),
        (
            marked("def wrong(x, y):\n    from operators import add\n    return add(x, x)\n"),
            "`wrong` uses an import from the solution within other code; import at the top",
        ),
        (
            marked("def wrong(x, y):\n    global N\n    N += 1\n    return N\n", head="N = 0"),
            "`wrong` uses a `global` statement; return what it changes",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(
    course: Path, source: str, wording: str
) -> None:
    assert wording in refusal(course, source)


def test_a_solution_that_cannot_be_run_is_named(course: Path) -> None:
    (course / "operators.py").write_text(
        "def add(x, y): ...\n\nraise RuntimeError('two\\nlines')\n"
    )
    assert refusal(course, marked("def wrong(x, y): ...")) == (
        "operators.py:3: RuntimeError: two lines; mend the file."
    )


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"misconceptions\.py: FileNotFoundError: No such file"):
        load_misconceptions(tmp_path / "misconceptions.py", {})


def test_a_function_in_two_modules_is_ambiguous(course: Path) -> None:
    (course / "other.py").write_text("def add(x, y): ...\n")
    path = course / "misconceptions.py"
    path.write_text(marked("def wrong(x, y): ..."))
    modules = {name: course / f"{name}.py" for name in ("operators", "other")}
    with pytest.raises(SuiteError, match="operators and other both define 'add'; rename one"):
        load_misconceptions(path, modules)


# --- moved into the solution ----------------------------------------------------------------------


def test_a_source_holds_what_the_function_needs_and_no_more(course: Path) -> None:
    source = load(course)["uses_its_own_helper"].source
    assert source == textwrap.dedent("""\
        import math
        from operators import Pair, _double
        OFFSET = 1

        def _double(x):
            return x + _offset()

        def _offset():
            return OFFSET

        def uses_its_own_helper(x, y):
            _ = Pair(x, y)
            return math.hypot(_double(x), y)
        """)


def test_the_swapped_function_is_wrong_and_the_others_are_as_before(course: Path) -> None:
    right = run(SOLUTION)
    assert (right["scale"](5), right["norm"](3, 4), right["add"](1, 2)) == (50, 5.0, 3)
    wrong = swapped(course, FILE, "adds_instead")
    assert (wrong["scale"](5), wrong["norm"](3, 4), wrong["add"](1, 2)) == (15, 5.0, 3)
    assert wrong["scale"].__name__ == "scale"


def test_a_misconception_may_call_what_it_replaces(course: Path) -> None:
    wrong = swapped(course, FILE, "applies_it_twice")
    assert wrong["scale"](1, 2) == 4
    assert wrong["scale"](1, 2, twice=True) == 8


def test_a_helper_with_the_name_of_a_solutions_helper_replaces_nothing(course: Path) -> None:
    wrong = swapped(course, FILE, "uses_its_own_helper")
    assert wrong["norm"](2, 4) == 5.0
    assert wrong["scale"](5, twice=True) == 100  # with the solution's own _double


def test_each_swapped_function_does_what_the_loaded_one_does(course: Path) -> None:
    for name, one in load(course).items():
        wrong = swapped(course, FILE, name)[one.replaces]
        assert [wrong(x, 3) for x in range(4)] == [one.function(x, 3) for x in range(4)]


def test_the_solution_stays_as_it_is_in_front(course: Path) -> None:
    one = load(course)["adds_instead"]
    assert swapped_source(SOLUTION, one).startswith(SOLUTION)
    assert swapped_source(SOLUTION.rstrip(), one).startswith(SOLUTION)
    assert "misconception(" not in swapped_source(SOLUTION, one)
    assert "import autograder" not in swapped_source(SOLUTION, one)


# What stands before the misconception, and its body: x - y in place of add's x + y.
SHAPES = {
    "an alias of the solution's": ("from operators import add as plus", "return plus(x, -y)"),
    "the original": ("from operators import add", "return add(x, -y)"),
    "itself": ("", "return -wrong(y, x) if x < y else x - y"),
    "an alias that collides": ("from operators import add as norm", "return norm(x, -y)"),
    "an import that collides": ("import cmath as math", "return math.exp(0).real * (x - y)"),
    "an import that is there": ("import math", "return math.floor(x - y)"),
    "a submodule": ("import os.path", "return os.path.join and x - y"),
    "a constant that collides": ("FACTOR = -1", "return x + FACTOR * y"),
    "a builtin's name": ("def abs(x):\n    return x", "return abs(x - y)"),
    "a chain of helpers": ("A = -1\ndef b(x): return A * x\nc = b", "return x + c(y)"),
    "a class": ("class Pair:\n    def add(self, x, y): return x - y", "return Pair().add(x, y)"),
    "a name assigned twice": ("k = 1\nk = -k", "return x + k * y"),
    "a name made by a loop": ("for FACTOR in (5, -1):\n    pass", "return x + FACTOR * y"),
    "a walrus": ("FACTORS = [(k := -1), 2]", "return x + k * y"),
    "a call by keyword": ("def sub(*, x, y): return x - y", "return sub(x=x, y=y)"),
    "a docstring": ("'Words.'", '"""Doc."""\n    return x - y'),
    "a class that uses a colliding helper": (
        """
        def _double(x): return -x
        class Neg:
            _double = 0
            def of(self, x): return _double(x) + self._double
        """,
        "return x + Neg().of(y)",
    ),
    "a parameter of a colliding name": (
        """
        FACTOR = 7
        def sub(x, FACTOR): return x - FACTOR
        """,
        "return sub(x, FACTOR=y) + FACTOR - 7",
    ),
    "local names that collide": (
        "def _double(x): return -x",
        """z = _double(y)
    same = lambda _double: _double
    copies = [_double for _double in [_double(-z)]]
    return x + same(copies[0]) + sum(_double(0) for _ in copies)""",
    ),
    "a default and an inner function": (
        "FACTOR = -1",
        """def inner(z, k=FACTOR):
        FACTOR = k
        return FACTOR * z
    return x + inner(y)""",
    ),
    "a decorated helper whose annotations are read": (
        """
        from functools import cache
        @cache
        def sub(x: int, y: 'int') -> int: return x - y
        """,
        "return sub(x, y) if sub.__wrapped__.__annotations__ else 0",
    ),
    "an annotation that is read and collides": (
        """
        from functools import cache
        FACTOR = -1
        @cache
        def sub(x, y: FACTOR): return x - y
        """,
        # The solution has `from __future__ import annotations`, this file hasn't.
        "return sub(x, y) if sub.__annotations__['y'] in (-1, '_wrong_FACTOR') else 0",
    ),
    "a metaclass that collides": (
        """
        class Pair(type): pass
        class Sub(metaclass=Pair):
            of = staticmethod(lambda x, y: x - y)
        """,
        "return Sub.of(x, y) if type(Sub) is Pair else 0",
    ),
    "a package whose name is taken": ("import importlib.abc", "return importlib.abc and x - y"),
    "a name like those that are made up": (
        "_wrong_double = -1\ndef _double(x): return _wrong_double * x",
        "return x + _double(y)",
    ),
    "an exception and a match": (
        """
        try:
            import nowhere
        except ImportError as math:
            name = type(math).__name__
        """,
        """match name:
        case 'ModuleNotFoundError':
            return x - y""",
    ),
}


@pytest.mark.parametrize(("head", "body"), SHAPES.values(), ids=SHAPES)
def test_code_of_every_shape_survives_the_move(course: Path, head: str, body: str) -> None:
    source = marked(f"def wrong(x, y):\n    {body}\n", head=head)
    one = load(course, source)["wrong"]
    assert one.function(5, 3) == 2
    wrong = run(swapped_source(SOLUTION, one))
    assert (wrong["add"](5, 3), wrong["add"](3, 5)) == (2, -2)
    assert wrong["scale"](5, twice=True) == 100
    wrong["add"] = run(SOLUTION)["add"]  # norm depends on it, and on all that might be overwritten
    assert wrong["norm"](3, 4) == 5.0
    assert wrong["Pair"](1.0, 2.0).right == 2.0


def test_swapping_again_gives_the_same_text(course: Path) -> None:
    texts = {swapped_source(SOLUTION, load(course)["uses_its_own_helper"]) for _ in range(3)}
    assert len(texts) == 1


def test_a_solution_without_future_annotations_gets_no_annotation_it_cannot_evaluate(
    course: Path,
) -> None:
    bare = SOLUTION.replace("from __future__ import annotations\n", "")
    (course / "operators.py").write_text(bare)
    assert run(swapped_source(bare, load(course)["adds_instead"]))["scale"](5) == 15


def test_what_cannot_be_moved_is_refused(course: Path) -> None:
    one = load(course)["adds_instead"]
    broken = Misconception(
        **{
            name: getattr(one, name)
            for name in one.__dataclass_fields__
            if name not in ("source", "where")
        },
        source="return 1\n",
        where="misconceptions.py:4",
    )
    with pytest.raises(SuiteError, match=r"py:4: `adds_instead` can't be moved .*; write it more"):
        swapped_source(SOLUTION, broken)
    assert ast.parse(swapped_source(SOLUTION, one))
