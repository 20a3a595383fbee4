"""The tables of a store, its version, and how an older store becomes a newer one."""

from __future__ import annotations

import re
import sqlite3

from autograder.errors import InputError

__all__ = ["APPLICATION", "MIGRATIONS", "SCHEMA", "VERSION", "prepare"]

APPLICATION = 0x61677264
"""SQLite's application id, "agrd": another program's database has another one."""

SCHEMA = """
-- What a grade depends on beside the submission. Digests are SHA-256 in hexadecimal.
CREATE TABLE fingerprints (
    id INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,        -- hidden tests, solution, misconceptions
    config TEXT NOT NULL,       -- what influences grading; not the late policy
    package TEXT NOT NULL,      -- the code of autograder that grades
    environment TEXT NOT NULL,  -- Python, libraries, machine, isolation
    versions TEXT NOT NULL,     -- the environment in words (JSON object)
    UNIQUE (suite, config, package, environment)
);

-- One row per run of `autograder regrade`; a run that was interrupted is resumed in its row.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    assignment TEXT NOT NULL,
    title TEXT NOT NULL,
    max_score REAL NOT NULL,
    exercises TEXT NOT NULL,    -- JSON list of [id, title, points]
    fingerprint INTEGER NOT NULL REFERENCES fingerprints (id),
    source TEXT NOT NULL,       -- where the submissions came from
    options TEXT NOT NULL,      -- JSON object: force, only, failed
    late TEXT NOT NULL,         -- JSON object: the late policy of this run
    started TEXT NOT NULL,      -- ISO 8601, UTC
    finished TEXT               -- NULL: under way, or interrupted
);

-- What a run found in its source.
CREATE TABLE submissions (
    run INTEGER NOT NULL REFERENCES runs (id),
    name TEXT NOT NULL,         -- unique in the source
    digest TEXT,                -- of files and notes; NULL: it can't be read
    people TEXT NOT NULL,       -- JSON list of [name, sid, email]
    timestamp TEXT,             -- ISO 8601 with a zone: when it was handed in
    due TEXT,                   -- its own due date, if it has one
    late INTEGER NOT NULL,      -- 1: the platform marks it as late without saying when it came
    previous REAL,              -- the platform's old score
    error TEXT,                 -- why it can't be read
    result INTEGER REFERENCES results (id),  -- NULL: not graded (yet)
    PRIMARY KEY (run, name)
) WITHOUT ROWID;

-- One row per grade. What is known by (submission, fingerprint) is not graded again; of several
-- rows (`--force`, a retried fault of the grader), the last one counts.
CREATE TABLE results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    submission TEXT NOT NULL,   -- submissions.digest
    fingerprint INTEGER NOT NULL REFERENCES fingerprints (id),
    only_exercises TEXT,        -- NULL: all of them; JSON list: the others are from an older result
    status TEXT NOT NULL,       -- graded, rejected, grader_error
    score REAL,                 -- raw: without the late policy; NULL: the grader was at fault
    max_score REAL NOT NULL,
    seconds REAL NOT NULL,
    graded TEXT NOT NULL,       -- ISO 8601, UTC
    json BLOB NOT NULL          -- the canonical result, compressed by zlib
);
CREATE INDEX results_by_content ON results (submission, fingerprint);

-- Ids of checks, so that `checks` stays small.
CREATE TABLE check_ids (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,  -- exercise/class.test
    exercise TEXT NOT NULL
);

-- One row per check of a result: what diffs and statistics ask for, without unpacking results.
CREATE TABLE checks (
    result INTEGER NOT NULL REFERENCES results (id),
    check_id INTEGER NOT NULL REFERENCES check_ids (id),
    outcome TEXT NOT NULL,
    score REAL,
    max_score REAL NOT NULL,
    seconds REAL NOT NULL,
    misconception TEXT,
    PRIMARY KEY (result, check_id)
) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = ()
"""Entry i turns a store of version i + 1 into one of version i + 2."""

VERSION = len(MIGRATIONS) + 1
"""Goes up by one with every change of SCHEMA, and then there is one more migration."""


def prepare(connection: sqlite3.Connection, path: object, *, write: bool) -> None:
    """Make the tables of an empty store, or bring an older one up to date, in one transaction.

    Raises InputError for a file that is no store, or one by a newer version of autograder.
    """
    version = _version(connection, path)
    if version == VERSION:
        return
    if version > VERSION:
        raise InputError(
            f"{path}: written by a newer autograder (store version {version}, this one knows "
            f"{VERSION}); update autograder or choose another store"
        )
    if not write:
        if version == 0:
            raise InputError(f"{path}: the store is empty; fill it with `autograder regrade`")
        raise InputError(
            f"{path}: an older store (version {version}); `autograder regrade` brings it to "
            f"version {VERSION}"
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Someone else may have done it while we waited.
        version = _version(connection, path)
        steps = [SCHEMA] if version == 0 else MIGRATIONS[version - 1 :]
        for step in steps if version < VERSION else ():
            for statement in _statements(step):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: object) -> int:
    """0 for an empty file."""
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if application == APPLICATION:
        return version
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application or version or tables:
        raise InputError(f"{path}: another program's database, not a store; choose another file")
    return 0


def _statements(script: str) -> list[str]:
    """The statements of a script one by one: `executescript` would end our transaction."""
    found, statement = [], ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found
