"""Every honest way to write the kernels of a8 earns all that can be earned without a GPU.

The files in a8/ are such ways. They are graded like submissions, by workers, with the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.course import find_course
from autograder.grade import Grader
from autograder.outcome import Outcome
from autograder.result import CheckResult, Result, Status
from autograder.submission import Submission

STYLES = sorted((Path(__file__).parent / "a8").glob("*.py"))
SOLUTION = Path(__file__).parents[2] / "solutions" / "a8_kernels" / "kernels.py"
ON_GPU = "not run: no GPU on this machine"

Grade = Callable[..., dict[str, CheckResult]]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(load_assignment(find_course(Path(__file__)), "a8_kernels")) as grader:
        yield grader


@pytest.fixture
def grade(grader: Grader) -> Grade:
    """The checks of some exercises, by id, for the solution with pieces of its text replaced."""

    def run(exercise: str, *replaced: tuple[str, str]) -> dict[str, CheckResult]:
        source = SOLUTION.read_text(encoding="utf-8")
        for old, new in replaced:
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        files = {"kernels.py": source.encode()}
        result = grader.grade(Submission.from_files(files), only=[exercise])
        assert result.status is Status.GRADED, (result.messages, result.fault)
        return {check.id: check for check in checks(result) if check.id.startswith(exercise)}

    return run


def checks(result: Result) -> list[CheckResult]:
    return [check for exercise in result.exercises for check in exercise.checks]


def said(check: CheckResult) -> str:
    return "" if check.failure is None else check.failure.rationale


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_every_honest_style_earns_all_that_can_be_earned_without_a_gpu(
    grader: Grader, path: Path
) -> None:
    result = grader.grade(Submission.from_files({"kernels.py": path.read_bytes()}))
    assert result.status is Status.GRADED, (result.messages, result.fault)
    for check in checks(result):
        pending = check.outcome is Outcome.NOT_RUN and said(check).startswith(ON_GPU)
        assert check.outcome is Outcome.PASSED or pending, (check.id, check.failure)
    assert {check.id for check in checks(result) if check.outcome is Outcome.NOT_RUN} == {
        check.id for check in checks(result) if "timing" in check.tags
    }


def test_what_torch_computes_costs_the_exercise(grade: Grade) -> None:
    line = "    _softmax_kernel[(triton.cdiv(m, tile"
    found = grade("softmax", (line, f"    x = x / 1\n{line}"))
    assert {check.outcome for check in found.values()} == {Outcome.FORBIDDEN}
    assert "used aten::div, which this assignment forbids" in said(found["softmax/softmax.values"])


def test_python_arithmetic_instead_of_a_kernel_is_noticed(grade: Grade) -> None:
    found = grade("adamw", ("    return new[0], new[1], new[2]", '''
    for old, out in ((exp_avg, new[1]),):
        for i in range(out.numel()):
            index = []
            for n in reversed(out.shape):
                i, rest = divmod(i, n)
                index.insert(0, rest)
            at = tuple(index)
            out[at] = beta1 * old[at].item() + (1 - beta1) * grad[at].item()
    return new[0], new[1], new[2]'''))  # fmt: skip
    check = found["adamw/adamw.launches"]
    assert check.outcome is Outcome.FAILED
    assert said(check).startswith("exp_avg of `adamw_update` doesn't come from a kernel: ")


def test_two_launches_where_one_is_asked_for(grade: Grade) -> None:
    found = grade("bias_gelu", (
        "    _bias_gelu_kernel[grid](x, b, y, m, n, *x.stride(), *b.stride(), **tile)\n",
        2 * "    _bias_gelu_kernel[grid](x, b, y, m, n, *x.stride(), *b.stride(), **tile)\n",
    ))  # fmt: skip
    check = found["bias_gelu/bias_gelu.launches"]
    assert said(check) == "`bias_gelu` makes 2 launches instead of 1"
    assert found["bias_gelu/bias_gelu.values"].outcome is Outcome.PASSED


def test_unwritten_elements_are_explained(grade: Grade) -> None:
    # A grid that is rounded down.
    found = grade("cross_entropy", (
        "        grid = (triton.cdiv(m, tile[\"ROWS\"]),)\n        _cross",
        "        grid = (max(1, m // tile[\"ROWS\"]),)\n        _cross",
    ))  # fmt: skip
    check = found["cross_entropy/cross_entropy.long"]
    assert check.outcome is Outcome.FAILED
    assert check.failure is not None
    assert check.failure.actual == "nan"
    assert "does the grid have enough of them?" in (check.failure.help or "")


def test_a_store_without_a_mask_is_explained(grade: Grade) -> None:
    found = grade("softmax", (
        "    tl.store(y + row * n + column, probs.to(y.dtype.element_ty), mask=inside)",
        "    tl.store(y + row * n + column, probs.to(y.dtype.element_ty))",
    ))  # fmt: skip
    check = found["softmax/softmax.values"]
    assert check.outcome is Outcome.FAILED
    assert said(check).startswith("a kernel wrote outside of its tensors")


def test_a_load_without_a_mask_shows_as_nan(grade: Grade) -> None:
    found = grade("matmul", (
        "            right = tl.load(b_at, mask=depth[:, None] < k - start, other=0.0)",
        "            right = tl.load(b_at)",
    ))  # fmt: skip
    check = found["matmul/matmul.values"]
    assert check.failure is not None
    assert check.failure.actual == "nan"
    assert "a load without a mask" in (check.failure.help or "")


def test_an_input_that_is_written_to_is_named(grade: Grade) -> None:
    line = "    tl.store(new_param + at, p.to(new_param.dtype.element_ty), mask=inside)"
    found = grade("adamw", (line, f"{line}\n    tl.store(grad + at, g * 0.5, mask=inside)"))
    check = found["adamw/adamw.leaves_inputs_alone"]
    assert said(check) == "`adamw_update` changed its input grad in place"


def test_a_mistake_inside_a_kernel_is_shown_at_its_line(grade: Grade) -> None:
    found = grade("softmax", ("    powers = tl.exp(z - ", "    powers = tl.expo(z - "))
    check = found["softmax/softmax.values"]
    assert check.outcome is Outcome.RAISED
    assert check.failure is not None
    assert "has no attribute 'expo'" in check.failure.rationale
    assert "_softmax_kernel: powers = tl.expo" in (check.failure.where or "")
