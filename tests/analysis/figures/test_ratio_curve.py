import numpy as np
import pandas as pd
import pytest

from analysis.figures.ratio_curve import (
    _get_ratio_curve_info,
    _RatioCurveInfo,
    _spread,
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
    return _get_ratio_curve_info(*map(of_map, (curve, confirmed.seed_table(scores), fits, optima)))


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


def test_names_are_written_at_the_right_end_of_their_curves(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    labels = info_of(curve, scores, replicates).labels.set_index("label")
    # at ratio 1 the means are .75, .20 and .30, further apart than a line of text
    assert labels["position"].to_dict() == pytest.approx(
        {"monolingual": 0.75, "cross-lingual": 0.20, "multilingual": 0.30}
    )


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
    plot_ratio_curve(curve, seeds, fits, optima).to_dict()  # Altair validates the chart


def test_intervals_of_the_best_ratio_are_above_their_curves(
    curve: pd.DataFrame, scores: dict[Key, Scores], replicates: dict[Key, Replicates]
) -> None:
    info = info_of(curve, scores, replicates)
    tops = info.means.groupby("setting")["high"].max()
    assert len(info.optima) == 3
    assert (info.optima["position"].to_numpy() > tops[info.optima["setting"]].to_numpy()).all()
    unbounded = tested.optimum_table(scores, replicates).assign(bounded=False)
    fits = info.fits.assign(measure=names.AP)
    tables = (curve, confirmed.seed_table(scores), fits, unbounded)
    assert _get_ratio_curve_info(*map(of_map, tables)).optima.empty


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([0.1, 0.9], [0.1, 0.9]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.52, 0.5], [0.56, 0.46]),
        ([0.5, 0.5, 0.62], [0.44, 0.54, 0.64]),  # their mean .54, a block of three
    ],
)
def test_labels_that_would_touch_move_apart_around_their_mean(
    positions: list[float], expected: list[float]
) -> None:
    assert _spread(positions, gap=0.1) == pytest.approx(expected)
