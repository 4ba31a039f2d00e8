import json
import os
import socket
from pathlib import Path

import pytest

from hybridir import names
from tune.folders import ATTEMPTS, FAILURE, PROGRESS, TrialFolder
from tune.worker.attempts import began_again, begin_attempt, record_first_step


@pytest.fixture
def folder(tmp_path: Path) -> TrialFolder:
    (tmp_path / "search-000").mkdir()
    return TrialFolder(tmp_path / "search-000")


def progress_to(folder: TrialFolder, step: int) -> None:
    """Write the files of a trial that has reached a checkpoint."""
    checkpoint = folder.path / "checkpoint.pt"
    checkpoint.write_bytes(b"weights")
    os.utime(checkpoint, ns=(step, step))
    folder.write(PROGRESS, {"step": step, "steps": 400, "host": "node-7"})


def test_a_trial_is_exhausted_after_the_allowed_number_of_interruptions(
    folder: TrialFolder,
) -> None:
    # One first attempt and three more: the fifth would follow four without progress.
    for _ in range(4):
        assert begin_attempt(folder, "driver", max_failures=3) is None
    reason = begin_attempt(folder, "driver", max_failures=3)
    assert reason is not None
    assert reason.startswith("interrupted 4 times in a row without a new checkpoint, at the start")


def test_if_no_failure_is_allowed_the_second_attempt_is_refused(folder: TrialFolder) -> None:
    assert begin_attempt(folder, "driver", max_failures=0) is None
    assert begin_attempt(folder, "driver", max_failures=0) is not None


def test_an_attempt_with_progress_does_not_count_as_a_failure(folder: TrialFolder) -> None:
    for step in range(10):
        assert begin_attempt(folder, "driver", max_failures=0) is None
        progress_to(folder, step)
    assert begin_attempt(folder, "driver", max_failures=0) is None
    assert begin_attempt(folder, "driver", max_failures=0) is not None


def test_an_interrupted_study_does_not_count_as_a_failure_of_the_trial(
    folder: TrialFolder,
) -> None:
    for driver in ("first", "second", "third"):
        assert begin_attempt(folder, driver, max_failures=1) is None
        assert begin_attempt(folder, driver, max_failures=1) is None
    assert begin_attempt(folder, "third", max_failures=1) is not None


def test_the_reason_names_the_last_step_and_the_last_failure(folder: TrialFolder) -> None:
    progress_to(folder, 120)
    begin_attempt(folder, "driver", max_failures=0)
    folder.write(FAILURE, {"reason": "KeyError: 'x'", "final": False})
    reason = begin_attempt(folder, "driver", max_failures=0)
    assert reason is not None
    assert reason.splitlines() == [
        "interrupted once without a new checkpoint, at step 120 of 400, last on node-7",
        "last recorded failure:",
        "KeyError: 'x'",
    ]


def test_every_attempt_is_recorded_with_host_process_step_and_time(folder: TrialFolder) -> None:
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 0)
    progress_to(folder, 131)
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 120)  # the last checkpoint was written before the last step
    first, second = json.loads((folder.path / ATTEMPTS).read_text())["attempts"]
    assert (first["step"], second["step"]) == (0, 120)
    assert first["pid"] == second["pid"] == os.getpid()
    assert first["host"] == second["host"] == socket.gethostname()
    assert first["time"] <= second["time"]


def test_a_trial_that_passed_over_a_checkpoint_has_begun_again(folder: TrialFolder) -> None:
    assert not began_again(folder)
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 0)
    assert not began_again(folder), "there was no checkpoint yet"
    progress_to(folder, 131)
    (folder.path / names.TRIAL_CHECKPOINT).write_bytes(b"whole")
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 120)
    assert not began_again(folder)
    (folder.path / names.TRIAL_CHECKPOINT).write_bytes(b"dam")
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 0)
    assert began_again(folder)
    begin_attempt(folder, "driver", max_failures=3)
    record_first_step(folder, 100)
    assert began_again(folder), "it is told at the end"


@pytest.mark.parametrize("stopped", ["full", "changed"])
def test_a_failure_that_stopped_the_study_and_was_mended_is_forgotten(
    folder: TrialFolder, stopped: str
) -> None:
    folder.write(FAILURE, {"reason": "another", "final": False})
    assert begin_attempt(folder, "first", max_failures=3) is None
    assert folder.read(FAILURE) is not None
    folder.write(FAILURE, {"reason": "no room", "final": False, stopped: True})
    assert begin_attempt(folder, "second", max_failures=3) is None
    assert folder.read(FAILURE) is None
