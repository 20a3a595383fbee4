"""Classroom 50 runs this in a student's checkout: grades it in the course's image.

Docker is there on GitHub's own runners. The container has no network, and the checkout is
read-only in it. Exit status 0: result.json has the grade. Anything else: it could not be graded.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGE = "@IMAGE@"
ID = "@ID@"
TOLD = (
    "CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL", "REVIEW_URL",
    "OWNER", "USERNAME", "ASSIGNMENT_TYPE", "AUTOGRADER_STAFF",
)  # fmt: skip


def main() -> int:
    engine = os.environ.get("CONTAINER_ENGINE", "docker").split()
    with tempfile.TemporaryDirectory() as results:
        done = subprocess.run(  # noqa: S603  (the course's own image)
            [
                *engine, "run", "--rm", "--network=none", "--read-only", "--tmpfs=/tmp",
                "--memory=2g", "--pids-limit=512",
                f"--volume={Path.cwd()}:/submission:ro", f"--volume={results}:/results",
                f"--env=AUTOGRADER_ASSIGNMENT={ID}",
                *(f"--env={name}={os.environ[name]}" for name in TOLD if name in os.environ),
                IMAGE,
                "/opt/autograder/venv/bin/python", "-P", "-s",
                "-m", "autograder.platforms.classroom50", "/submission", "/results",
            ],
            check=False,
        )  # fmt: skip
        if done.returncode == 0:
            for name in ("result.json", "release-body.md"):
                if (Path(results) / name).exists():
                    shutil.copyfile(Path(results) / name, name)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
