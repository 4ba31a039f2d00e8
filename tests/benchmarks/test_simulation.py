import numpy as np
import pytest

from benchmarks.parts.simulation import RATIOS, Spread, flat, kinked, saturating, simulate


@pytest.mark.parametrize("best", [0.2, 0.5, 0.65])
def test_curves_are_highest_where_they_say_and_by_as_much(best: float) -> None:
    at = np.linspace(0, 1, 1001)
    smooth, broken = saturating(best, 0.02), kinked(best, 0.02, drop=0.03)
    for curve in (smooth, broken):
        assert at[curve(at).argmax()] == pytest.approx(best)
        assert curve(at).max() == pytest.approx(0.18)
    assert 0.18 - smooth(np.array([0.0, 1.0])).max() == pytest.approx(0.02)
    assert (smooth(at) - broken(at))[[0, 900, 950, 1000]] == pytest.approx([0, 0, 0.015, 0.03])


def test_scores_vary_as_much_as_their_spreads_say() -> None:
    spread = Spread(question=0.2, by_ratio=0, by_cell=0, seed=0.5, shared=0.25, rest=0)
    scores = simulate(flat(1.0), 2000, np.random.default_rng(0), (0.0, 1.0), 50, 1, spread)
    seeds = scores.values.mean(axis=(2, 3))
    assert seeds.std(axis=1) == pytest.approx([0.5, 0.5], rel=0.05)
    assert np.corrcoef(seeds)[0, 1] == pytest.approx(0.25, abs=0.06)
    many = simulate(flat(1.0), 1, np.random.default_rng(0), (0.0,), 20_000, 1, spread)
    assert many.values.std() == pytest.approx(0.2, rel=0.03)


def test_means_are_those_of_the_curve() -> None:
    curve = saturating(0.4, 0.02)
    scores = simulate(curve, 200, np.random.default_rng(0), RATIOS, 5000, 1)
    # of a question's own change with the ratio .06 / 5000 ** .5 is left
    changes = scores.macro_means().mean(axis=1) - curve(np.array(RATIOS))
    assert np.ptp(changes) < 0.004
