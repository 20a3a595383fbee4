"""Make examples/cohort/<id>: a small made-up cohort in the layout of a Gradescope export.

    python tools/make_cohort.py a1_operators [...]

The files are derived from the assignment's own solution, stub and misconceptions, so that a
changed signature doesn't leave a stale example behind. They are committed: `make demo` grades
them as they are.
"""

from __future__ import annotations

import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from autograder.assignment import Assignment, load_assignment
from autograder.course import find_course
from autograder.stub import render_stub
from autograder.swap import swapped_source

HOSTILE = '''

def _look_around():
    """What a student should not try: none of it works, and all of it is recorded."""
    import os
    import socket

    for path in ("/autograder/results/results.json", "results.json", "/tmp/results.json"):
        try:
            with open(path, "w") as file:
                file.write('{"score": 100}')
        except OSError:
            pass
    for path in (f"/proc/{os.getppid()}/mem", f"/proc/{os.getppid()}/environ", "/etc/shadow"):
        try:
            with open(path, "rb") as file:
                file.read(64)
        except OSError:
            pass
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except OSError:
        pass
    print('{"score": 100}')
    os._exit(0)


'''


def cohort(assignment: Assignment) -> Iterator[tuple[str, dict[str, str]]]:
    """(student, files) for every made-up submission."""
    main = assignment.config.files[0]
    source = assignment.solution_files[main].decode()
    stub = render_stub(source, main)
    plain = _without_comments(source)
    exercises = assignment.config.exercises
    known = assignment.misconceptions
    half = len(exercises) // 2

    def functions(chosen: range) -> set[str]:
        return {name for i in chosen for name in exercises[i].functions}

    def wrong(ids: list[int], text: str = source) -> str:
        for i in ids:
            text = swapped_source(text, known[i % len(known)])
        return _without_comments(text)

    first_half, second_half = functions(range(half)), functions(range(half, len(exercises)))
    yield "Ada Lovelace", {main: plain}
    yield "Charles Babbage", {main: stub}
    yield "Emmy Noether", {main: _without(plain, second_half - first_half)}
    yield "Carl Gauss", {main: wrong([0, len(known) // 2])}
    yield "Sofia Kovalevskaya", {main: _without(plain, first_half - second_half)}
    yield "Niels Abel", {main: wrong([1])}
    yield "George Boole", {main: plain.replace("def ", "def def ", 1)}
    yield "Grace Hopper", {f"my_{main}.txt": plain}
    first = exercises[0].functions[-1]
    yield "Alan Turing", {main: _body(plain, first, "while True:\n        pass")}
    yield "Kevin Mitnick", {main: _body(plain, first, "_look_around()").rstrip() + HOSTILE}
    yield "Blaise Pascal", {main: _body(plain, first, "return torch.autograd.grad(grad_output, x)")}
    yield "Jo Zip", {f"homework/final/{main}": plain, "homework/notes.txt": "see final/\n"}


def _without_comments(source: str) -> str:
    return ast.unparse(ast.parse(source)) + "\n"


def _without(source: str, names: set[str]) -> str:
    """The module with these functions not implemented."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            node.body = [ast.parse(f"raise NotImplementedError({node.name!r})").body[0]]
    return ast.unparse(tree) + "\n"


def _body(source: str, name: str, statement: str) -> str:
    """The module with the body of one function replaced."""
    tree = ast.parse(source)
    body = ast.parse(f"def f():\n    {statement}").body[0]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            node.body = body.body  # type: ignore[attr-defined]
    return ast.unparse(tree) + "\n"


def write(assignment: Assignment, folder: Path) -> None:
    """Write the cohort and its metadata; what was there before is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    metadata = {}
    for number, (student, files) in enumerate(cohort(assignment), 101):
        entry = f"submission_{number}"
        for name, text in files.items():
            path = folder / entry / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        first, last = student.lower().split()
        metadata[entry] = {
            ":submitters": [
                {
                    ":name": student,
                    ":sid": str(1000 + number),
                    ":email": f"{first}.{last}@example.edu",
                }
            ],
            ":created_at": f"2026-10-{number - 90:02d} 18:30:00.000000000 Z",
            ":score": None,
            ":status": "unprocessed",
        }
    text = yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)
    (folder / "submission_metadata.yml").write_text(text, encoding="utf-8")


def main() -> None:
    course = find_course()
    for name in sys.argv[1:] or course.assignment_ids:
        write(load_assignment(course, name), course.root / "examples" / "cohort" / name)
        print(f"examples/cohort/{name}")


if __name__ == "__main__":
    main()
