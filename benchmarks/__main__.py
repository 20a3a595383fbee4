"""`make bench`: measure every figure and show it beside its target."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.course import find_course
from benchmarks import batch, calls, cold, memory, regrade

ALL = {"cold": cold, "batch": batch, "calls": calls, "memory": memory, "regrade": regrade}


def main() -> int:
    chosen = sys.argv[1:] or list(ALL)
    unknown = [name for name in chosen if name not in ALL]
    if unknown:
        print(f"no benchmark {unknown[0]!r}; there is {', '.join(ALL)}", file=sys.stderr)
        return 1
    root = find_course(Path(__file__).parent).root
    table = Table(header_style="bold")
    for column in ("figure", "target", "measured", "", "detail"):
        table.add_column(column, justify="right" if column in ("target", "measured") else "left")
    missed = 0
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr)
        for figure in ALL[name].figures(root):
            bound = "≥" if figure.at_least else "≤"
            missed += not figure.holds
            table.add_row(
                figure.name, f"{bound} {figure.target:g}{figure.unit}",
                f"{figure.measured:.3g}{figure.unit}", "✓" if figure.holds else "✗", figure.detail,
            )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
