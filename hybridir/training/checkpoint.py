"""The state of the training loop, and how it is kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import nn
from torch.optim import Optimizer

from hybridir.errors import TrialError
from hybridir.runtime.distributed import ALONE, Processes
from hybridir.runtime.files import replacing


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
        chunk_tokens: see `hybridir.config.trial.TrainingConfig`; 0 as long as it is not decided.
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
            TrialError: if the file is damaged; the state is as it was.
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
        try:
            content = _read(path)
            if content["fingerprint"] != fingerprint:
                return False
            self._check(content)
        except Exception as error:  # of a damaged file torch raises nearly anything
            reason = " ".join(str(error).split())[:200]
            raise TrialError(
                f"{path}: the checkpoint is damaged ({type(error).__name__}: {reason}); "
                "remove it, and the training starts again"
            ) from None
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]
        self.seconds = content["seconds"]
        self.losses = content["losses"]
        self.chunk_tokens = content["chunk_tokens"]
        return True

    def _check(self, content: dict[str, Any]) -> None:
        """Compare a checkpoint with what it shall replace, before anything is replaced."""
        own = self.optimizer.state_dict()
        saved = content["optimizer"]
        _check_same_form("model", content["model"], self.model.state_dict())
        _check_same_form("groups of the optimizer", saved["param_groups"], own["param_groups"])
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        known: set[str] | None = None
        for number, moments in saved["state"].items():
            shapes = {value.shape for value in moments.values()}
            if shapes - {weights[number].shape, torch.Size()} or known not in (None, {*moments}):
                raise ValueError(f"the optimizer's moments of weight {number} do not fit it")
            known = {*moments}
        for name in ("step", "seconds", "losses", "chunk_tokens"):
            if type(content[name]) is not type(getattr(self, name)):
                raise ValueError(f"{name} is {type(content[name]).__name__}")


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint, which is a zip file, and compare it with its checksums."""
    with ZipFile(path) as file:
        damaged = file.testzip()
    if damaged is not None:
        raise ValueError(f"{damaged} differs from its checksum")
    content: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return content


def _check_same_form(what: str, saved: Any, own: Any) -> None:
    """Raise unless two trees have the same keys, types and shapes."""
    if isinstance(own, dict) and isinstance(saved, dict):
        if saved.keys() != own.keys():
            raise ValueError(f"{what}: other names")
        for key in own:
            _check_same_form(f"{what}, {key}", saved[key], own[key])
    elif isinstance(own, list | tuple) and type(saved) is type(own):
        for number, (first, second) in enumerate(zip(saved, own, strict=True)):
            _check_same_form(f"{what}, {number}", first, second)
    elif isinstance(own, torch.Tensor) and isinstance(saved, torch.Tensor):
        if (saved.shape, saved.dtype) != (own.shape, own.dtype):
            raise ValueError(f"{what}: another shape or type")
    elif type(saved) is not type(own):
        raise ValueError(f"{what} is {type(saved).__name__}")
