"""A worker that writes to the grader's channel itself: a forgery is a fault, or just an answer."""

from __future__ import annotations

import pytest

from autograder.student import StudentCrashed, StudentTimedOut

from .conftest import Load, ask

HEAD = """
import json, os, struct
def frame(header, payload=b"", magic=b"AGf1", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(payload) if size is None else size
    return struct.pack("<4sIQ", magic, len(text), size) + text + payload
def request_id():
    import sys
    f = sys._getframe()
    while "header" not in f.f_locals or "id" not in f.f_locals["header"]:
        f = f.f_back
    return f.f_locals["header"]["id"]
def send(data):
    view = memoryview(data)
    while view: view = view[os.write(3, view):]
"""


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("send(b'garbage' * 10)", "magic"),
        ("send(frame({}, magic=b'AGf2'))", "magic"),
        ("send(struct.pack('<4sIQ', b'AGf1', 2**32 - 1, 0))", "a header of 4,294,967,295 bytes"),
        ("send(struct.pack('<4sIQ', b'AGf1', 2, 2**62) + b'{}')", "a payload of"),
        ("send(frame({'id': 1, 'kind': 'value', 'value': 1, 'mutated': []}))", "another request"),
        ("send(frame(b'[' * 100000))", "not JSON"),
        ("send(frame(b'[]'))", "not a JSON object"),
        ("send(frame({'id': request_id()}))", "unknown kind"),
        ("send(frame({'id': request_id(), 'kind': 'raised', 'type': 5}))", "type is not text"),
        ("send(frame({'id': request_id(), 'kind': 'loaded'}))", "unknown kind"),
        (
            "send(frame({'id': request_id(), 'kind': 'value', 'value': 1, 'mutated': ['7']}))",
            "inputs",
        ),
        ("send(frame({'id': request_id(), 'kind': 'value', 'value': 1, 'mutated': 3}))", "inputs"),
        (
            "send(frame({'id': request_id(), 'kind': 'value', 'value': ['x', 'f4', [-1]]}))",
            "negative",
        ),
        ("send(frame({'id': request_id(), 'kind': 'value', 'value': ['x', 'f4', [9]]}))", "larger"),
        ("send(frame({'id': request_id(), 'kind': 'value', 'value': 1}, b'extra'))", "longer than"),
        (
            "f = frame({'id': request_id(), 'kind': 'value', 'value': 1}); send(f + f)",
            "more than one",
        ),
    ],
)
def test_a_forged_frame_breaks_the_protocol(load: Load, body: str, text: str) -> None:
    worker = load(HEAD + f"def run():\n import time\n {body}\n time.sleep(20)\n")
    with pytest.raises(StudentCrashed, match=f"broke the protocol .*{text}"):
        ask(worker)
    assert not worker.alive


def test_a_reply_before_the_request_breaks_the_protocol(load: Load) -> None:
    worker = load(
        HEAD + "def run():\n send(frame({'id': 0, 'kind': 'value', 'value': 1}))\n return 1"
    )
    with pytest.raises(StudentCrashed, match="broke the protocol"):
        ask(worker)


def test_a_stall_in_mid_frame_times_out(load: Load) -> None:
    worker = load(HEAD + "def run():\n import time\n send(frame({}, size=1000))\n time.sleep(60)\n")
    with pytest.raises(StudentTimedOut):
        ask(worker, timeout=0.3)


def test_a_hang_up_in_mid_frame_is_a_crash(load: Load) -> None:
    worker = load(HEAD + "def run():\n send(frame({}, size=1000))\n os._exit(0)\n")
    with pytest.raises(StudentCrashed, match="exit status 0"):
        ask(worker)


def test_an_announced_payload_takes_no_memory_until_it_comes(load: Load) -> None:
    worker = load(
        HEAD + "def run():\n import time\n send(frame({}, size=1 << 27))\n time.sleep(60)\n"
    )
    before = resident_mib()
    with pytest.raises(StudentTimedOut):
        ask(worker, timeout=0.3)
    assert resident_mib() - before < 50


def resident_mib() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096 / 2**20


def test_a_forged_answer_is_only_an_answer(load: Load) -> None:
    source = "def run():\n send(frame({'id': request_id(), 'kind': 'value', 'value': 42}))\n"
    worker = load(HEAD + source + " import time; time.sleep(20)\n")
    assert ask(worker) == 42
