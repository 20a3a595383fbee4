"""power, reduce_sum, reduce_mean, reduce_max."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from autograder.checks import Case, OperatorChecks, Pullback, contract, custom, exercise, for_each
from autograder.checks.values import distinct, log_uniform, normal, tied


@custom
def powers(drawer):
    """x and k: any x for whole k ≥ 0 (as int or float), positive x for every other k."""
    whole = drawer.draw(st.booleans())
    if whole:
        k = drawer.draw(st.sampled_from((0, 1, 2, 3, 4, 0.0, 1.0, 2.0, 3.0)))
        values = drawer.draw(st.sampled_from((normal(1.5), tied(-2, 2))))
    else:
        k = drawer.draw(st.sampled_from((-3, -1, -0.5, 0.5, 1.5, 2.7, -1.0)))
        values = log_uniform(0.2, 5.0)
    if drawer.variation.smooth:
        values = log_uniform(0.5, 2.0)
    return {"x": drawer.tensor_of(drawer.leading("shape"), values), "k": k}


@exercise("power")
class TestPower(OperatorChecks):
    forward, backward = "power", "power_backward"
    cases = powers

    def oracle(self, x, k):
        return x**k

    def natural_size(self, x, k):
        return self.oracle(x, k).abs()

    def natural_gradients(self, grad_output, x, k):
        # k·x^(k−1) is one product: its own size is the natural one.
        return [None]

    def test_constant_power(self, student):
        """`{forward}` and `{backward}` are 1 and 0 for k = 0, also where x is 0"""
        for k in (0, 0.0):
            case = Case({"x": torch.tensor([[0.0, -1.5], [2.0, 0.0]], dtype=torch.float64), "k": k})
            self.check_forward(student, case)
            self.check_gradients(
                student, Pullback(case, torch.tensor([[1.0, -2.0], [0.5, 3.0]]).double())
            )

    @contract(after=("test_forward", "test_gradients"))
    def test_high_powers(self, student):
        """`{forward}` and `{backward}` are right for a larger whole k too, as int or float"""
        for k in (5, 7.0, 12):
            x = torch.tensor([-1.5, 0.0, 0.8, 2.0], dtype=torch.float64)
            case = Case({"x": x, "k": k})
            self.check_forward(student, case)
            upstream = torch.tensor([1.0, 3.0, -2.0, 0.5], dtype=torch.float64)
            self.check_gradients(student, Pullback(case, upstream))


def reductions_of(values, smooth=None, *, over_nothing=False):
    """x, dim, keepdim; unless `over_nothing`, the reduced dims are never of size 0."""

    @custom
    def build(drawer):
        chosen = smooth if drawer.variation.smooth and smooth is not None else values
        shape = drawer.leading("shape") + drawer.leading("more")[:1]
        if drawer.variation.empty and not over_nothing:
            shape = (*shape, drawer.size("last"))
        x = drawer.tensor_of(shape, chosen)
        usable = [dim for dim, n in enumerate(shape) if n > 0 or over_nothing]
        return {
            "x": x,
            "dim": drawer.draw(_dims(len(shape), usable)),
            "keepdim": drawer.draw(st.booleans()),
        }

    return build


def reductions_by_default(values):
    """x alone: everything is summed up, and no dimension of x is left over."""

    @custom
    def build(drawer):
        shape = (drawer.size("rows"), *drawer.leading("shape"))
        return {"x": drawer.tensor_of(shape, values), "dim": None, "keepdim": False}

    return build


def _dims(ndim, usable):
    """None (where every dim is usable), an int, or a tuple in any order; negatives included."""
    either_sign = [d for dim in usable for d in (dim, dim - ndim)]
    choices = [st.none()] if len(usable) == ndim else []
    if usable:
        one = st.sampled_from(either_sign)
        many = st.lists(one, min_size=1, max_size=ndim, unique_by=lambda d: d % ndim)
        choices += [one, many.map(tuple)]
    return st.one_of(choices)


class ReductionChecks(OperatorChecks):
    defaults = {"dim": None, "keepdim": False}  # noqa: RUF012 (a constant of the class)


@exercise("reductions")
class TestReduceSum(ReductionChecks):
    forward, backward = "reduce_sum", "reduce_sum_backward"
    cases = reductions_of(normal(), over_nothing=True)
    default_cases = reductions_by_default(normal())

    def oracle(self, x, dim, keepdim):
        return x.sum() if _all(x, dim, keepdim) else x.sum(_each(x, dim), keepdim)


@exercise("reductions")
class TestReduceMean(ReductionChecks):
    forward, backward = "reduce_mean", "reduce_mean_backward"
    cases = reductions_of(normal())
    default_cases = reductions_by_default(normal())

    def oracle(self, x, dim, keepdim):
        return x.mean() if _all(x, dim, keepdim) else x.mean(_each(x, dim), keepdim)


@exercise("reductions")
class TestReduceMax(ReductionChecks):
    forward, backward = "reduce_max", "reduce_max_backward"
    cases = reductions_of(tied(), smooth=distinct())
    default_cases = reductions_by_default(tied())

    def oracle(self, x, dim, keepdim):
        return torch.amax(x, _each(x, dim), keepdim)

    def natural_gradients(self, grad_output, x, dim, keepdim):
        return [None]

    @contract(after=("test_forward", "test_gradients"))
    def test_ties(self, student):
        """`{backward}` shares among all that are exactly equal in a group, and among no others"""
        # One group over two dims, in which two rows have different numbers of winners; and
        # numbers that a comparison with a tolerance takes for equal.
        uneven = torch.tensor([[5.0, 5.0], [5.0, 1.0]], dtype=torch.float64)
        near = torch.tensor([[1e4, 1e4 + 0.05], [1e4 + 0.05, 1e4 + 0.05]], dtype=torch.float64)
        upstream = torch.tensor(12.0, dtype=torch.float64)
        for_each(
            (
                Pullback(Case({"x": x, "dim": dim, "keepdim": False}), upstream)
                for x in (uneven, near)
                for dim in (None, (0, 1), (-1, 0))
            ),
            lambda call: self.check_gradients(student, call),
        )


def _all(x, dim, keepdim):
    return x.ndim == 0 or (dim is None and not keepdim)


def _each(x, dim):
    if dim is None:
        return tuple(range(x.ndim))
    return (dim,) if isinstance(dim, int) else tuple(dim)
