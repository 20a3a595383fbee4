"""A config's [policy] table: what it means, and what is said about a mistake in it."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from autograder.errors import ConfigError

from .conftest import BY_HAND, COURSE, Policy, check, course_policy, reached


def from_toml(text: str) -> Policy:
    return Policy.from_mapping(tomllib.loads(text), "a.toml: [policy]")


@pytest.mark.parametrize(
    "path", sorted((COURSE / "grading_configs").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_config_of_the_course_has_a_valid_policy(path: Any) -> None:
    table = tomllib.loads(path.read_text("utf-8"))["policy"]
    assert Policy.from_mapping(table, str(path)).rules


def test_all_keys_are_read() -> None:
    policy = from_toml(
        'rules = ["no-evasion"]\npackages = ["torch", "einops"]\nforbid = ["torch.fft.*"]\n'
        'methods = ["unfold"]\noperators = ["aten::im2col"]\nallow = ["torch.func.vmap"]\n'
    )
    assert policy == Policy(
        rules=("no-evasion",),
        packages=("torch", "einops"),
        forbid=("torch.fft.*",),
        methods=("unfold",),
        operators=("aten::im2col",),
        allow=("torch.func.vmap",),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('rule = ["no-autodiff"]', "rules"),
        ('forbidden = ["torch.fft"]', "forbid"),
        ('rules = ["no-autodif"]', "no-autodiff"),
        ('rules = ["no_evasion"]', "no-evasion"),
        ('rules = ["everything"]', "no-autodiff"),
        ('rules = "no-autodiff"', "list"),
        ("rules = true", "list"),
        ('forbid = "torch.fft"', "list"),
        ("forbid = [1]", "list"),
        ("methods = [[]]", "list"),
    ],
)
def test_a_mistake_is_named_with_the_place_and_the_nearest_word(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_toml(text)
    message = str(caught.value)
    assert message.startswith("a.toml: [policy]")
    assert says in message
    assert "\n" not in message


def costs(source: str, policy: Policy) -> bool:
    return bool(reached(check(f"import torch, numpy\n{source}\n", policy=policy)))


def test_a_forbidden_name_is_forbidden_with_all_below_it() -> None:
    policy = replace(BY_HAND, forbid=("torch.fft", "numpy.linalg"))
    assert costs("def f(x): return torch.fft.rfft(x)", policy)
    assert costs("from torch.fft import rfft as r\ndef f(x): return r(x)", policy)
    assert costs("def f(x): return numpy.linalg.inv(x)", policy)
    assert not costs("def f(x): return torch.linalg.inv(x)", policy)
    assert not costs("def f(x): return torch.fftish(x)", policy)


@pytest.mark.parametrize(
    ("glob", "forbidden", "allowed"),
    [
        ("torch.conv*", "torch.conv2d(x)", "torch.as_strided(x)"),
        ("torch.fft.*", "torch.fft.rfft(x)", "torch.exp(x)"),
        ("torch.*_pool?d", "torch.max_pool2d(x)", "torch.maximum(x, x)"),
        ("torch.special.*softmax", "torch.special.log_softmax(x)", "torch.special.expit(x)"),
        ("numpy.lib.stride_tricks.*", "numpy.lib.stride_tricks.as_strided(x)", "numpy.exp(x)"),
    ],
)
def test_a_glob_forbids_what_it_matches(glob: str, forbidden: str, allowed: str) -> None:
    policy = replace(BY_HAND, forbid=(glob,))
    assert costs(f"def f(x): return {forbidden}", policy)
    assert not costs(f"def f(x): return {allowed}", policy)


def test_a_forbidden_method_is_forbidden_on_tensors_and_not_on_own_objects() -> None:
    policy = replace(BY_HAND, methods=("unfold", "cumsum"))
    assert costs("def f(x): return x.unfold(0, 1, 1)", policy)
    assert costs("def f(x): return (x + 1).cumsum(0)", policy)
    assert costs("def f(x): return torch.Tensor.unfold(x, 0, 1, 1)", policy)
    assert costs("def f(x): return getattr(x, 'un' + 'fold')(0, 1, 1)", policy)
    own = "class A:\n    def unfold(self): return 1\n"
    assert not costs(f"{own}def f(x): return A().unfold()", policy)
    assert not costs("def unfold(x): return x\ndef f(x): return unfold(x)", policy)
    assert not costs("def f(x): return numpy.cumsum(x)", policy)


def test_what_is_allowed_again_is_exempt_from_every_rule() -> None:
    policy = replace(BY_HAND, allow=("torch.nn.functional.pad",))
    source = "def f(x): return torch.nn.functional.{}(x, (1, 1))"
    assert not costs(source.format("pad"), policy)
    assert costs(source.format("relu"), policy)
    assert costs("def f(x): return torch.nn.ReLU()(x)", policy)


def test_a_package_that_is_allowed_may_be_imported() -> None:
    source = "import einops\nfrom einops import rearrange\ndef f(x): return rearrange(x, 'a -> a')"
    assert costs(source, BY_HAND)
    assert not costs(source, replace(BY_HAND, packages=("torch", "numpy", "einops")))


def test_without_rules_everything_is_allowed_but_other_packages() -> None:
    policy = Policy(rules=())
    assert not costs("def f(x): return torch.autograd.grad(eval('x'), x)", policy)
    assert costs("import pandas\ndef f(x): return x", policy)


def test_each_group_forbids_its_own_things_only() -> None:
    autodiff, evasion = Policy(rules=("no-autodiff",)), Policy(rules=("no-evasion",))
    assert costs("def f(x): return torch.autograd", autodiff)
    assert not costs("def f(x): return torch.autograd", evasion)
    assert costs("def f(x): return eval('x')", evasion)
    assert not costs("def f(x): return eval('x')", autodiff)


def test_the_policies_of_the_course_forbid_autodiff_and_evasion() -> None:
    for assignment in ("a1_operators", "a2_losses", "a3_convolution", "a4_optimizers"):
        assert {"no-autodiff", "no-evasion"} <= set(course_policy(assignment).rules)
