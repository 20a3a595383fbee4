"""`TimingChecks`: what a suite states, what a student reads, and what counts when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from autograder.assignment import load_assignment
from autograder.checks.compare import CheckFailed
from autograder.checks.timing import TimingChecks, uniform
from autograder.course import Course
from autograder.grade import Grader
from autograder.merging import merge, pending
from autograder.outcome import Failure, Outcome
from autograder.result import CheckResult, Result, Status
from autograder.student import InProcess, Student, StudentRaised
from autograder.submission import Submission
from autograder.timing.statistics import Estimate
from autograder.timing.task import Task
from autograder.timing.verdict import Rival, Thresholds, Verdict, fraction

GOALS = Thresholds(0.4, 0.8)


@dataclass
class ScriptedTimer:
    """A `Timer` that gives these ratios, one task after another."""

    ratios: list[float]
    device: str = "cpu"
    tasks: list[Task] = field(default_factory=list)

    def time(self, task: Task) -> Verdict:
        self.tasks.append(task)
        ratio = self.ratios[len(self.tasks) - 1]
        if ratio < 0:
            raise StudentRaised(Failure("raised NotImplementedError"), "NotImplementedError")
        near = Estimate(ratio, ratio - 0.02, ratio + 0.02)
        return Verdict(near, fraction(ratio, GOALS), 1e-3, GOALS, 6)


class OneTimer:
    """A backend with nothing but a timer."""

    one_by_one = False

    def __init__(self, timer: Any) -> None:
        self.timer = timer

    def call(self, *anything: Any) -> Any:
        raise AssertionError("nothing is called")


class TwoSizes(TimingChecks):
    function, baseline = "double", "twice"
    sizes: ClassVar = {"small": (3,), "large": (5,)}
    share = 2.0

    def inputs(self, n: int) -> Any:
        return uniform(n, dtype=torch.float32), 3

    def oracle(self, x: torch.Tensor, factor: int) -> Any:
        return x.double() * 2

    def bytes_moved(self, n: int) -> float:
        return 8 * n

    def flops(self, n: int) -> float:
        return n


@pytest.fixture(autouse=True)
def baselines(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A suite's folder for the classes in this file."""
    if "graders" in request.fixturenames:
        return
    (tmp_path / "baselines.py").write_text("def twice(x, factor): return x * 2\n")
    monkeypatch.setattr("inspect.getfile", lambda owner: str(tmp_path / "test_timing.py"))


def run(*ratios: float, checks: type[TimingChecks] = TwoSizes) -> tuple[Any, ScriptedTimer]:
    """The test's function after a run, and the timer."""
    timer = ScriptedTimer(list(ratios))
    checks.test_time(checks(), Student(OneTimer(timer), ["double"]))
    return checks.test_time, timer


def test_the_one_test_is_made_with_weight_tag_and_leaderboard() -> None:
    made: Any = TwoSizes.test_time
    assert made.__weight__ == 2.0
    assert made.__tags__ == ("timing",)
    assert (made.__leaderboard_column__, made.__leaderboard_sort_order__) == (
        "double: × torch",
        "desc",
    )
    assert made.__doc__ == "`double` is fast: its speed beside torch's own"
    assert not hasattr(TimingChecks, "test_time")


def test_each_class_has_a_test_of_its_own() -> None:
    class Other(TwoSizes):
        function = "halve"

    assert Other.test_time is not TwoSizes.test_time
    assert "`halve`" in (Other.test_time.__doc__ or "")


def test_speed_against_memory_says_so() -> None:
    class Moving(TwoSizes):
        against = "memory"

    made: Any = Moving.test_time
    assert made.__leaderboard_column__ == "double: × memory"
    assert made.__doc__ == (
        "`double` is fast: its speed beside that of a plain copy of as many bytes"
    )
    _, timer = run(1.0, 1.0, checks=Moving)
    assert {task.rival for task in timer.tasks} == {Rival.MEMORY}
    with pytest.raises(ValueError, match="disk"):

        class Wrong(TwoSizes):
            against = "disk"


def test_every_size_becomes_a_task() -> None:
    _, timer = run(1.0, 1.0)
    small, large = timer.tasks
    assert [small.function, small.baseline] == ["double", "twice"]
    assert small.baselines == b"def twice(x, factor): return x * 2\n"
    assert [node.get("shape", node.get("value")) for node in large.recipe] == [[5], 3]
    assert (large.bytes_moved, large.flops) == (40, 5)


def test_full_speed_passes_and_sets_score_and_leaderboard() -> None:
    made, _ = run(0.9, 1.6)
    assert made.__score__ == 2.0
    assert made.__leaderboard_value__ == 1.2


def test_a_slow_size_costs_its_part_and_is_named_with_numbers() -> None:
    with pytest.raises(CheckFailed) as caught:
        run(0.592, 1.0)
    failure = caught.value.failure
    assert failure.rationale == (
        "`double` is right but slow: 0.59 × torch, full marks from 0.80; 95 % interval 0.57–0.61 "
        "(small, the slowest of 2 sizes)"
    )
    assert failure.expected == "0.80 × torch or more"
    assert failure.actual == "small: 1000 µs, 0.59 × torch; large: 1000 µs, 1.00 × torch"
    assert failure.help is not None
    assert "75 % of the check's points" in failure.help
    assert vars(TwoSizes.test_time)["__score__"] == pytest.approx(1.5)


def test_a_stub_is_not_implemented_yet() -> None:
    with pytest.raises(StudentRaised, match=r"^`double` is not implemented yet$") as caught:
        run(-1.0)
    assert caught.value.not_implemented


def test_in_process_nothing_is_timed() -> None:
    student = Student(InProcess(torch), ["double"])
    with pytest.raises(pytest.skip.Exception, match="only measured when the course grades"):
        TwoSizes().verdicts(student)


def test_without_a_gpu_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    timer = ScriptedTimer([1.0], device="cuda")
    with pytest.raises(pytest.skip.Exception, match=r"^not run: no GPU on this machine"):
        TwoSizes().verdicts(Student(OneTimer(timer), ["double"]))
    assert not timer.tasks


X = torch.tensor([1.0, -2.0, 3.0])


def test_right_results_pass_and_wrong_ones_are_named() -> None:
    checks = TwoSizes()
    checks.compare((X, 3), (2 * X,))
    checks.compare((X, 3), (2 * X + 1e-4 * torch.tensor([1.0, 0.0, 0.0]),))  # 2e-5 of the largest
    with pytest.raises(CheckFailed, match=r"`double` is wrong in 1 of 3 values.* at index \[0\]"):
        checks.compare((X, 3), (2 * X + 1e-3 * torch.tensor([1.0, 0.0, 0.0]),))
    with pytest.raises(CheckFailed, match="must return"):
        checks.compare((X, 3), (2 * X, X))
    with pytest.raises(CheckFailed, match="wrong dtype"):
        checks.compare((X, 3), ((2 * X).double(),))
    with pytest.raises(CheckFailed, match="wrong shape"):
        checks.compare((X, 3), ((2 * X)[:2],))
    with pytest.raises(CheckFailed, match="is wrong"):
        checks.compare((X, 3), (torch.full((3,), float("nan")),))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_its_own_tolerance(dtype: torch.dtype) -> None:
    x = torch.linspace(-1, 1, 1000).to(dtype)
    checks = TwoSizes()
    checks.compare((x, 3), ((x.double() * 2.0).to(dtype),))
    with pytest.raises(CheckFailed, match="is wrong"):
        checks.compare((x, 3), (x * 2.2,))


def test_several_results_have_names_scales_and_dtypes() -> None:
    class Two(TimingChecks):
        results = ("total", "where")

        def oracle(self, x: torch.Tensor) -> Any:
            return x.double().sum(), x.argmax()

        def scale(self, x: torch.Tensor) -> Any:
            return x.abs().sum(), None

        def dtypes(self, *arguments: Any) -> Any:
            return torch.float32, torch.int64

    x = torch.tensor([1e4, -1e4, 1e-3])
    Two().compare((x,), (torch.tensor(0.2), torch.tensor(0)))  # 1e-5 of the terms
    with pytest.raises(CheckFailed, match="total, the first result of ``, is wrong"):
        Two().compare((x,), (torch.tensor(0.9), torch.tensor(0)))
    with pytest.raises(CheckFailed, match="where, the second result of ``, is wrong"):
        Two().compare((x,), (torch.tensor(0.0), torch.tensor(1)))


# A small course, graded for real.

CONFIG = """
title = "Small kernels"
files = ["kernels.py"]

[policy]
rules = []

[timing]
device = "DEVICE"
zero_at = 1e-7
full_at = 1e-6

[[exercises]]
id = "gram"
title = "Gram matrix"
points = 10
functions = ["gram"]
"""

SUITE = """
import torch
from autograder.checks import exercise
from autograder.checks.compare import assert_close
from autograder.checks.timing import TimingChecks, uniform


@exercise("gram")
class TestGram:
    def test_values(self, student):
        '''the values'''
        x = torch.arange(6.0).view(2, 3)
        assert_close(student.gram(x), x @ x.T, what="`gram`")


@exercise("gram")
class TestGramTime(TimingChecks):
    function = baseline = "gram"
    sizes = {"100 × 1000": (100, 1000)}

    def inputs(self, m, n):
        return (uniform(m, n, dtype=torch.float32),)

    def oracle(self, x):
        return x.double() @ x.double().T
"""

GRAM = "def gram(x):\n    return x @ x.T\n"
COURSE = {
    "grading_configs/small.toml": CONFIG,
    "solutions/small/kernels.py": GRAM,
    "solutions/small/README.md": "",
    "suites/small/test_gram.py": SUITE,
    "suites/small/baselines.py": GRAM,
}
VALUES, TIME = "gram/gram.values", "gram/gram_time.time"


@pytest.fixture(scope="module")
def graders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Grader]]:
    """Two warm graders of the small course: one that times on a GPU, one on the CPU."""
    with ExitStack() as stack:
        made = {}
        for device in ("cuda", "cpu"):
            course = tmp_path_factory.mktemp(device)
            for name, text in COURSE.items():
                path = course / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text.replace("DEVICE", device))
            assignment = load_assignment(Course(course), "small")
            made[device] = stack.enter_context(Grader(assignment))
        yield made


def graded(grader: Grader, source: str = GRAM, only: Any = None) -> Result:
    result = grader.grade(Submission.from_files({"kernels.py": source.encode()}), only=only)
    if result.fault is not None and "inconclusive" in result.fault:
        pytest.skip("this machine is too busy to time anything")
    return result


def checks_of(result: Result) -> dict[str, CheckResult]:
    return {check.id: check for exercise in result.exercises for check in exercise.checks}


def test_a_suite_is_graded_in_two_stages_and_merged(graders: dict[str, Grader]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU, so nothing is pending")
    first = graded(graders["cuda"])
    found = checks_of(first)
    assert found[VALUES].outcome is Outcome.PASSED
    assert found[TIME].outcome is Outcome.NOT_RUN
    assert found[TIME].failure is not None
    assert found[TIME].failure.rationale.startswith("not run: no GPU on this machine")
    assert [check.id for check in pending(first)] == [TIME]
    assert first.status is Status.GRADED
    assert (first.score, first.max_score) == (5.0, 10.0)
    assert first.messages == ("still to be timed: gram (5 points); these points are not in yet",)

    second = graded(graders["cpu"], only=["timing"])
    found = checks_of(second)
    assert found[VALUES].outcome is Outcome.NOT_RUN
    assert found[TIME].outcome is Outcome.PASSED, found[TIME].failure
    assert found[TIME].leaderboard is not None
    assert found[TIME].leaderboard["name"] == "gram: × torch"
    assert (second.score, second.max_score) == (5.0, 10.0)

    both = merge(Result.from_json(first.to_json()), Result.from_json(second.to_json()))
    assert (both.score, both.max_score, both.status) == (10.0, 10.0, Status.GRADED)
    assert not pending(both)
    assert not [line for line in both.messages if "still to be timed" in line]


def test_a_wrong_kernel_is_not_timed(graders: dict[str, Grader]) -> None:
    found = checks_of(graded(graders["cpu"], "def gram(x):\n    return x @ x.T + 1\n"))
    assert found[VALUES].outcome is Outcome.FAILED
    assert found[TIME].outcome is Outcome.NOT_RUN
    assert found[TIME].failure is not None
    assert found[TIME].failure.rationale == "counts only once this passes: the values"


def test_a_kernel_that_is_right_only_for_small_inputs_earns_nothing_by_speed(
    graders: dict[str, Grader],
) -> None:
    source = "def gram(x):\n    return x @ x.T if len(x) < 50 else x.new_zeros(len(x), len(x))\n"
    found = checks_of(graded(graders["cpu"], source))
    assert found[VALUES].outcome is Outcome.PASSED
    assert found[TIME].outcome is Outcome.FAILED
    assert found[TIME].score == 0.0
    assert found[TIME].failure is not None
    assert found[TIME].failure.rationale.startswith("`gram` is wrong in")


def test_a_missing_function_is_said_to_be_missing(graders: dict[str, Grader]) -> None:
    found = checks_of(graded(graders["cpu"], "other = 1\n", only=["timing"]))
    assert found[TIME].outcome is Outcome.FAILED
    assert found[TIME].failure is not None
    assert "`gram` is missing" in found[TIME].failure.rationale
