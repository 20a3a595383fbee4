"""The worker's side of timing, in process: chains, copies, what may be returned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch

from autograder.sandbox import chain, drawing
from autograder.sandbox.digest import digest
from autograder.sandbox.encoder import Unsupported
from autograder.sandbox.stopwatch import Stopwatch
from autograder.timing.recipe import Recipe, integers, normal, recipe_of, uniform

X = recipe_of((uniform(3, 4, dtype=torch.float32),))
NONCE = "11" * 32


def prepared(
    function: Callable[..., Any], recipe: Recipe = X, *, calls: int = 2, count: int = 4
) -> Stopwatch:
    watch = Stopwatch(1 << 20)
    header = {
        "op": "prepare", "function": "f", "recipe": list(recipe), "device": "cpu",
        "calls": calls, "count": count, "nonce": NONCE,
    }  # fmt: skip
    assert watch.answer(header, lambda name: function, nullcontext) == ({"kind": "prepared"}, [])
    return watch


def digests(watch: Stopwatch, count: int = 4, *, skip: bool = False) -> list[bytes]:
    header = {"op": "time", "nonce": NONCE, "count": count, "skip": skip, "watch": False}
    reply, chunks = watch.answer(header, lambda name: None, nullcontext)
    assert reply["kind"] == "timed"
    assert not chunks
    return [bytes.fromhex(text) for text in reply["digests"]]


def test_the_chain_is_what_its_module_says() -> None:
    inputs = []

    def double(x: torch.Tensor) -> torch.Tensor:
        inputs.append(x.clone())
        return x * 2

    watch = prepared(double, calls=0)
    watch = prepared(double)
    inputs.clear()
    found = digests(watch)
    nonce = bytes.fromhex(NONCE)
    seed = chain.first_seed(nonce)
    for index, (given, committed) in enumerate(zip(inputs, found, strict=True)):
        (expected,) = drawing.draw([dict(node) for node in X], seed, torch.device("cpu"))
        assert torch.equal(given, expected)
        assert committed == digest([expected * 2], chain.key_of(nonce, index, seed))
        assert chain.seeds(nonce, found)[index] == seed
        seed = chain.next_seed(nonce, index, committed)


def test_every_call_gets_other_inputs_and_warming_up_gets_others_again() -> None:
    seen: list[tuple[float, ...]] = []
    watch = prepared(lambda x: seen.append(tuple(x.flatten().tolist())) or x, calls=3)
    digests(watch)
    assert len(set(seen)) == len(seen) == 7


def test_the_same_nonce_gives_the_same_chain_and_another_gives_another() -> None:
    watch = prepared(torch.sin)
    assert digests(watch) == digests(watch)
    header = {"op": "time", "nonce": "22" * 32, "count": 4, "skip": False, "watch": False}
    other, _ = watch.answer(header, lambda name: None, nullcontext)
    assert not {bytes.fromhex(d) for d in other["digests"]} & set(digests(watch))


def test_without_the_function_everything_else_is_done() -> None:
    calls = 0

    def count(x: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return x

    watch = prepared(count, calls=2)
    assert len(set(digests(watch, skip=True))) == 4
    assert calls == 2


def test_one_buffer_for_all_results_is_fine() -> None:
    buffer = torch.empty(3, 4)
    watch = prepared(lambda x: torch.mul(x, 2, out=buffer))
    fresh = prepared(lambda x: x * 2)
    assert digests(watch) == digests(fresh)
    ours, _ = watch._copies[0], fresh._copies[0]
    assert torch.equal(ours[0], fresh._copies[0][0])
    assert not torch.equal(watch._copies[0][0], watch._copies[1][0])


def test_results_changed_afterwards_stay_what_they_were() -> None:
    returned: list[torch.Tensor] = []

    def meddle(x: torch.Tensor) -> torch.Tensor:
        for earlier in returned:
            earlier.zero_()
        returned.append(x * 2)
        return returned[-1]

    assert digests(prepared(meddle)) == digests(prepared(lambda x: x * 2))


class Lazy(torch.Tensor):
    """A tensor that could compute when it is looked at."""


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.as_subclass(Lazy), "plain tensors, not an object of type Lazy"),
        (lambda x: None, "plain tensors, not an object of type NoneType"),
        (lambda x: 1.0, "plain tensors, not an object of type float"),
        (lambda x: [x, [x]], "plain tensors, not an object of type list"),
        (lambda x: x.to_sparse(), "a tensor of dtype torch.float32"),
        (lambda x: x.to("meta"), "a tensor on meta; its inputs were on cpu"),
    ],
    ids=["subclass", "None", "number", "nested", "sparse", "meta"],
)
def test_only_plain_tensors_on_the_device_can_be_timed(
    function: Callable[..., Any], message: str
) -> None:
    with pytest.raises(Unsupported, match=message):
        prepared(function)


def test_results_of_another_form_than_before_are_named() -> None:
    shapes = iter([(3, 4), (3, 4), (3, 5)])
    watch = prepared(lambda x: torch.zeros(next(shapes)))
    with pytest.raises(
        Unsupported, match=r"shape \(3, 5\) and dtype torch.float32, and .*\(3, 4\)"
    ):
        digests(watch)
    counts = iter([1, 1, 2])
    watch = prepared(lambda x: (x,) * next(counts))
    with pytest.raises(Unsupported, match="returned 2 results, and 1 before"):
        digests(watch)


def test_calls_run_without_gradients_and_are_watched_where_that_is_asked_for() -> None:
    modes, watched = [], []

    @contextmanager
    def watch_calls() -> Iterator[None]:
        watched.append(len(modes))
        yield

    def note(x: torch.Tensor) -> torch.Tensor:
        modes.append(torch.is_grad_enabled())
        return x

    watch = Stopwatch(1 << 20)
    header = {
        "op": "prepare", "function": "f", "recipe": list(X), "device": "cpu", "calls": 2,
        "count": 1, "nonce": NONCE,
    }  # fmt: skip
    watch.answer(header, lambda name: note, watch_calls)
    for asked in (False, True):
        timed = {"op": "time", "nonce": NONCE, "count": 1, "skip": False, "watch": asked}
        watch.answer(timed, lambda name: note, watch_calls)
    assert modes == [False] * 4
    assert watched == [0, 1, 3]  # warming up, and the last chain


def test_recipes_draw_what_they_say() -> None:
    recipe = recipe_of(
        (
            uniform(50, 40, dtype=torch.float32, low=2, high=3),
            normal(2000, dtype=torch.float64, mean=5, std=0.1),
            integers(1000, low=-3, high=4),
            uniform(6, 5, dtype=torch.float16).t(),
            uniform(4, dtype=torch.bfloat16),
            3, 1e-3, (0.9, 0.999), None, "sum", True,
        )
    )  # fmt: skip
    drawn = drawing.draw([dict(node) for node in recipe], b"seed", torch.device("cpu"))
    a, b, c, d, e, *rest = drawn
    assert a.shape == (50, 40)
    assert 2 <= float(a.min()) < 2.1 < 2.9 < float(a.max()) <= 3
    assert abs(float(b.mean()) - 5) < 0.02
    assert b.dtype is torch.float64
    assert set(c.tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert c.dtype is torch.int64
    assert d.shape == (5, 6)
    assert d.stride() == (1, 5)
    assert d.dtype is torch.float16
    assert e.dtype is torch.bfloat16
    assert rest == [3, 1e-3, (0.9, 0.999), None, "sum", True]


def test_the_size_of_a_recipe_is_that_of_its_tensors() -> None:
    arguments = (uniform(3, 5, dtype=torch.float16), integers(7, low=0, high=2), 3, (1, 2))
    assert drawing.size_of([dict(node) for node in recipe_of(arguments)]) == 3 * 5 * 2 + 7 * 8


def test_two_tensors_of_one_recipe_differ_and_draws_repeat() -> None:
    operand = uniform(5, dtype=torch.float32)
    recipe = [dict(node) for node in recipe_of((operand, operand))]
    first, second = drawing.draw(recipe, b"seed", torch.device("cpu"))
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    again, _ = drawing.draw(recipe, b"seed", torch.device("cpu"))
    assert torch.equal(first, again)


def test_a_recipe_refuses_what_can_not_travel() -> None:
    with pytest.raises(TypeError, match="use uniform, normal or integers for a tensor"):
        recipe_of((torch.ones(2),))
    with pytest.raises(TypeError, match="inf can't be part"):
        recipe_of((float("inf"),))
    with pytest.raises(ValueError, match="no last two dimensions"):
        uniform(3, dtype=torch.float32).t()
    with pytest.raises(ValueError, match=r"\(0, 3\) is not the shape"):
        uniform(0, 3, dtype=torch.float32)
