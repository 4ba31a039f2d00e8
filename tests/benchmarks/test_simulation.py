from dataclasses import replace

import numpy as np
import pytest

from benchmarks.parts.simulation import (
    RATIOS,
    Design,
    Spread,
    asymmetric,
    flat,
    kinked,
    rising,
    saturating,
    simulate,
)


@pytest.mark.parametrize("best", [0.2, 0.5, 0.65])
def test_curves_are_highest_where_they_say_and_by_as_much(best: float) -> None:
    at = np.linspace(0, 1, 1001)
    smooth, broken = saturating(best, 0.02), kinked(best, 0.02, drop=0.03)
    for curve in (smooth, broken):
        assert at[curve(at).argmax()] == pytest.approx(best)
        assert curve(at).max() == pytest.approx(0.18)
    assert 0.18 - smooth(np.array([0.0, 1.0])).max() == pytest.approx(0.02)
    assert (smooth(at) - broken(at))[[0, 900, 950, 1000]] == pytest.approx([0, 0, 0.015, 0.03])


def test_asymmetric_and_rising_curves_are_highest_where_they_say() -> None:
    at = np.linspace(0, 1, 1001)
    curve = asymmetric(0.3, 0.04)(at)
    assert at[curve.argmax()] == pytest.approx(0.3)
    assert (curve.max() - curve[[0, 1000]]) == pytest.approx([0.04, 0.01])
    assert at[rising(0.02)(at).argmax()] == 1


def design(n_seeds: int, ratios: tuple[float, ...], n_clusters: int, size: int) -> Design:
    return Design(n_seeds, ratios, n_clusters, size, even=True, n_cells=1)


ALONE = Spread(by_ratio=0, by_cell=0, by_seed=0, rest=0)


def test_scores_vary_as_much_as_their_spreads_say() -> None:
    spread = replace(ALONE, question=0.2, seed=0.5, shared=0.25, correlation=0)
    generator = np.random.default_rng(0)
    scores = simulate(flat(1.0), design(2000, (0.0, 1.0), 50, 1), spread, generator)
    seeds = scores.values.mean(axis=(2, 3))
    assert seeds.std(axis=1) == pytest.approx([0.5, 0.5], rel=0.05)
    assert np.corrcoef(seeds)[0, 1] == pytest.approx(0.25, abs=0.06)
    many = simulate(flat(1.0), design(1, (0.0,), 20_000, 1), spread, generator)
    assert many.values.std() == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("heavy", [False, True])
def test_questions_of_a_cluster_correlate_as_much_as_stated(heavy: bool) -> None:
    spread = replace(ALONE, question=0.2, seed=0, correlation=0.3, heavy=heavy)
    generator = np.random.default_rng(1)
    scores = simulate(flat(1.0), design(1, (0.0,), 20_000, 2), spread, generator)
    pairs = scores.values.reshape(-1, 2)
    correlation = np.asarray(np.corrcoef(pairs.T))
    assert correlation[0, 1] == pytest.approx(0.3, abs=0.06)
    assert len(set(scores.clusters)) == 20_000


def test_means_are_those_of_the_curve() -> None:
    curve = saturating(0.4, 0.02)
    spread = Spread(correlation=0)
    scores = simulate(curve, design(200, RATIOS, 5000, 1), spread, np.random.default_rng(0))
    # Of a question's own change with the ratio .04 / 5000 ** .5 is left.
    changes = scores.macro_means().mean(axis=1) - curve(np.array(RATIOS))
    assert np.ptp(changes) < 0.004
