"""Who imports what: the worker's side is small, and the package itself costs nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import autograder.sandbox

FOLDER = Path(autograder.sandbox.__file__).parent
OTHER_SIDE = {
    *("__main__", "zygote", "worker", "confine", "privileges", "landlock", "seccomp", "syscalls"),
    *("loader", "tripwires", "mutation", "testimony"),
    *("limits", "protocol", "wire", "encoder", "decoder"),
    *("stopwatch", "chain", "digest", "drawing", "kernels"),
}
# Imported by a worker only where its code runs on a GPU.
ON_GPUS = {"digest_kernel": {"triton"}}


def run(code: str) -> object:
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=FOLDER.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_importing_the_package_imports_neither_torch_nor_numpy() -> None:
    code = """
import json, sys
import autograder.sandbox
from autograder.sandbox import Isolation, Sandbox, Tripwires, WorkerLimits
print(json.dumps([name in sys.modules for name in ("torch", "numpy", "pytest", "hypothesis")]))
"""
    assert run(code) == [False] * 4


def test_the_workers_side_imports_the_standard_library_and_torch_only() -> None:
    code = f"""
import json, sys
from types import ModuleType
import torch, numpy
before = set(sys.modules)
package = ModuleType("sandbox")
package.__path__ = [{str(FOLDER)!r}]
sys.modules["sandbox"] = package
import importlib
for name in {sorted(OTHER_SIDE - {"__main__"})!r}:
    importlib.import_module("sandbox." + name)
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
new = {{name for name in new if not name.startswith("_sysconfigdata")}}  # named for the machine
print(json.dumps(sorted(new - set(sys.stdlib_module_names) - {{"sandbox", "torch"}})))
"""
    assert run(code) == []


@pytest.mark.parametrize("name", sorted(OTHER_SIDE | set(ON_GPUS)))
def test_a_module_of_the_workers_side_names_no_module_of_the_graders(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = {alias.name.partition(".")[0] for alias in node.names}
            assert found <= {*sys.stdlib_module_names, "torch", *ON_GPUS.get(name, ())}
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert (node.module or "").partition(".")[0] in {*sys.stdlib_module_names, "torch"}
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = {node.module} if node.module else {alias.name for alias in node.names}
            assert names <= OTHER_SIDE | set(ON_GPUS)


def test_every_module_is_on_one_side() -> None:
    graders = {"__init__", "client", "zygote_process", "worker_handle", "connection", "faults"}
    graders |= {"layers", "request", "timed_worker"}
    modules = {path.stem for path in FOLDER.glob("*.py")}
    assert modules == OTHER_SIDE | set(ON_GPUS) | graders
    assert not OTHER_SIDE & graders


def test_exactly_the_names_in_all_are_exported() -> None:
    for name in autograder.sandbox.__all__:
        assert getattr(autograder.sandbox, name) is not None
    assert set(autograder.sandbox._HOMES) == set(autograder.sandbox.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        autograder.sandbox.nothing  # noqa: B018
