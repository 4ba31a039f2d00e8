from typing import Any

import pandas as pd
import pytest

from analysis.sections.answer import answer
from analysis.tables.tested import FIT, GRID
from hybridir import names


def curve(
    n_seeds: int = 3, may_be_best: tuple[bool, ...] = (False, True, True, True)
) -> pd.DataFrame:
    row = {
        "measure": names.AP,
        "setting": names.MULTILINGUAL,
        "mean": 0.45,
        "low": 0.4,
        "high": 0.5,
        "loss_at_most": 0.004,
        "n_seeds": n_seeds,
        "n_questions": 1190,
    }
    ratios = (0.0, 0.4, 0.5, 1.0)
    return pd.DataFrame(
        [
            row | {names.MIXING_RATIO: ratio, "may_be_best": may}
            for ratio, may in zip(ratios, may_be_best, strict=True)
        ]
    )


def gains(*tested: tuple[float, float], measure: str = names.AP) -> pd.DataFrame:
    """Tabulate (difference, adjusted p) against each pure strategy, with intervals of +- .01."""
    rows = [
        {
            "measure": measure,
            "setting": names.MULTILINGUAL,
            "hybrid": 0.5,
            "pure": pure,
            "difference": difference,
            "low": difference - 0.01,
            "high": difference + 0.01,
            "p_holm": p,
        }
        for pure, (difference, p) in zip((0.0, 1.0), tested, strict=False)
    ]
    return pd.DataFrame(rows)


def optima(**changed: Any) -> pd.DataFrame:
    row = {
        "measure": names.AP,
        "setting": names.MULTILINGUAL,
        "optimum": 0.45,
        "low": 0.3,
        "high": 0.625,
        "bounded": True,
        "rests_on": FIT,
        "best": 0.5,
    }
    return pd.DataFrame([row | changed])


WON = gains((0.02, 0.003), (0.15, 0.0001))


@pytest.mark.parametrize(
    ("tested", "verdict"),
    [
        (
            [(0.02, 0.01), (0.1, 0.0001)],
            "Hybrid batches (α = 0.5) beat both pure strategies (p ≤ 0.010).",
        ),
        (
            [(0.02, 0.06), (0.1, 0.0001)],
            "beat monolingual batches alone (p < 0.001); the data do not distinguish them from "
            "cross-lingual batches alone (p = 0.060).",
        ),
        (
            [(-0.02, 0.01), (0.1, 0.01)],
            "beat monolingual batches alone (p = 0.010) and lose to cross-lingual batches alone",
        ),
        (
            [(-0.02, 0.01), (-0.1, 0.01)],
            "lose to cross-lingual batches alone (p = 0.010) and mono",
        ),
        (
            [(-0.02, 0.2), (0.1, 0.3)],
            "The data do not distinguish hybrid batches (α = 0.5) from either pure strategy "
            "(p ≤ 0.30).",
        ),
        (
            [(0.02, 0.2)],
            "The data do not distinguish hybrid batches (α = 0.5) from cross-lingual batches "
            "alone (p = 0.20).",
        ),
        ([], "No gain can be stated without both a hybrid and a pure strategy."),
    ],
)
def test_only_a_corrected_p_value_makes_a_gain_or_a_loss(
    tested: list[tuple[float, float]], verdict: str
) -> None:
    table = gains(*tested) if tested else WON.iloc[:0]
    assert verdict in answer("xquad-r", curve(), table, optima()).sentence


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "mAP is highest at α = 0.45 (95 % interval 0.3 to 0.62)."),
        ({"rests_on": GRID}, "at α = 0.45 of the confirmed ratios (95 %: one from 0.3 to 0.62)."),
        (
            {"rests_on": GRID, "low": 0.45, "high": 0.45},
            "at α = 0.45 of the confirmed ratios (95 %: no other).",
        ),
        ({"bounded": False}, "these data do not say which mixing ratio α is best."),
    ],
)
def test_the_best_ratio_is_stated_with_its_interval_and_basis(
    changed: dict[str, Any], expected: str
) -> None:
    sentence = answer("xquad-r", curve(), WON, optima(**changed)).sentence
    assert sentence.startswith("On xquad-r, in the multilingual setting, ")
    assert expected in sentence


def test_other_settings_follow_in_the_details() -> None:
    both = pd.concat([optima(), optima(setting=names.MONOLINGUAL, optimum=1.0, low=0.9, high=1.0)])
    rows = pd.concat([curve(), curve().assign(setting=names.MONOLINGUAL)])
    details = answer("xquad-r", rows, WON, both).details
    expected = "In the monolingual setting mAP is highest at α = 1 (95 % interval 0.9 to 1)."
    assert details.startswith(expected)


def test_language_bias_is_stated_with_intervals_and_corrected_p() -> None:
    ranks = gains((95.0, 0.01), measure=names.RANK_DISTANCE)
    first_hits = gains((0.08, 0.0001), measure=names.TOP1_OWN_LANGUAGE)
    table = pd.concat([WON, ranks, first_hits])
    details = answer("xquad-r", curve(), table, optima()).details
    assert "Against cross-lingual batches alone, hybrid batches change rank distance" in details
    assert "by +95.0 [+95.0, +95.0], p = 0.010 and" in details
    assert "by +0.080 [+0.070, +0.090], p < 0.001." in details


@pytest.mark.parametrize(
    ("may_be_best", "expected"),
    [
        ((False, True, True, True), "α = 0.4, 0.5 not significantly worse than the best, at most"),
        (
            (False, False, True, True),
            "significantly worse at α = 0.4 and at most 0.004 mAP",
        ),
    ],
)
def test_the_claim_of_a_stable_middle_is_tested(
    may_be_best: tuple[bool, ...], expected: str
) -> None:
    details = answer("xquad-r", curve(may_be_best=may_be_best), WON, optima()).details
    assert "Are ratios from 0.4 to 0.6 stable?" in details
    assert expected in details


def test_without_a_ratio_in_the_middle_the_claim_stays_open() -> None:
    rows = curve()
    ends = rows[rows[names.MIXING_RATIO].isin([0.0, 1.0])]
    details = answer("xquad-r", ends, WON, optima(best=1.0)).details
    assert "No ratio from 0.4 to 0.6 was confirmed" in details


def test_row_holds_best_ratio_level_and_gains_with_their_intervals() -> None:
    headline = answer("xquad-r", curve(), gains((0.02, 0.003), (-0.15, 0.0001)), optima())
    assert headline.rows == [
        {
            "setting": "multilingual",
            "best α": "0.45 [0.3, 0.62]",
            "based on": "fit",
            "best confirmed mAP": "0.450 [0.400, 0.500] at α = 0.5",
            "α = 0.5 minus α = 0": "+0.020 [+0.010, +0.030], p = 0.003",
            "α = 0.5 minus α = 1": "\u22120.150 [\u22120.160, \u22120.140], p < 0.001",
        }
    ]


@pytest.mark.parametrize(("n_seeds", "warns"), [(1, True), (5, False)])
def test_the_caveat_warns_about_one_seed(n_seeds: int, warns: bool) -> None:
    caveat = answer("xquad-r", curve(n_seeds), WON, optima()).caveat
    assert f"{n_seeds} seed" in caveat
    assert "1,190 questions" in caveat
    assert ("say nothing about the variance between seeds" in caveat) == warns
