"""A report on disk that is valid JSON at every moment: replaced, never rewritten in place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from autograder.platforms.environment import log

__all__ = ["ResultsFile"]


class ResultsFile:
    """Where a platform looks for the report."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._complained = False

    def write(self, report: Any) -> bool:
        """Replace the report. If that can't be done, say so once, and leave what is there."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(
                json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
                encoding="utf-8",
            )
            temporary.replace(self.path)
        except OSError as error:
            self._clean(temporary)
            if not self._complained:
                log(f"{self.path}: can't be written: {error.strerror}; what is there stays")
            self._complained = True
            return False
        return True

    def _clean(self, temporary: Path) -> None:
        try:
            temporary.unlink(missing_ok=True)
        except OSError:
            # A read-only file system: then it was never created either.
            return
