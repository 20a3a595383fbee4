"""The layouts of cohorts that we read."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Layout"]


class Layout(StrEnum):
    """How a cohort is laid out.

    `folder`: an entry per submission: a folder, an archive or a .py file. `gradescope`: “Export
    Submissions”, with its metadata. `classroom`: one git clone per student. `canvas`: “Download
    Submissions”, all files in one folder. `moodle`: “Download all submissions”.
    """

    FOLDER = "folder"
    GRADESCOPE = "gradescope"
    CLASSROOM = "classroom"
    CANVAS = "canvas"
    MOODLE = "moodle"
