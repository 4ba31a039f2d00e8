"""When a training writes a checkpoint: by steps, by time, and never for more than its share."""

import os
import tempfile
import time
from pathlib import Path

from torch import nn

from hybridir.config import TrainingConfig

# Large enough to measure a disk or a network, small enough to take no time (assumption).
_SAMPLE_BYTES = 4_000_000


class Schedule:
    """Decides after which steps a checkpoint is written.

    One is due after `checkpoint_every` steps or `checkpoint_minutes` since the last, whichever
    comes first. It waits while it would raise the time for all checkpoints above
    `checkpoint_share` of the time since the training began or was continued.

    Args:
        config: the three settings.
        step: number of steps done so far.
        seconds: time of the training so far.
        cost: seconds that a checkpoint is expected to take, until one was written.
    """

    def __init__(self, config: TrainingConfig, step: int, seconds: float, cost: float) -> None:
        self._every = config.checkpoint_every
        self._seconds = 60 * config.checkpoint_minutes
        self._share = config.checkpoint_share
        self._begin = self._last_seconds = seconds
        self._last_step = step
        self._cost = cost
        self._spent = 0.0

    def due(self, step: int, seconds: float, *, long_pause: bool) -> bool:
        """Whether to write one now.

        Args:
            step: number of steps done.
            seconds: time of the training, its checkpoints included, evaluations not.
            long_pause: whether an evaluation follows, in which the steps since the last checkpoint
                could be lost.
        """
        due = (
            long_pause
            or step - self._last_step >= self._every
            or seconds - self._last_seconds >= self._seconds
        )
        elapsed = seconds - self._begin
        return due and self._spent + self._cost <= self._share * (elapsed + self._cost)

    def written(self, step: int, seconds: float, took: float) -> None:
        """Record a checkpoint.

        Args:
            step: number of steps done.
            seconds: time of the training, the checkpoint included.
            took: seconds that the checkpoint took.
        """
        self._last_step, self._last_seconds = step, seconds
        self._spent += took
        self._cost = took


def expected_checkpoints(
    config: TrainingConfig, *, steps: int, seconds: float, cost: float, pauses: int = 1
) -> int:
    """Largest number of checkpoints that a training will write.

    Args:
        config: the settings.
        steps: steps of the training.
        seconds: its time, without checkpoints.
        cost: seconds that a checkpoint takes.
        pauses: evaluations in the training and after it.

    >>> expected_checkpoints(TrainingConfig(), steps=1000, seconds=3000, cost=3)
    11
    >>> expected_checkpoints(TrainingConfig(), steps=1000, seconds=3000, cost=30)
    5
    """
    by_interval = max(
        steps // config.checkpoint_every, int(seconds / (60 * config.checkpoint_minutes))
    )
    if cost <= 0 or config.checkpoint_share == 1:
        return by_interval + pauses
    # n checkpoints take n * cost = share * (seconds + n * cost) at most.
    affordable = config.checkpoint_share * seconds / ((1 - config.checkpoint_share) * cost)
    return min(by_interval + pauses, int(affordable))


def checkpoint_bytes(model: nn.Module) -> int:
    """Size of a checkpoint: the weights, and AdamW's two moments of those that are trained."""
    weights = [*model.parameters(), *model.buffers()]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    return sum(w.numel() * w.element_size() for w in (*weights, *trained, *trained))


def write_seconds(folder: Path, size: int) -> float:
    """Estimate the time to write a file, from a sample of it.

    Args:
        folder: folder of the file; it is created.
        size: bytes of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sample = os.urandom(min(size, _SAMPLE_BYTES))  # some file systems compress zeros
    start = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(sample)
        file.flush()
        os.fsync(file.fileno())
    return (time.perf_counter() - start) * size / max(len(sample), 1)
