"""docs/policy.md says what is so."""

from __future__ import annotations

import re
import tomllib

import pytest

from .conftest import BY_HAND, COURSE, Policy, all_of, check, reached

TEXT = (COURSE / "docs" / "policy.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def examples(heading: str) -> list[str]:
    """The code in the table below a heading: what stands between backticks in its column."""
    section = TEXT.partition(heading)[2].partition("\n### ")[0].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ")][1:]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


def test_what_the_page_calls_allowed_is_allowed() -> None:
    (allowed,) = blocks("python allowed")
    body = "\n".join(f"    {line}" for line in allowed.splitlines())
    assert all_of(check(f"import torch\ndef f(x, w):\n{body}\n")) == []


AUTODIFF = examples("(`no-autodiff`)")
EVASION = examples("(`no-evasion`)")


@pytest.mark.parametrize("code", [*AUTODIFF, *EVASION])
def test_what_the_page_calls_refused_is_refused(code: str) -> None:
    names = "torch code marshal importlib pkgutil pydoc sys ctypes pickle subprocess os timeit"
    imports = "\n".join(
        f"    import {name}" for name in names.split() if re.match(rf"{name}\b", code)
    )
    code = code.replace("…", "'a'")
    if code == "requires_grad=True":
        code = "torch.zeros(3, requires_grad=True)"
    if code.startswith("nn."):
        code = f"torch.{code}"
    if code == "functorch":
        code = "__import__('functorch')"
    source = (
        "import torch\nimport numpy as np\ndef g(v): return v * v\n"
        f"def f(x, name, h=1e-6, f=g):\n{imports}\n    y = x\n    {_statement(code)}\n"
    )
    assert reached(check(source)), source


def _statement(code: str) -> str:
    return code if re.search(r"[^=]=[^=]", code) and "(" not in code else f"return {code}"


def test_the_page_has_examples() -> None:
    assert len(AUTODIFF) > 20
    assert len(EVASION) > 20


def test_the_table_of_the_page_can_be_read() -> None:
    (table,) = blocks("toml")
    policy = Policy.from_mapping(tomllib.loads(table)["policy"], "docs")
    assert policy.rules == BY_HAND.rules
    assert policy.allow == ("torch.vmap",)


def test_every_group_of_the_page_exists_and_every_key_is_explained() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `rules` |"))
    groups = re.findall(r"`([\w-]+)`", row)[1:]
    assert set(groups) >= {"no-autodiff", "no-evasion"}
    Policy.from_mapping({"rules": groups}, "docs")
    for key in ("rules", "packages", "forbid", "methods", "operators", "allow"):
        assert f"| `{key}` |" in TEXT
