"""Mean squares and the variance of a mean: against statsmodels, closed forms and simulation."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from hybridir.inference.mean_squares import (
    BY_CLUSTER,
    BY_SEED,
    CLUSTER,
    RESIDUAL,
    SEED,
    SeedsByClusters,
    mean_squares,
    satterthwaite,
)
from hybridir.inference.scores import Floats


def layout(
    generator: np.random.Generator, shape: tuple[int, int], sds: tuple[float, float, float]
) -> Floats:
    """Seeds by questions with known standard deviations of seed, question and rest; mean 0."""
    n_seeds, n_questions = shape
    seed, question, rest = sds
    return np.asarray(
        generator.normal(0, seed, (n_seeds, 1))
        + generator.normal(0, question, (1, n_questions))
        + generator.normal(0, rest, shape)
    )


def test_mean_squares_of_seeds_and_questions_are_those_of_an_analysis_of_variance() -> None:
    values = layout(np.random.default_rng(0), (3, 7), (1.0, 2.0, 0.5))
    rows = [(s, q, value) for (s, q), value in np.ndenumerate(values)]
    table = anova_lm(ols("y ~ C(s) + C(q)", pd.DataFrame(rows, columns=["s", "q", "y"])).fit())
    squares = SeedsByClusters.of(values)
    assert squares[:3] == pytest.approx(table["mean_sq"].tolist())
    assert (squares.n_seeds, squares.n_clusters) == (3, 7)


def test_nested_levels_have_the_mean_squares_of_a_nested_analysis_of_variance() -> None:
    values = np.random.default_rng(1).normal(size=(3, 2, 5))  # parts, seeds of each, questions
    rows = [(*index, value) for index, value in np.ndenumerate(values)]
    model = ols("y ~ C(q) * (C(p) / C(s))", pd.DataFrame(rows, columns=["p", "s", "q", "y"]))
    with np.errstate(divide="ignore"):  # of F, since the model leaves no residual
        table = anova_lm(model.fit())
    expected = {
        frozenset(name[2] for name in term.split(":")): (row["sum_sq"] / row["df"], row["df"])
        for term, row in table.drop("Residual").iterrows()
    }
    squares = mean_squares(values[None], ("p", "s", "q"), {"s": "p"})
    # statsmodels names a seed's effect by its part as well.
    squares_by_source = {
        source | {"p"} if "s" in source else source: (entry.square[0, 0], entry.degrees)
        for source, entry in squares.items()
    }
    assert squares_by_source.keys() == expected.keys()
    for source, entry in expected.items():
        assert squares_by_source[source] == pytest.approx(entry), source


def test_two_series_give_the_products_of_their_effects() -> None:
    values = np.random.default_rng(2).normal(size=(2, 4, 9))
    squares = mean_squares(values, (SEED, CLUSTER))
    # Of means over questions, the covariance over seeds; 9 values are in each mean.
    expected = 9 * np.cov(values.mean(axis=2))
    np.testing.assert_allclose(squares[BY_SEED].square, expected)
    np.testing.assert_allclose(squares[BY_SEED].of_mean, expected / 36)
    # A sum of two series has the squares of both and twice their products.
    total = mean_squares(values.sum(axis=0, keepdims=True), (SEED, CLUSTER))[RESIDUAL]
    assert total.square[0, 0] == pytest.approx(squares[RESIDUAL].square.sum())


def test_an_axis_with_one_level_has_no_mean_square_and_adds_nothing() -> None:
    squares = mean_squares(np.random.default_rng(3).normal(size=(1, 1, 6)), (SEED, CLUSTER))
    assert np.isnan(squares[BY_SEED].square).all()
    assert squares[BY_SEED].of_mean.tolist() == [[0.0]]
    assert squares[RESIDUAL].degrees == 0
    assert squares[BY_CLUSTER].square[0, 0] > 0


def test_variance_of_the_mean_is_unbiased_with_three_seeds() -> None:
    # 0.2² / 3 + 1² / 40 + 0.5² / 120
    truth = 0.2**2 / 3 + 1.0**2 / 40 + 0.5**2 / 120
    generator = np.random.default_rng(2)
    drawn = [
        SeedsByClusters.of(layout(generator, (3, 40), (0.2, 1.0, 0.5))).variance_of_mean()[0]
        for _ in range(2000)
    ]
    assert np.mean(drawn) == pytest.approx(truth, abs=4 * np.std(drawn) / np.sqrt(len(drawn)))


def test_degrees_of_freedom_are_welchs_for_two_variances() -> None:
    # variances 4 / 5 and 9 / 7 of two means: (.8 + 9 / 7)² / (.8² / 4 + (9 / 7)² / 6)
    total, degrees = satterthwaite([(4 / 5, 4), (9 / 7, 6)])
    assert total == pytest.approx(4 / 5 + 9 / 7)
    assert degrees == pytest.approx(2.0857142857**2 / (0.16 + 1.6530612245 / 6))
    assert satterthwaite([(0.0, 3), (0.0, 9)]) == (0.0, 3.0)
