"""Submissions: which file counts, what is said about the rest, and what can't be read."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from autograder import folder as folder_module
from autograder import submission as submission_module
from autograder.archive import Entry
from autograder.errors import SubmissionError
from autograder.submission import Submission, read_submission

SOURCE = b"def matmul(x, w):\n    return x @ w\n"
OTHER = b"# an older attempt\n"
WANTED = ("operators.py",)
HandIn = Callable[[Mapping[str, bytes]], Path]


def lay_out(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    root.mkdir(exist_ok=True)
    return root


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name, content in files.items():
                target.writestr(zipfile.ZipInfo(name), content)
        return path
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w") as target:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(params=["folder", "hw.zip", "hw.tar", "hw.tar.gz", "hw.tar.bz2", "hw.tar.xz"])
def hand_in(request: pytest.FixtureRequest, tmp_path: Path) -> HandIn:
    """A function that puts files into each kind of submission."""
    if request.param == "folder":
        return lambda files: lay_out(tmp_path / "folder", files)
    return lambda files: pack(tmp_path / request.param, files)


# --- which file counts ----------------------------------------------------------------------------


def test_a_file_at_the_top_is_taken_without_a_word(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"operators.py": SOURCE}), WANTED)
    assert dict(found.files) == {"operators.py": SOURCE}
    assert (found.missing, found.notes) == ((), ())


def test_a_folder_around_the_file_is_fine_at_any_depth(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"hw1/sub/operators.py": SOURCE}), WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == ("found `operators.py` in folder `hw1/sub/`.",)


def test_the_file_nearest_to_the_top_is_taken(hand_in: HandIn) -> None:
    path = hand_in({"old/operators.py": OTHER, "operators.py": SOURCE, "a/b/operators.py": OTHER})
    found = read_submission(path, WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == ("took `operators.py`, not `a/b/operators.py`, `old/operators.py`.",)


def test_two_files_at_the_same_depth_are_a_question_not_a_guess(hand_in: HandIn) -> None:
    found = read_submission(
        hand_in({"final/operators.py": SOURCE, "final2/operators.py": OTHER}), WANTED
    )
    assert found.missing == ("operators.py",)
    assert found.notes == (
        "`operators.py` is in 2 folders (`final/`, `final2/`), and none was taken: submit one.",
    )


def test_each_wanted_file_is_looked_for_on_its_own(hand_in: HandIn) -> None:
    path = hand_in({"operators.py": SOURCE, "hw/losses.py": OTHER})
    found = read_submission(path, ("losses.py", "operators.py", "kernels.py"))
    assert dict(found.files) == {"losses.py": OTHER, "operators.py": SOURCE}
    assert found.missing == ("kernels.py",)


def test_what_machines_leave_behind_is_not_looked_at(hand_in: HandIn) -> None:
    clutter = [
        "__MACOSX/operators.py",
        "hw/__MACOSX/._operators.py",
        ".git/operators.py",
        ".venv/lib/operators.py",
        ".ipynb_checkpoints/operators.py",
        "venv/lib/python3.11/site-packages/x/operators.py",
        "__pycache__/operators.cpython-311.pyc",
        ".DS_Store",
        "._operators.py",
        "Thumbs.db",
    ]
    files = {**dict.fromkeys(clutter, OTHER), "hw/operators.py": SOURCE}
    found = read_submission(hand_in(files), WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == ("found `operators.py` in folder `hw/`.",)


def test_other_files_are_counted(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"operators.py": SOURCE, "a.txt": b"", "b.txt": b""}), WANTED)
    assert found.notes == ("ignored 2 other files.",)


@pytest.mark.parametrize(
    "name",
    [
        "Operators.py",
        "OPERATORS.PY",
        "operators (1).py",
        "operators-1.py",
        "operater.py",
        "jane_4711_operators.py",
    ],
)
def test_a_close_name_is_pointed_out_and_not_taken(hand_in: HandIn, name: str) -> None:
    found = read_submission(hand_in({f"hw/{name}": SOURCE, "test_operators.py": b""}), WANTED)
    assert found.missing == ("operators.py",)
    assert found.notes[0] == (
        f"`hw/{name}` looks like `operators.py`, but only that very name counts: rename it."
    )


def test_a_name_that_is_not_close_is_not_pointed_out(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"main.py": SOURCE, "test_operators.py": b""}), WANTED)
    assert found.notes == ("ignored 2 other files.",)


def test_of_names_that_differ_in_case_the_exact_one_counts(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"Operators.py": OTHER, "operators.py": SOURCE}), WANTED)
    assert found.files["operators.py"] == SOURCE


def test_an_empty_submission_misses_everything(hand_in: HandIn) -> None:
    found = read_submission(hand_in({}), ("operators.py", "losses.py"))
    assert dict(found.files) == {}
    assert found.missing == ("operators.py", "losses.py")


def test_names_from_students_are_harmless_in_notes(hand_in: HandIn) -> None:
    found = read_submission(hand_in({"\x1b[31m\u202e`\n/operators.py": SOURCE}), WANTED)
    assert found.notes == ("found `operators.py` in folder `\\x1b[31m\\u202e'\\n/`.",)


def test_notes_are_few_however_many_files_there_are(hand_in: HandIn) -> None:
    names = [f"file{number}.py" for number in range(50)]
    files = {f"{folder}/{name}": b"" for name in names for folder in ("a", "b")}
    found = read_submission(hand_in(files), names)
    assert len(found.notes) == 20
    assert found.notes[-1] == "… and 31 more notes."


# --- archives -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["hw.zip", "hw.tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_name_that_is_there_twice_the_last_counts(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "hw.zip":
        with zipfile.ZipFile(path, "w") as target:
            target.writestr("operators.py", OTHER)
            target.writestr("operators.py", SOURCE)
    else:
        with tarfile.open(path, "w") as target:
            for content in (OTHER, SOURCE):
                member = tarfile.TarInfo("./operators.py")
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
    found = read_submission(path, WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == ("`operators.py` is there more than once; the last one was taken.",)


def test_links_in_an_archive_are_noted_and_never_followed(tmp_path: Path) -> None:
    path = tmp_path / "hw.tar"
    with tarfile.open(path, "w") as target:
        for name, kind in [("operators.py", tarfile.SYMTYPE), ("x", tarfile.LNKTYPE)]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            target.addfile(member)
    found = read_submission(path, WANTED)
    assert found.missing == WANTED
    assert found.notes == (
        "`operators.py` was not taken: it is a symbolic link; submit the file itself.",
        "ignored 1 entry that is no ordinary file (hard link).",
    )


def test_a_path_out_of_the_archive_is_noted_and_not_taken(tmp_path: Path) -> None:
    found = read_submission(pack(tmp_path / "a.zip", {"../operators.py": SOURCE}), WANTED)
    assert found.missing == WANTED
    (note,) = found.notes
    assert note == (
        "`../operators.py` was not taken: it is a path that leads out of the archive; "
        "submit the file itself."
    )


def test_an_archive_within_an_archive_is_noted_and_not_opened(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"operators.py": SOURCE}).read_bytes()
    found = read_submission(pack(tmp_path / "outer.zip", {"a/inner.zip": inner}), WANTED)
    assert found.missing == WANTED
    assert found.notes[0] == (
        "didn't look into `a/inner.zip`: submit `operators.py` without another archive around."
    )


def test_a_folder_that_holds_just_an_archive_is_read_as_that_archive(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "Jane Doe_4711", {"comments.txt": b"", ".DS_Store": b""})
    pack(root / "hw 1.zip", {"hw/operators.py": SOURCE})
    found = read_submission(root, WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == (
        "opened `hw 1.zip`, the only archive in the folder.",
        "found `operators.py` in folder `hw/`.",
    )


def test_a_folder_with_two_archives_is_a_question_not_a_guess(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "hw", {})
    for name in ("a.zip", "b.zip"):
        pack(root / name, {"operators.py": SOURCE})
    found = read_submission(root, WANTED)
    assert found.missing == WANTED
    assert "didn't look into `a.zip`, `b.zip`" in found.notes[0]


def test_an_archive_beside_the_wanted_file_stays_closed(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "hw", {"operators.py": SOURCE})
    pack(root / "hw.zip", {"operators.py": OTHER})
    found = read_submission(root, WANTED)
    assert found.files["operators.py"] == SOURCE
    assert found.notes == ("ignored 1 other file.",)


# --- single files ---------------------------------------------------------------------------------


def test_a_single_file_counts_under_its_own_name(tmp_path: Path) -> None:
    path = lay_out(tmp_path, {"losses.py": SOURCE}) / "losses.py"
    found = read_submission(path, ("operators.py", "losses.py"))
    assert dict(found.files) == {"losses.py": SOURCE}
    assert (found.missing, found.notes) == (("operators.py",), ())


def test_a_single_file_of_any_name_is_the_one_wanted_file(tmp_path: Path) -> None:
    path = lay_out(tmp_path, {"jane (1).py": SOURCE}) / "jane (1).py"
    found = read_submission(path, WANTED)
    assert dict(found.files) == {"operators.py": SOURCE}
    assert found.notes == ("took `jane (1).py` as `operators.py`, the one file that is wanted.",)


def test_a_single_file_of_another_name_is_none_of_several(tmp_path: Path) -> None:
    path = lay_out(tmp_path, {"jane.py": SOURCE}) / "jane.py"
    found = read_submission(path, ("operators.py", "losses.py"))
    assert found.missing == ("operators.py", "losses.py")
    assert "none of the wanted files (`operators.py`, `losses.py`)" in found.notes[0]


# --- folders: links, pipes, limits ----------------------------------------------------------------


def test_links_in_a_folder_are_noted_and_never_followed(tmp_path: Path) -> None:
    secret = lay_out(tmp_path / "solutions", {"operators.py": OTHER})
    root = lay_out(tmp_path / "hw", {})
    (root / "operators.py").symlink_to(secret / "operators.py")
    (root / "folder").symlink_to(secret)
    (root / "loop").symlink_to(root)
    found = read_submission(root, WANTED)
    assert found.missing == WANTED
    assert found.notes == (
        "`operators.py` was not taken: it is a symbolic link; submit the file itself.",
        "ignored 2 entries that are no ordinary file (symbolic link).",
    )


@pytest.mark.parametrize("target", ["file", "folder", "archive"])
def test_a_link_in_place_of_the_submission_is_refused(tmp_path: Path, target: str) -> None:
    root = lay_out(tmp_path / "folder", {"operators.py": SOURCE})
    places = {
        "file": root / "operators.py",
        "folder": root,
        "archive": pack(tmp_path / "a.zip", {"operators.py": SOURCE}),
    }
    link = tmp_path / "operators.py"
    link.symlink_to(places[target])
    with pytest.raises(SubmissionError, match="symbolic link, which is never followed; name the"):
        read_submission(link, WANTED)


def test_a_file_swapped_for_a_link_after_the_look_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay_out(tmp_path / "hw", {"operators.py": SOURCE})
    secret = lay_out(tmp_path / "secret", {"operators.py": OTHER})

    def listed_before_the_swap(folder: Path, where: str) -> Iterator[Entry]:
        entries = list(list_folder(folder, where))
        (root / "operators.py").unlink()
        (root / "operators.py").symlink_to(secret / "operators.py")
        return iter(entries)

    list_folder = submission_module.list_folder
    monkeypatch.setattr(submission_module, "list_folder", listed_before_the_swap)
    found = read_submission(root, WANTED)
    assert found.missing == WANTED
    assert found.notes == (
        "`operators.py` can't be read: it is a symbolic link, which is never followed.",
    )


def test_pipes_and_sockets_neither_block_nor_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay_out(tmp_path / "hw", {})
    os.mkfifo(root / "operators.py")
    monkeypatch.chdir(root)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as unused:
        unused.bind("losses.py")
        found = read_submission(root, ("operators.py", "losses.py"))
    assert found.missing == ("operators.py", "losses.py")
    assert found.notes == (
        "`losses.py` was not taken: it is a special file; submit the file itself.",
        "`operators.py` was not taken: it is a special file; submit the file itself.",
    )


def test_a_file_swapped_for_a_pipe_after_the_look_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "operators.py")
    with pytest.raises(OSError, match="pipe, socket or device"):
        folder_module.read_file(tmp_path / "operators.py", "x", 10)


@pytest.mark.parametrize("name", ["operators.py", "hw.zip"])
def test_a_pipe_in_place_of_the_submission_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SubmissionError, match="pipe, socket or device; name a folder, a file or"):
        read_submission(tmp_path / name, WANTED)


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "hw", {"operators.py": b""})
    os.truncate(root / "operators.py", 2**40)
    for path in (root, root / "operators.py"):
        with pytest.raises(SubmissionError, match=r"hw.*: too large: 1 MiB is the most for oper"):
            read_submission(path, WANTED)
    archive = lay_out(tmp_path, {"hw.zip": b"PK\3\4"}) / "hw.zip"
    os.truncate(archive, 2**40)
    with pytest.raises(
        SubmissionError, match=r"32 MiB is the most for hw\.zip; submit source code"
    ):
        read_submission(archive, WANTED)


def test_the_limit_is_for_the_wanted_files_together_and_for_no_others(hand_in: HandIn) -> None:
    path = hand_in({"a.py": b"1" * 60, "b.py": b"2" * 40, "data.bin": bytes(500)})
    assert len(read_submission(path, ("a.py", "b.py"), max_bytes=100).files) == 2
    with pytest.raises(SubmissionError, match=r"99 bytes is the most for a\.py, b\.py"):
        read_submission(path, ("a.py", "b.py"), max_bytes=99)


def test_too_many_files_in_a_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lay_out(
        tmp_path / "hw", {f"{folder}/{number}": b"" for folder in "ab" for number in "12"}
    )
    assert read_submission(root, WANTED).missing == WANTED
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 5)
    with pytest.raises(SubmissionError, match="the folder has more than 5 files; submit only"):
        read_submission(root, WANTED)


def test_files_of_a_virtual_environment_do_not_count_as_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f".venv/{number}": b"" for number in range(20)} | {"operators.py": SOURCE}
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 5)
    assert read_submission(lay_out(tmp_path / "hw", files), WANTED).missing == ()


def test_folders_nested_without_end_are_left_alone(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "hw", {"/".join("d" * 60) + "/operators.py": SOURCE})
    found = read_submission(root, WANTED)
    assert found.missing == WANTED
    assert "folder nested too deeply" in found.notes[0]


def test_files_and_folders_that_may_not_be_read_are_noted(tmp_path: Path) -> None:
    root = lay_out(tmp_path / "hw", {"operators.py": SOURCE, "closed/losses.py": SOURCE})
    (root / "operators.py").chmod(0)
    (root / "closed").chmod(0)
    script = (
        "import os, sys, pathlib\n"
        "from autograder.submission import read_submission\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "found = read_submission(pathlib.Path('hw'), ('operators.py', 'losses.py'))\n"
        "print(*found.missing, *found.notes, sep='|')\n"
    )
    # As root nothing is unreadable, so another process looks as nobody, from inside the folder.
    tmp_path.chmod(0o755)
    try:
        run = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        (root / "closed").chmod(0o755)
    assert run.stdout.strip().split("|") == [
        "operators.py",
        "losses.py",
        "`operators.py` can't be read: permission denied.",
        "ignored 1 entry that is no ordinary file (folder that can't be read).",
    ]


# --- nothing to read ------------------------------------------------------------------------------


def test_a_path_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"/nowhere: no such file or directory; check the pa"):
        read_submission(tmp_path / "nowhere", WANTED)
    with pytest.raises(SubmissionError, match=r"a\\x00b: .*null.*; check the path"):
        read_submission(tmp_path / "a\0b", WANTED)


@pytest.mark.parametrize("name", ["hw.txt", "operators.ipynb", "operators"])
def test_a_file_of_another_kind_says_what_to_submit(tmp_path: Path, name: str) -> None:
    path = lay_out(tmp_path, {name: b"{}"}) / name
    with pytest.raises(SubmissionError) as caught:
        read_submission(path, WANTED)
    assert str(caught.value) == (
        f"{path}: this is neither a folder, nor a .py file, nor a .zip or .tar archive; "
        f"submit `operators.py`."
    )


def test_a_damaged_archive_is_refused_with_its_path(tmp_path: Path) -> None:
    path = pack(tmp_path / "hw.tar.gz", {"operators.py": SOURCE})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(SubmissionError, match=r"hw\.tar\.gz: the archive is damaged \(it ends too"):
        read_submission(path, WANTED)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.py", "a\\b.py", "a\0", "a\n", "`", "x" * 256])
def test_a_wanted_name_must_be_a_plain_file_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a plain file name"):
        read_submission(tmp_path, (name,))
    with pytest.raises(ValueError, match="is not a plain file name"):
        Submission.from_files({name: b""})


# --- the submission as data -----------------------------------------------------------------------


def test_the_digest_depends_on_files_alone(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "hw", {"deep/operators.py": SOURCE, "x.txt": b""})
    packed = pack(tmp_path / "hw.zip", {"operators.py": SOURCE})
    digests = {read_submission(path, WANTED).digest for path in (folder, packed)}
    digests.add(Submission.from_files({"operators.py": SOURCE}, ("a.py", "operators.py")).digest)
    # Written down, because stored results are found again by it.
    assert digests == {"4df7c101120b8ecee191556e8f0f7dcfca96a6a02bc9eac136fbf42acf0d2b3a"}
    one = Submission.from_files({"a": b"1", "b": b"2"})
    assert one.digest == Submission.from_files({"b": b"2", "a": b"1"}).digest


def test_different_files_have_different_digests() -> None:
    different: list[dict[str, bytes]] = [
        {},
        {"a": b""},
        {"ab": b""},
        {"a": b"b"},
        {"a": b"", "b": b""},
        {"a": b"\0\0\0\0\0\0\0\1b\0\0\0\0\0\0\0\0"},
        {"a": b"1", "b": b"2"},
        {"a": b"2", "b": b"1"},
        {"a": b"12", "b": b""},
    ]
    assert len({Submission.from_files(files).digest for files in different}) == len(different)


def test_a_submission_cannot_be_changed() -> None:
    content = {"operators.py": SOURCE}
    found = Submission.from_files(content)
    content["operators.py"] = OTHER
    assert found.files["operators.py"] == SOURCE
    with pytest.raises(TypeError, match="does not support item assignment"):
        found.files["operators.py"] = OTHER
    assert hash(found) == hash(Submission.from_files({"operators.py": SOURCE}))


def test_a_file_that_is_not_wanted_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'b\.py' is not among the wanted files"):
        Submission.from_files({"a.py": b"", "b.py": b""}, ("a.py",))


def test_a_submission_survives_the_wire_and_pickling() -> None:
    found = Submission.from_files(
        {"operators.py": bytes(range(256)), "é.py": b""},
        ("é.py", "b.py", "operators.py"),
        notes=["n"],
    )
    assert Submission.from_bytes(found.to_bytes()) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert json.loads(found.to_bytes())["format"] == "submission/1"


GOOD = json.loads(Submission.from_files({"a.py": b"1"}).to_bytes())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b"{}",
        json.dumps({**GOOD, "format": "submission/2"}).encode(),
        json.dumps({**GOOD, "files": {"../a": ""}}).encode(),
        json.dumps({**GOOD, "files": {"a": "*"}}).encode(),
        json.dumps({**GOOD, "files": {"a": 1}}).encode(),
        json.dumps({**GOOD, "files": ["a"]}).encode(),
        json.dumps({**GOOD, "missing": "a.py"}).encode(),
        json.dumps({**GOOD, "missing": [1]}).encode(),
        json.dumps({**GOOD, "notes": None}).encode(),
    ],
)
def test_bytes_that_are_no_submission_are_refused(data: bytes) -> None:
    with pytest.raises(SubmissionError, match="no submission that `to_bytes` wrote"):
        Submission.from_bytes(data)
