"""Crossed parameters: averages over conditions, and changes of the gain between levels."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from hybridir.inference import (
    Condition,
    Interaction,
    average_conditions,
    average_level,
    interactions,
    levels_of,
)
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]
RATIOS = (0.0, 0.5, 1.0)


def conditions_of(make_scores: Make, n_seeds: int = 4) -> dict[Condition, Scores]:
    """Two temperatures by two budgets; the gain over 0 is .1 at one temperature, .3 at another."""
    generator = np.random.default_rng(0)
    shared = generator.normal(0, 0.2, (1, n_seeds, 1, 30))
    conditions: dict[Condition, Scores] = {}
    for temperature, pairs in product((0.05, 0.01), (2048, 512)):
        values = shared + generator.normal(0, 0.05, (3, n_seeds, 1, 30))
        values[1] += 0.1 if temperature == 0.01 else 0.3
        condition: Condition = (("temperature", temperature), ("pairs", pairs))
        conditions[condition] = make_scores(values, RATIOS)
    return conditions


def changes(conditions: dict[Condition, Scores]) -> list[Interaction]:
    return interactions(conditions)


def test_the_curve_is_the_mean_over_conditions_and_a_level_that_over_its_own(
    make_scores: Make,
) -> None:
    conditions = conditions_of(make_scores)
    assert levels_of(conditions) == {"temperature": [0.01, 0.05], "pairs": [512, 2048]}
    means = np.array([scores.macro_means() for scores in conditions.values()])
    np.testing.assert_allclose(average_conditions(conditions).macro_means(), means.mean(axis=0))
    low = average_level(conditions, "temperature", 0.05)
    np.testing.assert_allclose(low.macro_means(), means[:2].mean(axis=0))


def test_an_interaction_is_the_paired_difference_of_gains(make_scores: Make) -> None:
    conditions = conditions_of(make_scores, n_seeds=1)
    rows = {(row.parameter, row.pure): row for row in changes(conditions)}
    assert set(rows) == set(product(("temperature", "pairs"), (0.0, 1.0)))
    gains = {
        temperature: np.mean(
            [
                scores.values[1, 0, 0] - scores.values[0, 0, 0]
                for condition, scores in conditions.items()
                if ("temperature", temperature) in condition
            ],
            axis=0,
        )
        for temperature in (0.01, 0.05)
    }
    test = stats.ttest_rel(gains[0.05], gains[0.01])
    row = rows["temperature", 0.0]
    interval = test.confidence_interval(0.95)
    assert (row.first, row.second) == (0.01, 0.05)
    assert (row.gain_first, row.gain_second) == pytest.approx(
        (gains[0.01].mean(), gains[0.05].mean())
    )
    assert (row.low, row.high) == pytest.approx((interval.low, interval.high))
    assert row.p == pytest.approx(max(test.pvalue, 1e-4), rel=1e-5)  # of 9,999 swaps
    assert row.low < 0.2 < row.high
    assert rows["pairs", 0.0].low < 0 < rows["pairs", 0.0].high


def test_an_interaction_is_the_coefficient_of_a_linear_model(make_scores: Make) -> None:
    conditions = conditions_of(make_scores)
    frame = [
        {"ratio": ratio, "seed": seed, "value": value, **dict(condition)}
        for condition, scores in conditions.items()
        for (ratio, seed), value in np.ndenumerate(scores.macro_means())
    ]
    model = "value ~ C(ratio) * C(temperature) + C(seed) + C(pairs)"
    fit = smf.ols(model, pd.DataFrame(frame)).fit()
    (row,) = (
        row for row in changes(conditions) if (row.parameter, row.pure) == ("temperature", 0)
    )
    assert row.estimate == pytest.approx(fit.params["C(ratio)[T.1]:C(temperature)[T.0.05]"])


def test_a_seed_that_a_condition_lacks_does_not_count(make_scores: Make) -> None:
    conditions = conditions_of(make_scores)
    condition, scores = next(iter(conditions.items()))
    values = scores.values.copy()
    values[0, 2] = np.nan
    conditions[condition] = replace(scores, values=values)
    average = average_conditions(conditions)
    assert average.trained.tolist() == [[True, True, False, True], [True] * 4, [True] * 4]
    (row,) = (
        row for row in changes(conditions) if (row.parameter, row.pure) == ("temperature", 0)
    )
    assert row.n_seeds == 3


def test_conditions_on_other_questions_are_refused(make_scores: Make) -> None:
    conditions = conditions_of(make_scores)
    condition, scores = next(iter(conditions.items()))
    conditions[condition] = replace(scores, clusters=tuple("a" * 30))
    with pytest.raises(ValueError, match="different questions, clusters or cells"):
        changes(conditions)


def test_one_point_has_no_interaction(make_scores: Make) -> None:
    only = make_scores(np.random.default_rng(1).normal(size=(3, 2, 1, 5)), RATIOS)
    assert changes({(): only}) == []
    assert average_conditions({(): only}) is only


def test_equal_gains_are_no_certain_change(make_scores: Make) -> None:
    values = np.random.default_rng(2).random((3, 2, 1, 40))
    conditions: dict[Condition, Scores] = {
        (("temperature", level),): make_scores(values + shift, RATIOS)
        for level, shift in ((0.1, 0.0), (0.2, 0.01))
    }
    for row in changes(conditions):
        assert (row.estimate, row.p) == (0, 1), "the rest is rounding"
