"""Power against statsmodels and against studies that are simulated."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from hybridir.inference import Crossed
from hybridir.inference.mean_squares import SeedsByClusters
from hybridir.inference.power import (
    clusters_needed,
    power_fixed,
    power_random,
    seed_interval,
    seeds_needed,
    variances_of,
)

# 4 seeds and 200 questions: seed variance .006², question variance .1², residual variance .08²
SQUARES = SeedsByClusters(200 * 0.006**2 + 0.08**2, 4 * 0.1**2 + 0.08**2, 0.08**2, 4, 200)


def test_variances_follow_from_the_mean_squares() -> None:
    assert variances_of(SQUARES) == pytest.approx((0.006**2, 0.1**2, 0.08**2))
    below = SQUARES._replace(seed=0.5 * SQUARES.residual)
    assert variances_of(below).seed == 0.0


@pytest.mark.parametrize("n_seeds", [3, 10, 40])
def test_power_on_fixed_questions_is_that_of_the_paired_t_test(n_seeds: int) -> None:
    effect = 0.005 / np.sqrt(SQUARES.seed / 200)
    expected = TTestPower().power(effect, n_seeds, 0.05)
    assert power_fixed(0.005, SQUARES, n_seeds) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_seeds_needed_on_fixed_questions_are_those_of_the_paired_t_test(power: float) -> None:
    effect = 0.005 / np.sqrt(SQUARES.seed / 200)
    exact = TTestPower().solve_power(effect_size=effect, power=power, alpha=0.05)
    assert seeds_needed(0.005, SQUARES, power, random_clusters=False) == np.ceil(exact)


@pytest.mark.long
def test_a_study_with_the_needed_seeds_detects_the_difference_as_often_as_promised() -> None:
    difference = 0.02
    n_seeds = seeds_needed(difference, SQUARES, 0.8, random_clusters=True)
    assert n_seeds is not None
    generator = np.random.default_rng(0)
    detected = 0
    for _ in range(1500):
        values = difference + generator.normal(0, 0.006, (n_seeds, 1))
        values = values + generator.normal(0, 0.1, (1, 200))
        values += generator.normal(0, 0.08, (n_seeds, 200))
        detected += Crossed.of(values[None]).p_values(np.ones((1, 1)))[0] < 0.05
    # three standard errors of a share of .8 over 1500 are .031
    assert detected / 1500 == pytest.approx(
        power_random(difference, SQUARES, n_seeds, 200), abs=0.031
    )


def test_without_a_difference_the_power_is_the_level() -> None:
    assert power_fixed(0.0, SQUARES, 5) == pytest.approx(0.05)


def test_no_number_of_seeds_is_enough_where_questions_vary_too_much() -> None:
    # with endless seeds the standard error is .1 / √200 = .0071, more than the difference
    assert seeds_needed(0.005, SQUARES, 0.8, random_clusters=True) is None
    # with endless questions it is .006 / √4 = .003; 2.8 of these, and more with 3 degrees
    assert clusters_needed(0.005, SQUARES, 0.9) is None
    assert clusters_needed(0.02, SQUARES, 0.8) is not None


def test_the_needed_number_of_questions_is_just_enough() -> None:
    needed = clusters_needed(0.02, SQUARES, 0.8)
    assert needed is not None
    assert power_random(0.02, SQUARES, 4, needed) >= 0.8
    assert power_random(0.02, SQUARES, 4, needed - 1) < 0.8


def test_the_interval_of_the_seeds_mean_square_covers_at_its_nominal_rate() -> None:
    generator = np.random.default_rng(1)
    truth = 50 * 0.3**2 + 1.0
    covered = 0
    for _ in range(1000):
        values = generator.normal(0, 0.3, (4, 1)) + generator.normal(0, 1.0, (4, 50))
        low, high = seed_interval(SeedsByClusters.of(values))
        covered += low.seed <= truth <= high.seed
    assert covered / 1000 == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 1000))


def test_two_seeds_detect_a_constant_difference() -> None:
    squares = SeedsByClusters(0.0, 0.0, 0.0, 3, 20)
    assert seeds_needed(0.001, squares, 0.9, random_clusters=False) == 2


def test_power_never_falls_with_the_difference() -> None:
    for n_seeds in (2, 3, 5, 20, 1000):
        powers = [power_fixed(0.0002 * step, SQUARES, n_seeds) for step in range(200)]
        assert (np.diff(powers) >= -1e-9).all()
        assert powers[0] == pytest.approx(0.05)
        assert powers[-1] <= 1.0
