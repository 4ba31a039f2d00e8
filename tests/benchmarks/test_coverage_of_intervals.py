"""Intervals and tests on simulated studies, a tenth of `benchmarks/interval_coverage.py`.

A statement that is true in 95 % of studies is true in 88 to 100 of 100 studies, in 99 of 100 runs;
a test of level 5 % errs in 0 to 11.
"""

from functools import partial

import numpy as np
import pytest

from benchmarks.parts.coverage_of_intervals import (
    Case,
    check_intervals,
    detects,
    false_gains,
    repeat,
)
from benchmarks.parts.simulation import Design, Spread, asymmetric, flat, saturating, simulate
from hybridir.inference import design_effects

RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
CLUSTERED = Spread(correlation=0.3)


def design(n_seeds: int, ratios: tuple[float, ...] = RATIOS) -> Design:
    return Design(n_seeds, ratios, n_clusters=40, cluster_size=4)


@pytest.mark.parametrize("n_seeds", [2, 5])
def test_intervals_hold_the_truth_at_their_nominal_rate(n_seeds: int) -> None:
    case = Case("", asymmetric(0.3, 0.03), design(n_seeds), CLUSTERED)
    checks = repeat(partial(check_intervals, case, draws=400), 100, seed=2)
    for name in ("level", "difference", "optimum", "may be best", "loss"):
        assert np.sum(checks[name]) >= 88, name


def test_questions_of_one_article_are_no_independent_sample() -> None:
    generator = np.random.default_rng(1)
    scores = simulate(flat(), Design(5, RATIOS), CLUSTERED, generator)
    # Kish: 1 + (m - 1) × correlation, here for 25 questions an article and more for uneven sizes.
    level = [effect.value for effect in design_effects(scores) if effect.quantity == "level"]
    assert all(4 < value < 16 for value in level)


def test_hybrid_batches_win_by_chance_in_a_twentieth_of_studies_at_most() -> None:
    study = partial(false_gains, design(4, (0.0, 0.5, 1.0)), CLUSTERED)
    assert np.sum(repeat(study, 100, seed=3)["any false gain"]) <= 11


def test_a_large_gain_is_detected() -> None:
    case = Case("", saturating(0.5, 0.1), design(5, (0.0, 0.5, 1.0)))
    assert np.mean(repeat(partial(detects, case), 10, seed=5)["power"]) == 1


def test_a_flat_curve_keeps_every_ratio_in_question() -> None:
    case = Case("", flat(), design(4))
    checks = repeat(partial(check_intervals, case, draws=400), 50, seed=4)
    assert np.sum(checks["may be best"]) >= 43
    assert "optimum" not in checks
