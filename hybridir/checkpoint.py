"""The state of the training loop, and how it is kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from hybridir.files import replacing
from hybridir.processes import ALONE, Processes


@dataclass
class LoopState:
    """Everything that decides how training goes on; the checkpoint stores exactly this.

    Batches, learning rates and dropout are functions of the step and have no state of their own.

    Attributes:
        model: the encoder's weights.
        optimizer: its moments and step counts.
        step: number of steps done.
        seconds: time spent in these steps.
        losses: loss of every step done.
        chunk_tokens: see `hybridir.config.TrainingConfig`; 0 as long as it is not decided.
    """

    model: nn.Module
    optimizer: Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    chunk_tokens: int = 0

    def save(self, path: Path, fingerprint: str, processes: Processes = ALONE) -> None:
        """Write a checkpoint; it is whole or absent, also after a loss of power.

        Args:
            path: the file, written by the first process.
            fingerprint: digest of what was trained on what; see `load`.
            processes: those that train; all are in the same state.
        """
        if processes.rank > 0:
            return
        content: dict[str, Any] = {
            "fingerprint": fingerprint,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "chunk_tokens": self.chunk_tokens,
        }
        with replacing(path) as part:
            torch.save(content, part)

    def load(self, path: Path, fingerprint: str, processes: Processes = ALONE) -> bool:
        """Continue from a checkpoint.

        Args:
            path: the file, which every process reads.
            fingerprint: must equal the one that the checkpoint was saved with.
            processes: those that train, as many as when it was saved.

        Returns:
            Whether there was a checkpoint of this very training; another one's is left alone.

        Raises:
            RuntimeError: if the processes do not see the same file.
        """
        found = self._load(path, fingerprint)
        steps = processes.collect(self.step)
        if len(set(steps)) > 1:
            raise RuntimeError(
                f"{path} is of another step in each process ({steps}); all nodes must see the "
                "same storage"
            )
        return found

    def _load(self, path: Path, fingerprint: str) -> bool:
        if not path.is_file():
            return False
        content = torch.load(path, weights_only=True, map_location="cpu")
        if content["fingerprint"] != fingerprint:
            return False
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]
        self.seconds = content["seconds"]
        self.losses = content["losses"]
        self.chunk_tokens = content["chunk_tokens"]
        return True
