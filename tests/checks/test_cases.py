"""Arguments as strategies: shared dimensions, broadcasting, layouts, and shrinking."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.cases import LAYOUTS, Case, Variation, arguments, custom, laid_out, tensors
from autograder.checks.values import away_from, distinct, integers, normal, probabilities, tied

MATMUL = arguments(x=tensors("*batch d"), w=tensors("d e"))
BATCHED = arguments(a=tensors("~batch n k"), b=tensors("~batch k m"))
QUICK = settings(max_examples=60)


@QUICK
@given(MATMUL.cases())
def test_a_named_dimension_is_the_same_everywhere(case):
    x, w = case.values
    assert x.shape[-1] == w.shape[0]
    assert min(x.shape) >= 1
    assert x.dtype == w.dtype == torch.float64


@QUICK
@given(BATCHED.cases())
def test_batches_broadcast(case):
    a, b = case.values
    assert (a @ b).shape == (
        *torch.broadcast_shapes(a.shape[:-2], b.shape[:-2]),
        a.shape[-2],
        b.shape[-1],
    )


@QUICK
@given(MATMUL.cases(Variation(empty=True)))
def test_an_empty_variation_has_a_leading_dim_of_zero_and_named_dims_of_one_or_more(case):
    x, w = case.values
    assert 0 in x.shape[:-1]
    assert min(w.shape) >= 1


@QUICK
@given(MATMUL.cases(Variation(strided=True)))
def test_a_strided_variation_has_no_plain_tensors(case):
    x, w = case.values
    assert x.dtype == torch.float64
    for tensor in (x, w):
        plain = tensor.is_contiguous() and tensor.storage_offset() == 0
        assert not plain or tensor.numel() == 1 or 1 in tensor.shape


@given(MATMUL.cases(Variation(dtype=torch.float32)))
@settings(max_examples=10)
def test_the_dtype_is_the_variations(case):
    assert {value.dtype for value in case.values} == {torch.float32}


def test_parameters_may_depend_on_each_other_and_keep_their_order():
    template = arguments(
        dim=lambda x: st.integers(-x.ndim, x.ndim - 1), x=tensors("*s n"), flag=True
    )

    @QUICK
    @given(template.cases())
    def check(case):
        assert list(case.arguments) == ["dim", "x", "flag"]
        assert case.arguments["x"].size(case.arguments["dim"]) >= 1
        assert case.arguments["flag"] is True

    check()


def test_three_dimensions_are_common():
    ranks = []

    @settings(max_examples=100, derandomize=True, database=None)
    @given(MATMUL.cases())
    def collect(case):
        ranks.append(case.values[0].ndim)

    collect()
    assert sum(rank >= 3 for rank in ranks) >= 25


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (2, 1, 4), (0, 3)])
def test_a_layout_keeps_shape_and_values(layout, shape):
    tensor = torch.arange(1.0, 1.0 + torch.Size(shape).numel()).reshape(shape)
    view = laid_out(tensor, layout)
    assert view.shape == tensor.shape
    if layout != "expanded":
        assert torch.equal(view, tensor)


def test_a_case_describes_itself():
    case = Case(
        {"x": torch.tensor([1.0, 2.5]), "w": torch.ones(4, 5), "k": 2, "s": torch.Size([2])}
    )
    assert case.describe() == "x = float32[2] [1, 2.5], w = float32[4, 5], k = 2, s = (2,)"
    strided = Case({"x": torch.ones(2, 3).t()})
    assert "with strides (1, 3)" in strided.describe()
    assert case.describe({"g": torch.tensor(1.0)}).startswith("g = float32[] 1, x = ")


def test_a_custom_template_draws_what_it_likes():
    @custom
    def template(drawer):
        return {"n": drawer.size("n"), "m": drawer.size("n"), "x": drawer.tensor_of((2,), tied())}

    @QUICK
    @given(template.cases())
    def check(case):
        assert case.arguments["n"] == case.arguments["m"]

    check()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_value_domains_keep_their_promises():
    shape = (50, 7)
    assert (away_from(0.0)(shape, generator()).abs() >= 1e-2).all()
    assert (away_from(0.0, 1.0, values=normal(0.01))(shape, generator()).abs() >= 1e-2).all()
    assert set(tied(-1, 1)(shape, generator()).unique().tolist()) == {-1.0, 0.0, 1.0}
    gaps = distinct(0.1)(shape, generator()).flatten().sort().values.diff()
    assert (gaps >= 0.1 - 1e-12).all()
    rows = probabilities()(shape, generator())
    assert torch.allclose(rows.sum(-1), torch.ones(50, dtype=torch.float64))
    assert (rows > 0).all()
    labels = integers(0, 4)(shape, generator())
    assert labels.dtype == torch.int64
    assert labels.min() >= 0
    assert labels.max() <= 4
