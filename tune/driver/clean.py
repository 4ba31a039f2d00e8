"""``--clean``: removes what a finished study no longer needs, and says how much.

What stays suffices for ``--status``, ``--replay``, ``hybridir export``, another report, a warm
start, and a record in MLflow that is written anew.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import remove_leftovers
from tune.driver.encoders import drop_beaten_encoders
from tune.folders import RunFolder, cache_folder
from tune.record.second_copies import merge_copies
from tune.view.watching import resume_command

_CACHE = ".scores"


@dataclass(frozen=True)
class Removed:
    """What was removed from a run.

    Attributes:
        subject: what it was, for the user.
        size: its bytes.
    """

    subject: str
    size: int


def clean(folder: RunFolder) -> list[Removed]:
    """Remove what a finished run no longer needs.

    Args:
        folder: its run folder.

    Returns:
        What was removed, by kind; a second call finds nothing.

    Raises:
        InputError: if the run is not finished, or a process works on it.
    """
    with folder.lock():
        if not folder.finished:
            raise InputError(
                f"{folder.path} is unfinished and needs all of its files; finish it with: "
                f"{resume_command(folder)}; or delete the folder"
            )
        removed = [
            Removed("Ray's own state", _remove(folder.ray)),
            Removed("checkpoints, and embeddings of interrupted trials", _checkpoints(folder)),
            Removed("files that a kill left unfinished", _leftovers(folder)),
            Removed("encoders that another trial has beaten", _encoders(folder)),
            Removed("arrays that a report keeps for the next", _remove(folder.report / _CACHE)),
            Removed("second copies of scores in MLflow, now links", merge_copies(folder)),
        ]
    return [entry for entry in removed if entry.size]


def lines_about(folder: RunFolder, removed: list[Removed]) -> list[str]:
    """Say what was removed, and what all studies share."""
    total = sum(entry.size for entry in removed)
    lines = [f"{folder.path}: removed {_megabytes(total)}"]
    lines += [f"  {_megabytes(entry.size):>10}  {entry.subject}" for entry in removed]
    cache = cache_folder(folder.storage)
    if shared := _size(cache):
        lines.append(
            f"note: {cache} ({_megabytes(shared)}) is shared by all studies and stays; it may be "
            "deleted while none runs, and is prepared again"
        )
    return lines


def _checkpoints(folder: RunFolder) -> int:
    needed = (names.TRIAL_CHECKPOINT, names.TRIAL_EMBEDDINGS)
    return sum(_remove(trial.path / name) for trial in folder.trials() for name in needed)


def _leftovers(folder: RunFolder) -> int:
    before = _size(folder.path)
    remove_leftovers(folder.path)
    return before - _size(folder.path)


def _encoders(folder: RunFolder) -> int:
    before = _size(folder.path)
    drop_beaten_encoders(folder)
    return before - _size(folder.path)


def _remove(path: Path) -> int:
    """Remove a file or folder, if it exists; return its bytes."""
    size = _size(path)
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return size


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.is_file() else 0
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
