import pytest

from analysis.figures.tradeoff import _get_tradeoff_info
from analysis.sections.tradeoff import measure_tradeoff, pareto_table, tradeoff_section
from analysis.study.arrays import Key
from hybridir import names
from hybridir.inference.scores import Scores


def test_ratios_that_no_other_beats_in_both_are_on_the_front(scores: dict[Key, Scores]) -> None:
    mono, cross = (
        scores[names.AP, setting] for setting in (names.MONOLINGUAL, names.CROSSLINGUAL)
    )
    table = pareto_table({"mono": mono, "cross": cross})
    # (.60, .50), (.70, .48), (.75, .20): each trades one for the other
    assert table["mono"].tolist() == pytest.approx([0.60, 0.70, 0.75])
    assert table["front"].tolist() == ["yes", "yes", "yes"]
    # with one setting on both axes the highest beats all others
    one_setting = pareto_table({"mono": mono, "cross": mono})
    assert one_setting["front"].tolist() == ["no", "no", "yes"]
    assert _get_tradeoff_info(table).front[names.MIXING_RATIO].tolist() == [1.0, 0.5, 0.0]


def test_section_needs_both_settings(scores: dict[Key, Scores]) -> None:
    points = measure_tradeoff(scores)
    assert points is not None
    assert (
        tradeoff_section("known", points)
        .figures[0]
        .caption.endswith("n = 3 seeds × 12 clusters of questions.")
    )
    key = (names.AP, names.MONOLINGUAL)
    assert measure_tradeoff({key: scores[key]}) is None
