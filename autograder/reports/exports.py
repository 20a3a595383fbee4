"""Gradebooks in other programs' formats: one name per format, one function behind it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autograder.course import suggestion
from autograder.errors import InputError
from autograder.regrade.gradebook import Gradebook
from autograder.reports.files import write_whole
from autograder.reports.gradebooks import canvas, gradescope_grades, moodle, moodle_worksheet
from autograder.reports.jsonlines import json_lines
from autograder.reports.junit import junit
from autograder.reports.parquet import parquet
from autograder.reports.spreadsheets import excel, spreadsheet

__all__ = ["FORMATS", "export"]

_TEXT: dict[str, Callable[[Gradebook], str]] = {
    "csv": spreadsheet,
    "excel": excel,
    "gradescope": gradescope_grades,
    "canvas": canvas,
    "moodle": moodle,
    "moodle-worksheet": moodle_worksheet,
    "jsonl": json_lines,
    "junit": junit,
}
_BINARY: dict[str, Callable[[Gradebook], bytes]] = {"parquet": parquet}
FORMATS = (*_TEXT, *_BINARY)


def export(book: Gradebook, form: str, out: Path | None) -> str | None:
    """The book in the format `form`: written to `out` as UTF-8, or returned if `out` is None.

    Raises InputError if there is no such format, it needs a file or a library, or `out` can't
    be written.
    """
    if form in _BINARY:
        if out is None:
            raise InputError(f"{form} isn't text; give a file with --out")
        write_whole(out, _BINARY[form](book))
        return None
    if form not in _TEXT:
        raise InputError(f"there is no format {form!r}; {suggestion(form, FORMATS)}")
    text = _TEXT[form](book)
    if out is None:
        return text
    write_whole(out, text.encode("utf-8", "replace"))
    return None
