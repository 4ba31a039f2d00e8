import pandas as pd

from analysis.figures.language_bias import _get_language_bias_info
from analysis.study.arrays import Key
from analysis.tables import confirmed
from hybridir import names
from hybridir.inference.scores import Scores


def test_map_in_the_pool_is_shown_beside_the_bias(
    curve: pd.DataFrame, scores: dict[Key, Scores]
) -> None:
    panels = _get_language_bias_info(curve, confirmed.seed_table(scores)).panels
    assert [panel.measures for panel in panels] == [
        (names.AP,),
        (names.RANK_DISTANCE, names.RANK_DISTANCE_SEEN),
        (names.TOP1_OWN_LANGUAGE,),
    ]
    assert set(panels[0].means["setting"]) == {names.MULTILINGUAL}
    assert panels[2].means["mean"].tolist() == [6 / 12, 9 / 12, 12 / 12]


def test_rank_distances_over_a_factor_of_ten_get_a_logarithmic_axis(
    curve: pd.DataFrame, scores: dict[Key, Scores]
) -> None:
    seeds = confirmed.seed_table(scores)
    wide = _get_language_bias_info(curve, seeds).panels[1]
    assert wide.logarithmic  # from 5 among seen languages to 200
    narrow = _get_language_bias_info(curve[curve[names.MIXING_RATIO] < 1], seeds).panels[1]
    assert not narrow.logarithmic  # from 5 to 20


def test_measure_without_values_gets_no_panel_and_no_legend_entry(
    curve: pd.DataFrame, scores: dict[Key, Scores]
) -> None:
    fewer = curve[~curve["measure"].isin([names.RANK_DISTANCE_SEEN, names.TOP1_OWN_LANGUAGE])]
    panels = _get_language_bias_info(fewer, confirmed.seed_table(scores)).panels
    assert [panel.measures for panel in panels] == [(names.AP,), (names.RANK_DISTANCE,)]
