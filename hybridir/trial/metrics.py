"""The headline figures of one trial: at most 45 with one or two reported benchmarks.

Each of more reported benchmarks has 11.
"""

import json
from pathlib import Path

import numpy as np
import torch

from hybridir import names
from hybridir.batches import BatchKind, BatchPlan
from hybridir.runtime.files import atomic_write
from hybridir.training import LoopState
from hybridir.training.loss import effective_negatives

# Beginnings of metrics behind the benchmark's name. The first answer a study's question.
_ALWAYS = ("map_", f"{names.SET_F1}_")
_REPORTED = (f"{names.READER_F1}_", names.RANK_DISTANCE)
_COMMON = (f"{names.NDCG_AT_10}_", f"{names.RECALL_AT_10}_", names.TOP1_OWN_LANGUAGE)

# Entries of the training log: enough for a smooth curve, few enough to read.
_LOG_ENTRIES = 100
# Batches sampled for the mean number of negatives; all would take too long.
_SAMPLED_BATCHES = 32


def training_metrics(state: LoopState, plan: BatchPlan) -> dict[str, float]:
    """Figures of the training itself.

    Returns:
        The mean loss of the last tenth of the steps so far, seconds, pairs per second, the actual
        share of monolingual batches, and the mean number of negatives of a question.
    """
    kinds = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in range(state.step)]
    recent = state.losses[-max(1, state.step // 10) :]
    sampled = range(min(_SAMPLED_BATCHES, plan.steps))
    groups = [torch.from_numpy(plan[step].groups) for step in sampled]
    return {
        names.TRAIN_LOSS: float(np.mean(recent)),
        names.TRAIN_SECONDS: state.seconds,
        names.TRAIN_PAIRS_PER_SECOND: state.step * plan.batch_size / state.seconds,
        names.TRAIN_MONOLINGUAL_SHARE: float(np.mean(kinds)),
        names.TRAIN_NEGATIVES: float(np.mean([effective_negatives(g, g) for g in groups])),
    }


def headline_metrics(
    summary: dict[str, float], benchmark: str, n_reported: int
) -> dict[str, float]:
    """Choose the figures of a benchmark's summary that become metrics of the trial.

    MLflow's browser interface slows down with the number of metrics; all other figures follow from
    the per-query table.
    mAP and F1 at R are always chosen, the reader's F1 and the rank distance on each reported
    benchmark; a single reported benchmark has the whole summary, each of two the figures common in
    the literature beside these.

    Args:
        summary: figures under their full names.
        benchmark: name of the benchmark.
        n_reported: number of reported benchmarks; 0 for the development benchmark.
    """
    if n_reported == 1:
        return summary
    chosen = [*_ALWAYS, *(_REPORTED if n_reported else ()), *(_COMMON if n_reported == 2 else ())]
    prefixes = tuple(f"{benchmark}/{measure}" for measure in chosen)
    return {name: value for name, value in summary.items() if name.startswith(prefixes)}


def write_training_log(path: Path, state: LoopState, plan: BatchPlan) -> None:
    """Write the mean loss of equal stretches of the training, one JSON object a line."""
    stretches = np.array_split(np.arange(state.step), min(_LOG_ENTRIES, state.step))
    with atomic_write(path) as partial, partial.open("w") as file:
        for steps in stretches:
            monolingual = [plan.kind_of(step) is BatchKind.MONOLINGUAL for step in steps]
            entry = {
                "step": int(steps[-1]) + 1,
                "loss": float(np.mean([state.losses[step] for step in steps])),
                "monolingual_share": float(np.mean(monolingual)),
            }
            file.write(json.dumps(entry) + "\n")
