"""Draws against what they stand for: t over seeds, resampling over questions."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from hybridir.inference import replicate
from hybridir.inference.crossed import Crossed
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def test_with_questions_alike_draws_have_the_t_distribution_of_the_seeds(
    make_scores: Make,
) -> None:
    seeds = np.array([0.1, 0.2, 0.4, 0.35])
    scores = make_scores(np.tile(seeds[None, :, None, None], (1, 1, 1, 5)), (0.5,))
    drawn = replicate(scores, np.random.default_rng(0), 4000).values[0]
    expected = stats.t(3, seeds.mean(), seeds.std(ddof=1) / 2)
    assert stats.kstest(drawn, expected.cdf).pvalue > 0.01


def test_with_one_seed_draws_are_the_bootstrap_over_questions(make_scores: Make) -> None:
    values = np.random.default_rng(1).exponential(size=(1, 1, 1, 30))
    drawn = replicate(make_scores(values, (0.5,)), np.random.default_rng(0), 4000).values[0]
    expected = stats.bootstrap((values.ravel(),), np.mean, rng=3).bootstrap_distribution
    assert stats.ks_2samp(drawn, expected).pvalue > 0.01


def test_draws_of_a_difference_have_the_variances_of_seeds_and_questions(
    make_scores: Make,
) -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=(2, 30, 1, 50)) + generator.normal(size=(2, 30, 1, 1))
    values += 2 * generator.normal(size=(2, 1, 1, 50))
    drawn = replicate(make_scores(values, (0.0, 1.0)), generator, 8000).values
    seeds, questions, _ = Crossed.of(values[:, :, 0]).variances(np.array([[1.0, -1.0]]))
    # a t of 29 degrees of freedom has 29 / 27 of its scale's variance, and resampling of 50
    # questions 49 / 50 of the unbiased one
    expected = seeds[0] * 29 / 27 + questions[0] * 49 / 50
    assert (drawn[0] - drawn[1]).var() == pytest.approx(expected, rel=0.06)


def test_ratios_are_drawn_together(make_scores: Make) -> None:
    noise = np.random.default_rng(3).normal(size=(1, 3, 2, 20))
    scores = make_scores(np.concatenate([noise, noise + 0.25]), (0.0, 0.5))
    drawn = replicate(scores, np.random.default_rng(0), 50).values
    np.testing.assert_allclose(drawn[1] - drawn[0], 0.25)


def test_a_ratio_that_lacks_a_seed_varies_by_those_it_has(make_scores: Make) -> None:
    values = np.zeros((2, 3, 1, 4))
    values[:, :, 0] = np.array([0.1, 0.2, 0.9])[None, :, None]
    values[1, 2] = np.nan
    drawn = replicate(make_scores(values, (0.0, 0.5)), np.random.default_rng(4), 4000).values
    expected = stats.t(1, 0.15, np.std([0.1, 0.2], ddof=1) / np.sqrt(2))
    assert stats.kstest(drawn[1], expected.cdf).pvalue > 0.01


def test_same_generator_state_gives_the_same_draws(make_scores: Make) -> None:
    scores = make_scores(np.random.default_rng(6).normal(size=(2, 3, 2, 10)), (0.0, 1.0))
    first, second = (replicate(scores, np.random.default_rng(8), 20) for _ in range(2))
    np.testing.assert_array_equal(first.values, second.values)
