"""The figures of one trial that are worth a column: at most 30, whatever is reported on."""

import json
from pathlib import Path

import numpy as np
import torch

from hybridir import names
from hybridir.batches import BatchKind, BatchPlan
from hybridir.runtime.files import replacing
from hybridir.training import LoopState
from hybridir.training.loss import effective_negatives

# Entries of the training log: enough for a smooth curve, few enough to read.
_LOG_ENTRIES = 100
# Batches that the mean number of negatives is taken over: a sample, for speed.
_COUNTED_BATCHES = 32


def training_metrics(state: LoopState, plan: BatchPlan) -> dict[str, float]:
    """What the training itself tells.

    Returns:
        The mean loss of the last tenth of the steps so far, seconds, pairs per second, the share
        of monolingual batches that were really drawn, and the mean number of passages that a
        question was told apart from in a batch.
    """
    kinds = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in range(state.step)]
    recent = state.losses[-max(1, state.step // 10) :]
    groups = [torch.from_numpy(plan[n].groups) for n in range(min(_COUNTED_BATCHES, plan.steps))]
    return {
        names.TRAIN_LOSS: float(np.mean(recent)),
        names.TRAIN_SECONDS: state.seconds,
        names.TRAIN_PAIRS_PER_SECOND: state.step * plan.batch_size / state.seconds,
        names.TRAIN_MONOLINGUAL_SHARE: float(np.mean(kinds)),
        names.TRAIN_NEGATIVES: float(np.mean([effective_negatives(g, g) for g in groups])),
    }


def headline(summary: dict[str, float], benchmark: str, reported: int) -> dict[str, float]:
    """Choose what of a benchmark's summary is shown beside the trial.

    MLflow's browser interface slows down with the number of metrics; everything else is in the
    per-query table. Of the development benchmark mAP is shown, of a single reported one the whole
    summary, of two what the literature shows, of more of them mAP and rank distance.

    Args:
        summary: figures under their full names.
        benchmark: their benchmark.
        reported: number of reported benchmarks; 0 for the development benchmark.
    """
    if reported == 1:
        return summary
    if reported == 2:
        others = (names.LANGUAGE_PREFERENCE, names.PEER, names.RANK_CORRELATION)
        left_out = tuple(f"{benchmark}/{m}" for m in (*others, names.SET_F1, names.ANSWER_F1))
        return {name: value for name, value in summary.items() if not name.startswith(left_out)}
    kept = (f"{benchmark}/map_",) + ((f"{benchmark}/{names.RANK_DISTANCE}",) if reported else ())
    return {name: value for name, value in summary.items() if name.startswith(kept)}


def write_training_log(path: Path, state: LoopState, plan: BatchPlan) -> None:
    """Write the mean loss of equal stretches of the training, one JSON object a line."""
    stretches = np.array_split(np.arange(state.step), min(_LOG_ENTRIES, state.step))
    with replacing(path) as part, part.open("w") as file:
        for steps in stretches:
            monolingual = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in steps]
            entry = {
                "step": int(steps[-1]) + 1,
                "loss": float(np.mean([state.losses[step] for step in steps])),
                "monolingual_share": float(np.mean(monolingual)),
            }
            file.write(json.dumps(entry) + "\n")
