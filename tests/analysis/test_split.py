"""The variance split: against an analysis of variance by statsmodels, and simulation."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from analysis.scores import Floats
from analysis.split import QUESTION, RATIO, SEED, SOURCES, complete_block, split_variance

SDS = dict(zip(SOURCES, (0.5, 1.0, 0.3, 0.4, 0.6, 0.8), strict=True))


def made(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    axes = {RATIO: 0, SEED: 1, QUESTION: 2}
    total = np.zeros(shape)
    for source, sd in SDS.items():
        inside = {axes[name] for name in source}
        size = [length if axis in inside else 1 for axis, length in enumerate(shape)]
        total = total + generator.normal(0, sd, size)
    return np.asarray(total + np.arange(shape[0])[:, None, None])  # ratios differ; it is no part


def test_variances_solve_the_expected_mean_squares() -> None:
    shape = (3, 4, 5)
    values = made(np.random.default_rng(0), shape)
    rows = [(*index, value) for index, value in np.ndenumerate(values)]
    model = ols("y ~ C(a) * C(s) * C(q)", pd.DataFrame(rows, columns=["a", "s", "q", "y"]))
    with np.errstate(divide="ignore"):  # of F, since the model leaves no residual
        table = anova_lm(model.fit())
    a, s, q = shape
    squares = (table["sum_sq"] / table["df"]).drop("Residual").tolist()
    _, ms_s, ms_q, ms_as, ms_aq, ms_sq, ms_asq = squares
    expected = [
        (ms_s - ms_as - ms_sq + ms_asq) / (a * q),
        (ms_q - ms_aq - ms_sq + ms_asq) / (a * s),
        (ms_as - ms_asq) / q,
        (ms_aq - ms_asq) / s,
        (ms_sq - ms_asq) / a,
        ms_asq,
    ]
    found = split_variance(values, np.random.default_rng(1))
    assert [component.variance for component in found] == pytest.approx(expected)


def test_variances_are_unbiased_and_intervals_cover_at_their_nominal_rate() -> None:
    generator = np.random.default_rng(2)
    studies = 400
    found = [split_variance(made(generator, (3, 5, 12)), generator) for _ in range(studies)]
    for index, (source, sd) in enumerate(SDS.items()):
        drawn = np.array([components[index].variance for components in found])
        error = drawn.std() / np.sqrt(studies)
        assert drawn.mean() == pytest.approx(sd**2, abs=4 * error), source
        covered = np.mean([split[index].low <= sd**2 <= split[index].high for split in found])
        # three standard errors of .95 over 400 are .033; they may cover more than they say
        assert covered >= 0.95 - 0.033, source


def test_a_trials_mean_averages_what_varies_with_the_question() -> None:
    found = split_variance(made(np.random.default_rng(3), (3, 5, 12)), np.random.default_rng(4))
    by_source = {component.source: component for component in found}
    question, seed = by_source[frozenset({QUESTION})], by_source[frozenset({SEED})]
    assert question.in_mean == pytest.approx(np.sqrt(max(question.variance, 0) / 12))
    assert seed.in_mean_high == pytest.approx(np.sqrt(seed.high))


def test_largest_block_without_gaps_is_taken() -> None:
    trained = np.array(
        [
            [True, True, True, True],
            [True, True, False, True],
            [False, True, False, False],
        ]
    )
    assert complete_block(trained) == ([0, 1], [0, 1, 3])  # 6 trials; all three ratios have 3
    assert complete_block(np.ones((2, 3), dtype=bool)) == ([0, 1], [0, 1, 2])
