"""What a study really took, for the report to hold against its plan."""

import itertools
import json
import time
from pathlib import Path

from hybridir import names
from hybridir.runtime.files import replacing
from tune.folders import RunFolder

_STARTS = "drivers.json"


def note_start(folder: RunFolder) -> None:
    """Note that a driver begins, or goes on, with a study."""
    with replacing(folder.path / _STARTS) as part:
        part.write_text(json.dumps([*_starts(folder), time.time()]))


def measure_truth(folder: RunFolder) -> dict[str, float]:
    """How long drivers have worked on a study so far, and the disk that its folder takes.

    A driver that was killed could not say when; the last file that was written before the next one
    began tells. What trials wrote over since then is not counted, so it may be a trial too little.

    Returns:
        Metrics of the study's run.
    """
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    stats = [path.stat() for path in files]
    starts = _starts(folder)
    ends = [
        max([begun, *(s.st_mtime for s in stats if s.st_mtime < following)])
        for begun, following in itertools.pairwise(starts)
    ]
    seconds = [
        end - begun for begun, end in zip(starts, [*ends, time.time()], strict=bool(starts))
    ]
    return {
        names.STUDY_SECONDS: sum(seconds),
        names.STUDY_DISK_MB: sum(s.st_size for s in stats) / 1e6,
    }


def _starts(folder: RunFolder) -> list[float]:
    path: Path = folder.path / _STARTS
    found: list[float] = json.loads(path.read_text()) if path.is_file() else []
    return found
