"""An interrupted driver asks its trials for checkpoints before it ends them."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hybridir import names
from tune.folders import RunFolder
from tune.view.progress import running_trials
from tune.worker.notices import ask_trials

DRIVER = uuid.uuid4().hex
"""Distinguishes the attempts of this driver from those of an earlier one."""

# Of the 30 s that Kubernetes and Slurm give; `tune.record.tracking` takes up to 15 of them.
_WAITING_SECONDS = 10.0
# A worker looks for the request every 2 s while it trains; one that has been silent for longer
# evaluates, or is gone.
_SILENT_SECONDS = 30.0
_POLL_SECONDS = 0.1


def save_progress(folder: RunFolder, say: Callable[[str], None]) -> None:
    """Ask the trials that train for checkpoints, and wait for them for some seconds.

    Another Ctrl-C ends the wait; a full disk or a lost storage changes nothing.

    Args:
        folder: run folder of the study.
        say: prints a line before the wait.
    """
    with suppress(OSError, KeyboardInterrupt):
        training = [
            folder.trial(trial.name).path / names.TRIAL_CHECKPOINT
            for trial in running_trials(folder.trials(), time.time())
            if 0 < trial.step < trial.steps and trial.silent < _SILENT_SECONDS
        ]
        before = {checkpoint: _stamp(checkpoint) for checkpoint in training}
        if training:
            say(
                f"interrupted; checkpoints of {len(training)} running trials are written, for at "
                f"most {_WAITING_SECONDS:.0f} s (Ctrl-C skips that)"
            )
        ask_trials(folder.request, DRIVER)
        end = time.monotonic() + _WAITING_SECONDS
        while any(_stamp(path) == stamp for path, stamp in before.items()):
            if time.monotonic() > end:
                break
            time.sleep(_POLL_SECONDS)
        folder.request.unlink(missing_ok=True)


def _stamp(checkpoint: Path) -> tuple[int, int] | None:
    """Changes with every newer checkpoint of a trial."""
    with suppress(OSError):
        status = checkpoint.stat()
        return status.st_mtime_ns, status.st_ino
    return None
