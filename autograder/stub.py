"""Stubs, generated from a solution by its markers.

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
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.errors import HandoutError

__all__ = ["marker_pairs", "parse", "render_stub"]

_BEGIN = "# BEGIN SOLUTION"
_END = "# END SOLUTION"
_GIVEN = re.compile(r"# GIVEN(?!\w)")


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
    tree, comments, strings = parse(source, filename)
    lines = source.split("\n")
    regions = [
        _region(tree, begin, end, filename) for begin, end in marker_pairs(comments, filename)
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


def parse(
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


def marker_pairs(
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
