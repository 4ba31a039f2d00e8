import os
import time
from pathlib import Path

import pytest

from hybridir import names
from tune.folders import RunFolder
from tune.record.accounting import measure_usage, record_start


def test_the_time_of_a_killed_driver_ends_with_the_last_file_that_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    now = 1000.0
    monkeypatch.setattr(time, "time", lambda: now)
    record_start(folder)
    outcome = tmp_path / "outcome.json"
    outcome.write_bytes(bytes(2_000_000))
    os.utime(outcome, (1060, 1060))
    now = 5000.0  # no driver ran since 1060
    record_start(folder)
    now = 5030.0
    usage = measure_usage(folder)
    assert usage[names.STUDY_SECONDS] == 60 + 30
    now = 4000.0  # the clock was set back
    assert measure_usage(folder)[names.STUDY_SECONDS] == 60
    now = 5030.0
    assert usage[names.STUDY_DISK_MB] == pytest.approx(2.0, abs=0.001)
