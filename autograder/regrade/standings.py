"""Who stands where after a run: late policy applied, attempts sorted out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from autograder.config import Attempts
from autograder.regrade.gradebook import Grade, Gradebook, Lateness, Person
from autograder.regrade.late import final_score, lateness
from autograder.regrade.records import Run, Standing

if TYPE_CHECKING:
    from autograder.regrade.store import Store

__all__ = ["Placed", "gradebook", "identity", "place"]

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Placed:
    """A standing with what the policies make of it; see Grade for the fields."""

    standing: Standing
    lateness: Lateness | None
    score: float | None
    counts: bool

    def to_json(self) -> dict[str, Any]:
        """One line of `regrade --json`."""
        at = self.standing
        return {
            "submission": at.name,
            "people": [{"name": p.name, "sid": p.sid, "email": p.email} for p in at.people],
            "status": at.status,
            "score": self.score,
            "raw_score": at.raw,
            "days_late": None if self.lateness is None else self.lateness.days,
            "counts": self.counts,
            "timestamp": None if at.timestamp is None else at.timestamp.isoformat(),
            "previous": at.previous,
            "error": at.error,
        }


def place(run: Run, standings: Iterable[Standing]) -> list[Placed]:
    """Apply the run's late policy, and let one attempt of the same people count.

    The last one by its timestamp, or the best one; an attempt without any score never supersedes
    one with a score. Among equals, the one whose name sorts last counts.
    """
    scored = []
    for standing in standings:
        late = lateness(run.late, standing.timestamp, standing.due, marked=standing.late)
        scored.append(Placed(standing, late, final_score(standing.raw, late), True))
    best: dict[frozenset[str], Placed] = {}
    for placed in scored:
        people = _people(placed.standing)
        if people not in best or _rank(run, placed) >= _rank(run, best[people]):
            best[people] = placed
    return [Placed(p.standing, p.lateness, p.score, best[_people(p.standing)] is p) for p in scored]


def gradebook(store: Store, run: Run) -> Gradebook:
    """All grades of a run, sorted by name."""
    grades = [
        Grade(
            submission=placed.standing.name,
            people=placed.standing.people,
            result=None if placed.standing.result is None else store.result(placed.standing.result),
            error=_error(placed.standing),
            score=placed.score,
            lateness=placed.lateness,
            counts=placed.counts,
            timestamp=placed.standing.timestamp,
            previous=placed.standing.previous,
            digest=placed.standing.digest,
        )
        for placed in place(run, store.standings(run.id))
    ]
    grades.sort(key=lambda grade: (grade.name.casefold(), grade.submission))
    return Gradebook(
        assignment=run.assignment,
        title=run.title,
        max_score=run.max_score,
        exercises=run.exercises,
        grades=tuple(grades),
        run=run.id,
        started=run.started,
        finished=run.finished,
        versions=dict(run.fingerprint.versions),
    )


def identity(person: Person, submission: str) -> str:
    """Who this is, the same in every run.

    Names alone don't tell two people apart, so without an id or an address a person is only the
    same within submissions of the same name.
    """
    if person.sid:
        return f"sid:{person.sid}"
    if person.email:
        return f"email:{person.email.casefold()}"
    return f"{submission}/{person.name}"


def _people(standing: Standing) -> frozenset[str]:
    everyone = {identity(person, standing.name) for person in standing.people}
    return frozenset(everyone or {standing.name})


def _rank(run: Run, placed: Placed) -> tuple[bool, float, datetime, str]:
    score = -1.0 if placed.score is None else placed.score
    best = score if run.late.attempts is Attempts.BEST else 0.0
    moment = placed.standing.timestamp or _NEVER
    return placed.score is not None, best, moment, placed.standing.name


def _error(standing: Standing) -> str | None:
    if standing.result is None and standing.error is None:
        return "not graded yet"
    return standing.error
