from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import Polynomial

from analysis.study.arrays import Key
from analysis.tables import tested
from hybridir import names
from hybridir.inference import Condition, Replicates, replicate
from hybridir.inference.scores import Scores


@pytest.fixture(scope="module")
def gains(scores: dict[Key, Scores], replicates: dict[Key, Replicates]) -> pd.DataFrame:
    generators = {key: np.random.default_rng(0) for key in scores}
    return tested.gain_table(scores, replicates, generators)


def test_gains_are_hybrid_minus_each_pure_strategy(gains: pd.DataFrame) -> None:
    rows = gains.set_index(["measure", "setting", "pure"])["difference"]
    assert rows[names.AP, names.MULTILINGUAL, 0.0] == pytest.approx(0.45 - 0.40)
    assert rows[names.AP, names.MONOLINGUAL, 1.0] == pytest.approx(0.70 - 0.75)
    assert set(gains["hybrid"]) == {0.5}


@pytest.fixture(scope="module")
def smoothed(smooth: dict[Key, Scores]) -> dict[Key, Replicates]:
    generator = np.random.default_rng(1)
    return {key: replicate(measured, generator, 200) for key, measured in smooth.items()}


def test_optimum_of_three_ratios_rests_on_them_alone(
    scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    table = tested.optimum_table(scores, replicates)
    pool = table[table["setting"] == names.MULTILINGUAL].set_index("measure")
    row = pool.to_dict("index")[names.AP]
    assert (row["best"], row["may_be_best"]) == (0.5, "{0.5}")
    assert (row["low"], row["high"], row["bounded"]) == (0.0, 1.0, True)
    assert np.isnan([row["lack_of_fit"], row["degree"], row["fit_peak"]]).all()
    assert tested.fit_table(scores, replicates).empty
    assert pool["best"][names.RANK_DISTANCE] == 0.0


def test_the_peak_of_a_smooth_curve_is_described_beside_the_set(
    smooth: dict[Key, Scores], smoothed: dict[Key, Replicates]
) -> None:
    table = tested.optimum_table(smooth, smoothed).set_index("setting")
    row = table.to_dict("index")[names.MULTILINGUAL]
    # through .40, .45, .30 the slope is .3 - .8 x, so that the curve is highest at .375
    assert row["low"] <= 0.375 <= row["high"]
    assert row["fit_peak"] == pytest.approx(0.375, abs=0.05)
    assert row["best"] in (0.25, 0.5)
    assert row["degree"] == 3
    assert row["lack_of_fit"] >= 0.2


def test_fit_is_the_least_squares_polynomial_of_the_means(
    smooth: dict[Key, Scores], smoothed: dict[Key, Replicates]
) -> None:
    table = tested.fit_table(smooth, smoothed)
    rows = table[table["setting"] == names.MULTILINGUAL]
    measured = smooth[names.AP, names.MULTILINGUAL]
    means = measured.values.mean(axis=(1, 2, 3))
    expected = Polynomial.fit(measured.ratios, means, 3)
    assert rows["fit"].to_numpy() == pytest.approx(expected(rows[names.MIXING_RATIO].to_numpy()))
    assert (rows["fit_low"] <= rows["fit_high"]).all()


def test_primary_outcomes_are_corrected_together_and_all_others_as_one_family(
    gains: pd.DataFrame,
) -> None:
    key = (names.AP, names.MULTILINGUAL)
    changes = pd.DataFrame(
        {"measure": key[0], "setting": key[1], "parameter": ["pairs"] * 3, "p": [0.001, 0.2, 0.3]}
    )
    tables = [
        gains.assign(benchmark="first"),
        gains.assign(benchmark="second"),
        changes.assign(benchmark="first"),
    ]
    adjusted = tested.adjust_p_values(tables, {("first", key)})
    assert [len(table) for table in adjusted] == [len(gains), len(gains), 3]
    together = pd.concat(adjusted)
    primary = together["family"] == tested.PRIMARY
    assert primary.sum() == 2
    for family in (primary, ~primary):
        rows = together[family]
        assert rows["p_holm"].min() == pytest.approx(min(1.0, len(rows) * rows["p"].min()))
    assert (adjusted[2]["family"] == tested.EXPLORATORY).all()
    assert list(adjusted[0].columns) == [*tables[0].columns, "family", "p_holm"]
    assert tested.adjust_p_values([], set()) == []


def test_a_benchmark_without_a_mixed_ratio_has_no_gains_and_leaves_others_alone(
    gains: pd.DataFrame,
) -> None:
    tables = [gains.iloc[:0].assign(benchmark="first"), gains.assign(benchmark="second")]
    empty, alone = tested.adjust_p_values(tables, set())
    assert empty.empty
    assert len(alone) == len(gains)


def test_levels_and_interactions_are_those_of_crossed_conditions(
    scores: dict[Key, Scores],
) -> None:
    key = (names.AP, names.MULTILINGUAL)
    raised = scores[key].values.copy()
    raised[1] += 0.1
    conditions: dict[Key, dict[Condition, Scores]] = {
        key: {
            (("temperature", 0.01),): scores[key],
            (("temperature", 0.05),): replace(scores[key], values=raised),
        }
    }
    levels = tested.level_table(conditions)
    means = levels.set_index(["level", names.MIXING_RATIO])["mean"]
    assert means[0.05, 0.5] - means[0.01, 0.5] == pytest.approx(0.1)
    changes = tested.interaction_table(conditions)
    assert changes["estimate"].tolist() == pytest.approx([0.1, 0.1])
    assert changes["gain_first"].tolist() == pytest.approx([0.05, 0.15])


def test_independent_questions_have_a_design_effect_of_one(scores: dict[Key, Scores]) -> None:
    key = (names.AP, names.MULTILINGUAL)
    effects = tested.design_effect_table({key: scores[key]})
    levels = effects[effects["quantity"] == "level"]
    assert levels["value"].tolist() == pytest.approx([1.0] * 3)
