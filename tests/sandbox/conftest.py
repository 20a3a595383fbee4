"""One warm sandbox for the whole session, and workers that load a piece of student code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest

from autograder.sandbox import Sandbox, Worker

Load = Callable[..., Worker]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    shared = Sandbox()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SECRET_TOKEN", "hunter2")
        shared.start()
    with shared:
        yield shared


@pytest.fixture
def load(sandbox: Sandbox) -> Iterator[Load]:
    """A function that starts a worker with `operators.py` made of the given source."""
    with opened(sandbox) as load:
        yield load


class opened:
    """`load` for any sandbox; closes its workers in the end."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._workers: list[Worker] = []

    def __enter__(self) -> Load:
        return self._load

    def __exit__(self, *exc: object) -> None:
        for worker in self._workers:
            worker.close()

    def _load(self, source: str, *, timeout: float = 20.0, **others: str | bytes) -> Worker:
        worker = self._sandbox.spawn()
        self._workers.append(worker)
        files = {"operators.py": dedent(source).encode()}
        for name, content in others.items():
            data = content if isinstance(content, bytes) else dedent(content).encode()
            files[f"{name}.py"] = data
        worker.load(files, "operators", (), timeout=timeout)
        return worker


def ask(worker: Worker, function: str = "run", *args: Any, timeout: float = 20.0) -> Any:
    """The value that `function` returns in the worker."""
    return worker.call(function, args, {}, timeout=timeout).value


@pytest.fixture(scope="session")
def hosts_layers(sandbox: Sandbox) -> dict[str, str]:
    return dict(sandbox.layers)


@pytest.fixture
def needs(request: pytest.FixtureRequest, hosts_layers: dict[str, str]) -> None:
    """Skips a test on a host without the layer that it attacks (`autograder doctor` names it)."""
    for layer in request.param:
        if not hosts_layers[layer].startswith("active"):
            pytest.skip(f"{layer} is {hosts_layers[layer]}")


def layer(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("needs", [names], indirect=True, ids=[",".join(names)])


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    waited = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        waited.wait(0.02)
    raise AssertionError("it never came true")
