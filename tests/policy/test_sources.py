"""Whatever a file holds, the check ends soon, with a report or with a SourceError."""

from __future__ import annotations

import ast
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import COURSE, PolicyReport, SourceError, all_of, check, reached, snippets

SOLUTIONS = [path.read_bytes() for path in sorted((COURSE / "solutions").glob("a*/*s.py"))]
SNIPPETS = [
    snippet.source
    for name in ("evasions_by_alias", "evasions_by_machinery", "honest_names", "honest_styles")
    for snippet in snippets(name)
]


def outcome(source: str | bytes) -> PolicyReport | str:
    """The report, or the text of the SourceError; any other exception is a failure."""
    try:
        return check(source)
    except SourceError as error:
        text = str(error)
        assert text.startswith("student.py")
        assert len(text) < 300
        assert "\n" not in text
        return text


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbfimport torch\n")
@example(b"# -*- coding: utf-7 -*-\n+AGE-")
@example(b"# coding: rot13\n")
@example(b"# coding: hex\n6578")
@example(b"# coding: nonsense\nx = 1\n")
@example(b"x = '\xff'\n")
@example(b"x = 1\0\n")
@example(b"\r\r\n\n")
@example(b"\x0c\x1a\\")
def test_random_bytes_are_a_report_or_a_source_error(source: bytes) -> None:
    outcome(source)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200))
def test_random_text_is_a_report_or_a_source_error(source: str) -> None:
    outcome(source)


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(SOLUTIONS), st.floats(0, 1))
def test_a_truncated_solution_is_a_report_or_a_source_error(source: bytes, part: float) -> None:
    outcome(source[: int(len(source) * part)])


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(SNIPPETS), st.sampled_from(SNIPPETS), st.integers(0, 2**32))
def test_a_mixture_of_lines_is_a_report_or_a_source_error(a: str, b: str, seed: int) -> None:
    lines = [*a.splitlines(), *b.splitlines()]
    random.Random(seed).shuffle(lines)
    outcome("\n".join(lines))


class _Shuffle(ast.NodeTransformer):
    """Puts other expressions of the same file in the place of some."""

    def __init__(self, tree: ast.Module, seed: int) -> None:
        self._random = random.Random(seed)
        self._expressions = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.expr)
            and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
            and not isinstance(node, ast.Starred | ast.Await | ast.Yield | ast.YieldFrom)
        ]

    def visit(self, node: ast.AST) -> ast.AST:
        replaceable = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Constant)
        stays = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        if replaceable and not stays and self._random.random() < 0.15:
            return self._random.choice(self._expressions)
        return super().generic_visit(node)


@pytest.mark.parametrize("seed", range(40))
def test_code_put_together_at_random_is_a_report_or_a_source_error(seed: int) -> None:
    choice = random.Random(seed)
    tree = ast.parse("\n".join(choice.sample(SNIPPETS, 3)).replace("from __future__", "# "))
    try:
        source = ast.unparse(_Shuffle(tree, seed).visit(tree))
    except (RecursionError, ValueError):
        return  # a tree that can't be written down is no file
    if len(source) < 100_000:
        outcome(source)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize(
    "source",
    [
        "(" * 5_000 + ")" * 5_000,
        "x = " + "[" * 150 + "]" * 150,
        "x = " + "-" * 50_000 + "1",
        "x = " + "1+" * 50_000 + "1",
        "x = a" + ".b" * 50_000,
        "x = a" + "()" * 50_000,
        "x = a" + "[0]" * 50_000,
        "x = " + "not " * 20_000 + "1",
        "x = " + "lambda: " * 5_000 + "1",
        "x = " + "f(" * 5_000 + ")" * 5_000,
        "".join("    " * i + "if x:\n" for i in range(99)) + "    " * 99 + "pass",
        "".join(" " * i + "def f():\n" for i in range(95)) + " " * 95 + "pass",
        "".join(" " * i + "class f:\n" for i in range(95)) + " " * 95 + "pass",
        "if x: pass\n" + "elif x: pass\n" * 20_000,
        "x = " + "1 if x else " * 20_000 + "1",
        "match x:\n    case " + "[" * 150 + "]" * 150 + ": pass",
        "def f(x):\n    return " + " + ".join(["x"] * 20_000),
    ],
    ids=lambda source: source[:20].replace("\n", " "),
)
def test_deep_nesting_is_a_report_or_a_source_error(source: str) -> None:
    outcome(source)


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize(
    "line",
    [
        "x = torch.exp(x)\n",
        "t = t.t\n",
        "a, b = b, a\n",
        "f = lambda x: f(g(x))\n",
        "d[d] = d.get(d, d)\n",
        "def f(x): return f(f)\n",
        "class A(A): pass\n",
        "x = 'a' + 'b'\n",
        "x += 'a' * 9\n",
        "x = [x, x]\n",
        "x = f'{x}{x}'\n",
        "f = functools.partial(f, f)\n",
        "@f\ndef f(g): return g(g)\n",
        "x = getattr(x, x)\n",
        "import torch.nn as x\n",
        "x: torch.nn = 1\n",
        "# torch.autograd\n",
        "\n",
    ],
)
def test_a_megabyte_of_anything_ends(line: str) -> None:
    head = "import functools, torch\nx = t = f = g = a = b = torch\nd = {}\n"
    outcome(head + line * (1_000_000 // len(line)))


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("size", [30_000, 240_000])
def test_a_long_honest_file_is_read_to_its_end(size: int) -> None:
    solution = SOLUTIONS[1].decode().replace("from __future__ import annotations", "")
    many = solution * (size // len(solution)) + "\ndef f(x): return torch.autograd.grad(x, x)\n"
    report = check(many)
    assert [v.name for v in reached(report)] == ["torch.autograd.grad"]


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize(
    "statement",
    [
        "x{0} = x{1}",
        "def f{0}(x): return f{1}(x)",
        "x{0} = [x{1}, x{1}]",
        "x{0} = 'a' + x{1}",
        "class A{0}(A{1}): pass",
        "x{0} = lambda: x{1}",
        "x{0} = getattr(x{1}, 'a')",
        "x{0} = x{1}.a",
        "x{0} = x{1}(x{1})",
        "x{0} = {{'a': x{1}}}",
        "@f{1}\ndef f{0}(g): return g",
        "t = [t, x{0}]",
        "t.a{0} = t.a{1}",
        "import torch as x{0}\ndef f{0}(g): return g(x{1}, f{1})",
    ],
)
def test_a_chain_through_hundreds_of_names_ends(statement: str) -> None:
    """Read in either direction: values have a long way to go, and every step may be costly."""
    length = 200
    ends = f"x{length} = f{length} = t = torch\nclass A{length}: pass\n"
    for order in (range(length), reversed(range(length))):
        body = "\n".join(statement.format(i, i + 1) for i in order)
        outcome(f"import torch\n{ends}{body}\n{ends}def f(x): return x0\n")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(x):\n    return x +\n", "student.py:2: "),
        ("def f(x):\nreturn x\n", "student.py:2: "),
        ("return 3\n", "student.py:1: "),
        ("def f():\n    nonlocal y\n", "student.py:2: "),
        ("x = 1\nbreak\n", "student.py:2: "),
        ("from __future__ import braces\n", "student.py:1: "),
        ("print 'hello'\n", "student.py:1: "),
        ("x = '''\n", "student.py"),
        ("if x:\n\ty\n        z\n", "student.py:3: "),
        (b"x = 1\0", "null"),
        (b"# coding: latin-9\n", "student.py"),
        (b"x = 1\n# caf\xe9\n", "student.py:2: "),
        (b"PK\x03\x04\x14\x00", "student.py"),
    ],
)
def test_a_source_error_says_which_file_and_line(source: str | bytes, says: str) -> None:
    with pytest.raises(SourceError) as caught:
        check(source)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfimport torch\ndef f(x): return torch.jit\n",
        b"# -*- coding: latin-1 -*-\n# caf\xe9\nimport torch\ndef f(x): return torch.jit\n",
        b"import torch\r\ndef f(x):\r\n    return torch.jit\r\n",
        b"import torch\rdef f(x): return torch.jit\r",
        "import torch\ndef f(x): return torch.jit\n",
        "import torch\ndef f(x): return torch.\\\n  jit",
        "import torch\ndef f(x): return torch.ＪＩＴ\n".lower(),
        "import torch\ndef f(x): return ｔorch.jit\n",
    ],
    ids=["BOM", "latin-1", "CRLF", "CR", "text", "continued line", "wide letters", "wide t"],
)
def test_encodings_and_line_ends_hide_nothing(source: str | bytes) -> None:
    assert [v.name for v in reached(check(source))] == ["torch.jit"]


@pytest.mark.parametrize("source", ["", "\n", "# nothing\n", '"""Nothing."""', "pass", b"", b" "])
def test_an_empty_file_breaks_no_rule(source: str | bytes) -> None:
    assert all_of(check(source)) == []


@pytest.mark.parametrize("source", ["x = '\\d'\n", "x = 1 is 1\n", "assert (1, 'x')\n"])
def test_what_python_only_warns_about_is_no_error(source: str) -> None:
    assert all_of(check(source)) == []
