"""The headline figures of one trial: at most 30, however many benchmarks are reported."""

import json
from pathlib import Path

import numpy as np
import torch

from hybridir import names
from hybridir.batches import BatchKind, BatchPlan
from hybridir.runtime.files import atomic_write
from hybridir.training import LoopState
from hybridir.training.loss import effective_negatives

# Entries of the training log: enough for a smooth curve, few enough to read.
_LOG_ENTRIES = 100
# Batches sampled for the mean number of negatives; all would take too long.
_SAMPLED_BATCHES = 32
# Measures of language bias among the metrics of a trial that reports on two benchmarks, or one.
# PEER cannot tell anything where each language has one relevant passage, as in XQuAD-R.
_BIAS_OF_TWO = (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN, names.TOP1_OWN_LANGUAGE)
_BIAS_OF_ONE = (
    *_BIAS_OF_TWO,
    *(names.MAX_AT_R, names.LANGUAGE_PREFERENCE, names.RANK_CORRELATION),
)


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
    The development benchmark gets mAP; a single reported benchmark the whole summary but for some
    measures of language bias; each of two the figures common in the literature; each of more mAP
    and rank distance.

    Args:
        summary: figures under their full names.
        benchmark: name of the benchmark.
        n_reported: number of reported benchmarks; 0 for the development benchmark.
    """
    if n_reported in (1, 2):
        shown = _BIAS_OF_ONE if n_reported == 1 else _BIAS_OF_TWO
        left_out = {names.bias_metric(benchmark, m) for m in names.BIAS_MEASURES if m not in shown}
        metrics = {name: value for name, value in summary.items() if name not in left_out}
        if n_reported == 1:
            return metrics
        uncommon = tuple(f"{benchmark}/{m}" for m in (names.SET_F1, names.ANSWER_F1))
        return {name: value for name, value in metrics.items() if not name.startswith(uncommon)}
    chosen = [f"{benchmark}/map_"] + [f"{benchmark}/{names.RANK_DISTANCE}"] * bool(n_reported)
    return {name: value for name, value in summary.items() if name.startswith(tuple(chosen))}


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
