import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import Polynomial

from analysis.study.arrays import Key
from analysis.tables import tested
from hybridir import names
from hybridir.inference import Replicates, replicate
from hybridir.inference.scores import Scores


@pytest.fixture(scope="module")
def gains(scores: dict[Key, Scores], replicates: dict[Key, Replicates]) -> pd.DataFrame:
    return tested.gain_table(scores, replicates, np.random.default_rng(0))


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
    assert (row["optimum"], row["low"], row["high"]) == (0.5, 0.5, 0.5)
    assert (row["best"], row["rests_on"]) == (0.5, tested.GRID)
    assert np.isnan([row["lack_of_fit"], row["degree"], row["fit_optimum"]]).all()
    assert tested.fit_table(scores, replicates).empty
    assert pool["best"][names.RANK_DISTANCE] == 0.0


def test_optimum_of_a_smooth_curve_rests_on_its_fit(
    smooth: dict[Key, Scores], smoothed: dict[Key, Replicates]
) -> None:
    table = tested.optimum_table(smooth, smoothed).set_index("setting")
    row = table.to_dict("index")[names.MULTILINGUAL]
    # through .40, .45, .30 the slope is .3 - .8 x, so that the curve is highest at .375
    assert row["low"] <= 0.375 <= row["high"]
    assert row["optimum"] == pytest.approx(0.375, abs=0.05)
    assert (row["rests_on"], row["degree"]) == (tested.FIT, 3)
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


def test_p_values_are_corrected_over_benchmarks_with_bias_apart(gains: pd.DataFrame) -> None:
    alone, again = tested.adjust_p_values([gains, gains])
    assert len(alone) == len(again) == len(gains)
    maps = alone["measure"] == names.AP
    assert maps.sum() == 6
    for family, size in ((maps, 12), (~maps, 2 * int((~maps).sum()))):
        expected = min(1.0, size * alone.loc[family, "p"].min())
        assert alone.loc[family, "p_holm"].min() == pytest.approx(expected)
    assert tested.adjust_p_values([]) == []


def test_a_benchmark_without_a_mixed_ratio_has_no_gains_and_leaves_others_alone(
    gains: pd.DataFrame,
) -> None:
    empty, alone = tested.adjust_p_values([gains.iloc[:0], gains])
    assert empty.empty
    assert len(alone) == len(gains)
