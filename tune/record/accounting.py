"""The time and disk that a study really took, which the report compares with its plan."""

import itertools
import json
import time

from hybridir import names
from hybridir.runtime.files import atomic_write
from tune.folders import STARTS, RunFolder


def record_start(folder: RunFolder) -> None:
    """Record that a driver starts or resumes a study."""
    with atomic_write(folder.path / STARTS) as unfinished:
        unfinished.write_text(json.dumps([*folder.starts, time.time()]))


def measure_usage(folder: RunFolder) -> dict[str, float]:
    """Time that drivers have worked on a study so far, and disk of its folder.

    A driver that was killed ended with the last time that a trial recorded before the next driver
    started; progress is recorded every few seconds.

    Returns:
        Metrics of the study's run.
    """
    times = [moment for trial in folder.trials() for moment in trial.times]
    starts = folder.starts
    ends = [
        max([start, *(moment for moment in times if moment < following)])
        for start, following in itertools.pairwise(starts)
    ]
    seconds = [
        max(0.0, end - start)  # a clock that is set back in between hides this driver's time
        for start, end in zip(starts, [*ends, time.time()], strict=bool(starts))
    ]
    sizes = [path.stat().st_size for path in folder.path.rglob("*") if path.is_file()]
    return {
        names.STUDY_SECONDS: sum(seconds),
        names.STUDY_DISK_MB: sum(sizes) / 1e6,
    }
