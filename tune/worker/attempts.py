"""How often a trial was begun, and when to give it up.

A worker or node that dies says nothing, so the next attempt finds out: it sees that there was
another one before it, and whether that one had left a newer checkpoint.
"""

import os
import socket
import time

from hybridir import names
from tune.folders import ATTEMPTS, FAILURE, PROGRESS, TrialFolder


def begin_attempt(folder: TrialFolder, driver: str, max_failures: int) -> str | None:
    """Note that a trial begins, or begins again.

    Args:
        folder: the trial's.
        driver: the process that runs the study. Only its own attempts count: a study that was
            interrupted and resumed has cut off its trials itself.
        max_failures: times in a row that the trial may be cut off without getting further.

    Returns:
        Why the trial is to be given up; None if it may begin.
    """
    earlier = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
    checkpoint = _checkpoint(folder)
    in_vain = 0
    for attempt in reversed(earlier):
        if attempt["driver"] != driver or attempt["checkpoint"] != checkpoint:
            break
        in_vain += 1
    if in_vain > max_failures:
        return _reason(folder, in_vain, earlier[-1])
    attempt = {
        "driver": driver,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": time.time(),
        "checkpoint": checkpoint,
        "step": (folder.read(PROGRESS) or {}).get("step", 0),
    }
    folder.write(ATTEMPTS, {"attempts": [*earlier, attempt]})
    return None


def note_first_step(folder: TrialFolder, step: int) -> None:
    """Correct what `begin_attempt` could only guess: the step that the trial goes on from."""
    attempts = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
    if attempts and attempts[-1]["step"] != step:
        attempts[-1]["step"] = step
        folder.write(ATTEMPTS, {"attempts": attempts})


def _checkpoint(folder: TrialFolder) -> int | None:
    """What a newer checkpoint changes: the time of its file, None as long as there is none.

    A training only ever writes later steps than it has read, and neither torch nor the weights
    need be loaded to look at it.
    """
    try:
        # Opened, since a network file system asks its server only then.
        with (folder.path / names.TRIAL_CHECKPOINT).open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def _reason(folder: TrialFolder, times: int, last: dict[str, object]) -> str:
    progress = folder.read(PROGRESS) or {}
    where = f"step {progress['step']} of {progress['steps']}" if progress else "the start"
    how_often = "once" if times == 1 else f"{times} times in a row"
    host = progress.get("host", last["host"])
    lines = [f"cut off {how_often} without a new checkpoint, at {where}, last on {host}"]
    failure = folder.read(FAILURE)
    if failure:
        lines += ["the last failure that was seen:", failure["reason"]]
    return "\n".join(lines)
