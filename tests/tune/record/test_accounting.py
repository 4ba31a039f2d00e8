import json
import os
import shutil
import time
from pathlib import Path

import pytest

from hybridir import names
from tune.folders import OUTCOME, PROGRESS, STARTED, Outcome, RunFolder
from tune.record.accounting import measure_usage, record_start


def test_the_time_of_a_killed_driver_ends_with_the_last_time_that_a_trial_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run-001")
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    folder.path.mkdir()
    record_start(folder)
    trial = folder.trial("search-000")
    trial.begin()
    now = 1060.0
    trial.write_progress(3, 10, "node-1")
    (trial.path / "table").write_bytes(bytes(2_000_000))
    now = 5000.0  # no driver ran since 1060
    record_start(folder)
    now = 5030.0
    usage = measure_usage(folder)
    assert usage[names.STUDY_SECONDS] == 60 + 30
    now = 4000.0  # the clock was set back
    assert measure_usage(folder)[names.STUDY_SECONDS] == 60
    now = 5030.0
    assert usage[names.STUDY_DISK_MB] == pytest.approx(2.0, abs=0.001)
    # A copy has files of another time.
    copy = RunFolder(Path(shutil.copytree(folder.path, tmp_path / "copy")))
    for path in copy.path.rglob("*"):
        os.utime(path, (9000, 9000))
    assert measure_usage(copy) == usage
    assert copy.started == 1000.0


def test_times_of_version_0_2_are_those_of_files(tmp_path: Path) -> None:
    trial = RunFolder(tmp_path).trial("search-000")
    trial.write("config.json", {})
    trial.write(OUTCOME, {"state": names.COMPLETE, "metrics": {}, "reason": "", "host": "n"})
    trial.write(PROGRESS, {"step": 1, "steps": 2, "host": "n"})
    for file, moment in (("config.json", 100), (PROGRESS, 150), (OUTCOME, 200)):
        os.utime(trial.path / file, (moment, moment))
    assert (trial.started, trial.progressed, trial.ended) == (100, 150, 200)
    assert trial.outcome == Outcome(names.COMPLETE, {}, host="n")
    assert json.loads((trial.path / OUTCOME).read_text()).keys() >= {"state"}
    assert not (trial.path / STARTED).exists()
