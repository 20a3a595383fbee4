"""Where output goes: results to stdout or a file, everything else to stderr."""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from autograder.errors import GraderError, InputError

__all__ = ["complain", "plain_text", "print_json", "print_rich", "probe", "replace", "to_text"]


def probe(out: Path, option: str = "--out") -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=".autograder-")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise InputError(
            f"{out}: can't write there ({error.strerror}); choose another {option}"
        ) from None


def replace(out: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=".autograder-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GraderError(f"{out}: can't write the result: {error.strerror}") from None


def to_text(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def print_json(data: Any) -> None:
    print(to_text(data))


def plain_text(result: Any) -> str:
    from rich.console import Console

    from autograder.reports.terminal import render_result

    console = Console(file=io.StringIO(), width=120, highlight=False)
    with console.capture() as captured:
        console.print(render_result(result))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def print_rich(renderable: Any, columns: int = 120) -> None:
    from rich.console import Console

    from autograder.reports.terminal import width

    width(Console(highlight=False), columns).print(renderable)


def complain(line: str) -> None:
    print(line, file=sys.stderr)
