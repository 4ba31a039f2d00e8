"""Intervals and tests on simulated studies, a tenth of `benchmarks/interval_coverage.py`.

A statement that is true in 95 % of studies is true in 88 to 100 of 100 studies, in 99 of 100 runs;
a test of level 5 % errs in 0 to 11.
"""

from functools import partial

import numpy as np
import pytest

from benchmarks.parts.coverage_of_intervals import Case, check_intervals, false_gains, repeat
from benchmarks.parts.simulation import Spread, flat, saturating

RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize("n_seeds", [3, 5])
def test_intervals_of_a_smooth_curve_hold_the_truth_at_their_nominal_rate(n_seeds: int) -> None:
    case = Case("", saturating(0.45, 0.02), 0.45, n_seeds, RATIOS, n_questions=60)
    checks = repeat(partial(check_intervals, case, draws=400), 100, seed=2)
    for name in ("level", "difference", "optimum", "leading", "may be best", "loss"):
        assert np.sum(checks[name]) >= 88, name
    # The fit of a true curve is rejected in a fifth of studies (`lack of fit` below .2).
    assert 68 <= np.sum(checks["fit holds"]) <= 91
    assert 0.9 <= np.mean(checks["fit"]) <= 0.99
    # and intervals are informative
    assert np.mean(checks["width"]) < 0.9


def test_hybrid_batches_win_by_chance_in_a_twentieth_of_studies_at_most() -> None:
    errors = repeat(partial(false_gains, 4, Spread()), 50, seed=3)["any false gain"]
    assert np.sum(errors) <= 7


def test_a_flat_curve_keeps_every_ratio_in_question() -> None:
    case = Case("", flat(), None, 4, RATIOS, n_questions=60)
    checks = repeat(partial(check_intervals, case, draws=400), 50, seed=4)
    assert np.sum(checks["may be best"]) >= 43
    assert np.mean(checks["width"]) > 0.9
    assert "optimum" not in checks
