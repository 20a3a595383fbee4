"""Grading configs: TOML in, frozen data out, every mistake refused by file and key."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from autograder.course import suggestion
from autograder.errors import ConfigError
from autograder.policy import Policy
from autograder.timing.verdict import DEAD_BAND, Thresholds

__all__ = [
    "Attempts",
    "Config",
    "Device",
    "Exercise",
    "Feedback",
    "Late",
    "Limits",
    "Timing",
    "Visibility",
    "load_config",
]


class Visibility(StrEnum):
    """When students see a check; the names are Gradescope's."""

    VISIBLE = "visible"
    HIDDEN = "hidden"
    AFTER_DUE_DATE = "after_due_date"
    AFTER_PUBLISHED = "after_published"


class Feedback(StrEnum):
    """How much of a failure students see.

    `full`: the values, the smallest failing input and the hint; `summary`: what is wrong and the
    hint, without values and inputs; `none`: that it failed.
    """

    FULL = "full"
    SUMMARY = "summary"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one submission may use. Seconds are wall-clock; memory is per worker.

    One exercise never takes longer than `exercise_seconds`, the submission never longer than
    `total_seconds`: what is left then has timed out.
    """

    import_seconds: float = 20.0
    call_seconds: float = 5.0
    exercise_seconds: float = 30.0
    total_seconds: float = 240.0
    memory_mib: int = 1024
    submission_kib: int = 1024


class Attempts(StrEnum):
    """Which of several submissions of the same people counts."""

    LAST = "last"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class Late:
    """What lateness costs, and which attempt counts: applied by `regrade`, never part of a result.

    Every begun day after `due` and the grace costs `per_day` of the score, a fraction, and at most
    `cap`. Without `due` only submissions with a due date of their own can be late.
    """

    due: datetime | None = None
    grace_minutes: float = 0.0
    per_day: float = 0.0
    cap: float = 1.0
    attempts: Attempts = Attempts.LAST

    def to_json(self) -> dict[str, Any]:
        """This policy in JSON types."""
        return {
            "due": None if self.due is None else self.due.isoformat(),
            "grace_minutes": self.grace_minutes,
            "per_day": self.per_day,
            "cap": self.cap,
            "attempts": self.attempts.value,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Late:
        """The policy that `to_json` wrote."""
        due = data["due"]
        return Late(
            due=None if due is None else datetime.fromisoformat(due),
            grace_minutes=data["grace_minutes"],
            per_day=data["per_day"],
            cap=data["cap"],
            attempts=Attempts(data["attempts"]),
        )


class Device(StrEnum):
    """Where code is timed."""

    CUDA = "cuda"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Timing:
    """Where timing checks run, and the speeds that earn nothing and everything.

    Speeds are multiples of the baseline's; `exercises` has those that differ.
    """

    device: Device = Device.CUDA
    thresholds: Thresholds = field(default_factory=Thresholds)
    exercises: Mapping[str, Thresholds] = field(default_factory=dict)

    def thresholds_of(self, exercise_id: str) -> Thresholds:
        """The thresholds of one exercise."""
        return self.exercises.get(exercise_id, self.thresholds)


@dataclass(frozen=True, slots=True)
class Exercise:
    """One gradable idea: its functions and its points."""

    id: str
    title: str
    points: float
    functions: tuple[str, ...]
    visibility: Visibility = Visibility.VISIBLE


@dataclass(frozen=True, slots=True)
class Config:
    """All that grading an assignment needs to know beside its suite."""

    id: str
    title: str
    files: tuple[str, ...]
    exercises: tuple[Exercise, ...]
    limits: Limits = field(default_factory=Limits)
    policy: Policy = field(default_factory=Policy)
    feedback: Feedback = Feedback.FULL
    visibility: Visibility = Visibility.VISIBLE
    late: Late = field(default_factory=Late)
    timing: Timing | None = None
    digest_source: bytes = b""

    @property
    def module(self) -> str:
        """The name of the module that holds the graded functions: the first file's."""
        return self.files[0].removesuffix(".py")

    @property
    def functions(self) -> tuple[str, ...]:
        """Every graded function, once, in the exercises' order."""
        return tuple(dict.fromkeys(name for e in self.exercises for name in e.functions))

    @property
    def max_score(self) -> float:
        return math.fsum(exercise.points for exercise in self.exercises)

    def exercise(self, exercise_id: str) -> Exercise:
        """The exercise of that id. Raises KeyError."""
        for exercise in self.exercises:
            if exercise.id == exercise_id:
                return exercise
        raise KeyError(exercise_id)


def load_config(path: Path) -> Config:
    """Read a grading config. Raises ConfigError naming the file, the key and the next move."""
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode())
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    reader = _Table(table, str(path))
    files = reader.strings("files")
    for name in files:
        if not name.endswith(".py") or "/" in name or not name.removesuffix(".py").isidentifier():
            raise ConfigError(f"{path}: files: {name!r} is not the name of a Python module")
    exercises = tuple(
        _exercise(_Table(entry, f"{path}: exercises[{i}]"))
        for i, entry in enumerate(reader.tables("exercises"))
    )
    seen: set[str] = set()
    for exercise in exercises:
        if exercise.id in seen:
            raise ConfigError(f"{path}: exercises: the id {exercise.id!r} appears twice")
        seen.add(exercise.id)
    feedback = reader.table("feedback")
    config = Config(
        id=path.stem,
        title=reader.string("title"),
        files=files,
        exercises=exercises,
        limits=_limits(reader.table("limits")),
        policy=Policy.from_mapping(reader.table("policy").rest(), f"{path}: [policy]"),
        feedback=feedback.choice("level", Feedback, Feedback.FULL),
        visibility=feedback.choice("visibility", Visibility, Visibility.VISIBLE),
        late=_late(reader.table("late")),
        timing=_timing(reader, [exercise.id for exercise in exercises]),
        digest_source=raw,
    )
    feedback.finish()
    reader.finish()
    return config


def _exercise(table: _Table) -> Exercise:
    made = Exercise(
        id=table.string("id"),
        title=table.string("title"),
        points=table.positive("points", None),
        functions=table.strings("functions"),
        visibility=table.choice("visibility", Visibility, Visibility.VISIBLE),
    )
    table.finish()
    return made


def _limits(table: _Table) -> Limits:
    default = Limits()
    made = Limits(
        import_seconds=table.positive("import_seconds", default.import_seconds),
        call_seconds=table.positive("call_seconds", default.call_seconds),
        exercise_seconds=table.positive("exercise_seconds", default.exercise_seconds),
        total_seconds=table.positive("total_seconds", default.total_seconds),
        memory_mib=int(table.positive("memory_mib", default.memory_mib)),
        submission_kib=int(table.positive("submission_kib", default.submission_kib)),
    )
    table.finish()
    return made


def _late(table: _Table) -> Late:
    made = Late(
        due=table.moment("due"),
        grace_minutes=table.positive("grace_minutes", 0.0),
        per_day=table.fraction("per_day", 0.0),
        cap=table.fraction("cap", 1.0),
        attempts=table.choice("attempts", Attempts, Attempts.LAST),
    )
    table.finish()
    return made


def _timing(reader: _Table, ids: list[str]) -> Timing | None:
    given = reader.has("timing")
    table = reader.table("timing")
    if not given:
        return None
    device = table.choice("device", Device, Device.CUDA)
    usual = _thresholds(table, Thresholds())
    special: dict[str, Thresholds] = {}
    for exercise_id in ids:
        if table.has(exercise_id):
            own = table.table(exercise_id)
            special[exercise_id] = _thresholds(own, usual)
            own.finish()
    table.finish()
    return Timing(device, usual, special)


def _thresholds(table: _Table, default: Thresholds) -> Thresholds:
    made = Thresholds(
        table.positive("zero_at", default.zero_at), table.positive("full_at", default.full_at)
    )
    # Full marks begin a little below `full_at`, and not below what earns nothing.
    if made.zero_at >= made.full_at * (1 - DEAD_BAND):
        raise ConfigError(
            f"{table.where}: zero_at = {made.zero_at:g} must be clearly below full_at = "
            f"{made.full_at:g}"
        )
    return made


class _Table:
    """A TOML table being read: `finish` refuses what nobody asked for."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        if not isinstance(table, Mapping):
            raise ConfigError(f"{where}: must be a table")
        self._table = dict(table)
        self._where = where
        self._known: list[str] = []

    @property
    def where(self) -> str:
        """The file and the table, for messages."""
        return self._where

    def has(self, key: str) -> bool:
        """Whether the table has this key."""
        return key in self._table

    def _take(self, key: str, required: bool) -> Any:
        self._known.append(key)
        if key not in self._table:
            if required:
                raise ConfigError(
                    f"{self._where}: the key {key!r} is missing{self._lookalike(key)}"
                )
            return None
        return self._table.pop(key)

    def _lookalike(self, key: str) -> str:
        near = suggestion(key, [k for k in self._table if k not in self._known])
        return f"; {near.replace('did you mean', 'did you mean it by')}" if "did" in near else ""

    def string(self, key: str) -> str:
        value = self._take(key, required=True)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{self._where}: {key} must be a non-empty string, not {value!r}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        value = self._take(key, required=True)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{self._where}: {key} must be a non-empty list of strings")
        return tuple(value)

    def positive(self, key: str, default: float | None) -> float:
        value = self._take(key, required=default is None)
        if value is None and default is not None:
            return default
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise ConfigError(f"{self._where}: {key} must be a positive number, not {value!r}")
        return float(value)

    def fraction(self, key: str, default: float) -> float:
        value = self.positive(key, default)
        if value > 1:
            raise ConfigError(
                f"{self._where}: {key} is a fraction of the score, at most 1, not {value:g}; "
                f"write {value / 100:g} for {value:g} %"
            )
        return value

    def moment(self, key: str) -> datetime | None:
        value = self._take(key, required=False)
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ConfigError(
                f"{self._where}: {key} must be a date and time with an offset from UTC, such as "
                f"2026-10-20T23:59:00+02:00, not {value!s}"
            )
        return value

    def choice(self, key: str, kind: Callable[[str], Any], default: Any) -> Any:
        value = self._take(key, required=False)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError:
            names = [str(member) for member in type(default)]
            raise ConfigError(
                f"{self._where}: {key} = {value!r} is not one of {', '.join(names)}; "
                + suggestion(str(value), names)
            ) from None

    def table(self, key: str) -> _Table:
        value = self._take(key, required=False)
        return _Table({} if value is None else value, f"{self._where}: [{key}]")

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        value = self._take(key, required=True)
        if not isinstance(value, list) or not value:
            raise ConfigError(f"{self._where}: {key} must be a non-empty list ([[{key}]])")
        return value

    def rest(self) -> dict[str, Any]:
        return self._table

    def finish(self) -> None:
        for key in self._table:
            raise ConfigError(
                f"{self._where}: unknown key {key!r}; " + suggestion(key, self._known)
            )
