"""Values over the wire: what goes in comes out, and nothing malformed gets through."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sandbox.decoder import Decoder
from autograder.sandbox.encoder import Encoder, Unsupported, encode_call
from autograder.sandbox.mutation import Guard
from autograder.sandbox.protocol import ProtocolError, pack, unpack_header, unpack_prefix
from autograder.sandbox.wire import NAMES

DTYPES = sorted(NAMES, key=str)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from([-0.0, math.inf, -math.inf, 5e-324, "\ud800", 2**63, -(2**63)])
)


def small_tensor(dtype: torch.dtype, shape: list[int], seed: int) -> torch.Tensor:
    count = math.prod(shape)
    raw = np.random.default_rng(seed).bytes(count * dtype.itemsize)
    if dtype is torch.bool:
        raw = bytes(byte & 1 for byte in raw)
    flat = torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
    return flat.view(shape)


tensors = st.builds(
    small_tensor,
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=4),
    st.integers(0, 2**32),
)
values = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal in value and in kind, to the last bit."""
    if isinstance(a, torch.Tensor):
        return (
            type(b) is torch.Tensor
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.contiguous().numpy(force=True).tobytes()
            == b.contiguous().numpy(force=True).tobytes()
            if a.dtype is not torch.bfloat16
            else same(a.view(torch.int16), b.view(torch.int16))
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (
            a == b and math.copysign(1, a) == math.copysign(1, b)
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return bool(a == b)


def through_the_wire(value: Any) -> Any:
    """As a worker's answer travels: encoded, framed, unframed, decoded."""
    encoder = Encoder(strided=False, max_bytes=1 << 20, whole="the returned value")
    frame = b"".join(map(bytes, pack({"v": encoder.encode(value)}, encoder.chunks)))
    header_size, _ = unpack_prefix(frame, 1 << 20)
    header = unpack_header(frame[16 : 16 + header_size])
    decoder = Decoder(bytearray(frame[16 + header_size :]), share=True)
    decoded = decoder.decode(header["v"])
    decoder.finish()
    return decoded


@given(values)
def test_an_answer_arrives_as_it_was(value: Any) -> None:
    assert same(value, through_the_wire(value))


@st.composite
def views(draw: st.DrawFn) -> torch.Tensor:
    """A tensor that is a view: any strides (0 too), any offset, within a small storage."""
    dtype = draw(st.sampled_from([torch.float64, torch.float32, torch.int64, torch.bool]))
    sizes = draw(st.lists(st.integers(0, 3), max_size=3))
    strides = draw(st.lists(st.integers(0, 7), min_size=len(sizes), max_size=len(sizes)))
    offset = draw(st.integers(0, 9))
    span = 1 + sum(max(n - 1, 0) * step for n, step in zip(sizes, strides, strict=True))
    storage = torch.arange(offset + span + 2).to(dtype)
    return storage.as_strided(sizes, strides, offset)


@given(views())
def test_an_argument_keeps_strides_offset_and_values(view: torch.Tensor) -> None:
    (node,), _, chunks = encode_call((view,), {})
    arrived = Decoder(b"".join(chunks), strided=True).decode(node)
    assert torch.equal(arrived, view)
    assert arrived.dtype == view.dtype
    assert arrived.shape == view.shape
    assert arrived.stride() == view.stride()
    assert arrived.storage_offset() == view.storage_offset()


def test_a_far_offset_is_shortened_and_filled_with_nan() -> None:
    view = torch.zeros(1 << 20)[-2:]
    (node,), _, chunks = encode_call((view,), {})
    arrived = Decoder(b"".join(chunks), strided=True).decode(node)
    assert torch.equal(arrived, view)
    assert arrived.storage_offset() == 1 << 16
    before = arrived.as_strided((10,), (1,), 0)
    assert before.isnan().all()


def test_an_expanded_argument_travels_as_one_row() -> None:
    view = torch.ones(1, 4).expand(1 << 30, 4)
    (node,), _, chunks = encode_call((view,), {})
    assert sum(map(len, chunks)) == 16
    assert Decoder(b"".join(chunks), strided=True).decode(node).shape == (1 << 30, 4)


def test_arguments_and_results_lose_requires_grad() -> None:
    x = torch.ones(2, requires_grad=True)
    (node,), _, chunks = encode_call((x,), {})
    assert not Decoder(b"".join(chunks), strided=True).decode(node).requires_grad
    assert not through_the_wire(x * 2).requires_grad


def test_lazy_conjugates_and_negatives_arrive_resolved() -> None:
    z = torch.tensor([1 + 2j, 3 - 4j])
    assert torch.equal(through_the_wire(z.conj()), torch.tensor([1 - 2j, 3 + 4j]))
    assert torch.equal(through_the_wire(z.conj().imag), torch.tensor([-2.0, 4.0]))


def test_a_parameter_counts_as_a_tensor() -> None:
    assert torch.equal(through_the_wire(torch.nn.Parameter(torch.ones(2))), torch.ones(2))


def test_numpy_scalars_become_python_numbers() -> None:
    given_values = (np.float64(1.5), np.float32(0.5), np.int64(3), np.bool_(True))
    assert same(through_the_wire(given_values), (1.5, 0.5, 3, True))


def test_torch_size_becomes_a_tuple() -> None:
    assert same(through_the_wire(torch.Size([2, 3])), (2, 3))


class Sub(torch.Tensor):
    pass


Point = collections.namedtuple("Point", "x y")
cyclic: list[Any] = []
cyclic.append(cyclic)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            (torch.ones(1), np.ones(2)),
            "element 1 of the returned tuple is a numpy.ndarray; return a torch.Tensor",
        ),
        (np.ones(2), "the returned value is a numpy.ndarray; return a torch.Tensor"),
        (np.array(1.0), "the returned value is a numpy.ndarray; return a torch.Tensor"),
        (
            {"m": [1, object()]},
            "element 1 of entry 'm' of the returned dict is an object; a dict may hold",
        ),
        (1 + 2j, "the returned value is a complex; return a torch.Tensor"),
        (np.complex128(1), "the returned value is a numpy.complex128"),
        (np.datetime64(0, "s"), "the returned value is a numpy.datetime64"),
        ([b"x"], "element 0 of the returned list is a bytes"),
        ({1: 2}, "the returned value has a key of type int; use str keys"),
        (set(), "the returned value is a set"),
        ((x for x in [1]), "is a generator; did you mean to return a list or a tuple of what"),
        (Point(1, 2), "Point; return a plain tuple"),
        (collections.OrderedDict(), "is a collections.OrderedDict; return a plain dict"),
        (torch.ones(2).max(0), "is a torch.return_types.max; return a plain tuple"),
        (torch.ones(2).as_subclass(Sub), "Sub; return a plain torch.Tensor"),
        (torch.eye(2).to_sparse(), "the returned value is a sparse_coo tensor; return a dense one"),
        (torch.empty(2, device="meta"), "is a meta tensor, which holds no numbers"),
        (torch.ones(2, dtype=torch.uint16), "is a tensor of dtype torch.uint16"),
        (torch.float32, "is a torch.dtype"),
        (cyclic, "is nested more than 16 levels deep; does it contain itself"),
        ([0] * 10_000_000, "is a list of 10,000,000 elements; at most 20,000 values"),
        ([[0] * 15_000, [0] * 15_000], "element 1 of the returned list is a list of 15,000"),
        (2**5000, "is an int of 5,001 bits"),
        (
            torch.ones(1).expand(1 << 40),
            r"is too large to travel: a tensor of shape \(1099511627776,\)",
        ),
        (torch.empty(0, dtype=torch.float64).reshape((1,) * 60 + (0,) + (1,) * 9), "70 dimensions"),
    ],
)
def test_what_can_not_travel_is_named_with_its_place(value: Any, text: str) -> None:
    with pytest.raises(Unsupported, match=text):
        through_the_wire(value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nested_and_quantized_tensors_are_named() -> None:
    nested = torch.nested.nested_tensor([torch.ones(1), torch.ones(2)])
    with pytest.raises(Unsupported, match="nested tensor; return a dense one"):
        through_the_wire(nested)
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    with pytest.raises(Unsupported, match=r"dtype torch\.qint8"):
        through_the_wire(quantized)


def test_an_argument_that_can_not_travel_is_a_type_error() -> None:
    with pytest.raises(TypeError, match=r"can't send this to a worker: element 1 of an argument"):
        encode_call(((1, object()),), {})


@pytest.mark.parametrize(
    "node",
    [
        [],
        {},
        {"a": 1},
        ["?"],
        [1],
        [None, 1],
        ["l", {}],
        ["d", "a"],
        ["d", 1, 2],
        ["d", "a", 1, "a", 2],
        ["i"],
        ["i", 5],
        ["i", "0x" + "f" * 5000],
        ["i", "zz"],
        2**64,
        ["x"],
        ["x", "f4"],
        ["x", "f4", 3],
        ["x", "f4", [3], 1],
        ["x", "f5", [1]],
        ["x", ["f4"], [1]],
        ["x", "f4", [-1]],
        ["x", "f4", [True]],
        ["x", "f4", [1.0]],
        ["x", "f4", [float("nan")]],
        ["x", "f4", ["1"]],
        ["x", "f4", [2**62]],
        ["x", "f4", [2**40]],
        ["x", "f4", [2**61, 2**61]],
        ["x", "f4", [0, 2**61, 2**61]],
        ["x", "f4", [0] * 65],
        ["x", "f4", [5]],
        ["s", "f4", [1], [1], 0],
    ],
)
def test_a_malformed_node_is_refused(node: Any) -> None:
    with pytest.raises(ProtocolError):
        Decoder(bytearray(16), share=True).decode(node)


def test_nodes_nested_too_deep_are_refused() -> None:
    node: Any = 1
    for _ in range(200):
        node = ["l", node]
    with pytest.raises(ProtocolError, match="too deep"):
        Decoder(b"", share=True).decode(node)


def test_too_many_nodes_are_refused() -> None:
    with pytest.raises(ProtocolError, match="too many"):
        Decoder(b"", share=True).decode(["l", *[None] * 30_000])


def test_a_payload_longer_than_its_tensors_is_refused() -> None:
    decoder = Decoder(bytearray(64), share=True)
    decoder.decode(["x", "f4", [4]])
    with pytest.raises(ProtocolError, match="longer than its tensors"):
        decoder.finish()


def test_bools_that_are_neither_0_nor_1_become_true() -> None:
    arrived = Decoder(bytearray(b"\x00\x01\x02\xff" + bytes(12)), share=True).decode(
        ["x", "?", [4]]
    )
    assert arrived.view(torch.uint8).tolist() == [0, 1, 1, 1]


nodes = st.recursive(
    scalars | st.sampled_from(["x", "s", "l", "t", "d", "i", "f4", "f8", "?"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.builds(
            lambda tag, rest: [tag, *rest],
            st.sampled_from(["x", "s", "l", "t", "d", "i"]),
            st.lists(inner, max_size=5),
        )
        | st.builds(
            lambda dtype, sizes: ["x", dtype, sizes],
            st.sampled_from(["f4", "f8", "?", "c16", "no"]),
            st.lists(st.integers(-1, 4) | st.just(2**61), max_size=4),
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300)
@given(nodes, st.binary(max_size=200))
def test_arbitrary_nodes_end_in_a_value_or_a_protocol_error(node: Any, payload: bytes) -> None:
    decoder = Decoder(bytearray(payload), share=True)
    try:
        decoder.decode(node)
        decoder.finish()
    except ProtocolError:
        pass


def guarded(*arguments: Any) -> tuple[list[Any], list[Guard]]:
    positional, _, chunks = encode_call(arguments, {})
    decoder = Decoder(b"".join(chunks), strided=True)
    guards = [Guard() for _ in arguments]
    return [decoder.decode(n, g) for n, g in zip(positional, guards, strict=True)], guards


def test_reading_an_argument_changes_nothing() -> None:
    arguments, guards = guarded(torch.ones(3, 2).t(), [torch.ones(2)], {"m": torch.ones(())}, 3)
    arguments[0] @ torch.ones(3)
    arguments[1][0] + 1
    arguments[0].t()
    assert [guard.changed() for guard in guards] == [False] * 4


@pytest.mark.parametrize(
    "mutate",
    [
        lambda x: x.add_(1),
        lambda x: x.t_(),
        lambda x: x.resize_(1),
        lambda x: x.__setitem__((0, 0), float("nan")),
        lambda x: x.set_(torch.zeros(2, 3)),
        lambda x: setattr(x, "data", x + 1),
        lambda x: setattr(x, "data", x.clone()),
        lambda x: x.t()[1:].zero_(),
        lambda x: x.numpy().fill(7),
    ],
)
def test_every_way_of_changing_a_tensor_is_noticed(mutate: Any) -> None:
    (x, _), guards = guarded(torch.rand(2, 3), torch.rand(2))
    mutate(x)
    assert [guard.changed() for guard in guards] == [True, False]


@pytest.mark.parametrize(
    "mutate",
    [
        lambda state: state.update(t=2),
        lambda state: state.pop("m"),
        lambda state: state["m"].mul_(2),
        lambda state: state["nested"].append(1),
        lambda state: state["nested"].__setitem__(0, torch.ones(1)),
    ],
)
def test_every_way_of_changing_a_container_is_noticed(mutate: Any) -> None:
    (state,), (guard,) = guarded({"t": 1, "m": torch.ones(2), "nested": [torch.ones(1)]})
    assert not guard.changed()
    mutate(state)
    assert guard.changed()


def test_nan_stays_unchanged() -> None:
    (x,), (guard,) = guarded(torch.tensor([float("nan"), -0.0]))
    assert x.isnan().any()
    assert not guard.changed()


def test_a_size_arrives_as_a_size_and_comes_back_as_a_tuple() -> None:
    sizes = torch.Size([2, 0, 3])
    towards = Encoder(strided=True, max_bytes=100)
    arrived = Decoder(b"", strided=True).decode(towards.encode(sizes))
    assert (type(arrived), arrived) == (torch.Size, sizes)
    back = Encoder(strided=False, max_bytes=100)
    assert Decoder(b"").decode(back.encode(sizes)) == (2, 0, 3)
    with pytest.raises(ProtocolError):
        Decoder(b"").decode(["z", 2, 3])
