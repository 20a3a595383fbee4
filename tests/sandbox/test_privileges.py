"""User ids: claimed once, given back by any death, and never someone else's."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.sandbox import privileges

ROOT = Path(__file__).resolve().parents[2]


def test_claims_differ_and_are_given_back() -> None:
    claims = [privileges.claim_uid() for _ in range(20)]
    try:
        assert len({claim.uid for claim in claims}) == 20
        assert all(61000 <= claim.uid <= 64999 for claim in claims)
        assert privileges._try_claim(claims[0].uid) is None
    finally:
        for claim in claims:
            claim.release()
    again = privileges._try_claim(claims[0].uid)
    assert again is not None
    again.release()


def test_a_claim_ends_with_its_process() -> None:
    code = (
        "import os; from autograder.sandbox import privileges;"
        "claim = privileges.claim_uid(); print(claim.uid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    claim = privileges._try_claim(int(done.stdout))
    assert claim is not None
    claim.release()


def test_ids_in_use_and_ids_of_people_are_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "FIRST_UID", 61000)
    monkeypatch.setattr(privileges, "LAST_UID", 61002)

    def known(uid: int) -> None:
        if uid != 61001:
            raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", known)
    claim = privileges.claim_uid({61000})
    assert claim.uid == 61002
    with pytest.raises(OSError, match="all user ids from 61000 to 61002 are in use"):
        privileges.claim_uid({61000})
    claim.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_only_unmistakable_orphans_are_killed() -> None:
    """A person whose id happens to lie in the range keeps what they run."""
    code = "import os, sys; os.setgroups([]); os.setgid(G); os.setuid(62345); print(flush=True);"
    code += "sys.stdin.read()"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code.replace("G", group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for group in ("100", "62345")
    ]
    try:
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        assert 62345 in privileges.uids_in_use()
        privileges.kill_orphans()
        assert [process.poll() for process in running] == [None, None]
        privileges.kill_user(62345)
        assert [process.wait(5) for process in running] == [-9, -9]
        assert 62345 not in privileges.uids_in_use()
    finally:
        for process in running:
            process.kill()
            process.communicate()
