import numpy as np
import pandas as pd
import pytest

from analysis import findings
from analysis.inference import Replicates
from analysis.scores import Key, Scores
from hybridir import names


@pytest.fixture(scope="module")
def gains(scores: dict[Key, Scores], replicates: dict[Key, Replicates]) -> pd.DataFrame:
    return findings.gain_table(scores, replicates, np.random.default_rng(0))


def test_gains_are_hybrid_minus_each_pure_strategy(gains: pd.DataFrame) -> None:
    rows = gains.set_index(["measure", "setting", "pure"])["difference"]
    assert rows[names.AP, names.MULTILINGUAL, 0.0] == pytest.approx(0.45 - 0.40)
    assert rows[names.AP, names.MONOLINGUAL, 1.0] == pytest.approx(0.70 - 0.75)
    assert set(gains["hybrid"]) == {0.5}


def test_optimum_of_three_ratios_rests_on_their_parabola(
    scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    table = findings.optimum_table(scores, replicates)
    pool = table[table["setting"] == names.MULTILINGUAL].set_index("measure")
    row = pool.to_dict("index")[names.AP]
    # through .40, .45, .30 the slope is .3 - .8 x
    assert row["optimum"] == pytest.approx(0.375)
    assert (row["best"], row["rests_on"], row["degree"]) == (0.5, findings.FIT, 2)
    assert np.isnan(row["lack_of_fit"])
    assert pool["best"][names.RANK_DISTANCE] == 0.0


def test_fit_goes_through_three_means(
    scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    table = findings.fit_table(scores, replicates)
    one = table[(table["measure"] == names.AP) & (table["setting"] == names.MULTILINGUAL)]
    values = one.set_index(names.MIXING_RATIO)["fit"]
    assert [values[0.0], values[0.5], values[1.0]] == pytest.approx([0.40, 0.45, 0.30])
    assert (one["fit_low"] <= one["fit_high"]).all()


def test_p_values_are_corrected_over_benchmarks_with_bias_apart(gains: pd.DataFrame) -> None:
    alone, again = findings.corrected([gains, gains])
    assert len(alone) == len(again) == len(gains)
    maps = alone["measure"] == names.AP
    assert maps.sum() == 6
    for family, size in ((maps, 12), (~maps, 2 * int((~maps).sum()))):
        expected = min(1.0, size * alone.loc[family, "p"].min())
        assert alone.loc[family, "p_holm"].min() == pytest.approx(expected)
    assert findings.corrected([]) == []


def test_a_benchmark_without_a_mixed_ratio_has_no_gains_and_spoils_no_others(
    gains: pd.DataFrame,
) -> None:
    nothing, alone = findings.corrected([gains.iloc[:0], gains])
    assert nothing.empty
    assert len(alone) == len(gains)
