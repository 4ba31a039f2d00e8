"""The section on crossed parameters, from tables with known content."""

import pandas as pd

from analysis.sections.conditions import ConditionTables, conditions_section
from hybridir import names


def crossed(best: dict[float, float], p_holm: float) -> ConditionTables:
    """At each temperature one ratio may be best; the gain changes by .1 with this p."""
    levels = [
        {
            **{"measure": names.AP, "setting": names.MULTILINGUAL, "parameter": names.TEMPERATURE},
            **{"level": level, names.MIXING_RATIO: ratio, "mean": 0.5, "low": 0.4, "high": 0.6},
            **{"may_be_best": ratio == best[level], "n_seeds": 3, "n_clusters": 12},
        }
        for level in best
        for ratio in (0.0, 0.5, 1.0)
    ]
    change = {
        **{"measure": names.AP, "setting": names.MULTILINGUAL, "parameter": names.TEMPERATURE},
        **{"first": 0.02, "second": 0.05, "hybrid": 0.5, "pure": [0.0, 1.0]},
        **{"gain_first": 0.1, "gain_second": 0.2, "estimate": [0.1, 0.0], "low": 0.05},
        **{"high": 0.15, "p": 0.01, "p_holm": [p_holm, 0.9], "n_seeds": 3, "n_clusters": 12},
    }
    return ConditionTables(pd.DataFrame(levels), pd.DataFrame(change))


def test_a_best_ratio_that_moves_and_a_gain_that_changes_are_said_in_a_sentence_each() -> None:
    section = conditions_section("known", crossed({0.02: 0.0, 0.05: 0.5}, 0.01))
    moves, changes = section.paragraphs
    assert moves == (
        "The best ratio of mAP moves with temperature in the multilingual setting: no ratio may "
        "be best at every level."
    )
    assert changes.startswith("The gain in mAP changes in 1 of 2 comparisons between two levels")
    assert changes.endswith("from temperature 0.02 to 0.05: +0.100 [+0.050, +0.150].")
    best, interactions, _ = section.tables
    assert best.data["may_be_best"].tolist() == ["{0}", "{0.5}"]
    assert interactions.data["verdict"].tolist() == ["is higher", "is not told apart"]
    assert all(figure.plot().to_dict() for figure in section.figures)


def test_where_nothing_changes_this_is_said_and_not_claimed_as_proof() -> None:
    section = conditions_section("known", crossed({0.02: 0.5, 0.05: 0.5}, 0.3))
    assert section.paragraphs[0].startswith("In no setting do these data show that the best ratio")
    assert (
        "estimates from 0.000 to +0.100, their intervals within [+0.050, +0.150]. This"
        in (section.paragraphs[1])
    )
    tables = crossed({0.02: 0.5, 0.05: 0.5}, 0.3)
    fallen = tables.interactions.assign(estimate=[0.1, -0.0104], low=-0.03)
    (_, text) = conditions_section("known", tables._replace(interactions=fallen)).paragraphs
    assert "from \u22120.010 to +0.100, their intervals within [\u22120.030, +0.150]" in text
    assert section.tables[0].data["moves"].tolist() == ["not shown: {0.5} may be at all"] * 2
