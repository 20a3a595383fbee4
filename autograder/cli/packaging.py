"""`package`: what a grading platform is given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from autograder.cli.app import app
from autograder.cli.output import complain

package = typer.Typer(
    help="Pack an assignment for a grading platform.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(package, name="package")

IdArgument = Annotated[str, typer.Argument(help="The assignment's id, e.g. a1_operators.")]
ImageOption = Annotated[
    str, typer.Option(help="The grading image, as the platform pulls it (docs/image.md).")
]


@package.command()
def gradescope(
    assignment_id: IdArgument,
    out: Annotated[Path | None, typer.Option(help="The zip to write.")] = None,
) -> None:
    """A zip for Gradescope: upload it under “Configure Autograder”."""
    from autograder.course import find_course
    from autograder.packages.archives import Member, make_zip, write_file
    from autograder.packages.kinds import gradescope as pack

    archive = make_zip(pack(find_course(), assignment_id))
    target = out or Path("out") / "packages" / f"gradescope-{assignment_id}.zip"
    write_file(target, Member(archive))
    print(target)
    complain("upload it under “Configure Autograder”, with at least 768 MB (docs/gradescope.md)")


@package.command()
def prairielearn(
    assignment_id: IdArgument,
    image: ImageOption,
    out: Annotated[Path | None, typer.Option(help="The question's folder.")] = None,
) -> None:
    """A question for PrairieLearn, graded in the course's image."""
    from autograder.course import find_course
    from autograder.packages.kinds import prairielearn as pack

    members = pack(find_course(), assignment_id, image)
    _write("prairielearn", assignment_id, out, members)
    complain("put the folder into your course's questions/ (docs/prairielearn.md)")


@package.command()
def autolab(
    assignment_id: IdArgument,
    image: ImageOption,
    out: Annotated[Path | None, typer.Option(help="The assessment's folder.")] = None,
) -> None:
    """An assessment for Autolab: its .yml, autograde-Makefile and autograde.tar."""
    from autograder.course import find_course
    from autograder.packages.kinds import autolab as pack

    members = pack(find_course(), assignment_id, image)
    _write("autolab", assignment_id, out, members)
    complain("tar the folder and import it, or upload its files one by one (docs/autolab.md)")


@package.command()
def classroom50(
    assignment_id: IdArgument,
    image: ImageOption,
    out: Annotated[Path | None, typer.Option(help="The folder to write.")] = None,
) -> None:
    """An autograder for Classroom 50, and a workflow for plain GitHub Actions."""
    from autograder.course import find_course
    from autograder.packages.kinds import classroom50 as pack

    members = pack(find_course(), assignment_id, image)
    _write("classroom50", assignment_id, out, members)
    complain("students can read an image that their workflow pulls: see docs/classroom50.md first")


def _write(kind: str, assignment_id: str, out: Path | None, members: dict[str, Any]) -> None:
    from autograder.packages.archives import write_folder

    target = out or Path("out") / "packages" / kind / assignment_id
    write_folder(target, members)
    print(target)
