"""What there is: the course's assignments, and this machine."""

from __future__ import annotations

from autograder.cli.app import JsonOption, app
from autograder.cli.output import print_json


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the assignments, their exercises and points."""
    from autograder.config import load_config
    from autograder.course import find_course

    course = find_course()
    configs = [load_config(course.config(name)) for name in course.assignment_ids]
    if as_json:
        entries = [
            {
                "id": config.id,
                "title": config.title,
                "files": list(config.files),
                "points": config.max_score,
                "exercises": [
                    {"id": e.id, "title": e.title, "points": e.points} for e in config.exercises
                ],
            }
            for config in configs
        ]
        print_json(entries)
        return
    for config in configs:
        print(f"{config.id}  {config.title} ({config.max_score:g} points, {config.files[0]})")
        for exercise in config.exercises:
            print(f"    {exercise.id:24} {exercise.points:5g}  {exercise.title}")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine offers: Python, torch, isolation layers, GPU, and what to do."""
    from autograder.doctor import examine

    findings = examine()
    if as_json:
        print_json([finding.to_json() for finding in findings])
        return
    for finding in findings:
        print(finding.line())
