"""Tidy tables of the confirmation: a row per observation, for figures, CSV files and the page."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pandas as pd

from analysis.study.arrays import Key, ScoreArray
from analysis.study.cache import trial_arrays
from analysis.study.data_parts import average_data_parts, data_part_of_seed
from analysis.study.design import StudyDesign, study_design
from analysis.study.mlflow import Study
from analysis.study.scores import collect_scores
from hybridir import inference, names
from hybridir.inference import Condition, Replicates, average_conditions
from hybridir.inference.scores import Scores

_READERS = min(4, os.cpu_count() or 1)
_POOL_MAP = names.mean_metric("", names.AP, names.MULTILINGUAL)


def complete_trials(study: Study, phase: str) -> pd.DataFrame:
    """Return the complete trials of a phase, at the highest fidelity among them."""
    trials = study.trials
    rows = trials[(trials["phase"] == phase) & (trials["state"] == names.COMPLETE)]
    if names.FIDELITY in rows and rows[names.FIDELITY].notna().any():
        rows = rows[rows[names.FIDELITY] == rows[names.FIDELITY].max()]
    return rows


def confirmed_trials(study: Study) -> pd.DataFrame:
    """Return the complete confirmation trials, at the highest fidelity among them.

    If a ratio was confirmed twice with one seed in one condition, the last trial by name counts.
    """
    rows = complete_trials(study, names.PHASE_CONFIRM)
    if rows.empty:
        return rows
    crossed = design_of(study, rows).crossed
    return rows.drop_duplicates([names.MIXING_RATIO, names.SEED, *crossed], keep="last")


def design_of(study: Study, rows: pd.DataFrame | None = None) -> StudyDesign:
    """Read the design of the confirmation off its complete trials, or off some rows."""
    rows = complete_trials(study, names.PHASE_CONFIRM) if rows is None else rows
    return study_design(rows, study.parameters, study.settings.training.pairs)


def reported_benchmarks(study: Study) -> list[str]:
    """Name the benchmarks of the confirmation and baseline trials.

    The development split is among them only if a study reports on no other benchmark.
    """
    rows = pd.concat([confirmed_trials(study), complete_trials(study, names.PHASE_BASELINE)])
    scored = [
        metric.removesuffix(_POOL_MAP)
        for metric in study.metrics
        if metric.endswith(_POOL_MAP) and rows[metric].notna().any()
    ]
    return [name for name in scored if name != names.DEV] or scored


def confirmed_scores(study: Study, benchmark: str, *, per_seed: bool = False) -> dict[Key, Scores]:
    """Align the scores of the confirmation trials, as means over the crossed conditions.

    Args:
        study: the study.
        benchmark: name of the benchmark.
        per_seed: see `confirmed_conditions`.
    """
    conditions = confirmed_conditions(study, benchmark, per_seed=per_seed)
    return {key: average_conditions(of_key) for key, of_key in conditions.items()}


def trained_at(study: Study) -> dict[tuple[Condition, float], dict[str, float]]:
    """Look up the parameters that `hybridir infer` knows by name, as numbers.

    Returns:
        (condition, mixing ratio) -> `names.CONDITIONS` -> value; without those in which trials of
        one ratio and condition differ, or which some do not have.
    """
    rows = confirmed_trials(study)
    if rows.empty:
        return {}
    design = design_of(study, rows)
    keys = [
        (design.condition(pd.Series(row)), float(row[names.MIXING_RATIO]))
        for row in rows.to_dict("records")
    ]
    known = [name for name in names.CONDITIONS if name in rows and rows[name].notna().all()]
    values = {name: rows[name].astype(float).tolist() for name in known}
    last = {name: dict(zip(keys, of_name, strict=True)) for name, of_name in values.items()}
    alike = [name for name in known if [last[name][key] for key in keys] == values[name]]
    return {key: {name: last[name][key] for name in alike} for key in keys}


def confirmed_conditions(
    study: Study, benchmark: str, *, per_seed: bool = False
) -> dict[Key, dict[Condition, Scores]]:
    """Align the scores of the confirmation trials, read from the cache where possible.

    Trials without a table of the benchmark are passed over, and so are conditions in which a
    ratio has no trial (`complete_conditions`).

    Args:
        study: the study.
        benchmark: name of the benchmark.
        per_seed: whether to leave the seeds of a data part apart; else they are averaged, see
            `analysis.study.data_parts`.
    """
    rows = confirmed_trials(study)
    if rows.empty:
        return {}
    design = design_of(study, rows)
    of_condition: dict[Condition, list[int]] = {}
    for index, row in enumerate(rows.to_dict("records")):
        of_condition.setdefault(design.condition(pd.Series(row)), []).append(index)
    part_of_seed = {} if per_seed else data_part_of_seed(rows)
    conditions: dict[Key, dict[Condition, Scores]] = {}
    for condition in complete_conditions(rows, of_condition):
        members = rows.iloc[of_condition[condition]]
        trials = [
            (float(ratio), int(seed))
            for ratio, seed in zip(members[names.MIXING_RATIO], members[names.SEED], strict=True)
        ]
        run_ids = [str(run_id) for run_id in members["run_id"]]
        tables = (
            (*trial, arrays)
            for trial, arrays in zip(trials, _prefetch(study, run_ids, benchmark), strict=True)
            if arrays is not None
        )
        for key, scores in collect_scores(tables, trials).items():
            averaged = average_data_parts(scores, part_of_seed)
            conditions.setdefault(key, {})[condition] = averaged
    return conditions


def complete_conditions(
    rows: pd.DataFrame, of_condition: Mapping[Condition, list[int]]
) -> list[Condition]:
    """Choose the conditions in which every ratio has a trial, or else the one with most trials."""
    ratios = set(rows[names.MIXING_RATIO])
    complete = [
        condition
        for condition, members in of_condition.items()
        if set(rows[names.MIXING_RATIO].iloc[members]) == ratios
    ]
    return complete or [max(of_condition, key=lambda condition: len(of_condition[condition]))]


def missing_conditions(study: Study, rows: pd.DataFrame) -> list[str]:
    """Name the conditions in which some ratio has no trial, and which are left out."""
    design = design_of(study, rows)
    of_condition: dict[Condition, list[int]] = {}
    for index, row in enumerate(rows.to_dict("records")):
        of_condition.setdefault(design.condition(pd.Series(row)), []).append(index)
    complete = complete_conditions(rows, of_condition)
    return [
        ", ".join(f"{names.LABELS.get(name, name)} {level}" for name, level in condition)
        for condition in of_condition
        if condition not in complete
    ]


def records_clusters(study: Study, benchmark: str) -> bool | None:
    """Whether the per-query tables name the cluster of a question; None without a table."""
    for run_id in confirmed_trials(study).get("run_id", ()):
        arrays = trial_arrays(study, str(run_id), benchmark)
        if arrays:
            return any(array.clusters for array in arrays.values())
    return None


def _prefetch(
    study: Study, run_ids: list[str], benchmark: str
) -> Iterator[Mapping[Key, ScoreArray] | None]:
    """Yield the trials' arrays in order; a few are read ahead, so that few are in memory."""
    with ThreadPoolExecutor(_READERS) as readers:
        waiting: deque[Future[Mapping[Key, ScoreArray] | None]] = deque()
        for run_id in run_ids:
            waiting.append(readers.submit(trial_arrays, study, run_id, benchmark))
            if len(waiting) > _READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def curve_table(
    scores: Mapping[Key, Scores], replicates: Mapping[Key, Replicates]
) -> pd.DataFrame:
    """Tabulate the confirmed curve: a row per measure, setting and mixing ratio.

    Returns:
        Columns ``measure, setting, mixing_ratio, mean, low, high, sd_seeds, loss, loss_at_most,
        may_be_best, n_seeds, n_clusters, n_questions``; low and high bound the 95 % interval,
        ``sd_seeds`` is NaN for one seed; losses against the best are `inference.RatioLoss`'s.
    """
    rows = []
    for key, measured in scores.items():
        means = measured.macro_means()
        curve = inference.mean_curve(measured, replicates[key].by_cluster)
        compared = inference.compare_with_best(measured, replicates[key])
        for index, (entry, against) in enumerate(zip(curve, compared, strict=True)):
            of_seeds = means[index][measured.trained[index]]
            rows.append(
                {
                    "measure": measured.measure,
                    "setting": measured.setting,
                    names.MIXING_RATIO: measured.ratios[index],
                    "mean": entry.estimate,
                    "low": entry.low,
                    "high": entry.high,
                    "sd_seeds": of_seeds.std(ddof=1) if len(of_seeds) > 1 else np.nan,
                    "loss": against.loss,
                    "loss_at_most": against.loss_at_most,
                    "may_be_best": against.may_be_best,
                    "n_seeds": entry.n_seeds,
                    "n_clusters": entry.n_clusters,
                    "n_questions": len(measured.questions),
                }
            )
    return pd.DataFrame(rows)


def is_one_ratio(table: pd.DataFrame) -> bool:
    """Whether a table of means has a single mixing ratio, which has no other to compare with."""
    return bool(table[names.MIXING_RATIO].nunique() == 1)


def is_all_or_nothing(scores: Scores) -> bool:
    """Whether each question has 0 or 1, as with F1 at R where one passage is relevant.

    Means over conditions or seeds do not tell.
    """
    trials = scores.values.reshape(-1, *scores.values.shape[2:])
    # The first trial tells of a measure that has other values, so that the others are not read.
    return all(bool(((trial == 0) | (trial == 1) | np.isnan(trial)).all()) for trial in trials)


def seed_table(scores: Mapping[Key, Scores]) -> pd.DataFrame:
    """Tabulate every trial's macro mean: ``measure, setting, mixing_ratio, seed, value``."""
    rows = [
        {
            "measure": measured.measure,
            "setting": measured.setting,
            names.MIXING_RATIO: measured.ratios[index],
            names.SEED: measured.seeds[seed],
            "value": value,
        }
        for measured in scores.values()
        for (index, seed), value in np.ndenumerate(measured.macro_means())
        if measured.trained[index, seed]
    ]
    return pd.DataFrame(rows)


def language_table(scores: Mapping[Key, Scores]) -> pd.DataFrame:
    """Tabulate mAP by language pair and mixing ratio, as the mean over seeds.

    Returns:
        Columns ``mixing_ratio, query_language, pool_language, map``; pairs of one language are
        the monolingual setting.
    """
    rows = []
    for setting in (names.MONOLINGUAL, names.CROSSLINGUAL):
        measured = scores.get((names.AP, setting))
        if measured is None:
            continue
        for index, of_seeds in enumerate(measured.cell_means()):
            means = of_seeds[measured.trained[index]].mean(axis=0)
            for (query, pool), value in zip(measured.cells, means, strict=True):
                rows.append((measured.ratios[index], query, pool, value))
    columns = [names.MIXING_RATIO, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, "map"]
    return pd.DataFrame(rows, columns=columns)


def cost_table(study: Study) -> pd.DataFrame:
    """Tabulate the cost of the study: a row per phase, and a total.

    Returns:
        Columns ``phase, trials, training_minutes, evaluation_minutes, pairs_per_second,
        peak_memory_mb``. Minutes are sums over trials, speed is the median, memory the maximum.
    """
    trials = study.trials
    groups = [*trials.groupby("phase", sort=False), ("total", trials)]
    rows = [
        {
            "phase": phase,
            "trials": len(group),
            "training_minutes": _column(group, names.TRAIN_SECONDS).sum() / 60,
            "evaluation_minutes": _column(group, names.EVALUATION_SECONDS).sum() / 60,
            "pairs_per_second": _column(group, names.TRAIN_PAIRS_PER_SECOND).median(),
            "peak_memory_mb": _column(group, names.PEAK_MEMORY_MB).max(),
        }
        for phase, group in groups
    ]
    return pd.DataFrame(rows)


def _column(table: pd.DataFrame, name: str) -> "pd.Series[float]":
    return table.get(name, pd.Series(np.nan, index=table.index))
