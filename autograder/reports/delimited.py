"""Comma-separated text that is data in every program that opens it.

Quoting as in RFC 4180. A spreadsheet evaluates a cell that begins with one of = + - @, however it
is quoted, so text that does gets an apostrophe in front, as OWASP's page on CSV injection and its
ASVS (5.0, 1.2.10) advise. A sign and digits alone stay as they are: they can't call anything, and
some universities' student numbers are written @00123456.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from autograder.reports.rows import line

__all__ = ["Cell", "delimited"]

Cell = str | float | None

# Spreadsheets fold the full-width forms, and some skip spaces before they look.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")
_SIGNED_DIGITS = re.compile(r"[+\-@][0-9]+")


def delimited(rows: Iterable[Sequence[Cell]]) -> str:
    """The rows as text: numbers as short as they are exact, None as nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = line(value)
        defused = _FORMULA.match(text) and not _SIGNED_DIGITS.fullmatch(text)
        return f"'{text}" if defused else text
    return f"{round(value, 6):.15g}"
