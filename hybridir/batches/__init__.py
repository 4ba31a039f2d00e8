"""Hybrid batches: which rows of the training data make up batch number n."""

from hybridir.batches.plan import Batch, BatchKind, BatchPlan

__all__ = ["Batch", "BatchKind", "BatchPlan"]
