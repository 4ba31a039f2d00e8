"""Baselines beside a confirmed curve, with figures known beforehand; see `conftest`."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.sections.all import measure_study, study_sections
from analysis.sections.baselines import (
    BEST_HYBRID,
    baseline_section,
    baseline_table,
    baseline_trials,
    measure_baselines,
)
from analysis.study.mlflow import Study, load_study
from hybridir import names


@pytest.fixture(scope="module")
def with_baselines(tracking_uri: str) -> Study:
    return load_study("held", tracking_uri)


@pytest.fixture(scope="module")
def table(with_baselines: Study) -> pd.DataFrame:
    trials = baseline_trials(with_baselines, "known")
    return baseline_table(with_baselines, "known", trials)


def test_confirmed_ratios_stand_for_the_baselines_that_they_are(with_baselines: Study) -> None:
    by_baseline = baseline_trials(with_baselines, "known")
    trials = {name: set(rows["trial"]) for name, rows in by_baseline.items()}
    assert trials["x-y"] == {"confirm-a0-s1", "confirm-a0-s2", "confirm-a0-s3"}
    assert trials["x-x-mono"] == {"confirm-a1-s1", "confirm-a1-s2", "confirm-a1-s3"}
    assert trials["hybrid"] == {"confirm-a0.5-s1", "confirm-a0.5-s2", "confirm-a0.5-s3"}
    assert trials["bm25"] == {"baseline-bm25-s0"}
    assert trials["x-x"] == {"baseline-x-x-s0", "baseline-x-x-s1", "baseline-x-x-s2"}


def test_the_best_hybrid_is_shown_unless_it_is_the_hybrid_baseline(with_baselines: Study) -> None:
    assert BEST_HYBRID not in baseline_trials(with_baselines, "known")
    trials = with_baselines.trials.replace({names.MIXING_RATIO: {0.5: 0.4}})
    moved = replace(with_baselines, trials=trials)
    by_baseline = baseline_trials(moved, "known")
    assert "hybrid" not in by_baseline
    assert set(by_baseline[BEST_HYBRID][names.MIXING_RATIO]) == {0.4}


def test_in_a_crossed_study_ratios_stand_at_the_first_listed_values(with_baselines: Study) -> None:
    trials = with_baselines.trials.copy()
    warm = trials[trials["phase"] == names.PHASE_CONFIRM].assign(temperature=0.1)
    warm["trial"] += "-warm"
    text = with_baselines.text.replace("seeds: 3", "temperature: [0.1, 0.05], seeds: 3")
    crossed = replace(
        with_baselines,
        trials=pd.concat([trials, warm], ignore_index=True),
        parameters=tuple({*with_baselines.parameters, names.TEMPERATURE}),
        text=text,
    )
    by_baseline = baseline_trials(crossed, "known")
    assert set(by_baseline["hybrid"][names.TEMPERATURE]) == {0.1}
    assert len(by_baseline["hybrid"]) == 3


def test_means_of_the_tables_are_over_the_seeds_of_each_baseline(table: pd.DataFrame) -> None:
    means = table[table["measure"] == names.AP].set_index(["baseline", "setting"])
    # x-x borrows ratio .5 with seed effects of -.01, 0 and .01; bm25 ratio 0 with the first
    assert means.loc[("x-x", "multilingual"), "mean"] == pytest.approx(0.45)
    assert means.loc[("bm25", "multilingual"), "mean"] == pytest.approx(0.40 - 0.01)
    assert means.loc[("untrained", "monolingual"), "mean"] == pytest.approx(0.75 - 0.01)
    assert means.loc[("x-y", "crosslingual"), "mean"] == pytest.approx(0.50)
    assert means.loc[("bm25", "multilingual"), "n_seeds"] == 1
    assert means.loc[("x-x", "multilingual"), "n_seeds"] == 3
    assert set(table["n_clusters"]) == {12}
    # Without any spread, the last digits of three equal figures may differ.
    assert (table["low"] <= table["mean"] + 1e-12 * table["mean"]).all()
    assert (table["mean"] <= table["high"] + 1e-12 * table["mean"]).all()
    distances = table[table["measure"] == names.RANK_DISTANCE].set_index("baseline")["mean"]
    expected = {
        "untrained": 200, "bm25": 10, "x-x": 20, "x-x-mono": 200, "x-y": 10, "hybrid": 20,
    }  # fmt: skip
    assert distances.to_dict() == pytest.approx(expected)


def test_only_points_on_the_curve_have_a_ratio(table: pd.DataFrame) -> None:
    ratios = table.groupby("baseline")[names.MIXING_RATIO].first().dropna()
    assert ratios.to_dict() == {"x-x-mono": 1.0, "x-y": 0.0, "hybrid": 0.5}


def test_the_section_has_a_row_per_baseline_in_the_order_of_the_study(
    with_baselines: Study,
) -> None:
    means = measure_baselines(with_baselines, "known")
    assert means is not None
    section = baseline_section("known", means)
    shown = section.tables[0].data
    expected = ["untrained", "bm25", "x-x", "x-x-mono", "x-y", "hybrid"]
    assert shown["baseline"].tolist() == expected
    row = shown.set_index("baseline").loc["x-x"]
    assert row["mAP multilingual"].startswith("0.450 [")
    assert row["rank distance"] == "20.0 [20.0, 20.0]"
    assert "n = 1–3 seeds × 12 clusters of questions" in section.figures[0].caption


def test_a_study_without_baselines_has_no_such_section(study: Study) -> None:
    assert measure_baselines(study, "known") is None


def test_baselines_alone_make_a_report(tracking_uri: str) -> None:
    alone = load_study("alone", tracking_uri)
    headlines, sections = study_sections(measure_study(alone, np.random.default_rng(1)))
    assert "no confirmed curve" in headlines[0].sentence
    (section,) = [s for s in sections if s.heading == "Baselines on known"]
    assert section.tables[0].data["baseline"].tolist() == ["untrained", "bm25", "x-x"]
