"""Contrastive training: the loop, the loss, its gradient at bounded memory, the checkpoint."""

from hybridir.training.checkpoint import LoopState
from hybridir.training.loop import train

__all__ = ["LoopState", "train"]
