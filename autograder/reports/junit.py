"""JUnit XML: a suite per submission and a case per check, for the test views of CI systems.

The dialect is the one that Jenkins, GitLab and GitHub's actions read: testsuites, testsuite,
testcase, and failure, error or skipped inside. Our fault is an `error`, the student's a `failure`.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as Tree

from autograder.config import Feedback
from autograder.outcome import Outcome
from autograder.regrade.gradebook import Grade, Gradebook
from autograder.reports.rows import left_out, line, note
from autograder.reports.wording import explain, headline
from autograder.result import CheckResult, Result, Status

__all__ = ["junit"]

# What XML 1.0 can't hold even escaped; `plain` has dealt with the control characters.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def junit(book: Gradebook) -> str:
    """The counting grades of the book; well-formed whatever students wrote."""
    suites = [_suite(book, grade) for grade in book.grades if grade.counts]
    root = Tree.Element("testsuites", {"name": _xml(book.assignment), **_totals(suites)})
    root.extend(suites)
    Tree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Tree.tostring(root, encoding="unicode")}\n'


def _totals(suites: list[Tree.Element]) -> dict[str, str]:
    counts = {
        key: str(sum(int(suite.get(key, "0")) for suite in suites))
        for key in ("tests", "failures", "errors", "skipped")
    }
    return {**counts, "time": f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}"}


def _suite(book: Gradebook, grade: Grade) -> Tree.Element:
    cases = [_whole(grade)]
    result = grade.result
    if result is not None and result.status is not Status.REJECTED:
        cases += [
            _case(grade, exercise.id, check)
            for exercise in result.exercises
            if not left_out(exercise)
            for check in exercise.checks
        ]
    suite = Tree.Element(
        "testsuite",
        {
            "name": _xml(f"{line(grade.name, 200)} ({grade.submission})"),
            "tests": str(len(cases)),
            "failures": str(sum(case.find("failure") is not None for case in cases)),
            "errors": str(sum(case.find("error") is not None for case in cases)),
            "skipped": str(sum(case.find("skipped") is not None for case in cases)),
            "time": f"{0 if result is None else result.seconds:.3f}",
            "timestamp": book.started.strftime("%Y-%m-%dT%H:%M:%S"),
        },
    )
    suite.extend(cases)
    return suite


def _whole(grade: Grade) -> Tree.Element:
    """Whether the submission could be graded at all."""
    case = Tree.Element(
        "testcase",
        {"classname": _xml(grade.submission), "name": "can be graded", "time": "0.000"},
    )
    result = grade.result
    if result is None or result.status is Status.GRADER_ERROR:
        _add(case, "error", "grader_error", note(grade), _fault(result))
    elif result.status is Status.REJECTED:
        _add(case, "failure", "rejected", note(grade), "\n".join(result.messages))
    return case


def _fault(result: Result | None) -> str:
    return "" if result is None else result.fault or ""


def _case(grade: Grade, exercise: str, check: CheckResult) -> Tree.Element:
    case = Tree.Element(
        "testcase",
        {
            "classname": _xml(f"{grade.submission}.{exercise}"),
            "name": _xml(line(check.title, 300)),
            "time": f"{check.seconds:.3f}",
        },
    )
    if check.outcome is Outcome.PASSED:
        return case
    kind = {Outcome.NOT_RUN: "skipped", Outcome.GRADER_ERROR: "error"}.get(check.outcome, "failure")
    _add(case, kind, str(check.outcome), headline(check), explain(check, Feedback.FULL))
    return case


def _add(case: Tree.Element, tag: str, kind: str, message: str, text: str) -> None:
    said = text.partition("\n")[0] if tag == "failure" and text else message
    attributes = {"message": _xml(line(said, 300))}
    if tag != "skipped":
        attributes["type"] = kind
    child = Tree.SubElement(case, tag, attributes)
    child.text = _xml(text[:4000])


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
