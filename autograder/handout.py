"""What students get, generated from the solution: stubs, public tests, README and settings.

In a solution file a region between `# BEGIN SOLUTION` and `# END SOLUTION` is the solution. Inside
a function it becomes `raise NotImplementedError("name")`; elsewhere (helpers and imports that only
the solution needs) it is removed. All else is handed out as it stands, imports included, so every
function must either have such a region or say with a comment `# GIVEN` that students get it whole.
Markers are found among a file's comments, never in its strings, and whatever looks like a marker
without being one is an error: a marker that isn't seen hands out a solution.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import json
import os
import re
import stat
import tempfile
import tokenize
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autograder.errors import HandoutError

__all__ = [
    "MANIFEST",
    "REQUIREMENTS",
    "build_handout",
    "drift",
    "drift_diff",
    "render_stub",
    "write_handout",
    "zip_handout",
]

REQUIREMENTS = (
    "torch>=2.13,<2.14",
    "numpy>=2.0,<3",
    "pytest>=9,<10",
    "hypothesis>=6.150,<7",
    "jaxtyping>=0.3,<0.4",
)
"""What students install: our own constraints, but any patch release of torch will do."""

MANIFEST = ".handout-manifest"
"""Lists the generated files of a folder, in the format of `sha256sum --check`."""

_BEGIN = "# BEGIN SOLUTION"
_END = "# END SOLUTION"
_GIVEN = re.compile(r"# GIVEN(?!\w)")


# --- stubs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines `begin` to `end`, markers included; `function` is the function to be written there."""

    begin: int
    end: int
    function: str | None


def render_stub(source: str, filename: str) -> str:
    """The stub of a solution file. `filename` is for messages.

    Raises HandoutError, with file and line, for a marker that is misspelled, unbalanced, nested,
    not on a line of its own or not around whole statements; for a function that would be handed
    out whole without `# GIVEN`; for solution code that is quoted outside the markers; and if the
    stub doesn't compile.
    """
    source = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    tree, comments, strings = _parse(source, filename)
    lines = source.split("\n")
    regions = [
        _region(tree, begin, end, filename) for begin, end in _marker_pairs(comments, filename)
    ]
    _refuse_unmarked_functions(tree, comments, regions, filename)
    _refuse_quotations(lines, regions, [*comments, *strings], filename)
    stub = _replace_regions(lines, regions)
    try:
        compile(stub, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise HandoutError(
            f"{filename}: the stub made from it is no valid Python ({error.msg}, line "
            f"{error.lineno} of the stub); leave at least a docstring outside the markers."
        ) from None
    return stub


def _parse(
    source: str, filename: str
) -> tuple[ast.Module, list[tokenize.TokenInfo], list[tokenize.TokenInfo]]:
    """The syntax tree, and the tokens that are comments and strings."""
    try:
        tree = ast.parse(source, filename)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise HandoutError(f"{filename}{line}: no valid Python ({error}); mend it.") from None
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    return tree, comments, [token for token in tokens if token.type == tokenize.STRING]


def _marker_pairs(
    comments: Sequence[tokenize.TokenInfo], filename: str
) -> Iterator[tuple[tokenize.TokenInfo, tokenize.TokenInfo]]:
    opened: tokenize.TokenInfo | None = None
    for comment in comments:
        where = f"{filename}:{comment.start[0]}"
        text = comment.string.rstrip()
        meant = _marker_meant_by(text)
        if meant is None:
            continue
        if text != meant:
            raise HandoutError(f"{where}: `{text}` looks like a marker; write `{meant}`.")
        if comment.line[: comment.start[1]].strip():
            raise HandoutError(f"{where}: {text[2:]} behind code; give it a line of its own.")
        if text == _BEGIN and opened is not None:
            raise HandoutError(
                f"{where}: BEGIN SOLUTION inside the region that line {opened.start[0]} begins; "
                f"end that one first, or delete this line."
            )
        if text == _END and opened is None:
            raise HandoutError(
                f"{where}: END SOLUTION without BEGIN SOLUTION; add the opening marker or delete "
                f"this line."
            )
        if opened is None:
            opened = comment
        else:
            yield opened, comment
            opened = None
    if opened is not None:
        raise HandoutError(
            f"{filename}:{opened.start[0]}: BEGIN SOLUTION without END SOLUTION; add the closing "
            f"marker or delete this line."
        )


def _marker_meant_by(comment: str) -> str | None:
    """The marker that a comment is, or was likely meant to be; None for ordinary comments."""
    words = [word for word in re.findall("[a-z]+", comment.lower()) if word not in ("of", "the")]
    if len(words) > 3 and "SOLUTION" not in comment:
        return None  # a sentence
    if len(words) == 1:
        words = re.sub("(solu)", r" \1", words[0]).split()
    for first, second in (words[:2], words[1::-1]) if len(words) > 1 else ():
        if not _alike(second, "solution", 0.75):
            continue
        for verb, marker in (("begin", _BEGIN), ("start", _BEGIN), ("end", _END), ("stop", _END)):
            if _alike(first, verb, 0.7):
                return marker
    return None


def _alike(word: str, model: str, ratio: float) -> bool:
    return difflib.SequenceMatcher(None, word, model).ratio() >= ratio


def _region(
    tree: ast.Module, begin: tokenize.TokenInfo, end: tokenize.TokenInfo, filename: str
) -> _Region:
    """The region between two markers. Raises HandoutError unless it is whole statements."""
    first, last = begin.start[0], end.start[0]
    marked = list(_marked_blocks(tree, first, last, (), None))
    if not marked:
        raise HandoutError(f"{filename}:{first}: no code between the markers; delete both lines.")
    statements, function = marked[0]
    columns = {begin.start[1], end.start[1], *(node.col_offset for node in statements)}
    if len(marked) > 1 or len(columns) > 1 or any(_last(node) >= last for node in statements):
        raise HandoutError(
            f"{filename}:{first}: the region up to line {last} isn't made of whole statements of "
            f"one block; put both markers at the indentation of the code that they enclose."
        )
    return _Region(first, last, function)


def _marked_blocks(
    node: ast.AST, begin: int, end: int, scope: tuple[str, ...], function: str | None
) -> Iterator[tuple[list[ast.stmt], str | None]]:
    """The statements between two lines, one list for each block that has some of them.

    What lies inside these statements isn't looked at. With each list comes the name of the
    function around it.
    """
    for block in _blocks(node):
        inside = [statement for statement in block if begin < _first(statement) < end]
        if inside:
            yield inside, function
        for statement in block:
            if statement in inside:
                continue
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                inner = (*scope, statement.name)
                yield from _marked_blocks(statement, begin, end, inner, ".".join(inner))
            elif isinstance(statement, ast.ClassDef):
                yield from _marked_blocks(statement, begin, end, (*scope, statement.name), None)
            else:
                yield from _marked_blocks(statement, begin, end, scope, function)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, ast.ExceptHandler | ast.match_case):
                    yield from _blocks(item)


def _first(statement: ast.stmt) -> int:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return min(node.lineno for node in (statement, *statement.decorator_list))
    return statement.lineno


def _last(statement: ast.stmt) -> int:
    return statement.end_lineno or statement.lineno


def _refuse_unmarked_functions(
    tree: ast.Module,
    comments: Sequence[tokenize.TokenInfo],
    regions: Sequence[_Region],
    filename: str,
) -> None:
    given = [comment.start[0] for comment in comments if _GIVEN.match(comment.string)]
    for name, node in _functions(tree):
        first, last = _first(node), _last(node)
        if any(region.begin < first < region.end for region in regions):
            continue
        if any(first < region.begin < last for region in regions) or _has_no_code(node):
            continue
        if not any(first <= line <= last for line in given):
            raise HandoutError(
                f"{filename}:{first}: students would get `{name}` whole; mark its solution with "
                f"`{_BEGIN}` and `{_END}`, or write `# GIVEN` in it if they should."
            )


def _functions(node: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Functions of modules and classes, and lambdas with a name; none within another function."""
    for block in _blocks(node):
        for statement in block:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield statement.name, statement
            elif isinstance(getattr(statement, "value", None), ast.Lambda):
                yield ast.unparse(statement).split(" ", 1)[0], statement
            else:
                yield from _functions(statement)


def _has_no_code(node: ast.stmt) -> bool:
    """Whether a function's body is a docstring, `...`, `pass` and `raise` at most."""
    body = getattr(node, "body", None)
    return body is not None and all(
        isinstance(statement, ast.Pass | ast.Raise)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in body
    )


def _refuse_quotations(
    lines: Sequence[str],
    regions: Sequence[_Region],
    texts: Sequence[tokenize.TokenInfo],
    filename: str,
) -> None:
    """Refuse a comment or docstring outside the markers that has a line of solution code in it.

    Code outside the markers may look like solution code: to take a shape apart gives nothing away.
    """
    solution: dict[str, int] = {}
    for region in regions:
        for number in range(region.begin + 1, region.end):
            code = lines[number - 1].strip()
            if len(code) >= 10 and not code.startswith("#") and re.search(r"[=(\[@*/+-]", code):
                solution.setdefault(code, number)
    for token in texts:
        if any(region.begin <= token.start[0] <= region.end for region in regions):
            continue
        for number, line in enumerate(token.string.split("\n"), token.start[0]):
            quoted = line.strip("#>` \t\"'")
            if quoted in solution:
                raise HandoutError(
                    f"{filename}:{number}: this quotes line {solution[quoted]} of the solution, "
                    f"and students will read it; word it differently."
                )


def _replace_regions(lines: Sequence[str], regions: Sequence[_Region]) -> str:
    stub = list(lines)
    for region in reversed(regions):
        begin, end = region.begin - 1, region.end
        if region.function is not None:
            indentation = stub[begin][: stub[begin].index("#")]
            stub[begin:end] = [f'{indentation}raise NotImplementedError("{region.function}")']
            continue
        # Of the blank lines around what is taken away, the larger number stays.
        before = begin
        while before > 0 and not stub[before - 1].strip():
            before -= 1
        after = end
        while after < len(stub) and not stub[after].strip():
            after += 1
        blanks = max(begin - before, after - end) if before > 0 else 0
        stub[before:after] = [""] * blanks
    return "\n".join(stub).rstrip() + "\n"


# --- the folder -----------------------------------------------------------------------------------

_PYTEST_INI = """\
# {title}
[pytest]
testpaths = test_public.py
pythonpath = .
addopts = --tb=short
# A warning never costs points; those of libraries would only hide what your tests say.
filterwarnings =
    default
    ignore::DeprecationWarning:torch
    ignore::DeprecationWarning:jaxtyping
"""
_GITIGNORE = "__pycache__/\n.pytest_cache/\n.hypothesis/\n.venv/\n"
_VSCODE = {
    "python.testing.pytestEnabled": True,
    "python.testing.unittestEnabled": False,
}
_NOT_FOR_STUDENTS = frozenset({"README.md", "test_public.py", "misconceptions.py", "conftest.py"})


def build_handout(
    solution_dir: Path,
    *,
    files: Sequence[str],
    assignment_id: str,
    title: str,
    requirements: Sequence[str] = REQUIREMENTS,
) -> Mapping[str, bytes]:
    """All files of a handout, by their path in it, in UTF-8 with LF line ends.

    `files` are the solution's modules, each of which becomes a stub. Nothing else of the
    solution's folder but README.md and test_public.py gets in. Raises HandoutError.
    """
    stubs = {}
    for name in files:
        if name in _NOT_FOR_STUDENTS or PurePosixPath(name).name != name:
            raise HandoutError(
                f"{solution_dir / name}: this can't be a stub; take it off the list."
            )
        stubs[name] = render_stub(_read_text(solution_dir / name), str(solution_dir / name))
    tests = _read_text(solution_dir / "test_public.py")
    _, comments, _ = _parse(tests, str(solution_dir / "test_public.py"))
    for opening, _ in _marker_pairs(comments, str(solution_dir / "test_public.py")):
        raise HandoutError(
            f"{solution_dir / 'test_public.py'}:{opening.start[0]}: public tests are handed out "
            f"whole, with what is between markers; move it elsewhere."
        )
    texts = {
        **stubs,
        "README.md": _readme(_read_text(solution_dir / "README.md"), assignment_id, title),
        "test_public.py": tests,
        "requirements.txt": "".join(f"{line}\n" for line in requirements),
        "pytest.ini": _PYTEST_INI.format(title=_one_line(title)),
        ".gitignore": _GITIGNORE,
        ".vscode/settings.json": json.dumps(_VSCODE, indent=2) + "\n",
    }
    return {name: texts[name].encode() for name in sorted(texts)}


def _readme(text: str, assignment_id: str, title: str) -> str:
    notice = (
        f"<!-- Generated from solutions/{assignment_id}/README.md by "
        f"`autograder handout {assignment_id}`; edit it there. -->\n\n"
    )
    heading = "" if text.startswith("# ") else f"# {_one_line(title)}\n\n"
    return notice + heading + text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HandoutError(f"{path}: the file is missing; add it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HandoutError(f"{path}: can't be read ({error}); save it as UTF-8.") from None
    if not text.strip():
        raise HandoutError(f"{path}: the file is empty; write it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# --- on disk --------------------------------------------------------------------------------------

_LEFT_BY_TOOLS = frozenset(
    {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", ".mypy_cache", ".venv"}
    | {".DS_Store", ".ipynb_checkpoints"}
)


def write_handout(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """Make the folder hold these files; returns a line for each change and each oddity.

    A file that an earlier handout had and this one hasn't is removed if it is still as it was
    generated; any other file is left alone, and named. Each file is replaced in one step, and one
    that is right already isn't touched. Raises HandoutError if the disk refuses.
    """
    expected = _with_manifest(files)
    known = _read_manifest(directory)
    lines = []
    try:
        for name, content in expected.items():
            path = directory / name
            if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
                _replace(path, content)
                if name != MANIFEST:
                    lines.append(f"{path}: written.")
        for path in _extra_files(directory, expected):
            name = path.relative_to(directory).as_posix()
            if known.get(name) == _sha256(path.read_bytes()) and not path.is_symlink():
                path.unlink()
                lines.append(f"{path}: removed, the handout has it no more.")
            else:
                lines.append(f"{path}: left alone, it isn't generated; move or delete it.")
    except OSError as error:
        raise HandoutError(
            f"{error.filename or directory}: can't be written ({error.strerror}); "
            f"check the folder's permissions."
        ) from None
    return lines


def drift(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """One line for each file that is missing, different, or not generated; none if all is well."""
    command = f"run `autograder handout {directory.name}`"
    lines = []
    for name, content in _with_manifest(files).items():
        path = directory / name
        if not path.is_file():
            lines.append(f"{path}: missing; {command}.")
        elif (found := path.read_bytes()) != content:
            number = _first_difference(found, content)
            lines.append(f"{path}:{number}: differs from what the solution gives; {command}.")
    lines += [
        f"{path}: not generated; move it to the solution's folder or delete it."
        for path in _extra_files(directory, _with_manifest(files))
    ]
    return lines


def drift_diff(directory: Path, files: Mapping[str, bytes], *, limit: int = 60) -> str:
    """What `write_handout` would change in files that are there, as a unified diff.

    At most `limit` lines, and a last one that says how many more there are.
    """
    lines: list[str] = []
    for name, content in sorted(files.items()):
        path = directory / name
        if path.is_file() and (found := path.read_bytes()) != content:
            old, new = (data.decode("utf-8", "replace").splitlines() for data in (found, content))
            lines += difflib.unified_diff(old, new, str(path), "generated", n=1, lineterm="")
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit} more lines."]
    return "".join(f"{line}\n" for line in lines)


def zip_handout(files: Mapping[str, bytes], path: Path, root_name: str) -> None:
    """Write a zip with all files in one folder: the same bytes for the same files, anywhere."""
    buffer = io.BytesIO()
    # Not compressed: compressed bytes differ between versions of zlib, and the files are small.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(f"{_checked(root_name)}/{_checked(name)}")  # dated 1980
            member.create_system = 3  # Unix, on Windows too, for the mode to count
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, files[name])
    try:
        _replace(path, buffer.getvalue())
    except OSError as error:
        raise HandoutError(f"{path}: can't be written ({error.strerror}); try another.") from None


def _with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    lines = [f"{_sha256(files[name])}  {_checked(name)}\n" for name in sorted(files)]
    return {**{name: files[name] for name in sorted(files)}, MANIFEST: "".join(lines).encode()}


def _read_manifest(directory: Path) -> dict[str, str]:
    """File name to SHA-256; empty if there is none. Nothing is believed but that pair."""
    path = directory / MANIFEST
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {name: digest for digest, name in pairs}


def _extra_files(directory: Path, expected: Mapping[str, bytes]) -> list[Path]:
    return [
        path
        for path in sorted(directory.rglob("*"))
        if (path.is_symlink() or not path.is_dir())
        and path.relative_to(directory).as_posix() not in expected
        and not _LEFT_BY_TOOLS.intersection(path.relative_to(directory).parts)
    ]


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader, or a crash, sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".handout-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or name == ".":
        raise ValueError(f"{name!r} is not a plain relative path")
    return name


def _first_difference(old: bytes, new: bytes) -> int:
    pairs = zip(old.split(b"\n"), new.split(b"\n"), strict=False)
    same = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), None)
    return same if same is not None else min(old.count(b"\n"), new.count(b"\n")) + 1


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
