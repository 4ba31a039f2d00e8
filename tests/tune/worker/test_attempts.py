import json
import os
import socket
from pathlib import Path

import pytest

from tune.folders import ATTEMPTS, FAILURE, PROGRESS, TrialFolder
from tune.worker.attempts import begin_attempt, note_first_step


@pytest.fixture
def folder(tmp_path: Path) -> TrialFolder:
    (tmp_path / "search-000").mkdir()
    return TrialFolder(tmp_path / "search-000")


def get_further(folder: TrialFolder, step: int) -> None:
    """Leave what a trial leaves that has come to a checkpoint."""
    checkpoint = folder.path / "checkpoint.pt"
    checkpoint.write_bytes(b"weights")
    os.utime(checkpoint, ns=(step, step))
    folder.write(PROGRESS, {"step": step, "steps": 400, "host": "node-7"})


def test_a_trial_may_be_cut_off_so_often_and_no_more(folder: TrialFolder) -> None:
    # One first attempt and three more: the fifth would follow on four in vain.
    for _ in range(4):
        assert begin_attempt(folder, "driver", max_failures=3) is None
    reason = begin_attempt(folder, "driver", max_failures=3)
    assert reason is not None
    assert reason.startswith("cut off 4 times in a row without a new checkpoint, at the start")


def test_with_no_failure_allowed_the_second_attempt_is_refused(folder: TrialFolder) -> None:
    assert begin_attempt(folder, "driver", max_failures=0) is None
    assert begin_attempt(folder, "driver", max_failures=0) is not None


def test_an_attempt_that_got_further_costs_nothing(folder: TrialFolder) -> None:
    for step in range(10):
        assert begin_attempt(folder, "driver", max_failures=0) is None
        get_further(folder, step)
    assert begin_attempt(folder, "driver", max_failures=0) is None
    assert begin_attempt(folder, "driver", max_failures=0) is not None


def test_an_interrupted_study_is_not_the_trials_fault(folder: TrialFolder) -> None:
    for driver in ("first", "second", "third"):
        assert begin_attempt(folder, driver, max_failures=1) is None
        assert begin_attempt(folder, driver, max_failures=1) is None
    assert begin_attempt(folder, "third", max_failures=1) is not None


def test_the_reason_says_where_the_trial_was_and_what_was_seen_last(folder: TrialFolder) -> None:
    get_further(folder, 120)
    begin_attempt(folder, "driver", max_failures=0)
    folder.write(FAILURE, {"reason": "KeyError: 'x'", "final": False})
    reason = begin_attempt(folder, "driver", max_failures=0)
    assert reason is not None
    assert reason.splitlines() == [
        "cut off once without a new checkpoint, at step 120 of 400, last on node-7",
        "the last failure that was seen:",
        "KeyError: 'x'",
    ]


def test_every_attempt_is_kept_with_host_process_step_and_time(folder: TrialFolder) -> None:
    begin_attempt(folder, "driver", max_failures=3)
    note_first_step(folder, 0)
    get_further(folder, 131)
    begin_attempt(folder, "driver", max_failures=3)
    note_first_step(folder, 120)  # the last checkpoint lies before the last step
    first, second = json.loads((folder.path / ATTEMPTS).read_text())["attempts"]
    assert (first["step"], second["step"]) == (0, 120)
    assert first["pid"] == second["pid"] == os.getpid()
    assert first["host"] == second["host"] == socket.gethostname()
    assert first["time"] <= second["time"]
