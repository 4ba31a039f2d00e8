"""The baselines of a study together, beside its best hybrid: one table and one figure."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import yaml

from analysis.figures.baselines import baselines
from analysis.page.model import Figure, Section, Table
from analysis.sections.answer import interval_text
from analysis.study.arrays import Key
from analysis.study.data_parts import over_parts, parts_of
from analysis.study.mlflow import Study
from analysis.study.scores import collect_scores
from analysis.tables import confirmed
from hybridir import inference, names

# What the section shows: the three settings, and language bias in the pool of all languages.
SHOWN: tuple[Key, ...] = (
    *((names.AP, setting) for setting in names.SETTINGS),
    (names.RANK_DISTANCE, names.MULTILINGUAL),
)
BEST_HYBRID = "best hybrid"


def baseline_section(
    study: Study, benchmark: str, generator: np.random.Generator
) -> Section | None:
    """Show all baselines on a benchmark.

    Args:
        study: the study.
        benchmark: one of `confirmed.reported_benchmarks`.
        generator: source of the bootstrap's draws.

    Returns:
        The section; None if the study names no baselines, or none left a per-query table.
    """
    trials = baseline_trials(study, benchmark)
    table = baseline_table(study, benchmark, trials, generator)
    if table.empty:
        return None
    figure = baselines(table).to_dict()
    return Section(
        f"Baselines on {benchmark}",
        _paragraphs(trials),
        figures=[Figure(f"baselines-{benchmark}", figure, _caption(benchmark, table))],
        tables=[
            Table(
                f"baselines-{benchmark}",
                _side_by_side(table),
                {
                    "baseline": "baseline",
                    names.MIXING_RATIO: "α",
                    **{_heading(key): _heading(key) for key in SHOWN},
                    "n_seeds": "seeds",
                    "n_questions": "questions",
                },
                "Means with 95 % bootstrap intervals; rank distance: lower is better.",
            ),
            Table(f"baseline_means-{benchmark}", table, {}, "The same, a row a figure."),
        ],
    )


def baseline_trials(study: Study, benchmark: str) -> dict[str, pd.DataFrame]:
    """Find the trials of each baseline that ended well.

    What the confirmation trained at the ratio of a baseline, of hybrid batches, stands for it. The
    best hybrid is the confirmed ratio between the pure strategies that has the highest mean mAP in
    the multilingual setting.

    Returns:
        Rows of `Study.trials` by baseline, in the study's order, and the best hybrid last, where
        it is another one than the hybrid baseline.
    """
    asked = (yaml.safe_load(study.text) or {}).get("baselines") or ()
    if not asked:
        return {}
    own = confirmed.complete_trials(study, names.PHASE_BASELINE)
    curve_trials = confirmed.confirmed_trials(study)
    if "kind" in curve_trials:
        curve_trials = curve_trials[curve_trials["kind"] == names.HYBRID]
    found = {}
    for name in asked:
        rows = own[own[names.BASELINE] == name] if names.BASELINE in own else own
        if rows.empty and len(curve_trials):
            rows = curve_trials[
                curve_trials[names.MIXING_RATIO] == names.BASELINE_RATIOS.get(name)
            ]
        if len(rows):
            found[name] = rows
    if curve_trials.empty:
        return found
    mixed = curve_trials[curve_trials[names.MIXING_RATIO].between(0, 1, inclusive="neither")]
    score = names.mean_metric(benchmark, names.AP, names.MULTILINGUAL)
    if score in mixed and mixed[score].notna().any():
        best = mixed.groupby(names.MIXING_RATIO)[score].mean().idxmax()
        same = names.HYBRID in found and best == names.BASELINE_RATIOS[names.HYBRID]
        if not same:
            found[BEST_HYBRID] = mixed[mixed[names.MIXING_RATIO] == best]
    return found


def baseline_table(
    study: Study,
    benchmark: str,
    trials: dict[str, pd.DataFrame],
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Tabulate every baseline's means: a row per baseline and figure.

    All are resampled by the same draws of seeds and questions. A baseline of one trial, such as
    BM25, has an interval over questions alone.

    Returns:
        Columns ``baseline, mixing_ratio, measure, setting, mean, low, high, n_seeds,
        n_questions``; the ratio is NaN where batches have none.
    """
    order = list(trials)

    def tables() -> Iterator[tuple[float, int, pd.DataFrame]]:
        for place, rows in enumerate(trials.values()):
            for row in rows.to_dict("records"):
                table = study.per_query(str(row["run_id"]), benchmark)
                if table is not None:
                    # Scores are aligned by any number; here it is the baseline's place.
                    yield float(place), int(row[names.SEED]), table

    parts = {seed: part for rows in trials.values() for seed, part in parts_of(rows).items()}
    scores = {key: over_parts(one, parts) for key, one in collect_scores(tables()).items()}
    found = []
    for measure, setting in SHOWN:
        measured = scores.get((measure, setting))
        if measured is None:
            continue
        curve = inference.mean_curve(measured, inference.replicate(measured, generator))
        for place, entry in zip(measured.ratios, curve, strict=True):
            name = order[int(place)]
            row = (name, _ratio(name, trials[name]), measure, setting)
            interval = (entry.estimate, entry.low, entry.high)
            found.append((*row, *interval, entry.n_seeds, entry.n_questions))
    columns = ["baseline", names.MIXING_RATIO, "measure", "setting", "mean", "low", "high"]
    return pd.DataFrame(found, columns=[*columns, "n_seeds", "n_questions"])


def _ratio(name: str, rows: pd.DataFrame) -> float:
    has_one = name == BEST_HYBRID or name in names.BASELINE_RATIOS
    return float(rows[names.MIXING_RATIO].iloc[0]) if has_one else np.nan


def _side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """A row a baseline, each figure as text with its interval."""
    rows = []
    for name, found in table.groupby("baseline", sort=False):
        first = found.iloc[0]
        row = {"baseline": name, names.MIXING_RATIO: first[names.MIXING_RATIO]}
        for entry in found.to_dict("records"):
            shown = (entry["mean"], entry["low"], entry["high"])
            is_map = entry["measure"] == names.AP
            text = interval_text(*shown) if is_map else _ranks(*shown)
            row[_heading((entry["measure"], entry["setting"]))] = text
        rows.append(row | {"n_seeds": first["n_seeds"], "n_questions": first["n_questions"]})
    columns = [_heading(key) for key in SHOWN]
    kept = ["baseline", names.MIXING_RATIO, *columns, "n_seeds", "n_questions"]
    return pd.DataFrame(rows).reindex(columns=kept)


def _ranks(mean: float, low: float, high: float) -> str:
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def _heading(key: Key) -> str:
    measure, setting = key
    label = names.LABELS[measure]
    return f"{label} {names.LABELS[setting]}" if measure == names.AP else label


def _paragraphs(trials: dict[str, pd.DataFrame]) -> list[str]:
    said = [
        "All trained baselines share encoder, data, budget and every parameter but those of their "
        "batches. En-En, X-X, X-X-mono and X-Y are the batches of arXiv 2004.05484."
    ]
    if BEST_HYBRID in trials:
        said.append(
            "The best hybrid is the confirmed ratio with the highest mean mAP in the multilingual "
            "setting; it is chosen by the figures that it is shown with, which flatters it a "
            "little."
        )
    return said


def _caption(benchmark: str, table: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in table["n_seeds"]})
    counts = "–".join(map(str, {seeds[0]: None, seeds[-1]: None}))
    return (
        f"Baselines on {benchmark}. Dots are means over seeds, lines 95 % bootstrap intervals "
        "over seeds and questions, over questions alone for a baseline of one seed; lower rank "
        f"distances are better. n = {counts} {'seed' if seeds == [1] else 'seeds'} × "
        f"{int(table['n_questions'].max()):,} questions. Languages are fixed, and nothing is "
        "corrected for several comparisons."
    )
