import numpy as np
import pandas as pd
import pytest

from analysis.figures.ratio_curve import (
    _get_ratio_curve_info,
    _RatioCurveInfo,
    plot_ratio_curve,
)
from analysis.study.arrays import Key
from analysis.tables import confirmed, tested
from hybridir import inference, names
from hybridir.inference import Replicates
from hybridir.inference.scores import Scores


def info_of(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> _RatioCurveInfo:
    fits = tested.fit_table(scores, replicates)
    optima = tested.optimum_table(scores, replicates)
    tables = (curve, confirmed.seed_table(scores), fits, optima, gains_of(scores, replicates))
    return _get_ratio_curve_info(*map(of_map, tables))


def gains_of(scores: dict[Key, Scores], replicates: dict[Key, Replicates]) -> pd.DataFrame:
    generators = {key: np.random.default_rng(1) for key in scores}
    table = tested.gain_table(scores, replicates, generators)
    return table.assign(p_holm=inference.holm(table["p"].to_numpy()))


def of_map(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["measure"] == names.AP]


def test_shows_map_alone_and_marks_the_best_ratio_of_each_setting(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    info = info_of(curve, scores, replicates)
    assert len(info.means) == 9
    assert len(info.seeds) == 27
    best = info.means[info.means["best"]].set_index("setting")[names.MIXING_RATIO]
    assert best.to_dict() == {
        names.MONOLINGUAL: 1.0,
        names.CROSSLINGUAL: 0.0,
        names.MULTILINGUAL: 0.5,
    }


def test_gains_are_judged_after_correction(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    info = info_of(curve, scores, replicates)
    # Means of the pool at 0, .5 and 1 are .40, .45 and .30, of the monolingual setting at 1 .75.
    pool = info.gains[info.gains["setting"] == names.MULTILINGUAL].set_index("label")
    assert pool["difference"].to_dict() == pytest.approx({"over α = 0": 0.05, "over α = 1": 0.15})
    assert set(info.gains["verdict"][info.gains["p_holm"] >= 0.05]) <= {"not distinguished"}
    clear = info.gains[info.gains["p_holm"] < 0.05]
    assert len(clear)
    assert ((clear["verdict"] == "gain") == (clear["difference"] > 0)).all()


def test_smooth_curves_replace_joined_means_where_they_fit(smooth: dict[Key, Scores]) -> None:
    generator = np.random.default_rng(2)
    draws = {key: inference.replicate(fitted, generator, 200) for key, fitted in smooth.items()}
    info = info_of(confirmed.curve_table(smooth, draws), smooth, draws)
    assert info.fits.groupby("setting").size().to_dict() == dict.fromkeys(names.SETTINGS, 101)
    assert info.joined.empty


def test_means_without_a_fit_are_joined(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    info = info_of(curve, scores, replicates)
    assert info.fits.empty
    assert len(info.joined) == 9
    optima = tested.optimum_table(scores, replicates)
    fits = tested.fit_table(scores, replicates)
    seeds = confirmed.seed_table(scores)
    gains = gains_of(scores, replicates)
    plot_ratio_curve(curve, seeds, fits, optima, gains).to_dict()  # Altair validates the chart
    plot_ratio_curve(curve, seeds, fits, optima, gains[:0]).to_dict()


def test_intervals_of_the_best_ratio_are_above_their_curves(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    info = info_of(curve, scores, replicates)
    tops = info.means.groupby("setting")["high"].max()
    assert len(info.optima) == 3
    assert (info.optima["position"].to_numpy() > tops[info.optima["setting"]].to_numpy()).all()
    unbounded = tested.optimum_table(scores, replicates).assign(bounded=False)
    fits = info.fits.assign(measure=names.AP)
    gains = gains_of(scores, replicates)
    tables = (curve, confirmed.seed_table(scores), fits, unbounded, gains)
    assert _get_ratio_curve_info(*map(of_map, tables)).optima.empty
