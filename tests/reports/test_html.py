"""The HTML report as text: one file, nothing from outside, no markup out of a student's text."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.config import Visibility
from autograder.errors import InputError
from autograder.outcome import Failure, Outcome
from autograder.regrade.gradebook import Person
from autograder.reports.html import render, write_report
from autograder.result import Status

VOID = {"meta", "input", "br", "img", "link", "hr"}


class Elements(HTMLParser):
    """Tags, attributes, and text outside style and script; fails where tags don't nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def ids(self) -> list[str | None]:
        return [value for _, name, value in self.attributes if name == "id"]


def text_of(page: str) -> str:
    return " ".join(" ".join(Elements(page).words).split())


def test_every_link_leads_somewhere_in_the_page(book):
    page = Elements(render(book))
    assert len(page.ids) == len(set(page.ids))
    links = [value for _, name, value in page.attributes if name == "href"]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(page.ids)
    labels = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert {one for label in labels for one in label.split()} <= set(page.ids)


def test_nothing_is_loaded_and_nothing_but_our_script_may_run(book):
    text = render(book)
    page = Elements(text)
    assert not {"link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert page.tags.count("script") == page.tags.count("style") == 1
    names = {name for _, name, _ in page.attributes}
    assert not {"src", "style", "srcdoc", "action"} & names
    assert not [name for name in names if name.startswith("on")]
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
        assert "http" not in content
        assert "url(" not in content
    assert "default-src 'none'" in text


def test_the_script_puts_no_data_into_markup(book):
    script = re.search(r"<script>(.*?)</script>", render(book), re.DOTALL)[1]
    for way in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval", "Function("):
        assert way not in script


def test_our_faults_come_first(book):
    text = text_of(render(book))
    assert "2 without a score" in text
    first = text.index("OSError: no space left on device")
    assert first < text.index("not a zip file") < text.index("Std. deviation")


def test_our_faults_come_before_what_could_not_be_read_whatever_the_names(making):
    broken = making.result(status=Status.GRADER_ERROR, score=None, fault="OSError: disk full")
    page = render(making.gradebook(
        making.grade("s1", "Aaron", None, error="not a zip file"),
        making.grade("s2", "Zoe", broken),
    ))  # fmt: skip
    text = text_of(page)
    assert text.index("OSError: disk full") < text.index("not a zip file")


def test_nothing_missing_is_not_mentioned(making):
    text = text_of(render(making.gradebook(making.grade("s1", "Ada", making.result()))))
    assert "without a score" not in text.partition("How the numbers are made")[0].lower()
    assert "not finished" not in text
    unfinished = making.gradebook(finished=None)
    assert "not finished" in text_of(render(unfinished))


def test_a_page_says_what_was_wrong_and_what_was_charged(book):
    text = text_of(render(book))
    for said in (
        "grad_w has the wrong shape (at operators.py:12)",
        "expected: shape (3, 2)",
        "Hint: You forgot to transpose.",
        "hidden from students add_bias does not change its inputs",
        "2 days late : 10 × 0.8 = 8",
        "operators.py:2: syntax error",
        "before: 9",
        "Earlier attempts submission_0 : 5",
    ):
        assert said in text


def test_few_submissions_get_no_discrimination_and_many_do(cohort_of):
    few = text_of(render(cohort_of(10)))
    assert "mostly chance" in few
    assert few.count("Discrimination") == 2  # explained twice, and no column
    many = text_of(render(cohort_of(80)))
    assert "mostly chance" not in many
    assert many.count("Discrimination") == 2 + 3  # of exercises, and of each one's checks
    assert re.search(r"Matrix multiplication 6 \d+ % 0\.\d\d ", many)


def test_hidden_checks_and_masses_of_failures_stay_readable(making):
    failures = [
        making.check(
            id_, Outcome.FAILED, failure=Failure(f"{id_} {'x' * 5000}"),
            visibility=Visibility.HIDDEN,
        )
        for id_ in ("matmul/forward", "matmul/gradients", "bias/forward")
    ]  # fmt: skip
    page = render(making.gradebook(making.grade("s1", "Ada", making.result(*failures))))
    assert "x" * 1100 in page
    assert "x" * 1200 not in page


def test_a_lost_worker_leaves_a_result_without_checks(making):
    lost = making.result()
    lost = replace(
        lost, status=Status.GRADER_ERROR, score=None, fault="the worker was lost",
        exercises=tuple(replace(e, checks=(), score=None) for e in lost.exercises),
    )  # fmt: skip
    text = text_of(render(making.gradebook(making.grade("s1", "Ada", lost))))
    assert "1 without a score" in text


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None
)
@given(
    text=st.one_of(
        st.text(alphabet=st.characters(), max_size=50),
        st.sampled_from(["<script>x</script>", "</script>", "'\"><img src=x>", "{{ 7 * 7 }}"]),
    )
)
def test_no_text_becomes_markup(making, text):
    def page(word: str) -> Elements:
        failure = Failure(word, word, word, word, word, word, word)
        wrong = making.check("bias/forward", Outcome.FAILED, failure=failure)
        people = (Person(word, word, word), Person("B"))
        made = making.grade(
            "s1", None, making.result(wrong, messages=(word,)), people=people, digest=word
        )
        broken = making.result(status=Status.GRADER_ERROR, score=None, fault=word)
        return Elements(render(making.gradebook(
            made, replace(made, submission="s2", counts=False), making.grade(word, word, broken),
            making.grade("s3", word, None, error=word), title=word or "Nine",
            versions={"torch": word},
        )))  # fmt: skip

    # The same elements in the same order as for a harmless word.
    harmless, hostile = page("xy"), page(f"x{text}y")
    assert hostile.tags == harmless.tags
    assert [pair[:2] for pair in hostile.attributes] == [pair[:2] for pair in harmless.attributes]


def test_an_empty_book_has_a_report(making):
    assert "There is no score yet." in text_of(render(making.gradebook()))


def test_it_is_written_at_once_or_not_at_all(book, tmp_path):
    write_report(book, tmp_path / "deep" / "report.html")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.html"]
    assert (tmp_path / "deep" / "report.html").read_text(encoding="utf-8").endswith("</html>")
    with pytest.raises(InputError, match="is a folder"):
        write_report(book, tmp_path)


def test_without_jinja_it_says_what_to_install(book, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"pip install 'dl-autograder\[report\]'"):
        render(book)


def test_a_large_cohort_is_a_file_that_can_be_mailed(cohort_of):
    assert len(render(cohort_of(400)).encode()) < 400 * 10_000
