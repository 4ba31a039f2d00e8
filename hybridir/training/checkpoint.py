"""The state of the training loop, saved and loaded."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from torch import nn
from torch.optim import Optimizer

from hybridir.errors import ChangedDataError
from hybridir.runtime.distributed import SINGLE_PROCESS, Distributed
from hybridir.runtime.files import atomic_write

logger = logging.getLogger("hybridir")


@dataclass
class LoopState:
    """Everything that decides the rest of the training; the checkpoint stores exactly this.

    Batches, learning rates and dropout are functions of the step and have no state of their own.

    Attributes:
        model: the encoder's weights.
        optimizer: moments and step counts.
        step: number of steps done.
        seconds: time spent in these steps.
        losses: loss of each of these steps.
        chunk_tokens: see `hybridir.config.TrainingConfig`; 0 until it is decided.
    """

    model: nn.Module
    optimizer: Optimizer
    step: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    chunk_tokens: int = 0

    def save(
        self, path: Path, fingerprint: str, distributed: Distributed = SINGLE_PROCESS
    ) -> None:
        """Write a checkpoint; it is whole or absent, also after a loss of power.

        Args:
            path: the file, written by the first process.
            fingerprint: digest of settings and data, a blank, and the digest of the data alone;
                see `load`.
            distributed: the processes of the training; all are in the same state.
        """
        if distributed.rank > 0:
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
        with atomic_write(path) as unfinished:
            torch.save(content, unfinished)

    def load(
        self, path: Path, fingerprint: str, distributed: Distributed = SINGLE_PROCESS
    ) -> bool:
        """Continue from a checkpoint.

        Args:
            path: the file, which every process reads.
            fingerprint: must equal that of the checkpoint.
            distributed: the processes of the training, as many as when it was saved.

        Returns:
            Whether a checkpoint of this very training was loaded. One that is damaged, of other
            settings, or of a version with other ones is left alone with a warning, until the next
            one replaces it: a training from the start gives the same figures.

        Raises:
            ChangedDataError: if the data have changed since it was written.
            RuntimeError: if the processes do not see the same file.
        """
        resumed = self._load(path, fingerprint)
        steps = distributed.all_gather_object(self.step)
        if len(set(steps)) > 1:
            raise RuntimeError(
                f"{path} is of another step in each process ({steps}); all nodes must see the "
                "same storage"
            )
        return resumed

    def _load(self, path: Path, fingerprint: str) -> bool:
        if not path.is_file():
            return False
        try:
            content = _read(path)
            # Up to version 0.2 it had no digest of the data alone.
            (written, _, data), (own, _, own_data) = (
                text.partition(" ") for text in (content["fingerprint"], fingerprint)
            )
            if fits := written == own:
                self._check(content)
        except Exception as error:  # a damaged file can make torch raise any exception
            reason = " ".join(str(error).split())[:200]
            kind = type(error).__name__
            logger.warning(
                "%s: is damaged (%s: %s); the training starts again", path, kind, reason
            )
            return False
        if not fits and data and data != own_data:
            raise ChangedDataError(
                f"{path}: the data have changed since this checkpoint was written; put them back, "
                "or remove it, and the training starts again with the data as they are"
            )
        if not fits:
            logger.warning(
                "%s: is of other settings or of another version; the training starts again", path
            )
            return False
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.step = content["step"]
        self.seconds = content["seconds"]
        self.losses = content["losses"]
        self.chunk_tokens = content["chunk_tokens"]
        return True

    def _check(self, content: dict[str, Any]) -> None:
        """Compare a checkpoint with the state that it replaces, before anything is replaced."""
        own = self.optimizer.state_dict()
        saved = content["optimizer"]
        _check_same_form("model", content["model"], self.model.state_dict())
        _check_same_form("groups of the optimizer", saved["param_groups"], own["param_groups"])
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        first_names: set[str] | None = None
        for number, moments in saved["state"].items():
            shapes = {value.shape for value in moments.values()}
            names = {*moments}
            if shapes - {weights[number].shape, torch.Size()} or first_names not in (None, names):
                raise ValueError(f"the optimizer's moments of weight {number} do not fit it")
            first_names = names
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


def _check_same_form(label: str, saved: Any, own: Any) -> None:
    """Raise ValueError unless two trees have the same keys, types and shapes."""
    if isinstance(own, dict) and isinstance(saved, dict):
        if saved.keys() != own.keys():
            raise ValueError(f"{label}: other names")
        for key in own:
            _check_same_form(f"{label}, {key}", saved[key], own[key])
    elif isinstance(own, list | tuple) and type(saved) is type(own):
        for number, (first, second) in enumerate(zip(saved, own, strict=True)):
            _check_same_form(f"{label}, {number}", first, second)
    elif isinstance(own, torch.Tensor) and isinstance(saved, torch.Tensor):
        if (saved.shape, saved.dtype) != (own.shape, own.dtype):
            raise ValueError(f"{label}: another shape or type")
    elif type(saved) is not type(own):
        raise ValueError(f"{label} is {type(saved).__name__}")
