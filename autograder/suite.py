"""A hidden suite, collected once and kept warm in a thread of its own.

pytest owns the control flow of a session, so the session lives in a thread: it collects, then
waits for work. `run` hands it one check and waits for its ending.
"""

from __future__ import annotations

import hashlib
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from autograder.errors import GraderError, SuiteError
from autograder.pytest_plugin import CheckSpec, Ending, SuitePlugin, collect, suite_digest
from autograder.student import Student

__all__ = ["Suite"]

T = TypeVar("T")


class Suite:
    """The checks of one assignment, ready to be run. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise SuiteError(f"{path}: there is no suite; create the folder with test_*.py files")
        self.path = path
        self.digest = suite_digest(path)
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._plugin = SuitePlugin(self._loop)
        self._exit_code: int | None = None
        self._thread = threading.Thread(target=self._session, name="suite", daemon=True)

    def __enter__(self) -> Suite:
        self._thread.start()
        self._ready.wait()
        if self._plugin.problems:
            self.close()
            raise SuiteError("; ".join(self._plugin.problems[:3]))
        if not self._plugin.checks:
            self.close()
            raise SuiteError(f"{self.path}: no checks found in test_*.py")
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def checks(self) -> tuple[CheckSpec, ...]:
        """All checks, in the order of the suite's files."""
        return self._plugin.checks

    def run(self, check: CheckSpec, student: Student, seed: int = 0) -> Ending:
        """Run one check. `seed` chooses the generated cases, together with the suite's digest."""
        mixed = hashlib.sha256(f"{self.digest}/{check.id}/{seed}".encode()).digest()
        case_seed = int.from_bytes(mixed[:8], "big")
        return self.call(lambda: self._plugin.run(check, student, case_seed))

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns, called in the session's thread, where `run` costs no switch."""
        if threading.current_thread() is self._thread:
            return function()
        value: T = self._call(function)
        return value

    def close(self) -> None:
        """End the session."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()
        # pytest leaves a suite's modules in sys.modules, where a suite of the same name would find
        # them instead of its own.
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").parent == self.path:
                del sys.modules[name]

    def _call(self, function: Callable[[], Any]) -> Any:
        if not self._thread.is_alive():
            raise GraderError(f"{self.path}: the suite's session ended early")
        done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put((function(), None))
            except BaseException as error:
                done.put((None, error))

        self._work.put(work)
        value, error = done.get()
        if error is not None:
            raise error
        return value

    def _session(self) -> None:
        try:
            self._exit_code = collect(self.path, self._plugin)
        except BaseException as error:
            self._plugin.problems.append(f"{self.path}: {type(error).__name__}: {error}")
        finally:
            self._ready.set()

    def _loop(self) -> None:
        self._ready.set()
        while (work := self._work.get()) is not None:
            work()
