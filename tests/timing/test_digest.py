"""The digest: every bit counts, nothing cancels, and the fused kernel gives the same bits."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sandbox.digest import FAN, MOST_WORDS, absorb, constants, digest
from autograder.sandbox.wire import NAMES

KEY = b"k" * 32
LARGE = MOST_WORDS * 3 + 5  # int64 words: one level of lanes, and some left over


def words(count: int = LARGE, seed: int = 0) -> torch.Tensor:
    """Random 64-bit words."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**63), 2**63 - 1, (count,), dtype=torch.int64, generator=generator)


def test_it_is_a_function_of_key_and_bits() -> None:
    x = words()
    assert digest([x], KEY) == digest([x.clone()], KEY)
    assert len(digest([x], KEY)) == 32
    assert digest([x], b"l" * 32) != digest([x], KEY)


@settings(max_examples=60)
@given(place=st.integers(0, LARGE - 1), bit=st.integers(0, 63))
def test_any_single_bit_changes_it(place: int, bit: int) -> None:
    x = words()
    y = x.clone()
    y[place] ^= (1 << bit) - (1 << 64 if bit == 63 else 0)
    assert digest([y], KEY) != digest([x], KEY)


@settings(max_examples=60)
@given(step=st.integers(0, 2 * FAN - 1), bit=st.integers(0, 63), key=st.binary(max_size=8))
def test_any_single_bit_changes_its_lane_and_no_other(step: int, bit: int, key: bytes) -> None:
    lanes = 7
    x = words(2 * FAN * lanes)
    y = x.clone()
    y[step * lanes + 3] ^= (1 << bit) - (1 << 64 if bit == 63 else 0)
    numbers = constants(key, 0)
    differ = absorb(x, lanes, numbers).view(2, lanes) != absorb(y, lanes, numbers).view(2, lanes)
    assert differ.any(0).nonzero().flatten().tolist() == [3]


def test_an_early_bit_changes_half_of_the_bits_of_its_lane() -> None:
    lanes, flips, total = 64, 0, 0
    x = words(2 * FAN * lanes)
    for bit in range(0, 64, 3):
        y = x.clone()
        y[:lanes] ^= 1 << bit
        difference = absorb(x, lanes, constants(KEY, 0)) ^ absorb(y, lanes, constants(KEY, 0))
        flips += sum(int(v).bit_count() for v in (difference & (2**63 - 1)).tolist())
        total += 63 * 2 * lanes
    assert 0.49 < flips / total < 0.51


@pytest.mark.parametrize("stride", [1, 2, 3, MOST_WORDS // 8, MOST_WORDS])
def test_words_can_not_change_places(stride: int) -> None:
    x = words()
    y = x.clone()
    y[0], y[stride] = x[stride], x[0]
    assert digest([y], KEY) != digest([x], KEY)


def test_lanes_can_not_change_places() -> None:
    lanes = 5
    x = words(2 * FAN * lanes).view(2 * FAN, lanes)
    swapped = x[:, [1, 0, 2, 3, 4]].contiguous()
    before = absorb(x.reshape(-1), lanes, constants(KEY, 0)).view(2, lanes)
    after = absorb(swapped.reshape(-1), lanes, constants(KEY, 0)).view(2, lanes)
    assert not bool((before[:, [1, 0, 2, 3, 4]] == after).all(0)[:2].any())


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    factors=st.lists(st.integers(-4, 4).filter(bool), min_size=2, max_size=4),
)
def test_no_linear_relation_between_messages_holds_between_their_lanes(
    seed: int, factors: list[int]
) -> None:
    # Of a linear digest, Σ f_i · (h(x_i) − h(0)) = h(Σ f_i · x_i) − h(0), over integers or bits.
    lanes, numbers = 3, constants(KEY, 0)
    messages = [words(2 * FAN * lanes, seed + i) for i in range(len(factors))]
    zero = absorb(torch.zeros_like(messages[0]), lanes, numbers)
    combined = sum(f * m for f, m in zip(factors, messages, strict=True))
    sums = sum(
        f * (absorb(m, lanes, numbers) - zero) for f, m in zip(factors, messages, strict=True)
    )
    assert not bool((absorb(combined, lanes, numbers) - zero == sums).any())
    both = messages[0] ^ messages[1]
    exclusive = absorb(messages[0], lanes, numbers) ^ absorb(messages[1], lanes, numbers) ^ zero
    assert not bool((absorb(both, lanes, numbers) == exclusive).any())


def test_changes_that_cancel_in_a_sum_do_not_cancel() -> None:
    # What forges Σ kᵢ·wᵢ: add k₂ to one word and take k₁ off another, with the digest's own keys.
    x = words()
    m, n, s, t = constants(KEY + (0).to_bytes(4, "little"), 0)
    for first, second in [(m, n), (n, m), (s, t), (1, 1)]:
        for gap in (1, 2 * FAN, LARGE // (2 * FAN), 2 * (LARGE // (2 * FAN))):
            y = x.clone()
            y[0] += second
            y[gap] -= first
            assert digest([y], KEY) != digest([x], KEY)


def test_one_lane_has_no_collisions_among_many_small_messages() -> None:
    # Differences in low bits only, as an attacker could hide within the tolerance: 2¹⁸ messages.
    lanes = 1 << 18
    x = words(2 * FAN)[:, None].repeat(1, lanes)
    pattern = torch.arange(lanes)
    x[3] ^= pattern & 0x1FF
    x[4] ^= pattern >> 9
    # The same start for all lanes: undo what makes lanes differ, by one lane at a time.
    single = torch.stack(
        [
            absorb(x[:, i].contiguous(), 1, constants(KEY, 0))
            for i in torch.randint(lanes, (200,), generator=torch.Generator().manual_seed(1))
        ]
    )
    assert len(set(map(tuple, single.tolist()))) >= 199
    ends = absorb(x.reshape(-1), lanes, constants(KEY, 0)).view(2, lanes)
    assert ends[0].unique().numel() == lanes


def test_signed_zeros_and_nan_payloads_are_different_bits() -> None:
    assert digest([torch.tensor([0.0])], KEY) != digest([torch.tensor([-0.0])], KEY)
    quiet, other = torch.tensor([0x7FC00000, 0x7FC00001], dtype=torch.int32).view(torch.float32)
    assert digest([quiet[None]], KEY) != digest([other[None]], KEY)


def test_shapes_dtypes_and_the_split_into_tensors_count() -> None:
    x = torch.arange(12, dtype=torch.int32)
    forms = [
        [x], [x.view(3, 4)], [x.view(4, 3)], [x.view(torch.float32)], [x[:6], x[6:]],
        [x, x[:0]], [x[:0], x],
    ]  # fmt: skip
    assert len({digest(form, KEY) for form in forms}) == len(forms)


def test_layout_and_views_do_not_count() -> None:
    x = torch.randn(300, 200, generator=torch.Generator().manual_seed(1))
    assert digest([x.t().contiguous().t()], KEY) == digest([x], KEY)
    padded = torch.randn(60_001, generator=torch.Generator().manual_seed(1))
    view = padded[1:]
    assert view.storage_offset() == 1
    assert digest([view], KEY) == digest([view.clone()], KEY)
    assert digest([torch.ones(()).expand(5, 40_000)], KEY) == digest([torch.ones(5, 40_000)], KEY)


@pytest.mark.parametrize("dtype", sorted(NAMES, key=str), ids=str)
def test_every_dtype_that_travels_has_a_digest(dtype: torch.dtype) -> None:
    small = torch.ones(70_001).to(dtype)
    other = small.clone()
    other[-1] = 0
    third = small.clone()
    third[0] = 0
    assert len({digest([small], KEY), digest([other], KEY), digest([third], KEY)}) == 3


def test_empty_and_scalar_tensors_have_a_digest() -> None:
    assert digest([torch.zeros(0, 3)], KEY) != digest([torch.zeros(3, 0)], KEY)
    assert digest([torch.tensor(1.5)], KEY) != digest([torch.tensor([1.5])], KEY)


def test_student_code_that_patches_torch_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = words()
    before = digest([x], KEY)
    for name in ("mul_", "add_", "bitwise_xor_", "bitwise_and_", "contiguous", "detach", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_: torch.zeros(1), raising=False)
    for name in ("arange", "stack", "tensor", "bitwise_right_shift"):
        monkeypatch.setattr(torch, name, lambda *_, **__: torch.zeros(1))
    monkeypatch.setattr("hashlib.sha256", None)
    assert digest([x], KEY) == before


def test_the_fused_kernel_gives_the_same_bits() -> None:
    # In a process of its own: Triton decides at import whether it interprets.
    pytest.importorskip("triton")
    code = """
import torch
from autograder.sandbox.digest import FAN, absorb, constants
from autograder.sandbox.digest_kernel import absorb_fused
generator = torch.Generator().manual_seed(0)
for lanes in (1, 100, 512, 700):
    words = torch.randint(-2**63, 2**63 - 1, (2 * FAN * lanes,), generator=generator)
    for level in (0, 1):
        numbers = constants(b"key", level)
        assert torch.equal(absorb_fused(words, lanes, numbers), absorb(words, lanes, numbers))
print("same")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"TRITON_INTERPRET": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "same", done.stderr
