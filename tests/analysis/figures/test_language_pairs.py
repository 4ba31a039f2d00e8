import pytest

from analysis.figures.language_pairs import _get_language_pairs_info
from analysis.study.arrays import Key
from analysis.tables import confirmed
from hybridir import names
from hybridir.inference.scores import Scores

PAIR = [names.QUERY_LANGUAGE, names.POOL_LANGUAGE]


def test_gain_is_over_the_better_pure_strategy_of_each_pair(scores: dict[Key, Scores]) -> None:
    info = _get_language_pairs_info(confirmed.language_table(scores), 0.5, 0.5)
    gains = info.gains.set_index(PAIR)["gain"]
    # monolingual .70 against max(.60, .75), cross-lingual .48 against max(.50, .20), times 100
    assert gains["en", "en"] == pytest.approx(-5)
    assert gains["en", "de"] == pytest.approx(-2)
    assert info.languages == ["de", "en", "es"]


def test_levels_are_those_of_the_ratio_and_carry_names(scores: dict[Key, Scores]) -> None:
    info = _get_language_pairs_info(confirmed.language_table(scores), 1.0, 0.5)
    rows = info.levels.set_index(PAIR)
    assert rows["map"]["es", "de"] == pytest.approx(0.20)
    assert (rows["query"]["es", "de"], rows["pool"]["es", "de"]) == ("Spanish", "German")


def test_without_both_pure_strategies_there_is_no_gain(scores: dict[Key, Scores]) -> None:
    table = confirmed.language_table(scores)
    one_end = table[table[names.MIXING_RATIO] < 1]
    assert _get_language_pairs_info(one_end, 0.5, 0.5).gains.empty
    assert _get_language_pairs_info(table, 0.0, None).gains.empty
