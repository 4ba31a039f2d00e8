"""Counts how often a trial was started, and decides when to give it up.

A worker or node that dies leaves no message, so the next attempt finds out: it sees the earlier
attempts, and whether they left a newer checkpoint.
"""

import os
import socket
import time

from hybridir import names
from tune.folders import ATTEMPTS, FAILURE, PROGRESS, TrialFolder


def begin_attempt(folder: TrialFolder, driver: str, max_failures: int) -> str | None:
    """Record that a trial starts, or starts again.

    Args:
        folder: the trial's.
        driver: id of the process that runs the study. Only its own attempts count: a study that
            was interrupted and resumed has interrupted its trials itself.
        max_failures: interruptions in a row without progress that are allowed.

    Returns:
        Why the trial is exhausted; None if it may start.
    """
    earlier = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
    checkpoint = _checkpoint_time(folder)
    failures = 0
    for attempt in reversed(earlier):
        if attempt["driver"] != driver or attempt["checkpoint"] != checkpoint:
            break
        failures += 1
    if failures > max_failures:
        return _reason(folder, failures, earlier[-1])
    attempt = {
        "driver": driver,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": time.time(),
        "checkpoint": checkpoint,
        "step": (folder.read(PROGRESS) or {}).get("step", 0),
    }
    folder.write(ATTEMPTS, {"attempts": [*earlier, attempt]})
    failure = folder.read(FAILURE)
    if failure and (failure.get("full") or failure.get("changed")):
        # It stopped the study, and somebody has mended it: it is no reason of what comes.
        (folder.path / FAILURE).unlink()
    return None


def record_first_step(folder: TrialFolder, step: int) -> None:
    """Correct the step that the trial continues from, which `begin_attempt` could only guess."""
    attempts = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
    if attempts and attempts[-1]["step"] != step:
        attempts[-1]["step"] = step
        folder.write(ATTEMPTS, {"attempts": attempts})


def began_again(folder: TrialFolder) -> bool:
    """Whether a start of the trial passed over a checkpoint: a damaged one, or of other settings.

    The worker warns of it, in a log that goes with Ray's folder.
    """
    attempts = (folder.read(ATTEMPTS) or {"attempts": []})["attempts"]
    return any(attempt["checkpoint"] is not None and attempt["step"] == 0 for attempt in attempts)


def _checkpoint_time(folder: TrialFolder) -> int | None:
    """Modification time of the checkpoint in ns; None without one.

    It changes with every newer checkpoint: training only ever writes later steps than it has read.
    Neither torch nor the weights need be loaded.
    """
    try:
        # Opened, since a network file system asks its server only then.
        with (folder.path / names.TRIAL_CHECKPOINT).open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def _reason(folder: TrialFolder, times: int, last: dict[str, object]) -> str:
    progress = folder.read(PROGRESS) or {}
    step = f"step {progress['step']} of {progress['steps']}" if progress else "the start"
    how_often = "once" if times == 1 else f"{times} times in a row"
    host = progress.get("host", last["host"])
    lines = [f"interrupted {how_often} without a new checkpoint, at {step}, last on {host}"]
    failure = folder.read(FAILURE)
    if failure:
        lines += ["last recorded failure:", failure["reason"]]
    return "\n".join(lines)
