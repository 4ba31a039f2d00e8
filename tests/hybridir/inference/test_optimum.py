"""The optimum's interval, against Fieller's closed form for a parabola, and at the ends."""

from collections.abc import Callable

import numpy as np
import pytest

from hybridir import inference, names
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)


def optimum(scores: Scores) -> inference.Optimum:
    replicates = inference.replicate(scores, np.random.default_rng(0), 1000)
    fit = inference.fit_curve(scores, replicates)
    assert fit is not None
    return inference.find_optimum(scores, fit)


def noisy(curve: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, size=(len(curve), 4, 1, 60))
    noise -= noise.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray(noise + curve[:, None, None, None])


def test_interval_of_a_parabola_is_fiellers(make_scores: Make) -> None:
    ratios = np.linspace(0, 1, 4)
    scores = make_scores(noisy(0.1 + 0.35 * ratios - 0.3 * ratios**2, 0.2), tuple(ratios))
    fit = inference.fit_curve(scores, inference.replicate(scores, np.random.default_rng(0), 10))
    assert fit is not None
    # With coefficients c2, c1 by least squares the slope is 2 c2 x + c1. Its square less the
    # squared half width is a quadratic in x, known from three points.
    at = np.linspace(0, 1, 3)
    c2, c1, _ = np.linalg.pinv(np.vander(ratios, 3))
    slopes = 2 * at[:, None] * c2 + c1
    excess = fit.means.estimates(slopes) ** 2 - fit.means.half_widths(slopes) ** 2
    low, high = sorted(np.roots(np.polyfit(at, excess, 2)).real)
    result = optimum(scores)
    assert result.ratio == pytest.approx(0.5833, abs=0.0026)  # slope .35 - .6 x
    assert 0 < low < high < 1
    assert (result.low, result.high) == pytest.approx((low, high), abs=0.0051)
    assert result.bounded


def test_a_flat_curve_is_unbounded(make_scores: Make) -> None:
    result = optimum(make_scores(noisy(np.zeros(5), 0.2), RATIOS))
    assert (result.low, result.high, result.bounded) == (0.0, 1.0, False)


@pytest.mark.parametrize(("direction", "end"), [(1.0, 1.0), (-1.0, 0.0)])
def test_a_slope_that_leads_to_an_end_has_its_optimum_there(
    make_scores: Make, direction: float, end: float
) -> None:
    result = optimum(make_scores(noisy(direction * np.array(RATIOS), 0.01), RATIOS))
    assert (result.ratio, result.low, result.high) == (end, end, end)
    assert result.bounded


def test_rank_distance_has_its_optimum_where_it_is_lowest(make_scores: Make) -> None:
    curve = 10 + 20 * (np.array(RATIOS) - 0.5) ** 2
    result = optimum(make_scores(noisy(curve, 0.1), RATIOS, names.RANK_DISTANCE))
    assert result.ratio == pytest.approx(0.5, abs=0.02)
    assert result.low > 0.4
    assert result.high < 0.6


def test_a_lower_hump_does_not_belong_to_it(make_scores: Make) -> None:
    x = np.array(RATIOS)
    values = noisy(-((x - 0.1) ** 2) * (x - 1.1) ** 2 * 10 - 0.5 * x, 0.01)
    result = optimum(make_scores(values, RATIOS))
    assert result.high < 0.5


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.3, 0.4, True), (0.75, 0.9, True), (0.8, 0.9, False), (0.0, 0.2, False)],
)
def test_an_interval_agrees_if_it_comes_as_far_as_a_neighbour_of_the_best_ratio(
    low: float, high: float, expected: bool
) -> None:
    result = inference.Optimum((low + high) / 2, low, high, True)
    assert inference.agrees(result, 0.5, RATIOS) is expected  # neighbours: .25 and .75
