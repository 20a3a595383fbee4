"""Which packages the other machine gets, at which versions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from autograder.course import Course
from autograder.packages.kinds import gradescope
from autograder.packages.requirements import (
    constraints,
    extra_for,
    extra_packages,
    requirements,
)

ROOT = Path(__file__).resolve().parents[2]


def test_the_versions_are_those_of_here():
    import torch

    lines = constraints().splitlines()
    assert f"torch=={torch.__version__.partition('+')[0]}" in lines
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    assert set(names) >= {"torch", "numpy", "pytest", "hypothesis", "sympy", "typer", "pluggy"}
    assert "ruff" not in names


def test_the_image_s_requirements_are_the_project_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "image" / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]


def test_what_the_project_declares_is_required_without_its_extras():
    names = {Requirement(line).name for line in requirements().splitlines()}
    assert names >= {"torch", "pytest", "hypothesis", "gradescope-utils"}
    assert not names & {"ruff", "mypy", "triton", "pyarrow"}


@pytest.mark.parametrize(
    ("source", "extra"),
    [
        (b"import torch\n", ""),
        (b"import torch\nimport triton\n", "kernels"),
        (b"    from triton import language as tl\n", "kernels"),
        (b"# import triton\n", ""),
        (b"import triton_like\n", ""),
    ],
)
def test_only_who_imports_triton_gets_it(source, extra):
    assert extra_for({"a.py": source}) == extra


def test_kernels_add_triton_and_nothing_else():
    assert extra_packages("") == ""
    assert extra_packages("kernels").startswith("triton")
    assert " " not in extra_packages("kernels")
    assert "triton==" in constraints("kernels")


def test_an_archive_of_kernels_asks_for_triton(tiny: Course):
    assert "triton" not in gradescope(tiny, "a9_tiny")["requirements.txt"].content.decode()
    solution = tiny.root / "solutions" / "a9_tiny" / "tiny.py"
    solution.write_text("import triton\n")
    members = gradescope(tiny, "a9_tiny")
    assert "triton" in members["requirements.txt"].content.decode()
    assert "triton==" in members["constraints.txt"].content.decode()
