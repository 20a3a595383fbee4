"""The supervisor has the last word, whatever becomes of the grader."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from autograder.platforms.supervisor import Assessment, Order, supervise
from autograder.result import Status


def test_a_finished_result_is_taken_as_it_is(order, grader_that, result):
    assessment = supervise(order, command=grader_that("send(part); send(whole)"))
    assert assessment == Assessment(result, None)
    assert assessment.exit_code == 0


def test_progress_is_told_without_a_score(order, grader_that):
    told = []
    supervise(order, told.append, command=grader_that("send(part); time.sleep(0.2); send(whole)"))
    assert [(known.status, known.score, known.complete) for known in told] == [
        (Status.GRADER_ERROR, None, False)
    ]


def test_a_killed_grader_leaves_what_was_known_without_a_score(order, grader_that):
    killed = grader_that("send(part); os.kill(os.getpid(), signal.SIGKILL)")
    assessment = supervise(order, command=killed)
    assert assessment.exit_code == 2
    assert assessment.fault is not None
    assert "SIGKILL" in assessment.fault
    assert "memory" in assessment.fault
    assert assessment.result is not None
    assert assessment.result.score is None
    assert not assessment.result.complete
    assert assessment.result.exercises[0].checks[0].score == 3.0


def test_half_a_message_counts_for_nothing(order, grader_that):
    torn = grader_that("send(part); os.write(int(sys.argv[1]), b'{\"format'); os._exit(3)")
    assessment = supervise(order, command=torn)
    assert assessment.fault == "the grader did not finish: it ended early, with exit status 3"
    assert assessment.result is not None
    assert assessment.result.score is None


def test_a_grader_that_never_spoke_leaves_no_result(order, grader_that):
    assessment = supervise(order, command=grader_that("sys.exit(1)"))
    assert assessment.result is None
    assert assessment.exit_code == 2


def test_what_the_grader_says_before_it_gives_up_is_the_reason(order, grader_that):
    gave_up = grader_that("send(part); send({'error': 'no assignment named a7'}); sys.exit(2)")
    assessment = supervise(order, command=gave_up)
    assert assessment.fault == "the grader did not finish: no assignment named a7"
    assert assessment.result is not None
    assert assessment.result.score is None


def test_a_grader_that_can_not_be_started_is_a_fault(order):
    assessment = supervise(order, command=("/no/such/program",))
    assert assessment.fault == "the grader can't be started: No such file or directory"


def test_a_grader_that_hangs_is_stopped_in_time(order, grader_that):
    hung = grader_that("send(part); time.sleep(60)")
    assessment = supervise(replace(order, seconds=1.0), command=hung)
    assert assessment.fault is not None
    assert "stopped after 1 seconds" in assessment.fault
    assert assessment.result is not None
    assert assessment.result.score is None


def test_sigterm_stops_the_grader_and_is_told(order, grader_that, tmp_path: Path):
    command = grader_that("say(str(os.getpid())); send(part); time.sleep(60)")
    threading.Thread(target=_terminate_when_there, args=(tmp_path / "said",)).start()
    before = signal.getsignal(signal.SIGTERM)
    assessment = supervise(order, command=command)
    assert assessment.fault == "the grader did not finish: it was stopped by SIGTERM"
    assert signal.getsignal(signal.SIGTERM) is before
    assert not Path(f"/proc/{(tmp_path / 'said').read_text()}").exists()


def test_a_result_larger_than_the_pipe_gets_through(order, grader_that, result):
    large = grader_that("whole['messages'] = ['x' * 3_000_000]; send(whole)")
    assessment = supervise(order, command=large)
    assert assessment.fault is None
    assert assessment.result is not None
    assert len(assessment.result.messages[0]) == 3_000_000


def test_an_order_survives_the_way_to_the_grader(order):
    assert Order.from_json(order.to_json()) == order


def _terminate_when_there(path: Path) -> None:
    while not path.exists() or not path.read_text():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
