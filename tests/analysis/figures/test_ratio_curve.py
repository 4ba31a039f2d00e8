import pandas as pd
import pytest

from analysis import frames
from analysis.figures.ratio_curve import _get_ratio_curve_info, _spread
from analysis.scores import Key, Scores
from hybridir import names


def test_shows_map_alone_and_marks_the_best_ratio_of_each_setting(
    curve: pd.DataFrame, scores: dict[Key, Scores]
) -> None:
    info = _get_ratio_curve_info(curve, frames.seed_table(scores))
    assert len(info.means) == 9
    assert len(info.seeds) == 27
    best = info.means[info.means["best"]].set_index("setting")[names.MIXING_RATIO]
    assert best.to_dict() == {
        names.MONOLINGUAL: 1.0,
        names.CROSSLINGUAL: 0.0,
        names.MULTILINGUAL: 0.5,
    }


def test_names_stand_at_the_right_end_of_their_curves(
    curve: pd.DataFrame, scores: dict[Key, Scores]
) -> None:
    labels = _get_ratio_curve_info(curve, frames.seed_table(scores)).labels.set_index("label")
    # at ratio 1 the means are .75, .20 and .30, further apart than a line of text
    assert labels["position"].to_dict() == pytest.approx(
        {"monolingual": 0.75, "cross-lingual": 0.20, "multilingual": 0.30}
    )


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
