"""Everything that a8_kernels and the timing protocol claim about a GPU, measured on this machine.

    python tools/gpu.py                    a table in docs/gpu.md, with the card's name
    python tools/gpu.py --dry-run          the same steps in miniature on the CPU; writes nothing

Four steps: the reference's values in every dtype; its speed beside torch's over a table of sizes;
verdicts of the timing protocol, repeated; the attacks on the clock. `make gpu` calls this.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import gpu_speed
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

ASSIGNMENT = "a8_kernels"
PAGE = ROOT / "docs" / "gpu.md"
MARK = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it runs, and in how small a way."""

    device: str
    dry: bool
    repeats: int

    @property
    def dtypes(self) -> Sequence[torch.dtype]:
        return DTYPES[:1] if self.dry else DTYPES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="in miniature, on the CPU")
    parser.add_argument("--repeats", type=int, default=20, help="repeats of each verdict")
    parser.add_argument("--out", type=Path, default=PAGE, help="the page that gets the figures")
    given = parser.parse_args()
    if given.dry_run:
        os.environ["TRITON_INTERPRET"] = "1"
    elif not torch.cuda.is_available():
        print(
            "no CUDA GPU here (torch sees none); --dry-run tries the steps without", file=sys.stderr
        )
        return 1
    machine = Machine("cpu" if given.dry_run else "cuda", given.dry_run, given.repeats)
    torch.backends.cuda.matmul.allow_tf32 = False
    text = "\n\n".join(report(machine))
    if given.dry_run:
        print(f"{text}\n\ndry run: nothing was written; these are no figures")
        return 0
    page = given.out.read_text(encoding="utf-8")
    if not MARK.search(page):
        print(f"{given.out}: has no line <!-- figures -->; put it back", file=sys.stderr)
        return 1
    given.out.write_text(MARK.sub(lambda _: f"\n{text}\n\n", page), encoding="utf-8")
    print(f"{text}\n\nwritten to {given.out}")
    return 0


def report(machine: Machine) -> Iterator[str]:
    """The sections of the report, each as soon as it is there."""
    yield section("Machine", [("", ""), *describe(machine)])
    for title, step in (
        ("Values", values),
        ("Speed", speed),
        ("Verdicts", verdicts),
        ("Attacks on the clock", attacks),
    ):
        print(f"{title.lower()} …", file=sys.stderr, flush=True)
        began = time.perf_counter()
        rows = step(machine)
        print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        yield section(title, rows)


def section(title: str, rows: Sequence[Row]) -> str:
    head, *body = rows
    lines = [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *body)]
    return "\n".join([f"### {title}", "", *lines])


def describe(machine: Machine) -> list[Row]:
    """What the figures depend on."""
    import triton

    rows = [("date", datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"))]
    if not machine.dry:
        card = torch.cuda.get_device_properties(0)
        rows += [
            ("GPU", card.name),
            ("memory", f"{card.total_memory / 2**30:.0f} GiB"),
            ("multiprocessors", str(card.multi_processor_count)),
            ("CUDA of torch", str(torch.version.cuda)),
            ("driver", driver()),
        ]
    rows += [("torch", torch.__version__), ("Triton", triton.__version__)]
    return [*rows, ("Python", platform.python_version())]


def driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


# --- values ---------------------------------------------------------------------------------------


def load(path: Path, name: str) -> ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def reference() -> ModuleType:
    return load(ROOT / "solutions" / ASSIGNMENT / "kernels.py", "kernels")


def suite(kind: type) -> Iterator[Any]:
    """An instance of each class of the hidden suite that is a `kind` of its own function."""
    for path in sorted((ROOT / "autograder" / "suites" / ASSIGNMENT).glob("test_*.py")):
        for value in vars(load(path, f"suite_{path.stem}")).values():
            if (
                isinstance(value, type)
                and issubclass(value, kind)
                and getattr(value, "function", "")
            ):
                yield value()


class OnDevice:
    """Calls the reference in this process, watched as in a worker, on a device."""

    one_by_one = False

    def __init__(self, module: ModuleType, device: str) -> None:
        self._module = module
        self._device = device

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        from autograder.sandbox import kernels
        from autograder.student import Reply

        result, changed = kernels.call(
            getattr(self._module, function), args, kwargs, where=self._device, around=nullcontext()
        )
        return Reply(on_cpu(result), tuple(changed))


def on_cpu(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(on_cpu(element) for element in value)
    return value.cpu() if isinstance(value, torch.Tensor) else value


def values(machine: Machine) -> list[Row]:
    """Every correctness case of the hidden suite, in every dtype."""
    from autograder.checks.compare import CheckFailed
    from autograder.checks.kernels import KernelChecks
    from autograder.student import Student

    module = reference()
    rows: list[Row] = [("function", *(str(dtype)[6:] for dtype in machine.dtypes))]
    for checks in suite(KernelChecks):
        student = Student(OnDevice(module, machine.device), [checks.function])
        sizes = [*checks.sizes, *checks.long]
        found = []
        for dtype in machine.dtypes:
            cases = list(checks.cases(sizes[:2] if machine.dry else sizes, dtype))
            try:
                checks.check_all(student, iter(cases))
                found.append(f"right ({len(cases)} cases)")
            except CheckFailed as failed:
                found.append(f"**{failed.failure.rationale}** ({failed.failure.example})")
        rows.append((f"`{checks.function}`", *found))
    return rows


def speed(machine: Machine) -> list[Row]:
    """Each function beside torch's, over a table of sizes."""
    return gpu_speed.table(reference(), machine.dtypes, machine.device, tiny=machine.dry)


# --- verdicts -------------------------------------------------------------------------------------


def verdicts(machine: Machine) -> list[Row]:
    """What the protocol says of the reference, again and again, in workers as for any submission.

    In a dry run the baselines take its place: an interpreted kernel is hopelessly slow.
    """
    from autograder.assignment import load_assignment
    from autograder.attempt import Attempt
    from autograder.checks.timing import TimingChecks
    from autograder.course import find_course
    from autograder.errors import GraderError
    from autograder.sandbox import Sandbox, WorkerLimits
    from autograder.timing.stand import Stand

    assignment = load_assignment(find_course(ROOT), ASSIGNMENT)
    config, files = assignment.config, dict(assignment.solution_files)
    limits = WorkerLimits(memory_mib=config.limits.memory_mib)
    if machine.dry:
        files = {"kernels.py": (assignment.suite / "baselines.py").read_bytes()}
    else:
        limits = limits.on_gpu()
    rows: list[Row] = [("function", "size", "ratios", "median", "spread", "verdict")]
    with Sandbox(limits=limits) as sandbox, closing(Stand(limits=limits)) as stand:
        for checks in suite(TimingChecks):
            for label in checks.sizes:
                if machine.dry and (checks.function != "matmul" or rows[1:]):
                    continue
                ratios, said = [], ""
                for _ in range(2 if machine.dry else machine.repeats):
                    with Attempt(sandbox, config, files, stand) as attempt:
                        attempt.begin(config.exercise(type(checks).__exercise__))
                        timer = attempt.timer
                        if timer is None:
                            raise GraderError("nothing can be timed here")
                        task = checks.task(label)
                        if machine.dry:
                            timer.device, task = "cpu", miniature(task)
                        verdict = timer.time(task)
                        ratios.append(verdict.ratio.value)
                        said = verdict.sentence
                low, high = min(ratios), max(ratios)
                middle = statistics.median(ratios)
                rows.append((f"`{checks.function}`", label, str(len(ratios)), f"{middle:.3f}",
                             f"{100 * (high - low) / middle:.1f} %", said))  # fmt: skip
    return rows


def miniature(task: Any) -> Any:
    """A task of the same kind that a CPU can be timed with."""
    from dataclasses import replace

    from autograder.checks.timing import normal
    from autograder.timing.recipe import recipe_of

    size = (256, 256)
    inputs = (normal(*size, dtype=torch.float32), normal(*size, dtype=torch.float32))
    return replace(task, recipe=recipe_of(inputs), bytes_moved=0.0, flops=0.0)


# --- attacks --------------------------------------------------------------------------------------


def attacks(machine: Machine) -> list[Row]:
    """The attacks on the clock, as tests."""
    tests = [str(ROOT / "tests" / "attacks" / "test_clock.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    if machine.dry:
        command.append("--collect-only")
    environment = {**os.environ, "AUTOGRADER_TIMING_DEVICE": machine.device}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    last = (done.stdout.strip() or done.stderr.strip() or "no output").splitlines()[-1]
    return [("command", "outcome"), ("`pytest tests/attacks/test_clock.py`", last)]


if __name__ == "__main__":
    sys.exit(main())
