"""The fit against numpy's and statsmodels' least squares."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from hybridir import inference
from hybridir.inference.scores import Scores

Make = Callable[..., Scores]
RATIOS = (0.0, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)


def fitted(scores: Scores) -> inference.Fit:
    result = inference.fit_curve(scores, inference.replicate(scores, np.random.default_rng(0), 10))
    assert result is not None
    return result


def noisy(curve: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.1, size=(len(curve), 4, 1, 50))
    return np.asarray(noise + curve[:, None, None, None])


def test_levels_and_peak_are_those_of_the_least_squares_polynomial(
    make_scores: Make,
) -> None:
    values = noisy(np.array(RATIOS) ** 2)
    fit = fitted(make_scores(values, RATIOS))
    expected = Polynomial.fit(RATIOS, values.mean(axis=(1, 2, 3)), 4)
    at = np.linspace(0, 1, 7)
    np.testing.assert_allclose(fit.means.estimates(fit.weights(at)), expected(at), atol=1e-10)
    fine = np.linspace(0, 1, 201)
    assert fit.peak() == pytest.approx(fine[expected(fine).argmax()])
    assert fit.peak(lower_is_better=True) == pytest.approx(fine[expected(fine).argmin()])


@pytest.mark.parametrize(("n_ratios", "degree"), [(4, 2), (5, 3), (6, 4), (9, 4)])
def test_degree_follows_from_the_number_of_ratios(
    make_scores: Make, n_ratios: int, degree: int
) -> None:
    ratios = tuple(np.linspace(0, 1, n_ratios))
    fit = fitted(make_scores(noisy(np.zeros(n_ratios)), ratios))
    assert fit.degree == degree
    assert 0 <= fit.lack_of_fit <= 1


def test_a_kink_at_the_end_contradicts_the_fit_and_a_polynomial_does_not(
    make_scores: Make,
) -> None:
    straight = np.array(RATIOS)
    assert fitted(make_scores(noisy(straight), RATIOS)).holds
    kinked = straight - 0.5 * (straight == 1)
    assert not fitted(make_scores(noisy(kinked), RATIOS)).holds


def test_the_fit_rests_on_seeds_that_have_all_ratios(make_scores: Make) -> None:
    values = noisy(np.zeros(4))
    values[2, 1] = np.nan
    scores = make_scores(values, (0.0, 0.3, 0.6, 1.0))
    assert fitted(scores).means.n_seeds == 3


def test_three_ratios_or_no_complete_seed_have_no_fit(make_scores: Make) -> None:
    generator = np.random.default_rng(0)
    three = make_scores(noisy(np.zeros(3)), (0.0, 0.5, 1.0))
    assert inference.fit_curve(three, inference.replicate(three, generator, 10)) is None
    values = noisy(np.zeros(4))
    values[range(4), range(4)] = np.nan
    none = make_scores(values, (0.0, 0.3, 0.6, 1.0))
    assert inference.fit_curve(none, inference.replicate(none, generator, 10)) is None
