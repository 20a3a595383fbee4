"""One run: find what has to be graded, grade it with warm graders, store every grade at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from autograder.config import Config
from autograder.outcome import Outcome
from autograder.pool import Engine, Job, grade_with
from autograder.regrade.entry import Entry
from autograder.regrade.fingerprint import digest_submission
from autograder.regrade.records import Known, Plan, Run
from autograder.regrade.store import Store
from autograder.reports.gradescope import gradescope
from autograder.result import CheckResult, Result, Status

__all__ = ["Tally", "regrade", "write_results"]

_LINKS_AT_ONCE = 256
_HEARTBEAT = 32
_FAULTS_NAMED = 20

MakeEngine = Callable[[], AbstractContextManager[Engine]]
Watch = Callable[[str, int], None]


@dataclass(slots=True)
class Tally:
    """What a run did so far, in submissions.

    `graded` ones got a new grade, `known` ones had one, `unreadable` ones can't have one, and of
    `faults` the grader itself was the cause. `stored` of them are in the store.
    """

    graded: int = 0
    known: int = 0
    unreadable: int = 0
    faults: int = 0
    stored: int = 0
    faulty: list[str] = field(default_factory=list)


def regrade(
    store: Store,
    plan: Plan,
    source: Iterable[Entry],
    make_engine: MakeEngine,
    *,
    tally: Tally | None = None,
    watch: Watch = lambda student, count: None,
    patience: float | None = None,
) -> tuple[Run, Tally]:
    """Grade what isn't known yet; the run, finished, and what was done.

    `make_engine` is called when there is something to grade. `watch` gets a name and how many
    submissions are through. An exception (Ctrl-C too) leaves the run unfinished, and the next one
    with the same plan resumes it.
    """
    work = _Work(store, plan, tally or Tally(), watch)
    try:
        jobs = work.jobs(source)
        first = next((job for job in jobs if job is not None), None)
        if first is not None:
            with make_engine() as engine:
                waiting: Iterable[Job | None] = chain([first], jobs)
                while waiting:
                    for job, result in grade_with(engine, waiting, plan.config, patience=patience):
                        work.land(job, result, times_apart=engine.times_apart)
                    waiting = work.still_to_time()
    finally:
        work.flush()
    store.finish(work.run, work.seen)
    return work.run, work.tally


def write_results(store: Store, run: Run, folder: Path) -> None:
    """`<folder>/<submission>/results.json` for Gradescope, and the canonical `result.json`."""
    for standing in store.standings(run.id):
        if standing.result is None:
            continue
        result = store.result(standing.result)
        target = folder / standing.name
        target.mkdir(parents=True, exist_ok=True)
        for name, data in (("results.json", gradescope(result)), ("result.json", result.to_json())):
            text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            (target / name).write_text(text, encoding="utf-8")


class _Work:
    """A run while it goes on."""

    def __init__(self, store: Store, plan: Plan, tally: Tally, watch: Watch) -> None:
        self._store = store
        self._config: Config = plan.config
        self._options = plan.options
        self._before = _last_results(store) if plan.options.failed else None
        self.run = store.begin(plan)
        # With --force, what this very run has graded, even before it was interrupted.
        self._fresh = _results_of(store, self.run) if plan.options.force else None
        self.tally = tally
        self.seen: set[str] = set()
        self._watch = watch
        self._links: list[tuple[Entry, str | None, int | None]] = []
        # What is being graded, by digest. Equal submissions (stubs, copies) are graded once.
        self._flying: dict[str, list[Entry]] = {}
        # What has been graded and still has to be timed.
        self._timing: list[Job] = []

    def jobs(self, source: Iterable[Entry]) -> Iterator[Job | None]:
        """What has to be graded; None now and then, so that results don't wait for our reading."""
        for count, entry in enumerate(source, 1):
            yield from self._timing
            self._timing.clear()
            job = self._consider(entry)
            if job is not None or count % _HEARTBEAT == 0:
                yield job
        self.flush()

    def land(self, job: Job, result: Result, *, times_apart: bool = False) -> None:
        """Store a grade.

        Where timing happens on other machines, the grade stays incomplete until they have answered.
        """
        entries = self._flying.pop(job.name)
        if job.gpu:
            self._land_timing(entries, job.name, result)
            return
        only = job.only
        # The older result whose other exercises a partial grade completes.
        base = self._store.known(job.name, status=Status.GRADED.value)
        if only is not None and base is not None:
            from autograder.regrade.combine import combine

            result = combine(self._store.result(base.result), result, only)
            if base.fingerprint_id == self.run.fingerprint_id:
                only = None if base.only is None else tuple({*only, *base.only})
        every = {exercise.id for exercise in self._config.exercises}
        if only is not None and every <= {*only}:
            only = None
        to_time = timed(result) if times_apart else ()
        if to_time:
            only = tuple((every if only is None else {*only}) - {*to_time})
            self._flying[job.name] = entries
            self._timing.append(replace(job, only=to_time, gpu=True))
        number = self._store.put(self.run, entries, job.name, result, only=only)
        if self._fresh is not None:
            self._fresh[job.name] = number
        if not to_time:
            self._count(entries, result)

    def still_to_time(self) -> Sequence[Job]:
        """What waits for a machine that measures, when nothing else is left to do."""
        jobs, self._timing = self._timing, []
        return jobs

    def _land_timing(self, entries: list[Entry], digest: str, result: Result) -> None:
        if result.status is Status.GRADED:
            self._store.add_timing(self.run, entries, digest, result)
        # Else what is stored stays incomplete, and the next run tries again.
        self._count(entries, result)

    def _count(self, entries: list[Entry], result: Result) -> None:
        self.tally.stored += len(entries)
        if result.status is Status.GRADER_ERROR:
            self.tally.faults += len(entries)
            self.tally.faulty += [e.name for e in entries][: _FAULTS_NAMED - len(self.tally.faulty)]
        else:
            self.tally.graded += len(entries)
        self._watch(entries[0].student, len(entries))

    def flush(self) -> None:
        """Store what needed no grading."""
        links, self._links = self._links, []
        if links:
            self._store.link(self.run, links)
            self.tally.stored += len(links)

    def _consider(self, entry: Entry) -> Job | None:
        self.seen.add(entry.name)
        submission, light = entry.submission, replace(entry, submission=None)
        if submission is None:
            self.tally.unreadable += 1
            self._link(light, None, None)
            return None
        digest = digest_submission(submission)
        result = self._known(entry.name, digest)
        if result is not None:
            self.tally.known += 1
            self._link(light, digest, result)
            return None
        if digest in self._flying:
            self._flying[digest].append(light)
            return None
        self._flying[digest] = [light]
        return Job(digest, submission, only=self._options.only or None)

    def _link(self, entry: Entry, digest: str | None, result: int | None) -> None:
        self._links.append((entry, digest, result))
        self._watch(entry.student, 1)
        if len(self._links) >= _LINKS_AT_ONCE:
            self.flush()

    def _known(self, name: str, digest: str) -> int | None:
        """The result that makes grading unnecessary."""
        if self._before is not None and name in self._before:
            return self._before[name]
        if self._fresh is not None:
            return self._fresh.get(digest)
        known = self._store.known(digest, self.run.fingerprint_id)
        if known is None or known.status == Status.GRADER_ERROR.value:
            return None
        return known.result if self._suffices(known) else None

    def _suffices(self, known: Known) -> bool:
        if known.only is None:
            return True
        return bool(self._options.only) and {*self._options.only} <= {*known.only}


def timed(result: Result) -> tuple[str, ...]:
    """The exercises of a correct answer whose speed hasn't been measured yet."""
    from autograder.merging import pending

    if result.status is not Status.GRADED:
        return ()
    waiting = {check.id for check in pending(result)}
    found = []
    for exercise in result.exercises:
        others = [check for check in exercise.checks if check.id not in waiting]
        if len(others) < len(exercise.checks) and all(_passed(check) for check in others[:1]):
            found.append(exercise.id)
    return tuple(found)


def _passed(check: CheckResult) -> bool:
    return check.outcome is Outcome.PASSED


def _results_of(store: Store, run: Run) -> dict[str, int]:
    """The results of a run so far, by the submission's digest."""
    standings = store.standings(run.id) if run.resumed else ()
    return {s.digest: s.result for s in standings if s.digest is not None and s.result is not None}


def _last_results(store: Store) -> dict[str, int]:
    """What every submission had last, of any run; what has no grade (any more) is absent."""
    found: dict[str, int] = {}
    for run in store.runs():
        for standing in store.standings(run.id):
            if standing.result is None or standing.status == Status.GRADER_ERROR.value:
                found.pop(standing.name, None)
            else:
                found[standing.name] = standing.result
    return found
