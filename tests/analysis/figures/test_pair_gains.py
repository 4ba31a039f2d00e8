import pytest

from analysis.figures.group_gains import _get_group_gains_info
from analysis.figures.pair_gains import _get_pair_gains_info
from analysis.study.arrays import Key
from analysis.tables.gains import adjust_together, cell_gain_table, group_gain_table
from hybridir import names
from hybridir.inference.scores import Scores, side_by_side


@pytest.fixture
def all_settings(scores: dict[Key, Scores]) -> Scores:
    settings = [scores[names.AP, setting] for setting in names.SETTINGS]
    return side_by_side(settings, settings[0].ratios)


def test_a_panel_begins_with_its_own_language_and_ends_with_the_common_pool(
    all_settings: Scores,
) -> None:
    info = _get_pair_gains_info(*adjust_together([cell_gain_table(all_settings, 0.5)]))
    assert info.questions == ["German", "English", "Spanish"]
    assert info.pools["English"] == ["en", "de", "es", names.ALL_LANGUAGES]


def test_gains_are_shown_times_100_under_their_pure_strategy(
    all_settings: Scores,
) -> None:
    info = _get_pair_gains_info(*adjust_together([cell_gain_table(all_settings, 0.5)]))
    rows = info.gains[(info.gains["question"] == "English") & (info.gains["pool"] == "de")]
    gains = dict(zip(rows["strategy"], rows["difference"], strict=True))
    assert gains == {
        "minus cross-lingual batches alone (α = 0)": pytest.approx(-2),
        "minus monolingual batches alone (α = 1)": pytest.approx(28),
    }


def test_kinds_keep_their_order_with_the_contrast_below_them(all_settings: Scores) -> None:
    info = _get_group_gains_info(*adjust_together([group_gain_table(all_settings, 0.5, None)]))
    contrast = "same language minus other language"
    assert info.order == {"question and pool": ["same language", "other language", contrast]}
    rows = info.gains[info.gains["group"] == contrast]
    # gains of .10 and -.05 in one language, of -.02 and .28 in pairs
    assert rows["difference"].tolist() == pytest.approx([12, -33])
    assert rows["contrast"].all()
