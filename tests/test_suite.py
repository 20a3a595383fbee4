"""A suite as a warm pytest session: collection, plain pytest tests, decorators, endings."""

from __future__ import annotations

import types

import pytest

from autograder.config import Visibility
from autograder.errors import GraderError, SuiteError
from autograder.outcome import Outcome
from autograder.student import InProcess, Student
from autograder.suite import Suite

SUITE = '''
"""A suite in plain pytest."""
import pytest
from gradescope_utils.autograder_utils.decorators import (
    hide_errors, leaderboard, number, partial_credit, tags, visibility, weight,
)
from autograder.checks import CheckFailed, contract, exercise


@pytest.fixture(scope="module")
def ten():
    return 10


@exercise("adding")
class TestAdd:
    function = "add"

    @weight(3)
    @number("1.1")
    @visibility("hidden")
    @tags("easy", "sum")
    def test_sum(self, student, ten):
        """`{function}` adds {numbers}"""
        assert student.add(ten, 2) == 12, "10 + 2 must be 12"

    @contract()
    def test_order(self, student):
        assert student.add(1, 2) == student.add(2, 1)

    @contract(after=("test_sum",))
    @pytest.mark.parametrize("n", [1, 2])
    def test_zero(self, student, n):
        assert student.add(n, 0) == n

    @hide_errors("something hidden")
    def test_secret(self, student):
        raise CheckFailed("the secret is 42")

    @partial_credit(4)
    def test_partly(self, student, set_score=None):
        set_score(student.add(1, 0))

    @leaderboard("speed", "asc")
    def test_board(self, student, set_leaderboard_value=None):
        set_leaderboard_value(7)

    def test_skipped(self, student):
        pytest.skip("no GPU")

    def test_broken(self, student):
        print("a suite may print")
        return 1 / 0


@exercise("other")
def test_alone(student):
    """A function on its own."""
    assert student.add(0, 0) == 0
'''


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_things.py").write_text(SUITE)
    with Suite(folder) as warm:
        yield warm


def student(add) -> Student:
    module = types.ModuleType("things")
    module.add = add
    return Student(InProcess(module), ["add"])


RIGHT = student(lambda a, b: a + b)


def check(suite, name):
    return next(spec for spec in suite.checks if spec.id == name)


def test_checks_are_collected_with_ids_titles_and_decorators(suite):
    ids = [spec.id for spec in suite.checks]
    assert ids[:4] == [
        "adding/add.sum",
        "adding/add.order",
        "adding/add.zero[1]",
        "adding/add.zero[2]",
    ]
    assert ids[-1] == "other/alone"
    first = check(suite, "adding/add.sum")
    assert first.title == "`add` adds {numbers}"
    assert (first.weight, first.number, first.tags) == (3, "1.1", ("easy", "sum"))
    assert first.visibility is Visibility.HIDDEN
    assert check(suite, "other/alone").title == "A function on its own"
    assert check(suite, "adding/add.order").title == "test_order"


def test_a_contract_waits_for_what_it_names_or_for_the_first_check(suite):
    assert check(suite, "adding/add.order").gates == ("adding/add.sum",)
    assert check(suite, "adding/add.zero[1]").gates == ("adding/add.sum",)
    assert check(suite, "adding/add.sum").gates == ()


def test_the_same_check_runs_again_and_again(suite):
    spec = check(suite, "adding/add.sum")
    for _ in range(3):
        assert suite.run(spec, RIGHT).outcome is Outcome.PASSED
        wrong = suite.run(spec, student(lambda a, b: a - b))
        assert wrong.outcome is Outcome.FAILED
        assert wrong.failure.rationale.startswith("10 + 2 must be 12")
        assert "assert student" not in wrong.failure.rationale


def test_an_exception_of_the_student_is_theirs(suite):
    def boom(a, b):
        raise pytest.skip.Exception("please skip me")

    ending = suite.run(check(suite, "adding/add.sum"), student(boom))
    assert ending.outcome is Outcome.RAISED
    assert ending.failure.rationale == "raised Skipped: please skip me"


def test_an_exception_of_the_suite_is_ours(suite, capsys):
    ending = suite.run(check(suite, "adding/add.broken"), RIGHT)
    assert ending.outcome is Outcome.GRADER_ERROR
    assert "ZeroDivisionError" in ending.fault
    assert capsys.readouterr().out == ""


def test_an_assertion_without_a_message_shows_nothing_of_the_suite(suite):
    ending = suite.run(check(suite, "other/alone"), student(lambda a, b: 1))
    assert ending.failure.rationale == "this does not hold: A function on its own"


def test_hidden_errors_stay_hidden(suite):
    ending = suite.run(check(suite, "adding/add.secret"), RIGHT)
    assert ending.outcome is Outcome.FAILED
    assert ending.failure.rationale == "something hidden"
    assert ending.failure.expected is None


@pytest.mark.parametrize(("given", "share"), [(1, 0.25), (9, 1.0), (-3, 0.0), (float("nan"), 0.0)])
def test_partial_credit_is_a_share_that_is_clamped(suite, given, share):
    ending = suite.run(check(suite, "adding/add.partly"), student(lambda a, b: given))
    assert (ending.outcome, ending.fraction) == (Outcome.PASSED, share)


def test_credit_of_an_earlier_run_is_forgotten(suite):
    spec = check(suite, "adding/add.partly")
    suite.run(spec, student(lambda a, b: 4))

    def boom(a, b):
        raise ValueError

    assert suite.run(spec, student(boom)).fraction == 0.0


def test_a_leaderboard_value_comes_back(suite):
    spec = check(suite, "adding/add.board")
    assert spec.leaderboard == ("speed", "asc")
    assert suite.run(spec, RIGHT).leaderboard == 7


def test_a_skipped_check_is_not_run(suite):
    ending = suite.run(check(suite, "adding/add.skipped"), RIGHT)
    assert (ending.outcome, ending.failure.rationale) == (Outcome.NOT_RUN, "no GPU")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def test_x(student): pass", "no exercise; add @exercise"),
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("x = (", "SyntaxError"),
        ("", "no checks found"),
        (
            "from autograder.checks import contract, exercise\n@exercise('x')\n"
            "@contract(after=('test_typo',))\ndef test_x(student): pass",
            "none of the checks that @contract",
        ),
    ],
)
def test_a_suite_that_cannot_be_collected_says_why(tmp_path, source, message):
    (tmp_path / "test_x.py").write_text(source)
    with pytest.raises(SuiteError, match=message), Suite(tmp_path):
        pass


def test_a_suite_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SuiteError, match="there is no suite; create the folder"):
        Suite(tmp_path / "none")


def test_a_closed_suite_refuses(tmp_path):
    (tmp_path / "test_x.py").write_text(SUITE)
    with Suite(tmp_path) as suite:
        spec = suite.checks[0]
    with pytest.raises(GraderError, match="ended early"):
        suite.run(spec, RIGHT)


def test_the_seed_depends_on_the_suites_text(tmp_path):
    (tmp_path / "test_x.py").write_text(SUITE)
    first = Suite(tmp_path).digest
    (tmp_path / "test_x.py").write_text(SUITE + "\n# changed\n")
    assert Suite(tmp_path).digest != first
