"""Docker or podman, whichever can build here: found, given a base image, and wrapped in few verbs.

Docker wins where it runs and can pull the base. Else podman is used, as root and from Debian's
packages, and where no registry can be reached either, the base is made of Debian packages too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = "debian:bookworm-slim"
STAND_IN = "localhost/autograder-base:bookworm"
PACKAGES = ("podman", "runc", "mmdebstrap")

# What Gradescope gives by default, and no more rights than grading needs.
LIMITS = (
    "--read-only", "--tmpfs=/tmp", "--network=none", "--memory=768m", "--memory-swap=768m",
    "--cpus=0.5", "--pids-limit=256",
)  # fmt: skip
# Root in a container of its own (as on some CI machines) may not raise limits to runc's default.
_ULIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")


class EngineError(Exception):
    """What can't be done here, and what would help: one line."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended; `seconds` is wall-clock time, start of the container included."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Engine:
    """`command` begins every call; `build_options` let pip in a build find what pip here finds.

    `local_wheels`: pip here has wheels or an index of its own, which serve the right torch.
    """

    name: str
    command: tuple[str, ...]
    base: str
    build_options: tuple[str, ...] = ()
    local_wheels: bool = False

    @property
    def ulimits(self) -> tuple[str, ...]:
        """Options that a container needs on every machine."""
        return _ULIMITS

    def build(self, folder: Path, tag: str, arguments: Mapping[str, str], *options: str) -> Done:
        """Build an image. Raises EngineError with the end of the log."""
        given = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        done = self._call(
            ["build", *self.build_options, *options, *given, f"--tag={tag}", str(folder)], 3600
        )
        if done.code:
            tail = "\n".join((done.out + done.err).splitlines()[-25:])
            raise EngineError(f"{self.name} build failed:\n{tail}")
        return done

    def run(
        self,
        image: str,
        command: Sequence[str],
        *options: str,
        limits: Sequence[str] = LIMITS,
        timeout: float = 900,
    ) -> Done:
        """Run a command in a fresh container, under Gradescope's limits unless told otherwise."""
        return self._call(["run", "--rm", *_ULIMITS, *limits, *options, image, *command], timeout)

    def start(self, name: str, image: str, command: Sequence[str], *options: str) -> None:
        """Start a container in the background, under Gradescope's limits."""
        done = self._call(
            ["run", "--detach", "--name", name, *_ULIMITS, *LIMITS, *options, image, *command], 120
        )
        if done.code:
            raise EngineError(f"{self.name} can't start a container: {done.err.strip()}")

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows about an image."""
        done = self._call(["image", "inspect", image], 60)
        if done.code:
            raise EngineError(done.err.strip())
        return dict(json.loads(done.out)[0])

    def exists(self, image: str) -> bool:
        return self._call(["image", "inspect", image], 60).code == 0

    def call(self, *arguments: str, timeout: float = 120) -> Done:
        """Any other verb."""
        return self._call(list(arguments), timeout)

    def _call(self, arguments: list[str], timeout: float) -> Done:
        return execute([*self.command, *arguments], timeout)


def find_engine(work: Path, base: str | None) -> Engine:
    """An engine that can build here, and a base for it. `work` is for files that it needs.

    `base` is an image to build on, the engine's to find. Raises EngineError if there is no engine.
    """
    reasons = []
    for find in (_docker, _podman):
        try:
            return find(work, base)
        except EngineError as error:
            reasons.append(str(error))
    raise EngineError("; ".join(reasons))


def _docker(work: Path, base: str | None) -> Engine:
    if shutil.which("docker") is None:
        raise EngineError("there is no docker")
    if execute(["docker", "info"], 30).code:
        raise EngineError("docker is here, but no daemon answers")
    wanted = base or BASE
    engine = Engine("docker", ("docker",), wanted)
    if not engine.exists(wanted) and engine.call("pull", wanted, timeout=300).code:
        raise EngineError(f"docker can't pull {wanted}")
    return engine


def _podman(work: Path, base: str | None) -> Engine:
    if os.geteuid() != 0:
        raise EngineError("podman would need root here, for limits and for user ids")
    missing = [name for name in PACKAGES if shutil.which(name) is None]
    if missing:
        if shutil.which("apt-get") is None:
            raise EngineError(f"there is no {', '.join(missing)}, and no apt-get to install it")
        say(f"installing {', '.join(missing)} …")
        execute(["apt-get", "update", "-qq"], 300)
        done = execute(
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *missing], 600
        )
        if done.code:
            raise EngineError(f"apt-get can't install {', '.join(missing)}")
    # crun refuses machines with both kinds of cgroups; systemd's manager those without systemd.
    command = ("podman", "--runtime=runc", "--storage-driver=overlay", "--cgroup-manager=cgroupfs")
    mounts = _pip_settings(work / "pip")
    engine = Engine(
        "podman", command, base or STAND_IN, ("--network=host", *mounts), len(mounts) > 1
    )
    if execute([*command, "info"], 60).code:
        raise EngineError("podman is here, but doesn't work")
    if engine.exists(engine.base):
        return engine
    if base is not None:
        if engine.call("pull", base, timeout=300).code:
            raise EngineError(f"podman can't pull {base}")
        return engine
    _make_base(engine, work)
    return engine


def _make_base(engine: Engine, work: Path) -> None:
    """Debian bookworm from this machine's own package sources, as near to the slim image as can be.

    The sources are handed on as the files that they are: no mirror is named here.
    """
    sources = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    # A machine has the one or the others.
    given = [
        str(path)
        for path in sources
        if path.suffix in (".list", ".sources")
        and path.is_file()
        and "debian" in path.read_text(errors="replace").lower()
    ]
    if not given:
        raise EngineError("no registry can be reached, and apt here has no Debian sources")
    say("no registry can be reached: making a base from Debian's packages …")
    archive = work / "base.tar"
    done = execute(
        ["mmdebstrap", "--variant=minbase", "--format=tar", "bookworm", str(archive), *given], 900
    )
    if done.code:
        raise EngineError(f"mmdebstrap failed: {done.err.strip().splitlines()[-1]}")
    imported = engine.call("import", str(archive), STAND_IN, timeout=300)
    archive.unlink()
    if imported.code:
        raise EngineError(f"podman can't import the base: {imported.err.strip()}")


def _pip_settings(folder: Path) -> tuple[str, ...]:
    """Mounts that let pip in a build find what pip here finds. Nothing of it gets into the image.

    Local folders (wheels, indexes) keep their paths; a certificate gets another one, because
    installing packages rewrites the usual one.
    """
    done = execute([sys.executable, "-m", "pip", "config", "list"], 60)
    settings: dict[str, str] = {}
    for line in done.out.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            settings[key] = value.strip("'\"")
    folder.mkdir(parents=True, exist_ok=True)
    folders: list[Path] = []
    lines = ["[global]"]
    for key in ("index-url", "extra-index-url", "find-links", "timeout", "default-timeout"):
        if key in settings:
            lines.append(f"{key.removeprefix('default-')} = {settings[key]}")
            folders += [_folder(word) for word in settings[key].split() if _is_local(word)]
    if "cert" in settings:
        shutil.copyfile(settings["cert"], folder / "ca.crt")
        lines.append("cert = /etc/xdg/pip/ca.crt")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")
    return (
        f"--volume={folder.resolve()}:/etc/xdg/pip:ro",
        *(f"--volume={path}:{path}:ro" for path in dict.fromkeys(folders)),
    )


def _is_local(word: str) -> bool:
    return word.startswith(("/", "file://"))


def _folder(word: str) -> Path:
    # An index keeps its files beside the folder with its pages.
    return Path(word) if word.startswith("/") else Path(word.removeprefix("file://")).parent


def execute(command: Sequence[str], timeout: float) -> Done:
    """Run a program to its end, with its output. Code 124 if it took too long."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return Done(124, "", f"no end after {timeout:g} s", time.monotonic() - began)
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
