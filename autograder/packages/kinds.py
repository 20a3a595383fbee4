"""What each platform is given: file names and contents, made from one assignment."""

from __future__ import annotations

import json
import uuid
from html import escape
from pathlib import Path

from autograder.config import Config, load_config
from autograder.course import Course
from autograder.errors import InputError
from autograder.packages.archives import Member, make_tar
from autograder.packages.payload import payload, staff_files
from autograder.packages.requirements import constraints, extra_for, requirements

__all__ = ["autolab", "classroom50", "gradescope", "prairielearn", "slug"]

_TEMPLATES = Path(__file__).with_name("templates")
_PRAIRIELEARN_SECONDS = 600
_AUTOLAB_SECONDS = 600
# So that the same assignment of the same course is the same question wherever it is packed.
_NAMESPACE = uuid.UUID("5b0c2e0e-5f0e-5d0c-9a37-3a6d1f6a0c55")


def gradescope(course: Course, assignment_id: str) -> dict[str, Member]:
    """Gradescope's archive: `setup.sh` and `run_autograder` at its root, the grader below."""
    packed = payload(course, [course.require(assignment_id)])
    extra = extra_for(staff_files(course, [assignment_id]))
    members = {
        "setup.sh": _program("setup.sh"),
        "run_autograder": _program("run_autograder"),
        "install.sh": _program("install.sh"),
        "requirements.txt": Member(requirements(extra).encode()),
        "constraints.txt": Member(constraints(extra).encode()),
    }
    return members | {f"payload/{name}": Member(content) for name, content in packed.items()}


def prairielearn(course: Course, assignment_id: str, image: str) -> dict[str, Member]:
    """The folder of a PrairieLearn question that is graded in `image`."""
    config = _config(course, assignment_id)
    info = {
        "uuid": str(uuid.uuid5(_NAMESPACE, f"{course.root.name}/{config.id}")),
        "title": config.title,
        "topic": "Deep learning",
        "tags": ["code", "autograder"],
        "type": "v3",
        "singleVariant": True,
        "gradingMethod": "External",
        "externalGradingOptions": {
            "enabled": True,
            "image": _image(image),
            "entrypoint": "/autograder/run_prairielearn",
            "timeout": _PRAIRIELEARN_SECONDS,
            "enableNetworking": False,
            "environment": {"AUTOGRADER_ASSIGNMENT": config.id},
        },
    }
    page = _text(
        "question.html",
        TITLE=escape(config.title),
        FILE=" and ".join(f"<code>{escape(name)}</code>" for name in config.files),
        FILES=escape(", ".join(config.files)),
    )
    return {"info.json": _json(info), "question.html": Member(page.encode())}


def autolab(course: Course, assignment_id: str, image: str) -> dict[str, Member]:
    """An Autolab assessment: its .yml, the Makefile, and autograde.tar with the whole grader."""
    config = _config(course, assignment_id)
    name = config.id
    if len(config.files) != 1:
        raise InputError(
            f"{config.id}: Autolab takes one file, and {', '.join(config.files)} are wanted; "
            "let students hand in an archive, and change HANDIN in autograde-Makefile"
        )
    packed = payload(course, [config.id])
    grader = make_tar({path: Member(content) for path, content in packed.items()})
    makefile = _text("autograde-Makefile", HANDIN=config.files[0])
    return {
        f"{name}.yml": Member(_assessment(config, image).encode()),
        "autograde-Makefile": Member(makefile.encode()),
        "autograde.tar": Member(grader),
    }


def classroom50(course: Course, assignment_id: str, image: str) -> dict[str, Member]:
    """What goes into a `classroom50` repository, and a workflow for doing without its runner."""
    config = _config(course, assignment_id)
    name = slug(config.id)
    program = _text("autograder.py", IMAGE=_image(image), ID=config.id)
    return {
        f"autograders/{name}/autograder.py": Member(program.encode()),
        "runtime.json": _json({"runs-on": "ubuntu-latest", "python": "3.12"}),
        "grade.yaml": Member(_text("grade.yaml", SLUG=name).encode()),
    }


def slug(assignment_id: str) -> str:
    """An id as Classroom 50 allows it: small letters, digits and hyphens."""
    return assignment_id.lower().replace("_", "-")


def _assessment(config: Config, image: str) -> str:
    # YAML is JSON with less, so quoting is JSON's.
    problems = [
        f"- name: {json.dumps(exercise.id)}\n"
        f"  description: {json.dumps(exercise.title)}\n"
        f"  max_score: {exercise.points}\n"
        "  optional: false\n"
        for exercise in config.exercises
    ]
    return _text(
        "assessment.yml",
        NAME=config.id,
        TITLE=json.dumps(config.title),
        HANDIN=json.dumps(config.files[0]),
        PROBLEMS="".join(problems).rstrip("\n"),
        SECONDS=str(_AUTOLAB_SECONDS),
        IMAGE=json.dumps(_image(image)),
    )


def _config(course: Course, assignment_id: str) -> Config:
    return load_config(course.config(course.require(assignment_id)))


def _image(name: str) -> str:
    if not name or any(c.isspace() or not c.isprintable() or c in "\"'\\$`" for c in name):
        raise InputError(f"--image: {name!r} is not the name of an image")
    return name


def _json(data: object) -> Member:
    return Member((json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def _program(name: str) -> Member:
    return Member((_TEMPLATES / name).read_bytes().replace(b"\r\n", b"\n"), executable=True)


def _text(template: str, **values: str) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
