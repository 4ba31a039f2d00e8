"""The time and disk that a study really took, which the report compares with its plan."""

import itertools
import json
import time
from pathlib import Path

from hybridir import names
from hybridir.runtime.files import atomic_write
from tune.folders import RunFolder

_STARTS = "drivers.json"


def record_start(folder: RunFolder) -> None:
    """Record that a driver starts or resumes a study."""
    with atomic_write(folder.path / _STARTS) as unfinished:
        unfinished.write_text(json.dumps([*_starts(folder), time.time()]))


def measure_usage(folder: RunFolder) -> dict[str, float]:
    """Time that drivers have worked on a study so far, and disk of its folder.

    The end of a driver that was killed is taken from the last file written before the next driver
    started. Files overwritten since then are not counted, so the time may be short by one trial.

    Returns:
        Metrics of the study's run.
    """
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    stats = [path.stat() for path in files]
    starts = _starts(folder)
    ends = [
        max([start, *(s.st_mtime for s in stats if s.st_mtime < following)])
        for start, following in itertools.pairwise(starts)
    ]
    seconds = [
        max(0.0, end - start)  # a clock that is set back in between hides this driver's time
        for start, end in zip(starts, [*ends, time.time()], strict=bool(starts))
    ]
    return {
        names.STUDY_SECONDS: sum(seconds),
        names.STUDY_DISK_MB: sum(s.st_size for s in stats) / 1e6,
    }


def _starts(folder: RunFolder) -> list[float]:
    path: Path = folder.path / _STARTS
    starts: list[float] = json.loads(path.read_text()) if path.is_file() else []
    return starts
