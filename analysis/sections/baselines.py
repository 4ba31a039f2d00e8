"""The section on the baselines of a study, beside its best hybrid ratio."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from analysis.figures.baselines import plot_baselines
from analysis.page import Figure, Section, Table
from analysis.sections.wording import SAMPLE, interval_text, sample_text
from analysis.study.arrays import Key
from analysis.study.data_parts import average_data_parts, data_part_of_seed
from analysis.study.mlflow import Study
from analysis.study.scores import collect_scores
from analysis.tables import confirmed
from hybridir import inference, names

# mAP in the three settings, and language bias in the pool of all languages.
SHOWN: tuple[Key, ...] = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
)
BEST_HYBRID = "best hybrid"


def measure_baselines(study: Study, benchmark: str) -> pd.DataFrame | None:
    """Tabulate the baselines on a benchmark.

    Args:
        study: the study.
        benchmark: one of `confirmed.reported_benchmarks`.

    Returns:
        `baseline_table`; None if the study names no baselines, or none has a per-query table.
    """
    table = baseline_table(study, benchmark, baseline_trials(study, benchmark))
    return None if table.empty else table


def baseline_trials(study: Study, benchmark: str) -> dict[str, pd.DataFrame]:
    """Find the complete trials of each baseline.

    A baseline without trials of its own takes the confirmation trials of hybrid batches at its
    ratio, in a crossed study at the first value of each crossed parameter, where the others are
    trained. The best hybrid is the confirmed ratio between the pure strategies with the highest
    mean mAP in the multilingual setting.

    Returns:
        Rows of `Study.trials` by baseline, in the study's order. The best hybrid comes last,
        unless it is the hybrid baseline.
    """
    baselines = study.settings.baselines or ()
    if not baselines:
        return {}
    baseline_rows = confirmed.complete_trials(study, names.PHASE_BASELINE)
    curve_trials = _at_first_condition(study, confirmed.confirmed_trials(study))
    if "kind" in curve_trials:
        curve_trials = curve_trials[curve_trials["kind"] == names.HYBRID]
    trials = {}
    for name in baselines:
        rows = baseline_rows
        if names.BASELINE in rows:
            rows = rows[rows[names.BASELINE] == name]
        if rows.empty and len(curve_trials):
            ratio = names.BASELINE_RATIOS.get(name)
            rows = curve_trials[curve_trials[names.MIXING_RATIO] == ratio]
        if len(rows):
            trials[name] = rows
    if curve_trials.empty:
        return trials
    mixed = curve_trials[curve_trials[names.MIXING_RATIO].between(0, 1, inclusive="neither")]
    score = names.mean_metric(benchmark, names.AP, names.MULTILINGUAL)
    if score in mixed and mixed[score].notna().any():
        best = mixed.groupby(names.MIXING_RATIO)[score].mean().idxmax()
        if names.HYBRID not in trials or best != names.BASELINE_RATIOS[names.HYBRID]:
            trials[BEST_HYBRID] = mixed[mixed[names.MIXING_RATIO] == best]
    return trials


def _at_first_condition(study: Study, trials: pd.DataFrame) -> pd.DataFrame:
    """Keep the trials at the first value of each crossed parameter that the study file lists."""
    listed = study.settings.written.get("confirm")
    for name in confirmed.design_of(study).crossed if len(trials) else ():
        levels = listed.get(name) if isinstance(listed, dict) else None
        first = levels[0] if isinstance(levels, list) and levels else trials[name].min()
        trials = trials[trials[name] == first]
    return trials


def baseline_table(study: Study, benchmark: str, trials: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tabulate the means of every baseline: a row per baseline, measure and setting.

    A baseline with one trial, such as BM25, has an interval over clusters of questions alone.

    Returns:
        Columns ``baseline, mixing_ratio, measure, setting, mean, low, high, n_seeds,
        n_clusters``; the ratio is NaN where batches have none.
    """
    order = list(trials)

    def tables() -> Iterator[tuple[float, int, pd.DataFrame]]:
        for index, rows in enumerate(trials.values()):
            for row in rows.to_dict("records"):
                table = study.per_query(str(row["run_id"]), benchmark)
                if table is not None:
                    # Scores are aligned by ratio; the index of the baseline stands for one.
                    yield float(index), int(row[names.SEED]), table

    parts = {
        seed: number
        for rows in trials.values()
        for seed, number in data_part_of_seed(rows).items()
    }
    scores = {
        key: average_data_parts(aligned, parts)
        for key, aligned in collect_scores(tables()).items()
    }
    means = []
    for measure, setting in SHOWN:
        measured = scores.get((measure, setting))
        if measured is None:
            continue
        for index, mean in zip(measured.ratios, inference.mean_curve(measured), strict=True):
            name = order[int(index)]
            row = (name, _ratio(name, trials[name]), measure, setting)
            interval = (mean.estimate, mean.low, mean.high)
            means.append((*row, *interval, mean.n_seeds, mean.n_clusters))
    columns = ["baseline", names.MIXING_RATIO, "measure", "setting", "mean", "low", "high"]
    return pd.DataFrame(means, columns=[*columns, "n_seeds", "n_clusters"])


def _ratio(name: str, rows: pd.DataFrame) -> float:
    has_ratio = name == BEST_HYBRID or name in names.BASELINE_RATIOS
    return float(rows[names.MIXING_RATIO].iloc[0]) if has_ratio else np.nan


def baseline_section(benchmark: str, means: pd.DataFrame) -> Section:
    """Show all baselines on a benchmark.

    Args:
        benchmark: its name.
        means: `baseline_table`.
    """
    figure = partial(plot_baselines, means)
    headings = [_heading(key) for key in SHOWN]
    columns = {"baseline": "baseline", names.MIXING_RATIO: "α"}
    columns |= {heading: heading for heading in headings} | SAMPLE
    side_by_side = _side_by_side(means).reindex(columns=list(columns))
    caption = "Means with 95 % intervals. A lower rank distance is better."
    return Section(
        f"Baselines on {benchmark}",
        _paragraphs(means),
        figures=[Figure(f"baselines-{benchmark}", figure, _caption(benchmark, means))],
        tables=[
            Table(f"baselines-{benchmark}", side_by_side, columns, caption),
            Table(f"baseline_means-{benchmark}", means, {}, "The same means, one per row."),
        ],
    )


def _side_by_side(means: pd.DataFrame) -> pd.DataFrame:
    """Tabulate a row per baseline, each mean as text with its interval."""
    rows = []
    for name, of_baseline in means.groupby("baseline", sort=False):
        first = of_baseline.iloc[0]
        row = {"baseline": name, names.MIXING_RATIO: first[names.MIXING_RATIO]}
        for mean in of_baseline.to_dict("records"):
            decimals = 3 if mean["measure"] == names.AP else 1
            text = interval_text(mean["mean"], mean["low"], mean["high"], decimals=decimals)
            row[_heading((mean["measure"], mean["setting"]))] = text
        rows.append(row | {"n_seeds": first["n_seeds"], "n_clusters": first["n_clusters"]})
    return pd.DataFrame(rows)


def _heading(key: Key) -> str:
    measure, setting = key
    label = names.LABELS[measure]
    return f"{label} {names.LABELS[setting]}" if measure == names.AP else label


def _paragraphs(means: pd.DataFrame) -> list[str]:
    paragraphs = [
        "All trained baselines share the encoder, the data, the budget and every parameter except "
        "those of their batches. En-En, X-X, X-X-mono and X-Y are the batches of arXiv "
        "2004.05484."
    ]
    if (means["baseline"] == BEST_HYBRID).any():
        paragraphs.append(
            "The best hybrid is the confirmed ratio with the highest mean mAP in the multilingual "
            "setting. It is chosen by the same scores that are shown, which favours it a little."
        )
    return paragraphs


def _caption(benchmark: str, means: pd.DataFrame) -> str:
    return (
        f"Baselines on {benchmark}. Dots are means over seeds. Lines are 95 % intervals for other "
        "seeds and clusters of questions, or for other clusters alone with one seed. Lower "
        "rank distances are better. Languages are fixed, and nothing is corrected for multiple "
        f"comparisons. {sample_text(means)}"
    )
