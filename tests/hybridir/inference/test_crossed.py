"""Intervals and p-values against classical tests, where one of the two sources is absent."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hybridir.inference.crossed import Crossed, Variances, half_widths

DIFFERENCE = np.array([1.0, -1.0])


def simulate(n_seeds: int, n_questions: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(2, n_seeds, n_questions))
    values += generator.normal(size=(2, n_seeds, 1)) + generator.normal(size=(2, 1, n_questions))
    return values


def test_one_seed_gives_the_paired_t_test_over_questions() -> None:
    values = simulate(1, 40)
    crossed, expected = Crossed.of(values), stats.ttest_rel(values[0, 0], values[1, 0])
    assert crossed.p_values(DIFFERENCE[None])[0] == pytest.approx(expected.pvalue, rel=1e-6)
    interval = expected.confidence_interval(0.95)
    assert crossed.interval(DIFFERENCE)[1:3] == pytest.approx((interval.low, interval.high))


def test_one_question_gives_the_paired_t_test_over_seeds() -> None:
    values = simulate(5, 1)
    crossed, expected = Crossed.of(values), stats.ttest_rel(values[0, :, 0], values[1, :, 0])
    assert crossed.p_values(DIFFERENCE[None])[0] == pytest.approx(expected.pvalue, rel=1e-6)
    assert crossed.n_seeds == 5


def test_the_quantile_is_the_mean_of_both_weighted_by_their_variances() -> None:
    values = simulate(4, 30)
    apart = values[0] - values[1]
    frame = pd.DataFrame(
        [(seed, question, value) for (seed, question), value in np.ndenumerate(apart)],
        columns=["seed", "question", "value"],
    )
    table = smf.ols("value ~ C(seed) + C(question)", frame).fit()
    rest = table.ssr / table.df_resid
    by_question = 4 * apart.mean(axis=0).var(ddof=1)  # mean square
    seeds, questions = apart.mean(axis=1).var(ddof=1) / 4, (by_question - rest) / (4 * 30)
    weighted = seeds * stats.t.isf(0.025, 3) + questions * stats.t.isf(0.025, 29)
    expected = weighted / np.sqrt(seeds + questions)
    assert Crossed.of(values).half_widths(DIFFERENCE[None])[0] == pytest.approx(expected)


def test_at_a_corrected_level_the_mean_of_the_quantiles_is_quadratic() -> None:
    seeds, clusters = np.array([0.09]), np.array([0.01])
    for alpha in (0.025, 0.001):
        first, second = stats.t.isf(alpha / 2, [1, 47])
        # root of the sum of variance times squared quantile, as the share is variance over sum
        expected = np.sqrt(0.09 * first**2 + 0.01 * second**2)
        variances = Variances(seeds, clusters, np.zeros(1))
        assert half_widths(alpha, variances, 2, 48)[0] == pytest.approx(expected)


def test_clusters_that_vary_less_than_the_rest_take_nothing_from_the_seeds() -> None:
    # Each cluster's mean over both seeds is .25: the clusters' mean square is 0, the rest's is
    # not. The paired t test over the seeds' means remains.
    apart = np.random.default_rng(0).normal(size=12)
    apart -= apart.mean()
    gains = np.stack([0.2 + apart, 0.3 - apart])
    crossed = Crossed.of(np.stack([gains, np.zeros_like(gains)]))
    expected = stats.ttest_1samp([0.2, 0.3], 0)
    assert crossed.p_values(DIFFERENCE[None])[0] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert crossed.interval(DIFFERENCE)[1:3] == pytest.approx((interval.low, interval.high))


def test_seeds_that_agree_by_chance_leave_half_of_the_interval_of_other_clusters() -> None:
    # Each of three seeds errs in one cluster of 35, another one: the seeds' means are equal, and
    # the clusters' means vary less than the rest does. The rest alone says how sure the mean is.
    values = np.ones((1, 3, 35))
    values[0, [0, 1, 2], [4, 11, 30]] = 0.7
    frame = pd.DataFrame(
        [(seed, cluster, value) for (seed, cluster), value in np.ndenumerate(values[0])],
        columns=["seed", "cluster", "value"],
    )
    fitted = smf.ols("value ~ C(seed) + C(cluster)", frame).fit()
    rest = fitted.ssr / fitted.df_resid / (3 * 35)
    expected = 0.5 * stats.t.isf(0.025, 34) * np.sqrt(rest)
    level = np.ones((1, 1))
    assert Crossed.of(values).half_widths(level)[0] == pytest.approx(expected)
    interval = Crossed.of(values).interval(level[0], (0.0, 1.0))
    assert interval.low == pytest.approx(1 - 0.3 / 35 - expected, abs=0.002)
    # p is the level at which the interval's end meets 0: half of t times the error is the mean.
    error = np.sqrt(rest)
    apart = Crossed.of(values - (1 - 0.3 / 35) + 2 * error)
    p = 2 * stats.t.sf(4.0, 34)
    assert apart.p_values(level)[0] == pytest.approx(p, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), noise=st.floats(0, 10))
def test_the_interval_of_clusters_alone_is_that_of_t_over_their_means(
    seed: int, noise: float
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(2, 1, 8)) + noise * generator.normal(size=(2, 3, 8))
    gains_G = values[0].mean(axis=0) - values[1].mean(axis=0)
    interval = stats.ttest_1samp(gains_G, 0).confidence_interval(0.95)
    half = Crossed.of(values).half_width_of_clusters(DIFFERENCE)
    assert half == pytest.approx((interval.high - interval.low) / 2, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_two_seeds_and_a_corrected_level_err_in_no_more_than_the_level(share: float) -> None:
    # Mean squares of 2 seeds and 48 clusters without an effect, the rest 3 tenths of the seeds'
    # part of the variance; 100,000 studies, so that .025 has a standard error of .0005.
    generator, count, level = np.random.default_rng(1), 100_000, 0.025
    rest = 0.3 * share
    seeds = share * generator.chisquare(1, count)
    clusters = (1 - share + rest) * generator.chisquare(47, count) / 47
    clusters -= rest * generator.chisquare(47, count) / 47
    estimates = generator.standard_normal(count)
    variances = Variances(seeds, np.maximum(clusters, 0), np.full(count, rest))
    halves = half_widths(level, variances, 2, 48)
    assert (np.abs(estimates) > halves).mean() < level + 0.0015


def test_constant_difference_is_certain_and_none_at_all_is_not() -> None:
    noise = simulate(3, 10)[:1]
    certain = Crossed.of(np.concatenate([noise + 0.25, noise]))
    assert certain.interval(DIFFERENCE)[:3] == pytest.approx((0.25, 0.25, 0.25))
    assert certain.p_values(DIFFERENCE[None])[0] == 0
    none = Crossed.of(np.concatenate([noise, noise]))
    assert none.p_values(DIFFERENCE[None])[0] == 1


@pytest.mark.slow
@given(st.integers(1, 6), st.integers(2, 20), st.integers(0, 1000), st.floats(0.5, 0.999))
def test_p_value_is_the_level_whose_interval_ends_at_zero(
    n_seeds: int, n_questions: int, seed: int, level: float
) -> None:
    values = simulate(n_seeds, n_questions, seed)
    half = Crossed.of(values).half_widths(DIFFERENCE[None], level)[0]
    values[0] += half - (values[0] - values[1]).mean()
    assert Crossed.of(values).p_values(DIFFERENCE[None])[0] == pytest.approx(1 - level, rel=1e-6)


def test_overwhelming_evidence_has_a_p_value_of_zero_without_complaint() -> None:
    values = simulate(1, 2000)
    values[0] += 1e6
    assert Crossed.of(values).p_values(DIFFERENCE[None])[0] == 0
