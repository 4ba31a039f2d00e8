"""One process's part in a trial, with whatever ends it turned into a plain answer."""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hybridir.errors import InputError, TrialError
from hybridir.runtime.startup import long_lived, quieten_dependencies
from tune.folders import PROGRESS, TrialFolder
from tune.readiness.node_probe import gpu_problem
from tune.worker.attempts import note_first_step

_PROGRESS_SECONDS = 2.0
_LAST_LINES = 12


@dataclass(frozen=True)
class Failure:
    """Why a trial did not go to its end.

    Attributes:
        reason: for the user; of an unforeseen error the last lines of its traceback.
        final: a retry would only repeat it.
        worn: the process is not to be used again.
        host: machine that it happened on.
        pid: process that it happened in.
    """

    reason: str
    final: bool
    worn: bool = False
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


def run_here(trial: dict[str, Any], report: Callable[[dict[str, float]], None]) -> Failure | None:
    """Run a trial, or this process's part of it.

    Args:
        trial: see `tune.worker.trainable.trial_spec`.
        report: receives the metrics; may raise anything but an Exception to end the trial.

    Returns:
        What went wrong; None if nothing did.
    """
    with long_lived():
        quieten_dependencies()
        import torch

        from hybridir.config import TrialConfig
        from hybridir.trial import run_trial

    folder = TrialFolder(Path(trial["folder"]))
    # Training on the CPU would take days without a word. Another node may have a GPU that works.
    if trial.get("gpu") and (problem := gpu_problem()):
        return Failure(problem, final=False, worn=True)
    try:
        with threads(trial["cpu"]):
            run_trial(
                TrialConfig.model_validate_json(trial["config"]),
                folder.path,
                Path(trial["cache"]),
                fidelities=trial["fidelities"],
                report=report,
                progress=_progress_writer(folder),
                keep_encoder=trial["keep_encoder"],
            )
    except (TrialError, InputError) as error:
        return Failure(str(error), final=True)
    except torch.OutOfMemoryError as error:
        peak = torch.cuda.max_memory_allocated() / 1e6
        reason = f"out of GPU memory at {peak:.0f} MB: {str(error).splitlines()[0]}"
        return Failure(reason, final=True, worn=True)
    except Exception:
        lines = traceback.format_exc().strip().splitlines()
        return Failure("\n".join(lines[-_LAST_LINES:]), final=False, worn=True)
    return None


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads: sums are split by them, so figures depend on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _progress_writer(folder: TrialFolder) -> Callable[[int, int], None]:
    """A callback that leaves the step in a file now and then, for ``--status``."""
    last: float | None = None

    def write(step: int, steps: int) -> None:
        nonlocal last
        if last is None:
            note_first_step(folder, step - 1)
        now = time.monotonic()
        if last is None or now - last > _PROGRESS_SECONDS or step == steps:
            last = now
            content = {"step": step, "steps": steps, "host": socket.gethostname()}
            folder.write(PROGRESS, content)

    return write
