"""What is read off the curve, for scores that are made up here."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from hybridir import inference
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def replicated(scores: Scores, seed: int = 0, draws: int = 4000) -> inference.Replicates:
    return inference.replicate(scores, np.random.default_rng(seed), draws)


def test_interval_of_one_seed_is_that_of_the_mean_over_questions(make_scores: Make) -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(1, 1, 1, 400))
    scores = make_scores(values, (0.5,))
    (result,) = inference.mean_curve(scores)
    expected = stats.ttest_1samp(values.ravel(), 0).confidence_interval(0.95)
    assert result[:3] == pytest.approx((values.mean(), expected.low, expected.high))


def test_interval_of_a_share_is_wilsons_with_the_effective_sample_size(make_scores: Make) -> None:
    hits = np.array([1.0] * 57 + [0.0] * 3)
    scores = make_scores(hits.reshape(1, 1, 1, 60), (0.5,), limits=(0.0, 1.0))
    (result,) = inference.mean_curve(scores)
    # Wilson's interval with t of 59 degrees for z, and n = m (1 - m) / variance of the mean.
    mean, z2 = 0.95, stats.t.isf(0.025, 59) ** 2
    n = mean * (1 - mean) / (hits.var(ddof=1) / 60)
    root = np.sqrt(z2 * mean * (1 - mean) / n + (z2 / (2 * n)) ** 2)
    ends = (mean + z2 / (2 * n) + np.array([-root, root])) / (1 + z2 / n)
    assert (result.low, result.high) == pytest.approx(tuple(ends))
    assert result.high < 1


def test_a_curve_at_the_ceiling_is_not_certain_and_never_above_it(make_scores: Make) -> None:
    scores = make_scores(np.ones((2, 3, 1, 60)), (0.0, 0.5), limits=(0.0, 1.0))
    t2 = stats.t.isf(0.025, 59) ** 2
    for result in inference.mean_curve(scores):
        # Wilson's interval of 60 of 60: n / (n + t²) to 1.
        assert result[:3] == pytest.approx((1, 60 / (60 + t2), 1))
    gain = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert gain is not None
    reach = np.sqrt(2) * t2 / (60 + t2)
    assert gain[:3] == pytest.approx((0, -reach, reach))


def test_two_seeds_that_disagree_say_nothing_and_stay_within_the_range(make_scores: Make) -> None:
    values = np.zeros((2, 2, 1, 40)) + np.array([[0.2, 0.9], [0.6, 0.3]])[:, :, None, None]
    scores = make_scores(values, (0.0, 0.5), limits=(0.0, 1.0))
    for result in inference.mean_curve(scores):
        assert 0 <= result.low < result.estimate < result.high <= 1
    gain = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert gain is not None
    assert (gain.low, gain.high) == (-1, 1)


def test_a_measure_without_an_upper_limit_stays_above_its_lower_one(make_scores: Make) -> None:
    values = np.random.default_rng(3).exponential(5, size=(1, 2, 1, 10))
    values[0, 1] += 20
    scores = make_scores(values, (0.5,), limits=(0.0, np.inf))
    (result,) = inference.mean_curve(scores)
    assert 0 <= result.low < result.estimate < result.high


def test_constant_difference_has_an_interval_of_no_width(make_scores: Make) -> None:
    noise = np.random.default_rng(4).normal(size=(1, 3, 2, 20))
    scores = make_scores(np.concatenate([noise, noise + 0.25]), (0.0, 0.5))
    result = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert result is not None
    assert result[:3] == pytest.approx((0.25, 0.25, 0.25))
    assert (result.n_seeds, result.n_clusters) == (3, 20)


def test_difference_is_over_the_seeds_that_both_ratios_have(make_scores: Make) -> None:
    values = np.zeros((2, 3, 1, 4))
    values[0, :, 0] = [[0.1], [0.2], [0.9]]
    values[1, :, 0] = [[0.3], [0.6], [0.0]]
    values[1, 2] = np.nan
    scores = make_scores(values, (0.0, 0.5))
    result = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert result is not None
    assert result.estimate == pytest.approx((0.2 + 0.4) / 2)
    assert result.n_seeds == 2
    # a t interval over .2 and .4: 12.706 times .1
    assert (result.low, result.high) == pytest.approx((0.3 - 1.2706, 0.3 + 1.2706), abs=1e-4)


def test_ratios_without_a_common_seed_have_no_difference(make_scores: Make) -> None:
    values = np.full((2, 2, 1, 4), np.nan)
    values[0, 0], values[1, 1] = 0.1, 0.2
    scores = make_scores(values, (0.0, 0.5))
    assert inference.difference(scores, replicated(scores), 0.5, 0.0) is None


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((0.0, 0.25, 0.5, 1.0), 0.5), ((0.0, 0.4, 1.0), 0.4), ((0.0, 1.0), None)],
)
def test_hybrid_ratio_is_the_mixed_one_nearest_to_a_half(
    ratios: tuple[float, ...], expected: float | None
) -> None:
    assert inference.hybrid_ratio(ratios) == expected
