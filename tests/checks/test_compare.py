"""The accuracy rule and the strictness of comparison."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.compare import (
    CheckFailed,
    assert_close,
    assert_results,
    describe,
    numbers,
)

ONE = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def refused(actual, expected=ONE, **options):
    with pytest.raises(CheckFailed) as failed:
        assert_close(actual, expected, what="`f`", **options)
    return failed.value.failure


def test_equal_tensors_pass():
    assert_close(ONE.clone(), ONE, what="`f`")
    assert_close(torch.empty(0, 3), torch.empty(0, 3), what="`f`")


def test_negative_zero_is_zero():
    assert_close(torch.tensor([-0.0]), torch.tensor([0.0]), what="`f`")


@pytest.mark.parametrize(
    "answer",
    [None, 1.0, [1.0, 2.0, 3.0], ONE.numpy(), (ONE,)],
    ids=["none", "float", "list", "numpy", "tuple"],
)
def test_what_is_not_a_tensor_is_refused(answer):
    failure = refused(answer)
    assert failure.rationale == "`f` must be a torch.Tensor"
    assert failure.actual == describe(answer)


def test_nothing_is_broadcast():
    failure = refused(ONE[None])
    assert (failure.expected, failure.actual) == ("shape (3,)", "shape (1, 3)")
    assert "shape" in refused(torch.tensor(1.0, dtype=torch.float64)).rationale
    assert "shape" in refused(ONE[:1].expand(1), ONE).rationale


def test_the_dtype_must_be_exact():
    failure = refused(ONE.float())
    assert (failure.expected, failure.actual) == ("float64", "float32")
    assert "dtype" in refused(ONE.to(torch.complex128)).rationale


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_in_one_place_fail_that_place(bad):
    answer = ONE.clone()
    answer[1] = bad
    failure = refused(answer)
    assert "1 of 3 values; the worst is at index [1]" in failure.rationale
    assert failure.actual == str(bad)


def test_infinities_must_agree_in_sign():
    assert_close(torch.tensor([math.inf]), torch.tensor([math.inf]), what="`f`")
    refused(torch.tensor([-math.inf]), torch.tensor([math.inf]))


def test_float32_precision_is_not_enough_for_float64():
    exact = torch.tensor([math.pi, math.e], dtype=torch.float64)
    refused(exact.float().double(), exact)


def test_the_natural_size_decides_what_small_means():
    tiny = torch.tensor([1e-12], dtype=torch.float64)
    zero = torch.zeros_like(tiny)
    assert_close(zero, tiny, what="`f`", scale=1.0)
    refused(zero, tiny)


def test_what_vanishes_beside_the_rest_counts_as_zero():
    expected = torch.tensor([1.0, 1e-14], dtype=torch.float64)
    assert_close(torch.tensor([1.0, 0.0], dtype=torch.float64), expected, what="`f`")
    small = torch.tensor([1.0, 1e-10], dtype=torch.float64)
    refused(torch.tensor([1.0, 0.0], dtype=torch.float64), small)


def test_the_worst_element_is_shown():
    answer = ONE + torch.tensor([0.0, 0.5, 0.1], dtype=torch.float64)
    failure = refused(answer)
    assert failure.rationale == "`f` is wrong in 2 of 3 values; the worst is at index [1]"
    assert (failure.expected, failure.actual) == ("2", "2.5")


def test_a_scalar_has_no_index():
    failure = refused(torch.tensor(2.0), torch.tensor(1.0))
    assert failure.rationale == "`f` is wrong"


def test_integers_are_compared_exactly():
    assert_close(torch.tensor([1, 2]), torch.tensor([1, 2]), what="`f`")
    assert "wrong in 1 of 2" in refused(torch.tensor([1, 3]), torch.tensor([1, 2])).rationale


@given(st.floats(-1e6, 1e6), st.floats(-0.9e-9, 0.9e-9))
def test_rounding_errors_pass_and_mistakes_do_not(value, error):
    expected = torch.tensor([value], dtype=torch.float64)
    assert_close(expected * (1 + error), expected, what="`f`")
    if abs(value) > 1e-3:
        refused(expected * (1 + 1e-8), expected)


def test_several_results_are_a_tuple_or_a_list():
    pair = (ONE, 2 * ONE)
    for answer in (pair, list(pair)):
        assert_results(answer, pair, function="g", names=("grad_x", "grad_w"))
    with pytest.raises(CheckFailed, match="must return a tuple of 2 tensors") as failed:
        assert_results(ONE, pair, function="g", names=("grad_x", "grad_w"))
    assert failed.value.mismatch.function == "g"
    with pytest.raises(CheckFailed, match=r"must return 2 tensors \(grad_x, grad_w\)"):
        assert_results((ONE,), pair, function="g", names=("grad_x", "grad_w"))
    with pytest.raises(CheckFailed, match=r"grad_w, the second result of `g`, is wrong in all 3"):
        assert_results((ONE, ONE), pair, function="g", names=("grad_x", "grad_w"))


def test_one_result_is_a_bare_tensor():
    assert_results(ONE, ONE, function="g", names=("grad_x",))
    with pytest.raises(CheckFailed, match="must be a torch"):
        assert_results((ONE,), ONE, function="g", names=("grad_x",))


def test_values_are_described_in_words():
    assert describe(torch.ones(2, 3)) == "a float32 tensor of shape (2, 3)"
    assert describe([1, 2.5, None, "x", 5]).startswith(
        "a list of 5 (the int 1, the float 2.5, None"
    )
    assert describe(object()) == "an object of type object"


def test_numbers_that_look_alike_get_the_digits_that_tell_them_apart():
    assert numbers(0.25, 0.5) == ("0.25", "0.5")
    assert numbers(-0.691580001, -0.691580002) == ("-0.691580001", "-0.691580002")
    assert numbers(1.0, 1.0 + 1e-10) == ("1", "1.0000000001")
    assert numbers(3, 4) == ("3", "4")
