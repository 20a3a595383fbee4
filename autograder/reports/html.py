"""The report that staff open: one HTML page that needs nothing but a browser.

Everything is in the file: style, script, drawings. Its content security policy allows exactly
that one style and that one script, by their hashes, and nothing from anywhere, so that not even a
fault in the escaping (Jinja's, always on) would let a student's text run.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.errors import InputError
from autograder.regrade.gradebook import Gradebook
from autograder.reports.files import write_whole
from autograder.reports.pages import Page, pages
from autograder.reports.statistics import ENOUGH, CheckStatistics, Cohort, describe

if TYPE_CHECKING:
    import jinja2

__all__ = ["render", "write_report"]

_TEMPLATES = Path(__file__).with_name("templates")
_SLOWEST = 10


def write_report(book: Gradebook, path: Path) -> None:
    """Write the report on `book` to `path`. Raises InputError if it can't be written."""
    write_whole(path, render(book).encode("utf-8", "replace"))


def render(book: Gradebook) -> str:
    """The report as text. Raises InputError if Jinja2 isn't installed."""
    environment = _environment()
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (_TEMPLATES / "report.js").read_text(encoding="utf-8")
    cohort = describe(book)
    shown = pages(book)
    return environment.get_template("report.html").render(
        book=book,
        cohort=cohort,
        head=cohort.headline,
        pages=shown,
        missing=_missing(shown),
        filters=_filters(shown),
        bars=_bars(cohort),
        slowest=_slowest(cohort),
        shaky=[check for check in cohort.checks if _shaky(check)],
        enough=ENOUGH,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _environment() -> jinja2.Environment:
    try:
        import jinja2  # noqa: F401 (asked for before the cache below can answer)
    except ImportError:
        raise InputError(
            "the HTML report needs Jinja2, which isn't installed; "
            "pip install 'dl-autograder[report]'"
        ) from None
    return _compiled()


@functools.cache
def _compiled() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        points=_points, percent=_percent, r=_r, seconds=_seconds, moment=_moment, count=_count
    )
    environment.filters["plain_title"] = lambda title: title.replace("`", "")
    return environment


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# --- numbers as text ---------------------------------------------------------------------------


def _points(value: float | None, digits: int = 2) -> str:
    if value is None:
        return "–"
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _r(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def _moment(value: datetime | None) -> str:
    return "–" if value is None else value.strftime("%Y-%m-%d %H:%M %Z").strip()


def _count(value: int) -> str:
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


# --- what the template shows -------------------------------------------------------------------


def _missing(shown: list[Page]) -> list[Page]:
    """Who has no score: faults of the grader first, as only staff can do something about them."""
    return sorted(
        (page for page in shown if page.grade.score is None), key=lambda page: not page.fault
    )


def _filters(shown: list[Page]) -> list[tuple[str, str, int]]:
    words = {
        "unscored": "Without a score",
        "rejected": "Rejected",
        "late": "Late",
        "full": "Full marks",
        "zero": "Zero",
        "changed": "Other than before",
    }
    counts = {tag: sum(tag in page.tags for page in shown) for tag in words}
    return [(tag, word, counts[tag]) for tag, word in words.items() if counts[tag]]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A bar of the histogram: sideways in percent, upwards in pixels."""

    low: int
    high: int
    students: int
    height: int


def _bars(cohort: Cohort, tallest: int = 150) -> list[_Bar]:
    most = max((bin_.students for bin_ in cohort.bins), default=0)
    return [
        _Bar(
            bin_.low,
            bin_.high,
            bin_.students,
            # One student among a thousand must still be seen.
            max(round(tallest * bin_.students / most), 2) if bin_.students else 0,
        )
        for bin_ in cohort.bins
    ]


def _slowest(cohort: Cohort) -> list[dict[str, Any]]:
    """The checks that cost the most, with their share of all seconds."""
    everything = sum(check.total_seconds for check in cohort.checks)
    ordered = sorted(cohort.checks, key=lambda check: -check.total_seconds)
    return [
        {"check": check, "share": check.total_seconds / everything}
        for check in ordered[:_SLOWEST]
        if everything > 0 and check.total_seconds > 0
    ]


def _shaky(check: CheckStatistics) -> bool:
    return check.unsteady > 0 or check.unclean > 0
