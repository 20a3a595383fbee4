"""Handouts: stubs without a trace of the solution, and the folder that students get."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from autograder.errors import HandoutError
from autograder.handout import (
    MANIFEST,
    REQUIREMENTS,
    build_handout,
    drift,
    drift_diff,
    write_handout,
    zip_handout,
)
from autograder.stub import render_stub

SOLUTION = '''\
"""Two operators."""

from __future__ import annotations

import operator

Number = int | float

# BEGIN SOLUTION
# A teaching comment about helpers.
import functools


def _fold(values: list[Number]) -> Number:
    return functools.reduce(operator.add, values)


# END SOLUTION


def total(values: list[Number]) -> Number:
    """The sum. A marker in a string is none:

    # BEGIN SOLUTION
    """
    # BEGIN SOLUTION
    # Sums are folds.
    return _fold(values)
    # END SOLUTION


def pair(value: Number) -> tuple[Number, Number]:
    """Twice the same."""
    # GIVEN: nothing to learn here.
    return value, value


class Counter:
    """Counts."""

    def step(self, by: int) -> int:
        """Adds `by`, and returns the new count."""
        start = 0
        # BEGIN SOLUTION
        start += by
        # END SOLUTION
        return start
'''

STUB = '''\
"""Two operators."""

from __future__ import annotations

import operator

Number = int | float


def total(values: list[Number]) -> Number:
    """The sum. A marker in a string is none:

    # BEGIN SOLUTION
    """
    raise NotImplementedError("total")


def pair(value: Number) -> tuple[Number, Number]:
    """Twice the same."""
    # GIVEN: nothing to learn here.
    return value, value


class Counter:
    """Counts."""

    def step(self, by: int) -> int:
        """Adds `by`, and returns the new count."""
        start = 0
        raise NotImplementedError("Counter.step")
        return start
'''


def refusal(source: str) -> str:
    with pytest.raises(HandoutError) as caught:
        render_stub(textwrap.dedent(source), "solutions/a1/operators.py")
    text = str(caught.value)
    assert "\n" not in text
    return text


# --- stubs ----------------------------------------------------------------------------------------


def test_a_stub_has_everything_but_the_marked_regions() -> None:
    assert render_stub(SOLUTION, "x.py") == STUB


def test_no_line_of_a_marked_region_survives() -> None:
    regions = re.findall(r"(?ms)^ *# BEGIN SOLUTION\n(?!    \"\"\")(.*?)# END SOLUTION", SOLUTION)
    inside = [line for region in regions for line in region.splitlines() if line.strip()]
    assert len(inside) == 7
    assert not set(inside) & set(STUB.splitlines())


def test_line_ends_and_a_byte_order_mark_make_no_difference() -> None:
    assert render_stub("\ufeff" + SOLUTION.replace("\n", "\r\n"), "x.py") == STUB


def test_markers_at_the_end_of_a_nested_block_and_a_file_without_last_newline() -> None:
    source = """\
    def relu(x, inplace=False):
        if inplace:
            # BEGIN SOLUTION
            return x.clamp_(min=0)
            # END SOLUTION
        # BEGIN SOLUTION
        return x.clamp(min=0)
        # END SOLUTION"""
    assert render_stub(textwrap.dedent(source), "x.py") == textwrap.dedent("""\
    def relu(x, inplace=False):
        if inplace:
            raise NotImplementedError("relu")
        raise NotImplementedError("relu")
    """)


def test_decorated_async_and_nested_functions_are_named_after_where_they_stand() -> None:
    source = """\
    @decorate(
        "many lines",
    )
    async def outer():
        def inner():
            # BEGIN SOLUTION
            return 1
            # END SOLUTION
        return inner
    """
    assert 'raise NotImplementedError("outer.inner")' in render_stub(textwrap.dedent(source), "x")


def test_a_whole_decorated_helper_can_be_marked() -> None:
    source = "import a\n# BEGIN SOLUTION\n@a.jit\ndef helper():\n    pass\n# END SOLUTION\nX = 1\n"
    assert render_stub(source, "x.py") == "import a\nX = 1\n"


def test_the_larger_gap_stays_where_a_region_is_taken_away() -> None:
    source = "A = 1\n\n# BEGIN SOLUTION\nB = 2\n# END SOLUTION\n\n\nC = 3\n"
    assert render_stub(source, "x.py") == "A = 1\n\n\nC = 3\n"
    assert render_stub(source.removeprefix("A = 1\n"), "x.py") == "C = 3\n"


def test_functions_without_code_need_no_markers() -> None:
    source = """\
    class Shape(Protocol):
        def area(self) -> float: ...
        def name(self) -> str:
            "What to call it."
            raise NotImplementedError
    """
    assert render_stub(textwrap.dedent(source), "x.py") == textwrap.dedent(source)


# --- markers that are wrong -----------------------------------------------------------------------


def test_an_end_without_a_begin_says_where_and_what_to_do() -> None:
    assert refusal("def f():\n    return 1\n    # END SOLUTION\n") == (
        "solutions/a1/operators.py:3: END SOLUTION without BEGIN SOLUTION; add the opening marker "
        "or delete this line."
    )


@pytest.mark.parametrize(
    ("source", "wording"),
    [
        (
            "def f():\n    # BEGIN SOLUTION\n    return 1\n",
            ":2: BEGIN SOLUTION without END SOLUTION; add the closing marker",
        ),
        (
            "def f():\n    # BEGIN SOLUTION\n    # BEGIN SOLUTION\n    return 1\n",
            ":3: BEGIN SOLUTION inside the region that line 2 begins",
        ),
        (
            "def f():\n    x = 1  # BEGIN SOLUTION\n    # END SOLUTION\n",
            ":2: BEGIN SOLUTION behind code; give it a line of its own",
        ),
        (
            "def f():\n    # BEGIN SOLUTION\n    # END SOLUTION\n    return 1\n",
            ":2: no code between the markers",
        ),
        (
            "def f():\n    # BEGIN SOLUTION\n    return 1\n# END SOLUTION\n",
            ":2: the region up to line 4 isn't made of whole statements",
        ),
        (
            "if a:\n    # BEGIN SOLUTION\n    x = 1\nelse:\n    y = 1\n    # END SOLUTION\n",
            ":2: the region up to line 6 isn't",
        ),
        (
            "if a:\n    x = 1\n# BEGIN SOLUTION\nelse:\n    y = 1\n# END SOLUTION\n",
            ":3: the region up to line 6 isn't",
        ),
        (
            "@a\n# BEGIN SOLUTION\ndef f():\n    return 1\n# END SOLUTION\n",
            ":2: the region up to line 5 isn't",
        ),
        (
            "# BEGIN SOLUTION\nif a:\n    x = 1\n    # END SOLUTION\n    y = 1\n",
            ":1: the region up to line 4 isn't",
        ),
        (
            "try:\n    # BEGIN SOLUTION\n    a()\nexcept E:\n    b()\n    # END SOLUTION\n",
            ":2: the region up to line 6 isn't",
        ),
        (
            "match a:\n    # BEGIN SOLUTION\n    case 1:\n        b()\n    # END SOLUTION\n",
            ":2: the region up to line 5 isn't",
        ),
        (
            "x = [\n# BEGIN SOLUTION\n1,\n# END SOLUTION\n]\n",
            ":2: no code between the markers",
        ),
        (
            "def f(\n    # BEGIN SOLUTION\n    x=1,\n    # END SOLUTION\n):\n    return x\n",
            ":2: no code between the markers",
        ),
        (
            "class A:\n    # BEGIN SOLUTION\n    x = 1\n    # END SOLUTION\n",
            "the stub made from it is no valid Python (expected an indented block",
        ),
        ("def f(:\n", ":1: no valid Python"),
        ("def f():\n  return 1\n return 2\n", ":3: no valid Python"),
        ("x = '\0'\n", ": no valid Python"),
    ],
)
def test_a_wrong_region_is_refused_with_its_line(source: str, wording: str) -> None:
    assert wording in refusal(source)


@pytest.mark.parametrize(
    "marker",
    [
        "# BEGIN SOLUTON",
        "#BEGIN SOLUTION",
        "#  BEGIN SOLUTION",
        "# begin solution",
        "# Begin Solution",
        "# BEGIN SOLUTIONS",
        "# BEGIN SOLUTION:",
        "# BEGIN SOLUTION (fold the leading dimensions into rows)",
        "# BEGINSOLUTION",
        "# BEGIN_SOLUTION",
        "### BEGIN SOLUTION",
        "# BEGIN THE SOLUTION",
        "# BEING SOLUTION",
        "# BGIN SOLUTION",
        "# START SOLUTION",
        "# SOLUTION BEGIN",
        "# ---- begin solution ----",
    ],
)
def test_what_looks_like_a_marker_but_is_none_is_refused(marker: str) -> None:
    for source in (
        f"def f():\n    {marker}\n    return 1\n    # END SOLUTION\n",
        f"{marker}\nimport math\n",
    ):
        assert f"`{marker}` looks like a marker; write `# BEGIN SOLUTION`." in refusal(source)
    ending = marker.upper().replace("BEGIN", "END").replace("START", "STOP").replace("BEING", "END")
    if "END" in ending or "STOP" in ending:
        source = f"def f():\n    # BEGIN SOLUTION\n    return 1\n    {ending}\n"
        wanted = "# END SOLUTION"
        if ending != wanted:
            assert f"looks like a marker; write `{wanted}`." in refusal(source)


@pytest.mark.parametrize(
    "comment",
    [
        "# The solution ends up in the same place for every stride",
        "# begin with the solution of the linear system",
        "# a solution",
        "# and the solution",
        "# the end",
        "# beginning of the batch",
        "# resolution",
        "#",
    ],
)
def test_ordinary_comments_are_no_markers(comment: str) -> None:
    source = f"{comment}\nX = 1\n"
    assert render_stub(source, "x.py") == source


def test_a_marker_in_a_string_neither_counts_nor_balances() -> None:
    source = 'X = """\n# BEGIN SOLUTION\n# begin soluton\n"""\n'
    assert render_stub(source, "x.py") == source
    assert "without BEGIN" in refusal(source + "# END SOLUTION\n")


# --- leaks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "@a\ndef f(x):\n    return x\n",
        "async def f(x):\n    return x\n",
        "class A:\n    def f(self):\n        return 1\n",
        "if a:\n    def f(x):\n        return x\n",
        "try:\n    pass\nexcept E:\n    def f(x):\n        return x\n",
        "f = lambda x: x\n",
        "f: Any = lambda x: x\n",
    ],
)
def test_a_function_without_a_marked_region_is_a_leak(source: str) -> None:
    text = refusal(source)
    assert "students would get `f" in text
    assert "mark its solution with `# BEGIN SOLUTION` and `# END SOLUTION`, or write" in text


@pytest.mark.parametrize("given", ["# GIVEN", "# GIVEN: the autotuner needs it", "# GIVEN, as is"])
def test_a_function_that_says_it_is_given_is_handed_out(given: str) -> None:
    for source in (f"def f():\n    {given}\n    return 1\n", f"def f():  {given}\n    return 1\n"):
        assert render_stub(source, "x.py") == source


@pytest.mark.parametrize("comment", ["# GIVENS", "# given", "#GIVEN", "# WHAT IS GIVEN"])
def test_other_words_do_not_give_a_function_away(comment: str) -> None:
    assert "students would get `f` whole" in refusal(f"def f():\n    {comment}\n    return 1\n")


def test_given_in_one_function_is_not_given_in_another() -> None:
    source = "def f():\n    # GIVEN\n    return 1\n\n\ndef g():\n    return 2\n"
    assert ":6: students would get `g` whole" in refusal(source)


@pytest.mark.parametrize(
    "quotation",
    ['    """Hint: fold.\n\n    >>> y = x.reshape(-1)\n    """\n', "    # y = x.reshape(-1)\n"],
)
def test_solution_code_in_a_docstring_or_comment_is_refused(quotation: str) -> None:
    marked = "    # BEGIN SOLUTION\n    y = x.reshape(-1)\n    return y\n    # END SOLUTION\n"
    text = refusal(f"def f(x):\n{quotation}{marked}")
    assert re.search(r":\d: this quotes line \d of the solution, and students will read it", text)


# --- the folder -----------------------------------------------------------------------------------

PUBLIC_TESTS = '''\
"""Public tests."""

import operators


def test_total():
    assert operators.total([1, 2]) == 3


def test_step():
    assert operators.Counter().step(2) == 2
'''


@pytest.fixture
def solution(tmp_path: Path) -> Path:
    folder = tmp_path / "solutions" / "a1_operators"
    folder.mkdir(parents=True)
    (folder / "operators.py").write_text(SOLUTION)
    (folder / "test_public.py").write_text(PUBLIC_TESTS)
    (folder / "README.md").write_text("# Operators\r\n\r\nWrite them.\r\n", newline="")
    (folder / "misconceptions.py").write_text("SECRET = 1\n")
    (folder / "notes.txt").write_text("SECRET\n")
    return folder


def build(solution: Path) -> dict[str, bytes]:
    files = build_handout(
        solution, files=["operators.py"], assignment_id="a1_operators", title="Operators, by hand"
    )
    return dict(files)


def test_a_handout_holds_what_students_need_and_nothing_else(solution: Path) -> None:
    files = build(solution)
    assert list(files) == [
        ".gitignore",
        ".vscode/settings.json",
        "README.md",
        "operators.py",
        "pytest.ini",
        "requirements.txt",
        "test_public.py",
    ]
    assert files["operators.py"].decode() == STUB
    assert files["test_public.py"].decode() == PUBLIC_TESTS
    assert b"SECRET" not in b"".join(files.values())
    assert b"\r" not in b"".join(files.values())


def test_the_readme_says_where_it_comes_from(solution: Path) -> None:
    assert build(solution)["README.md"].decode() == (
        "<!-- Generated from solutions/a1_operators/README.md by `autograder handout "
        "a1_operators`; edit it there. -->\n\n# Operators\n\nWrite them.\n"
    )
    (solution / "README.md").write_text("Write them.\n")
    assert b"-->\n\n# Operators, by hand\n\nWrite them.\n" in build(solution)["README.md"]


def test_students_install_what_the_grader_is_pinned_to() -> None:
    constraints = Path(__file__).parents[1] / "constraints.txt"
    pinned = {
        requirement.name: requirement.specifier
        for line in constraints.read_text().splitlines()
        if not line.startswith("#")
        for requirement in [Requirement(line)]
    }
    for requirement in map(Requirement, REQUIREMENTS):
        specifier = pinned[requirement.name]
        exact = [clause.version for clause in specifier if clause.operator == "=="]
        if exact:
            assert requirement.specifier.contains(exact[0])
        else:
            assert requirement.specifier == specifier


@pytest.mark.parametrize(
    ("name", "content", "wording"),
    [
        ("operators.py", None, "operators.py: the file is missing; add it."),
        ("README.md", None, "README.md: the file is missing; add it."),
        ("test_public.py", None, "test_public.py: the file is missing; add it."),
        ("README.md", b" \n", "README.md: the file is empty; write it."),
        ("README.md", b"\xff", "README.md: can't be read"),
        (
            "test_public.py",
            b"# BEGIN SOLUTION\nx = 1\n# END SOLUTION\n",
            "test_public.py:1: public tests are handed out whole",
        ),
        ("test_public.py", b"# end soluton\n", "test_public.py:1: `# end soluton` looks like"),
    ],
)
def test_a_solution_folder_that_is_not_complete_is_refused(
    solution: Path, name: str, content: bytes | None, wording: str
) -> None:
    (solution / name).unlink()
    if content is not None:
        (solution / name).write_bytes(content)
    with pytest.raises(HandoutError) as caught:
        build(solution)
    assert f"{solution}/{wording}" in str(caught.value)


@pytest.mark.parametrize("name", ["misconceptions.py", "test_public.py", "../x.py", "conftest.py"])
def test_a_file_that_is_not_for_students_is_never_a_stub(solution: Path, name: str) -> None:
    with pytest.raises(HandoutError, match="can't be a stub; take it off the list"):
        build_handout(solution, files=[name], assignment_id="a1", title="A")


def run_pytest(folder: Path, *arguments: str, cwd: Path | None = None) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONPATH", "COV_CORE_SOURCE"):
        environment.pop(name, None)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=cwd or folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


def test_a_handout_runs_with_plain_pytest_before_and_after_it_is_filled_in(
    solution: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "student's own folder"
    write_handout(folder, build(solution))
    code, output = run_pytest(folder)
    assert code == 1, output
    assert "2 failed" in output
    assert "FAILED test_public.py::test_total - NotImplementedError: total" in output
    assert "FAILED test_public.py::test_step - NotImplementedError: Counter.step" in output

    stub = (folder / "operators.py").read_text()
    filled = stub.replace('raise NotImplementedError("total")', "return sum(values)")
    filled = filled.replace('raise NotImplementedError("Counter.step")', "start += by")
    (folder / "operators.py").write_text(filled)
    code, output = run_pytest(folder)
    assert code == 0, output
    assert "2 passed" in output
    # The way a TA runs it, from somewhere else.
    code, output = run_pytest(folder, str(folder), cwd=tmp_path)
    assert (code, "2 passed" in output) == (0, True), output


# --- writing, checking, packing -------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_writing_makes_the_folder_what_checking_expects(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "assignments" / "a1_operators", build(solution)
    assert len(drift(folder, files)) == len(files) + 1
    written = write_handout(folder, files)
    assert written == [f"{folder / name}: written." for name in files]
    assert drift(folder, files) == []
    assert {name: data for name, data in contents(folder).items() if name != MANIFEST} == files
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.py")} == {0o644}


def test_writing_again_touches_nothing(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert write_handout(folder, files) == []
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_a_changed_file_is_written_again_and_the_rest_is_not(
    solution: Path, tmp_path: Path
) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    files["README.md"] += b"More.\n"
    (folder / "operators.py").write_text("edited by mistake\n")
    assert write_handout(folder, files) == [
        f"{folder / 'README.md'}: written.",
        f"{folder / 'operators.py'}: written.",
    ]


def test_a_link_in_place_of_a_file_is_replaced_not_written_through(
    solution: Path, tmp_path: Path
) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    target = tmp_path / "elsewhere.py"
    target.write_bytes(files["operators.py"])
    (folder / "operators.py").unlink()
    (folder / "operators.py").symlink_to(target)
    files["operators.py"] += b"# new\n"
    write_handout(folder, files)
    assert not (folder / "operators.py").is_symlink()
    assert b"# new" not in target.read_bytes()


def test_what_an_earlier_handout_had_is_removed(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, {**files, "losses.py": b"old\n"})
    assert write_handout(folder, files) == [
        f"{folder / 'losses.py'}: removed, the handout has it no more."
    ]
    assert drift(folder, files) == []


@pytest.mark.parametrize("edited", [True, False])
def test_what_was_never_generated_is_left_alone_and_named(
    solution: Path, tmp_path: Path, edited: bool
) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, {**files, "mine.py": b"old\n"} if edited else files)
    (folder / "mine.py").write_text("my own work\n")
    assert write_handout(folder, files) == [
        f"{folder / 'mine.py'}: left alone, it isn't generated; move or delete it."
    ]
    assert (folder / "mine.py").read_text() == "my own work\n"
    assert drift(folder, files) == [
        f"{folder / 'mine.py'}: not generated; move it to the solution's folder or delete it."
    ]


def test_a_manifest_cannot_have_other_files_deleted(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    (tmp_path / "victim").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    (folder / MANIFEST).write_text(f"{empty}  ../victim\n{empty}  {tmp_path}/victim\n\nx\n")
    write_handout(folder, files)
    assert (tmp_path / "victim").exists()


def test_traces_of_running_the_tests_are_no_drift(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    for name in ("__pycache__/a.pyc", ".pytest_cache/v/x", ".hypothesis/y", ".DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    assert (drift(folder, files), write_handout(folder, files)) == ([], [])


def test_drift_names_each_file_and_the_next_move(solution: Path, tmp_path: Path) -> None:
    folder, files = tmp_path / "a1_operators", build(solution)
    write_handout(folder, files)
    text = (folder / "operators.py").read_text()
    (folder / "operators.py").write_text(text.replace("Number = int", "Number = bool"))
    (folder / "README.md").unlink()
    (folder / "test_public.py").write_text(PUBLIC_TESTS + "# more\n")
    command = "run `autograder handout a1_operators`."
    assert drift(folder, files) == [
        f"{folder / 'README.md'}: missing; {command}",
        f"{folder / 'operators.py'}:7: differs from what the solution gives; {command}",
        f"{folder / 'test_public.py'}:12: differs from what the solution gives; {command}",
    ]
    diff = drift_diff(folder, files)
    assert "-Number = bool | float\n+Number = int | float\n" in diff
    assert diff.startswith(f"--- {folder / 'operators.py'}\n+++ generated\n")
    assert drift_diff(folder, files, limit=3).splitlines()[3:] == [
        f"… and {len(diff.splitlines()) - 3} more lines."
    ]


def test_a_disk_that_refuses_is_one_clear_line(solution: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HandoutError, match=r"/file.*: can't be written \(.+\); check the folder's"):
        write_handout(tmp_path / "file", build(solution))
    with pytest.raises(HandoutError, match="can't be written"):
        zip_handout({}, tmp_path / "file" / "a.zip", "a1")


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    solution: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, files = tmp_path / "a1", build(solution)
    write_handout(folder, files)
    before = contents(folder)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(HandoutError, match="No space left on device"):
        write_handout(folder, {**files, "README.md": b"new"})
    assert contents(folder) == before


def test_a_zip_is_the_same_bytes_whenever_it_is_made(solution: Path, tmp_path: Path) -> None:
    files = build(solution)
    zip_handout(files, tmp_path / "new" / "a.zip", "a1_operators")
    zip_handout(dict(reversed(files.items())), tmp_path / "b.zip", "a1_operators")
    data = (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "new" / "a.zip").read_bytes() == data
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        members = archive.infolist()
        assert [member.filename for member in members] == [f"a1_operators/{n}" for n in files]
        assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.external_attr >> 16 for member in members} == {0o100644}
        assert archive.read("a1_operators/operators.py") == files["operators.py"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a\\b", "", ".", "./a", "a//b"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for write in (
        lambda: write_handout(tmp_path, {name: b""}),
        lambda: zip_handout({name: b""}, tmp_path / "a.zip", "a"),
        lambda: zip_handout({"a": b""}, tmp_path / "a.zip", name),
    ):
        with pytest.raises(ValueError, match="is not a plain relative path"):
            write()
    assert list(tmp_path.iterdir()) == []
