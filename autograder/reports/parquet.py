"""Parquet: the columns of the CSV with types, for dataframes."""

from __future__ import annotations

import importlib
import io
from typing import Any

from autograder.errors import InputError
from autograder.regrade.gradebook import Gradebook
from autograder.reports.delimited import Cell
from autograder.reports.rows import line
from autograder.reports.spreadsheets import columns, records

__all__ = ["parquet"]


def parquet(book: Gradebook) -> bytes:
    """One row per student. Raises InputError if pyarrow isn't installed."""
    arrow = _imported("pyarrow")
    writer = _imported("pyarrow.parquet")
    types = {str: arrow.string(), float: arrow.float64()}
    schema = arrow.schema(
        [(name, types[kind]) for name, kind in columns(book).items()],
        metadata={"assignment": book.assignment, "run": str(book.run)},
    )
    rows = [{name: _clean(value) for name, value in row.items()} for row in records(book)]
    out = io.BytesIO()
    writer.write_table(arrow.Table.from_pylist(rows, schema=schema), out)
    return out.getvalue()


def _clean(value: Cell) -> Cell:
    # No formula can run from a typed file, so only what isn't text is taken out.
    return line(value) if isinstance(value, str) else value


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            "parquet needs pyarrow, which isn't installed; pip install 'dl-autograder[parquet]', "
            "or take --format csv"
        ) from None
