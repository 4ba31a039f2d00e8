"""Ray <-> `run_trial`: what happens in a worker process."""

import json
import os
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune as ray_tune

from hybridir import names
from hybridir.errors import InputError, TrialError
from hybridir.quiet import quieten_dependencies
from tune.folders import FAILURE, PROGRESS, TrialFolder

# Ray schedulers count in whole numbers.
BUDGET_PERCENT = "budget_percent"
_PROGRESS_SECONDS = 2.0
_LAST_LINES = 12


def train_trial(spec: dict[str, Any]) -> None:
    """Run one trial and report to Ray; the body of a Ray Tune function trainable.

    A trial that cannot go on leaves its reason in ``failure.json`` and ends without an error,
    which Ray would answer with retries, though a trial repeats exactly, and with a new process.

    Args:
        spec: ``{"trial": {...}}``, see `trial_spec`.

    Raises:
        TrialError: if the GPU's memory is exhausted; the next trial gets a fresh process.
    """
    trial = spec["trial"]
    folder = TrialFolder(Path(trial["folder"]))
    if has_failed(folder):
        return
    quieten_dependencies()
    import torch

    from hybridir.config import TrialConfig
    from hybridir.trial import run_trial

    torch.set_num_threads(trial["cpu"])
    try:
        run_trial(
            TrialConfig.model_validate_json(trial["config"]),
            folder.path,
            Path(trial["cache"]),
            fidelities=trial["fidelities"],
            report=_report,
            progress=_progress_writer(folder),
            keep_encoder=trial["keep_encoder"],
        )
    except (TrialError, InputError) as error:
        _note_failure(folder, str(error), final=True)
    except torch.OutOfMemoryError as error:
        peak = torch.cuda.max_memory_allocated() / 1e6
        reason = f"out of GPU memory at {peak:.0f} MB: {str(error).splitlines()[0]}"
        _note_failure(folder, reason, final=True)
        raise TrialError(reason) from None
    except Exception:
        lines = traceback.format_exc().strip().splitlines()
        _note_failure(folder, "\n".join(lines[-_LAST_LINES:]), final=False)
        raise


def has_failed(folder: TrialFolder) -> bool:
    """Whether a trial has failed in a way that a retry would only repeat."""
    failure = folder.read(FAILURE)
    return bool(failure and failure["final"])


def trial_spec(
    *,
    folder: Path,
    cache: Path,
    config: str,
    fidelities: list[float],
    cpu: int,
    keep_encoder: bool,
) -> dict[str, Any]:
    """What a worker needs to know; data go by path, so that this stays small.

    Args:
        folder: the trial's own folder.
        cache: folder of prepared data.
        config: the `TrialConfig` as JSON.
        fidelities: see `run_trial`.
        cpu: threads.
        keep_encoder: see `run_trial`.
    """
    return {
        "trial": {
            "folder": str(folder.resolve()),
            "cache": str(cache.resolve()),
            "config": config,
            "fidelities": fidelities,
            "cpu": cpu,
            "keep_encoder": keep_encoder,
        }
    }


def _report(metrics: dict[str, float]) -> None:
    ray_tune.report({**metrics, BUDGET_PERCENT: round(100 * metrics[names.FIDELITY])})


def _progress_writer(folder: TrialFolder) -> Callable[[int, int], None]:
    """A callback that leaves the step in a file now and then, for ``--status``."""
    last = 0.0

    def write(step: int, steps: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > _PROGRESS_SECONDS or step == steps:
            last = now
            content = {"step": step, "steps": steps, "host": socket.gethostname()}
            (folder.path / PROGRESS).write_text(json.dumps(content))

    return write


def _note_failure(folder: TrialFolder, reason: str, *, final: bool) -> None:
    folder.write(
        FAILURE,
        {"reason": reason, "final": final, "host": socket.gethostname(), "pid": os.getpid()},
    )
