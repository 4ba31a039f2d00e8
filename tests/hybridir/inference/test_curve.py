"""What is read off the curve, for scores that are made up here."""

from collections.abc import Callable

import numpy as np
import pytest

from hybridir import inference
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]


def replicated(scores: Scores, seed: int = 0, draws: int = 4000) -> inference.Replicates:
    return inference.replicate(scores, np.random.default_rng(seed), draws)


def test_interval_of_one_seed_is_that_of_the_mean_over_questions(make_scores: Make) -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, size=(1, 1, 1, 400))
    scores = make_scores(values, (0.5,))
    (result,) = inference.mean_curve(scores, replicated(scores))
    half = 1.96 * values.std() / np.sqrt(400)
    assert result.estimate == pytest.approx(values.mean())
    assert result.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_levels_by_resampling_agree_with_the_closed_form(make_scores: Make) -> None:
    generator = np.random.default_rng(2)
    values = generator.normal(size=(2, 5, 2, 80)) + generator.normal(size=(2, 5, 1, 1)) / 10
    scores = make_scores(values, (0.0, 1.0))
    replicates = replicated(scores)
    crossed = replicates.shared([0, 1])
    assert crossed is not None
    halves = crossed.half_widths(np.eye(2))
    for result, half in zip(inference.mean_curve(scores, replicates), halves, strict=True):
        # the closed form is the wider one, by less than a tenth
        assert 0.9 * half < (result.high - result.low) / 2 < 1.03 * half


def test_constant_difference_has_an_interval_of_no_width(make_scores: Make) -> None:
    noise = np.random.default_rng(4).normal(size=(1, 3, 2, 20))
    scores = make_scores(np.concatenate([noise, noise + 0.25]), (0.0, 0.5))
    result = inference.difference(scores, replicated(scores), 0.5, 0.0)
    assert result is not None
    assert result[:3] == pytest.approx((0.25, 0.25, 0.25))
    assert (result.n_seeds, result.n_questions) == (3, 20)


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
