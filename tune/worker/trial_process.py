"""One process's share of a trial; every failure becomes a plain return value."""

import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hybridir.errors import ChangedDataError, InputError, TrialError, is_full
from hybridir.runtime import notice
from hybridir.runtime.files import has_no_room
from hybridir.runtime.startup import frozen_imports, quieten_dependencies
from tune.folders import TrialFolder
from tune.readiness.node_probe import gpu_problem
from tune.worker.attempts import record_first_step
from tune.worker.notices import is_asked
from tune.worker.spec import TrialSpec

_PROGRESS_SECONDS = 2.0
_LAST_LINES = 12


@dataclass(frozen=True)
class Failure:
    """Why a trial did not complete; ``failure.json`` in its folder.

    Attributes:
        reason: for the user; of an unexpected error the last lines of its traceback.
        final: a retry would fail in the same way.
        poisoned: the process must not be used again.
        full: a disk is full, so that the study cannot go on before somebody has made room.
        changed: the data have changed, so that the study cannot go on before they are put back.
        host: machine on which the trial failed.
        pid: process in which the trial failed.
    """

    reason: str
    final: bool
    poisoned: bool = False
    full: bool = False
    changed: bool = False
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)


def run_in_process(spec: TrialSpec, report: Callable[[dict[str, float]], None]) -> Failure | None:
    """Run a trial, or this process's share of it.

    Args:
        spec: the trial.
        report: receives the metrics; ends the trial by raising a BaseException that is no
            Exception.

    Returns:
        The failure; None if the trial succeeded.
    """
    with frozen_imports():
        quieten_dependencies()
        import torch

        from hybridir.config import TrialConfig
        from hybridir.runtime.memory import limit_gpu_memory
        from hybridir.trial import run_trial
        from hybridir.trial.identity import check_inputs

    folder = TrialFolder(Path(spec.folder))
    # Training would silently run on the CPU, for days. Another node may have a working GPU.
    if spec.gpu and (problem := gpu_problem()):
        return Failure(problem, final=False, poisoned=True)
    limit_gpu_memory(spec.gpu)
    try:
        config = TrialConfig.model_validate_json(spec.config)
        if spec.data:
            check_inputs(config, spec.data)
        with threads(spec.cpu):
            run_trial(
                config,
                folder.path,
                Path(spec.cache),
                fidelities=spec.fidelities,
                report=report,
                progress=_progress_writer(folder, spec.driver),
                keep_encoder=spec.keep_encoder,
            )
    except Exception as error:
        if isinstance(error, ChangedDataError):
            return Failure(str(error), final=False, changed=True)
        if is_full(error) or has_no_room(folder.path):
            host = socket.gethostname()
            reason = f"no room left on the disk of {folder.path.parent}, or of {host}"
            return Failure(reason, final=False, full=True)
        if isinstance(error, TrialError | InputError):
            return Failure(str(error), final=True)
        if isinstance(error, torch.OutOfMemoryError):
            peak = torch.cuda.max_memory_allocated() / 1e6
            reason = f"out of GPU memory at {peak:.0f} MB: {str(error).splitlines()[0]}"
            return Failure(reason, final=True, poisoned=True)
        lines = traceback.format_exc().strip().splitlines()
        return Failure("\n".join(lines[-_LAST_LINES:]), final=False, poisoned=True)
    return None


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Set torch's number of threads, on which figures depend, since sums are split by threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _progress_writer(folder: TrialFolder, driver: str) -> Callable[[int, int], None]:
    """A callback that writes the current step to a file every few seconds, for ``--status``.

    It also passes on the driver's wish for a checkpoint.
    """
    last: float | None = None
    heeded = False

    def write(step: int, steps: int) -> None:
        nonlocal last, heeded
        if last is None:
            record_first_step(folder, step - 1)
        now = time.monotonic()
        if last is None or now - last > _PROGRESS_SECONDS or step == steps:
            last = now
            folder.write_progress(step, steps, socket.gethostname())
            if not heeded and is_asked(folder.run.request, driver):
                heeded = True
                notice.ask()

    return write
