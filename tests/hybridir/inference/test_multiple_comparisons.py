"""Comparisons with the best where the answer is known."""

from collections.abc import Callable

import numpy as np
import pytest

from hybridir import inference, names
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def compared(scores: Scores, draws: int = 4000) -> list[inference.RatioLoss]:
    replicates = inference.replicate(scores, np.random.default_rng(0), draws)
    return inference.compare_with_best(scores, replicates)


def best(scores: Scores) -> inference.BestRatio:
    replicates = inference.replicate(scores, np.random.default_rng(0), 2000)
    return inference.best_ratio(scores, replicates)


def test_best_ratio_that_always_wins_stands_alone(make_scores: Make) -> None:
    noise = np.random.default_rng(7).normal(size=(1, 2, 1, 30))
    scores = make_scores(np.concatenate([noise, noise + 1, noise + 0.5]), (0.0, 0.5, 1.0))
    # Between the neighbours of the only ratio that may be the best.
    assert best(scores) == (0.5, (0.5,), 0.0, 1.0, 1.0)
    assert [result.loss for result in compared(scores)] == pytest.approx([1, 0, 0.5])
    assert [result.loss_at_most for result in compared(scores)] == pytest.approx([1, 0, 0.5])


def test_lowest_rank_distance_is_the_best(make_scores: Make) -> None:
    noise = np.random.default_rng(7).normal(size=(1, 2, 1, 30))
    values = np.concatenate([noise + 30, noise + 10, noise + 20])
    scores = make_scores(values, (0.0, 0.5, 1.0), names.RANK_DISTANCE)
    assert best(scores).ratio == 0.5
    assert [result.loss for result in compared(scores)] == pytest.approx([20, 0, 10])


def test_two_equally_good_ratios_share_the_draws(make_scores: Make) -> None:
    values = np.random.default_rng(9).normal(size=(2, 1, 1, 500))
    values -= values.mean(axis=3, keepdims=True)
    values[1] += 1e-9  # decides the data, not the draws
    result = best(make_scores(values, (0.25, 0.75)))
    assert (result.ratio, result.may_be_best) == (0.75, (0.25, 0.75))
    assert (result.low, result.high) == (0, 1)  # the ends of the range
    assert result.share == pytest.approx(0.5, abs=0.05)


def test_of_two_ratios_the_worse_may_be_best_unless_a_one_sided_test_says_no(
    make_scores: Make,
) -> None:
    noise = np.random.default_rng(1).normal(size=(2, 1, 1, 200))
    noise -= noise.mean(axis=3, keepdims=True)
    error = (noise[0] - noise[1]).std(ddof=1) / np.sqrt(200)
    for errors, may_be_best in ((1.5, True), (1.8, False)):  # one-sided 5 % is 1.653
        scores = make_scores(noise + np.array([0, errors * error]).reshape(2, 1, 1, 1), (0.0, 0.5))
        result = compared(scores)
        assert [entry.may_be_best for entry in result] == [may_be_best, True]
        assert result[0].loss == pytest.approx(errors * error)
        assert result[0].loss_at_most == pytest.approx((errors + 1.653) * error, rel=0.03)


def test_the_more_ratios_the_harder_to_leave_one_out(make_scores: Make) -> None:
    noise = np.random.default_rng(2).normal(size=(5, 1, 1, 200))
    noise -= noise.mean(axis=3, keepdims=True)
    error = (noise[0] - noise[4]).std(ddof=1) / np.sqrt(200)
    noise[4] += 1.8 * error
    ratios = (0.0, 0.25, 0.5, 0.75, 1.0)
    assert compared(make_scores(noise, ratios))[0].may_be_best
    assert not compared(make_scores(noise[[0, 4]], (0.0, 1.0)))[0].may_be_best


def test_the_set_may_have_a_gap_and_its_interval_ends_at_the_neighbours(make_scores: Make) -> None:
    noise = np.random.default_rng(3).normal(0, 0.01, size=(1, 3, 1, 40))
    levels = np.array([0.1, 0.5, 0.2, 0.5 + 1e-6, 0.3]).reshape(5, 1, 1, 1)
    levels = levels + 1e-3 * np.random.default_rng(4).normal(size=(5, 3, 1, 40))
    result = best(make_scores(noise + levels, (0.0, 0.25, 0.5, 0.75, 1.0)))
    assert result.may_be_best == (0.25, 0.75)
    assert (result.low, result.high) == (0.0, 1.0)


def test_ratios_without_a_common_seed_are_not_held_against_each_other(make_scores: Make) -> None:
    values = np.full((2, 2, 1, 4), np.nan)
    values[0, 0], values[1, 1] = 0.1, 0.2
    result = compared(make_scores(values, (0.0, 0.5)))
    assert [entry.may_be_best for entry in result] == [True, True]
