"""The store: a cohort's grades in one SQLite file, one transaction per grade.

The file is in WAL mode: reports can be read from it while a run writes to it. Every commit is
synced, so what a run has counted as stored survives the end of the process and of the machine.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from autograder.config import Late
from autograder.errors import GraderError, InputError
from autograder.regrade.entry import Entry
from autograder.regrade.fingerprint import COMPONENTS, Fingerprint
from autograder.regrade.gradebook import Gradebook, Person
from autograder.regrade.records import CheckRow, Known, Options, Plan, Run, Standing
from autograder.regrade.schema import prepare
from autograder.regrade.trouble import explain
from autograder.result import Result

__all__ = ["Store"]

_BUSY_SECONDS = 30.0


class Store:
    """An open store. Use it as a context manager.

    Every method raises InputError or GraderError, in one line, for what SQLite can't do: a file
    that is no store, a full disk, a damaged file.
    """

    def __init__(self, path: Path, *, write: bool = False) -> None:
        self.path = path
        if not write and not path.is_file():
            raise InputError(f"{path}: there is no store; `autograder regrade` makes one")
        with self._explained():
            self._connection = self._connect(write)
            try:
                prepare(self._connection, path, write=write)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    # --- writing ---------------------------------------------------------------------------------

    def begin(self, plan: Plan) -> Run:
        """A new run, or the interrupted one if it had the same plan.

        Raises InputError if the store is another assignment's.
        """
        config = plan.config
        with self._transaction():
            last = self._last_run()
            if last is not None and last["assignment"] != config.id:
                raise InputError(
                    f"{self.path}: holds grades of {last['assignment']}, not of {config.id}; "
                    "choose another --store"
                )
            fingerprint = self._fingerprint_id(plan.fingerprint)
            options = json.dumps(asdict(plan.options))
            late = json.dumps(config.late.to_json())
            if (
                last is not None
                and last["finished"] is None
                and (last["fingerprint"], last["source"], last["options"])
                == (fingerprint, plan.source, options)
            ):
                self._connection.execute(
                    "UPDATE runs SET late = ? WHERE id = ?", (late, last["id"])
                )
                return self._run(last["id"], resumed=True)
            exercises = [(e.id, e.title, e.points) for e in config.exercises]
            cursor = self._connection.execute(
                "INSERT INTO runs (assignment, title, max_score, exercises, fingerprint, source, "
                "options, late, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    config.id, config.title, config.max_score, json.dumps(exercises), fingerprint,
                    plan.source, options, late, _now(),
                ),
            )  # fmt: skip
            return self._run(int(cursor.lastrowid or 0))

    def finish(self, run: Run, seen: frozenset[str] | set[str]) -> None:
        """Close a run; what an interrupted part of it found and is no longer there is dropped."""
        with self._transaction():
            if run.resumed:
                rows = self._connection.execute(
                    "SELECT name FROM submissions WHERE run = ?", (run.id,)
                )
                gone = [(run.id, name) for (name,) in rows if name not in seen]
                self._connection.executemany(
                    "DELETE FROM submissions WHERE run = ? AND name = ?", gone
                )
            self._connection.execute("UPDATE runs SET finished = ? WHERE id = ?", (_now(), run.id))

    def link(self, run: Run, found: Sequence[tuple[Entry, str | None, int | None]]) -> None:
        """Record submissions whose result is known, or that can't be read: (entry, digest, result).

        One transaction for all.
        """
        with self._transaction():
            self._put_entries(run, found)

    def put(
        self,
        run: Run,
        entries: Sequence[Entry],
        digest: str,
        result: Result,
        *,
        only: tuple[str, ...] | None = None,
    ) -> int:
        """Store a grade, for all `entries` of that very content, in one transaction; its id.

        `only`: the exercises that were graded now, if not all were.
        """
        text = json.dumps(
            result.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        with self._transaction():
            cursor = self._connection.execute(
                "INSERT INTO results (submission, fingerprint, only_exercises, status, score, "
                "max_score, seconds, graded, json) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    digest, run.fingerprint_id, None if only is None else json.dumps(sorted(only)),
                    result.status.value, result.score, result.max_score, result.seconds, _now(),
                    zlib.compress(text.encode()),
                ),
            )  # fmt: skip
            number = int(cursor.lastrowid or 0)
            self._connection.executemany(
                "INSERT INTO checks VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        number, self._check_id(check.id, exercise.id), check.outcome.value,
                        check.score, check.max_score, check.seconds,
                        None if check.failure is None else check.failure.misconception,
                    )
                    for exercise in result.exercises
                    for check in exercise.checks
                ],
            )  # fmt: skip
            self._put_entries(run, [(entry, digest, number) for entry in entries])
        return number

    def add_timing(self, run: Run, entries: Sequence[Entry], digest: str, timing: Result) -> int:
        """Merge what a machine with a GPU measured into the stored result of that content.

        Raises InputError if there is none, or if the two don't belong together.
        """
        from autograder.merging import merge

        known = self.known(digest, run.fingerprint_id)
        if known is None:
            raise InputError(f"{self.path}: there is no result to add the timing to; regrade first")
        return self.put(run, entries, digest, merge(self.result(known.result), timing))

    # --- reading ---------------------------------------------------------------------------------

    def known(
        self, digest: str, fingerprint_id: int | None = None, status: str | None = None
    ) -> Known | None:
        """The last result of that content; of any fingerprint and status unless one is given."""
        rows = self._query(
            "SELECT id, fingerprint, status, only_exercises FROM results WHERE submission = ?1 "
            "AND (?2 IS NULL OR fingerprint = ?2) AND (?3 IS NULL OR status = ?3) "
            "ORDER BY id DESC LIMIT 1",
            (digest, fingerprint_id, status),
        )
        for row in rows:
            only = row["only_exercises"]
            return Known(
                row["id"],
                row["fingerprint"],
                row["status"],
                None if only is None else tuple(json.loads(only)),
            )
        return None

    def result(self, number: int) -> Result:
        """A stored result. Raises GraderError if it is damaged."""
        with self._explained():
            row = self._connection.execute(
                "SELECT json FROM results WHERE id = ?", (number,)
            ).fetchone()
            try:
                return Result.from_json(json.loads(zlib.decompress(row["json"])))
            except (zlib.error, ValueError, KeyError, TypeError):
                raise GraderError(
                    f"{self.path}: result {number} is damaged; grade again with --force"
                ) from None

    def checks(self, result: int) -> dict[str, CheckRow]:
        """The checks of a result, by check id."""
        rows = self._query(
            "SELECT name, exercise, outcome, score, max_score, misconception FROM checks "
            "JOIN check_ids ON check_ids.id = check_id WHERE result = ? ORDER BY check_id",
            (result,),
        )
        return {
            row["name"]: CheckRow(
                row["exercise"], row["outcome"], row["score"], row["max_score"],
                row["misconception"],
            )
            for row in rows
        }  # fmt: skip

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self._explained():
            ids = [row["id"] for row in self._query("SELECT id FROM runs ORDER BY id")]
            return [self._run(number) for number in ids]

    def run(self, number: int | None = None) -> Run:
        """One run; by default the last finished one, or the last if none was finished.

        Raises InputError if there is no such run.
        """
        runs = self.runs()
        if number is None:
            chosen = [run for run in runs if run.finished is not None] or runs
        else:
            chosen = [run for run in runs if run.id == number]
        if not chosen:
            which = "no run yet" if number is None else f"no run {number}"
            there = ", ".join(str(run.id) for run in runs) or "none"
            raise InputError(f"{self.path}: there is {which} (runs: {there})")
        return chosen[-1]

    def standings(self, run: int) -> Iterator[Standing]:
        """The submissions of a run, by name."""
        rows = self._query(
            "SELECT s.*, r.status, r.score, r.fingerprint, r.only_exercises FROM submissions s "
            "LEFT JOIN results r ON r.id = s.result WHERE run = ? ORDER BY name",
            (run,),
        )
        for row in rows:
            yield Standing(
                name=row["name"],
                people=tuple(Person(*person) for person in json.loads(row["people"])),
                digest=row["digest"],
                timestamp=_moment(row["timestamp"]),
                due=_moment(row["due"]),
                late=bool(row["late"]),
                previous=row["previous"],
                error=row["error"],
                result=row["result"],
                status=row["status"],
                raw=row["score"],
                fingerprint_id=row["fingerprint"],
                partial=row["only_exercises"] is not None,
            )

    def fingerprint(self, number: int) -> Fingerprint:
        """What a result depended on, by fingerprint id."""
        row = next(self._query("SELECT * FROM fingerprints WHERE id = ?", (number,)))
        return Fingerprint(
            **{name: row[name] for name in COMPONENTS}, versions=json.loads(row["versions"])
        )

    def gradebook(self, run: int | None = None) -> Gradebook:
        """All grades of a run (default: the last finished one), with the late policy applied."""
        from autograder.regrade.standings import gradebook

        return gradebook(self, self.run(run))

    # --- inside ----------------------------------------------------------------------------------

    def _connect(self, write: bool) -> sqlite3.Connection:
        target = self.path.resolve().as_uri()
        if write:
            connection = self._open(f"{target}?mode=rwc")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            return connection
        try:
            connection = self._open(f"{target}?mode=ro")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # WAL needs a file beside the store even to read. Where none can be made (a read-only
            # folder) and none is left over, the store can't be changing either.
            if self.path.with_name(self.path.name + "-wal").exists():
                raise
            connection = self._open(f"{target}?mode=ro&immutable=1")
        return connection

    def _open(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _query(self, sql: str, values: Sequence[Any] = ()) -> Iterator[sqlite3.Row]:
        with self._explained():
            yield from self._connection.execute(sql, values)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def _put_entries(self, run: Run, found: Sequence[tuple[Entry, str | None, int | None]]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO submissions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    run.id, entry.name, digest,
                    json.dumps([(p.name, p.sid, p.email) for p in entry.people],
                               ensure_ascii=False),
                    None if entry.timestamp is None else entry.timestamp.isoformat(),
                    None if entry.due is None else entry.due.isoformat(),
                    int(entry.late), entry.previous, entry.error, result,
                )
                for entry, digest, result in found
            ],
        )  # fmt: skip

    def _fingerprint_id(self, fingerprint: Fingerprint) -> int:
        parts = [getattr(fingerprint, name) for name in COMPONENTS]
        self._connection.execute(
            "INSERT OR IGNORE INTO fingerprints (suite, config, package, environment, versions) "
            "VALUES (?, ?, ?, ?, ?)",
            (*parts, json.dumps(dict(fingerprint.versions))),
        )
        row = self._connection.execute(
            "SELECT id FROM fingerprints "
            "WHERE (suite, config, package, environment) = (?, ?, ?, ?)",
            parts,
        ).fetchone()
        return int(row["id"])

    def _check_id(self, name: str, exercise: str) -> int:
        query = "SELECT id FROM check_ids WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        if row is None:
            cursor = self._connection.execute(
                "INSERT INTO check_ids (name, exercise) VALUES (?, ?)", (name, exercise)
            )
            return int(cursor.lastrowid or 0)
        return int(row["id"])

    def _last_run(self) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(
            "SELECT * FROM runs ORDER BY id DESC LIMIT 1"
        ).fetchone()
        return row

    def _run(self, number: int, *, resumed: bool = False) -> Run:
        row = self._connection.execute("SELECT * FROM runs WHERE id = ?", (number,)).fetchone()
        options = json.loads(row["options"])
        started = _moment(row["started"])
        return Run(
            id=row["id"],
            assignment=row["assignment"],
            title=row["title"],
            max_score=row["max_score"],
            exercises=tuple((id_, title, points) for id_, title, points in
                            json.loads(row["exercises"])),
            fingerprint=self.fingerprint(row["fingerprint"]),
            fingerprint_id=row["fingerprint"],
            source=row["source"],
            options=Options(**{**options, "only": tuple(options["only"])}),
            late=Late.from_json(json.loads(row["late"])),
            started=started or datetime.fromtimestamp(0, UTC),
            finished=_moment(row["finished"]),
            resumed=resumed,
        )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
