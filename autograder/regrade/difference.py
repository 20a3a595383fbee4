"""Whose grade changed between two runs, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from autograder.errors import InputError
from autograder.outcome import Outcome
from autograder.regrade.records import CheckRow, Run
from autograder.regrade.standings import Placed, identity, place
from autograder.regrade.store import Store
from autograder.result import Status

__all__ = ["Cause", "Change", "CheckChange", "Difference", "compare", "compare_with_platform"]


class Cause(StrEnum):
    """What is not the same in the two runs. A change may have several causes."""

    SUBMISSION = "submission"
    SUITE = "suite"
    CONFIG = "config"
    PACKAGE = "package"
    ENVIRONMENT = "environment"
    PARTIAL = "other exercises graded"
    FAULT = "fault of the grader"
    CHANCE = "chance"  # all of the above are the same: this grade isn't reproducible
    TIMESTAMP = "timestamp"
    LATE_POLICY = "late policy"
    ATTEMPT = "another attempt"
    PLATFORM = "graded by the platform before"


@dataclass(frozen=True, slots=True)
class CheckChange:
    """A check that ended otherwise. An outcome is None where the check wasn't there."""

    check: str
    exercise: str
    old_outcome: str | None
    new_outcome: str | None
    old_score: float | None
    new_score: float | None
    misconception: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One student, before and after.

    `old` and `new` are the scores that count, the late policy included; None where there is none.
    `raw` are the scores before it. `gone` says that the new run found nothing of this student,
    `appeared` that the old one had found nothing.
    """

    student: str
    submission: str
    old: float | None
    new: float | None
    old_raw: float | None
    new_raw: float | None
    causes: tuple[Cause, ...]
    checks: tuple[CheckChange, ...]
    gone: bool = False
    appeared: bool = False

    @property
    def down(self) -> bool:
        """Whether the student is worse off; to lose a grade altogether is to be worse off."""
        return self.old is not None and (self.new is None or self.new < self.old)

    def to_json(self) -> dict[str, Any]:
        """This change in JSON types."""
        return {**asdict(self), "causes": [c.value for c in self.causes], "down": self.down}


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, grades that went down first. `old` is None for the platform's old scores.

    `components` are the parts of the fingerprint that the two runs differ in.
    """

    old: int | None
    new: int
    components: tuple[str, ...]
    changes: tuple[Change, ...]
    unchanged: int

    @property
    def down(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.down)

    def to_json(self) -> dict[str, Any]:
        """This difference in JSON types."""
        return {
            "old": self.old,
            "new": self.new,
            "components": list(self.components),
            "unchanged": self.unchanged,
            "down": len(self.down),
            "changes": [change.to_json() for change in self.changes],
        }


def compare(store: Store, old: Run, new: Run) -> Difference:
    """Every student whose score, or the end of one of whose checks, isn't the same.

    Students are matched by their ids or addresses, members of a group one by one, and by the
    submission's name where a platform gave us no more. Raises InputError if the runs are of
    different assignments.
    """
    if old.assignment != new.assignment:
        raise InputError(
            f"run {old.id} is of {old.assignment}, run {new.id} of {new.assignment}: "
            "there is nothing to compare"
        )
    before, after = _by_student(store, old), _by_student(store, new)
    comparison = _Comparison(store, old, new)
    changes = []
    for key in before.keys() | after.keys():
        change = comparison.change(before.get(key), after.get(key))
        if change is not None:
            changes.append(change)
    total = len(before.keys() | after.keys())
    components = old.fingerprint.differences(new.fingerprint)
    return Difference(old.id, new.id, components, _sorted(changes), total - len(changes))


def compare_with_platform(store: Store, new: Run) -> Difference:
    """The same, against the scores that the source itself brought along.

    Raises InputError if it brought none.
    """
    placed = [entry for entry in place(new, store.standings(new.id)) if entry.counts]
    known = [entry for entry in placed if entry.standing.previous is not None]
    if not known:
        raise InputError(f"{store.path}: run {new.id} found no old scores in its source")
    changes = [
        Change(
            student=entry.standing.student,
            submission=entry.standing.name,
            old=entry.standing.previous,
            new=entry.score,
            old_raw=entry.standing.previous,
            new_raw=entry.standing.raw,
            causes=(Cause.PLATFORM,),
            checks=(),
        )
        for entry in known
        if entry.score != entry.standing.previous
    ]
    return Difference(None, new.id, (), _sorted(changes), len(known) - len(changes))


_Student = tuple[str, Placed]


def _by_student(store: Store, run: Run) -> dict[str, _Student]:
    """Each student's name and the submission that counts, by identity."""
    found: dict[str, _Student] = {}
    for entry in place(run, store.standings(run.id)):
        if not entry.counts:
            continue
        name = entry.standing.name
        for person in entry.standing.people:
            key = identity(person, name)
            # Somebody in two groups: the better one is looked at.
            if key not in found or (entry.score or 0.0) > (found[key][1].score or 0.0):
                found[key] = (person.name, entry)
        if not entry.standing.people:
            found[name] = (name, entry)
    return found


class _Comparison:
    def __init__(self, store: Store, old: Run, new: Run) -> None:
        self._store = store
        self._same_policy = old.late == new.late
        self._causes: dict[tuple[int, int], tuple[Cause, ...]] = {}

    def change(self, old: _Student | None, new: _Student | None) -> Change | None:
        """What became of one student; None if nothing did."""
        if old is None or new is None:
            one = old or new
            return None if one is None else self._one_sided(*one, gone=new is None)
        before, after = old[1], new[1]
        checks = tuple(self._checks(before.standing.result, after.standing.result))
        same = (before.score, before.standing.raw) == (after.score, after.standing.raw)
        if same and not checks:
            return None
        return Change(
            student=new[0],
            submission=after.standing.name,
            old=before.score,
            new=after.score,
            old_raw=before.standing.raw,
            new_raw=after.standing.raw,
            causes=tuple(self._why(before, after, checks)),
            checks=checks,
        )

    def _one_sided(self, student: str, entry: Placed, *, gone: bool) -> Change:
        score, raw = entry.score, entry.standing.raw
        return Change(
            student=student,
            submission=entry.standing.name,
            old=score if gone else None,
            new=None if gone else score,
            old_raw=raw if gone else None,
            new_raw=None if gone else raw,
            causes=(Cause.SUBMISSION,),
            checks=(),
            gone=gone,
            appeared=not gone,
        )

    def _why(self, old: Placed, new: Placed, checks: tuple[CheckChange, ...]) -> Iterator[Cause]:
        before, after = old.standing, new.standing
        if checks or before.raw != after.raw:
            yield from self._why_graded_otherwise(old, new, checks)
        if old.lateness != new.lateness:
            moved = (before.timestamp, before.due, before.late) != (
                after.timestamp, after.due, after.late,
            )  # fmt: skip
            if moved:
                yield Cause.TIMESTAMP
            if not self._same_policy:
                yield Cause.LATE_POLICY

    def _why_graded_otherwise(
        self, old: Placed, new: Placed, checks: tuple[CheckChange, ...]
    ) -> Iterator[Cause]:
        before, after = old.standing, new.standing
        found = []
        if before.digest != after.digest:
            another = before.name != after.name
            found.append(Cause.ATTEMPT if another else Cause.SUBMISSION)
        if before.fingerprint_id is not None and after.fingerprint_id is not None:
            found += self._components(before.fingerprint_id, after.fingerprint_id)
        left_out = Outcome.NOT_RUN.value
        if (before.partial and any(check.old_outcome == left_out for check in checks)) or (
            after.partial and any(check.new_outcome == left_out for check in checks)
        ):
            found.append(Cause.PARTIAL)
        if Status.GRADER_ERROR in (before.status, after.status) and before.status != after.status:
            found.append(Cause.FAULT)
        yield from found or [Cause.CHANCE]

    def _components(self, old: int, new: int) -> tuple[Cause, ...]:
        if (old, new) not in self._causes:
            names = self._store.fingerprint(old).differences(self._store.fingerprint(new))
            self._causes[old, new] = tuple(Cause(name) for name in names)
        return self._causes[old, new]

    def _checks(self, old: int | None, new: int | None) -> Iterator[CheckChange]:
        """The checks that ended otherwise, in the order of the suite."""
        if old == new:
            return
        before = {} if old is None else self._store.checks(old)
        after = {} if new is None else self._store.checks(new)
        if not before or not after:
            return
        for name in dict.fromkeys((*before, *after)):
            was, is_ = before.get(name), after.get(name)
            if _end(was) != _end(is_):
                yield _check_change(name, was, is_)


def _end(check: CheckRow | None) -> tuple[object, ...] | None:
    return None if check is None else (check.outcome, check.score)


def _check_change(name: str, old: CheckRow | None, new: CheckRow | None) -> CheckChange:
    return CheckChange(
        check=name,
        exercise=next(row.exercise for row in (new, old) if row is not None),
        old_outcome=None if old is None else old.outcome,
        new_outcome=None if new is None else new.outcome,
        old_score=None if old is None else old.score,
        new_score=None if new is None else new.score,
        misconception=None if new is None else new.misconception,
    )


def _sorted(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Worse off first, those who lose most before the others."""

    def key(change: Change) -> tuple[bool, float, str]:
        gain = (change.new or 0.0) - (change.old or 0.0)
        return not change.down, gain if change.down else -gain, change.student.casefold()

    return tuple(sorted(changes, key=key))
