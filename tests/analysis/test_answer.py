import pandas as pd
import pytest

from analysis.answer import answer
from analysis.inference import BestRatio
from hybridir import names

BEST = {names.MULTILINGUAL: BestRatio(0.5, 0.25, 0.5, 0.8)}


def curve(n_seeds: int = 3) -> pd.DataFrame:
    row = {
        "measure": names.AP,
        "setting": names.MULTILINGUAL,
        "mean": 0.45,
        "low": 0.4,
        "high": 0.5,
        "n_seeds": n_seeds,
        "n_questions": 1190,
    }
    return pd.DataFrame([row | {names.MIXING_RATIO: ratio} for ratio in (0.0, 0.5, 1.0)])


def gains(*intervals: tuple[float, float]) -> pd.DataFrame:
    rows = [
        (names.AP, names.MULTILINGUAL, 0.5, pure, (low + high) / 2, low, high)
        for pure, (low, high) in zip((0.0, 1.0), intervals, strict=False)
    ]
    columns = ["measure", "setting", "hybrid", "pure", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("intervals", "verdict"),
    [
        ([(0.01, 0.03), (0.1, 0.2)], "beat both pure strategies."),
        ([(-0.01, 0.03), (0.1, 0.2)], "beat monolingual batches alone; these data do not tell"),
        (
            [(-0.03, -0.01), (0.1, 0.2)],
            "lose to cross-lingual batches alone, though they beat mono",
        ),
        ([(-0.03, -0.01), (-0.2, -0.1)], "lose to cross-lingual batches alone and monolingual"),
        ([(-0.03, 0.01), (-0.2, 0.1)], "do not tell hybrid batches (α = 0.5) apart from either"),
        ([(0.01, 0.03)], "α = 0.5 came out best of those that were confirmed; without both"),
    ],
)
def test_only_an_interval_that_leaves_out_zero_is_a_gain_or_a_loss(
    intervals: list[tuple[float, float]], verdict: str
) -> None:
    assert verdict in answer("xquad-r", curve(), gains(*intervals), BEST).sentence


def test_row_holds_best_ratio_level_and_gains_with_their_intervals() -> None:
    found = answer("xquad-r", curve(), gains((0.01, 0.03), (-0.2, -0.1)), BEST)
    assert found.rows == [
        {
            "setting": "multilingual",
            "best α": "0.5 [0.25, 0.5]",
            "mAP there": "0.450 [0.400, 0.500]",
            "α = 0.5 minus α = 0": "+0.020 [+0.010, +0.030]",
            "α = 0.5 minus α = 1": "\u22120.150 [\u22120.200, \u22120.100]",
        }
    ]


@pytest.mark.parametrize(
    ("n_seeds", "warning"),
    [(1, "say nothing about the variance between seeds"), (5, "understate the variance"), (6, "")],
)
def test_few_seeds_are_owned_up_to(n_seeds: int, warning: str) -> None:
    caveat = answer("xquad-r", curve(n_seeds), gains((0, 1), (0, 1)), BEST).caveat
    assert f"{n_seeds} seed" in caveat
    assert "1,190 questions" in caveat
    assert (warning in caveat) if warning else ("variance between seeds" not in caveat)
