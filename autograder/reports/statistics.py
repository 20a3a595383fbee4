"""What a cohort's results say about the cohort, and about the assignment itself.

*Difficulty* is classical test theory's: the mean fraction of the points that was earned, so a
high number is an easy check. *Discrimination* is the corrected item–total correlation, Pearson's
r between what students earned on an item and what they earned on everything else: J. P. Guilford,
“The correlation of an item with a composite of the remaining items in a test”, Educational and
Psychological Measurement 13 (1953), 87–93. Its standard error is about 1/√n, so below
`ENOUGH` students it isn't given at all. Who earned nothing at all is left out of it: a handful
of empty submissions would make every item look like a good one.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autograder.outcome import Outcome
from autograder.regrade.gradebook import Grade, Gradebook
from autograder.reports.rows import left_out, student_rows
from autograder.result import CheckResult, ExerciseResult, Status

__all__ = [
    "ENOUGH",
    "CheckStatistics",
    "Cohort",
    "ExerciseStatistics",
    "Headline",
    "Idea",
    "describe",
]

ENOUGH = 30  # students; the standard error of r is then about 0.18
FEW = 5  # below, “nobody” says nothing
UNCLEAN = (Outcome.TIMED_OUT, Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.GRADER_ERROR)
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Headline:
    """Counts of students, and their scores in points; means are None if nobody has a score."""

    students: int
    scored: int
    unscored: int
    rejected: int
    full: int
    zero: int
    late: int
    changed: int
    superseded: int
    mean: float | None
    median: float | None
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Students whose score lies in [low, high) percent; the last bin has its upper end too."""

    low: int
    high: int
    students: int


@dataclass(slots=True)
class CheckStatistics:
    """One check over all graded submissions. `seconds` are those of the runs, in order of size."""

    id: str
    title: str
    max_score: float
    difficulty: float | None = None
    discrimination: float | None = None
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    unsteady: int = 0

    @property
    def graded(self) -> int:
        """How many submissions it was graded for."""
        return sum(self.outcomes.values()) - self.outcomes[Outcome.GRADER_ERROR]

    @property
    def passed(self) -> int:
        """How many passed it."""
        return self.outcomes[Outcome.PASSED]

    @property
    def unclean(self) -> int:
        """How often it ended by a limit, a crash or a fault of ours rather than by an answer."""
        return sum(self.outcomes[outcome] for outcome in UNCLEAN)

    @property
    def remark(self) -> str:
        """What its author should look at; empty if nothing strikes."""
        if self.graded >= FEW and self.difficulty is not None and self.difficulty < _EPSILON:
            return "nobody earns anything"
        # Two standard errors below nothing.
        if self.discrimination is not None and self.discrimination < -2 / math.sqrt(self.graded):
            return "stronger students do worse"
        return ""

    @property
    def median_seconds(self) -> float:
        """Of the runs."""
        return statistics.median(self.seconds) if self.seconds else 0.0

    @property
    def slowest_seconds(self) -> float:
        """Of the runs."""
        return max(self.seconds, default=0.0)

    @property
    def total_seconds(self) -> float:
        """Of the runs."""
        return math.fsum(self.seconds)


@dataclass(slots=True)
class ExerciseStatistics:
    """One exercise over all graded submissions."""

    id: str
    title: str
    points: float
    difficulty: float | None = None
    discrimination: float | None = None
    graded: int = 0
    full: int = 0
    zero: int = 0
    checks: list[CheckStatistics] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Idea:
    """A misconception, and how many submissions showed it in at least one check."""

    id: str
    exercise: str
    hint: str
    grades: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """All that the reports say about a gradebook as a whole.

    `graded` is the number of submissions behind difficulties, `discriminating` the number behind
    discriminations.
    """

    headline: Headline
    bins: tuple[Bin, ...]
    exercises: tuple[ExerciseStatistics, ...]
    ideas: tuple[Idea, ...]
    graded: int
    discriminating: int
    repeats: int

    @property
    def checks(self) -> list[CheckStatistics]:
        """All checks, in the suite's order."""
        return [check for exercise in self.exercises for check in exercise.checks]


def describe(book: Gradebook) -> Cohort:
    """The statistics of the grades that count; repeats are looked for among all attempts."""
    graded = [
        grade
        for grade in book.grades
        if grade.counts and grade.result is not None and grade.result.status is Status.GRADED
    ]
    exercises = {
        id_: ExerciseStatistics(id_, title, points) for id_, title, points in book.exercises
    }
    checks: dict[str, CheckStatistics] = {}
    for exercise, check in _all_checks(graded):
        if exercise.id not in exercises:
            continue
        if check.id not in checks:
            checks[check.id] = CheckStatistics(check.id, check.title, check.max_score)
            exercises[exercise.id].checks.append(checks[check.id])
        found = checks[check.id]
        found.outcomes[check.outcome] += 1
        if check.outcome is not Outcome.NOT_RUN:
            found.seconds.append(check.seconds)
    earning = [grade for grade in graded if grade.result is not None and grade.result.score]
    for exercise_statistics in exercises.values():
        _describe_exercise(exercise_statistics, graded, earning)
    _describe_checks(checks, graded, earning)
    repeats = _count_repeats(book, checks)
    return Cohort(
        headline=_headline(book),
        bins=_bins(book),
        exercises=tuple(exercises.values()),
        ideas=_ideas(book),
        graded=len(graded),
        discriminating=len(earning),
        repeats=repeats,
    )


def _all_checks(grades: Iterable[Grade]) -> Iterable[tuple[ExerciseResult, CheckResult]]:
    for grade in grades:
        for exercise in grade.result.exercises if grade.result is not None else ():
            if not left_out(exercise):
                for check in exercise.checks:
                    yield exercise, check


def _headline(book: Gradebook) -> Headline:
    rows = student_rows(book)
    scores = [row.grade.score for row in rows if row.grade.score is not None]
    statuses = [row.grade.result.status for row in rows if row.grade.result is not None]
    changed = [
        row
        for row in rows
        if row.grade.previous is not None
        and row.grade.score is not None
        and abs(row.grade.previous - row.grade.score) > 0.005
    ]
    return Headline(
        students=len(rows),
        scored=len(scores),
        unscored=len(rows) - len(scores),
        rejected=statuses.count(Status.REJECTED),
        full=sum(score >= book.max_score - _EPSILON for score in scores),
        zero=sum(score <= _EPSILON for score in scores),
        late=sum(row.grade.lateness is not None and row.grade.lateness.days > 0 for row in rows),
        changed=len(changed),
        superseded=sum(not grade.counts for grade in book.grades),
        mean=statistics.fmean(scores) if scores else None,
        median=statistics.median(scores) if scores else None,
        deviation=statistics.stdev(scores) if len(scores) > 1 else None,
    )


def _bins(book: Gradebook, width: int = 10) -> tuple[Bin, ...]:
    counts: Counter[int] = Counter()
    for row in student_rows(book):
        score = row.grade.score
        if score is not None and book.max_score > 0:
            percent = 100 * score / book.max_score + _EPSILON
            counts[min(max(int(percent // width), 0), 100 // width - 1)] += 1
    return tuple(
        Bin(low, low + width, counts[i]) for i, low in enumerate(range(0, 100, width))
    )  # fmt: skip


def _describe_exercise(
    found: ExerciseStatistics, graded: Sequence[Grade], earning: Sequence[Grade]
) -> None:
    pairs = [pair for grade in graded if (pair := _own_and_rest(grade, found.id)) is not None]
    found.graded = len(pairs)
    if pairs and found.points > 0:
        found.difficulty = statistics.fmean(own for own, _ in pairs) / found.points
    found.full = sum(own >= found.points - _EPSILON for own, _ in pairs)
    found.zero = sum(own <= _EPSILON for own, _ in pairs)
    found.discrimination = correlation(
        [pair for grade in earning if (pair := _own_and_rest(grade, found.id)) is not None]
    )


def _own_and_rest(grade: Grade, exercise_id: str) -> tuple[float, float] | None:
    result = grade.result
    if result is None or result.score is None:
        return None
    for exercise in result.exercises:
        if exercise.id == exercise_id and exercise.score is not None and not left_out(exercise):
            return exercise.score, result.score - exercise.score
    return None


def _describe_checks(
    checks: dict[str, CheckStatistics], graded: Sequence[Grade], earning: Sequence[Grade]
) -> None:
    for count, grades in ((False, graded), (True, earning)):
        pairs: dict[str, list[tuple[float, float]]] = {id_: [] for id_ in checks}
        for grade in grades:
            total = grade.result.score if grade.result is not None else None
            for _, check in _all_checks([grade]):
                if check.score is not None and total is not None and check.id in pairs:
                    pairs[check.id].append((_fraction(check), total - check.score))
        for id_, found in checks.items():
            if count:
                found.discrimination = correlation(pairs[id_])
            elif pairs[id_]:
                found.difficulty = statistics.fmean(own for own, _ in pairs[id_])


def _fraction(check: CheckResult) -> float:
    if check.max_score > 0 and check.score is not None:
        return check.score / check.max_score
    return float(check.outcome is Outcome.PASSED)


def correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's r; None below `ENOUGH` pairs, or where one side doesn't vary."""
    if len(pairs) < ENOUGH:
        return None
    xs, ys = [x for x, _ in pairs], [y for _, y in pairs]
    if max(xs) - min(xs) < _EPSILON or max(ys) - min(ys) < _EPSILON:
        return None
    return statistics.correlation(xs, ys)


def _ideas(book: Gradebook) -> tuple[Idea, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    hints: dict[tuple[str, str], str] = {}
    for grade in book.grades:
        if not grade.counts:
            continue
        seen: set[tuple[str, str]] = set()
        for exercise, check in _all_checks([grade]):
            failure = check.failure
            if failure is not None and failure.misconception is not None:
                key = (exercise.id, failure.misconception)
                seen.add(key)
                hints.setdefault(key, failure.help or "")
        counts.update(seen)
    return tuple(
        Idea(misconception, exercise, hints[exercise, misconception], n)
        for (exercise, misconception), n in sorted(
            counts.items(), key=lambda item: (-item[1], item[0])
        )
    )


def _count_repeats(book: Gradebook, checks: dict[str, CheckStatistics]) -> int:
    """Submissions whose very bytes were graded before: the same check must end the same way."""
    known = [grade for grade in book.grades if grade.digest is not None and grade.result]
    times = Counter(grade.digest for grade in known)
    outcomes: dict[tuple[str | None, str], set[Outcome]] = {}
    for grade in known:
        if times[grade.digest] > 1:
            for _, check in _all_checks([grade]):
                if check.outcome is not Outcome.GRADER_ERROR:
                    outcomes.setdefault((grade.digest, check.id), set()).add(check.outcome)
    for (_, id_), endings in outcomes.items():
        if len(endings) > 1 and id_ in checks:
            checks[id_].unsteady += 1
    return sum(times.values()) - len(times)
