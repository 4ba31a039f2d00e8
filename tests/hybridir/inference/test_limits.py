"""Ends of intervals against the equations that define them."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.inference.limits import inside

MEAN, HALF = 0.1, 0.04
SPREAD = MEAN * (1 - MEAN)
GROWTH = (1 - 2 * MEAN) / SPREAD  # of a variance that is proportional to m (1 - m)


def ends(power: float, mean: float = MEAN, limits: tuple[float, float] = (0, 1)) -> list[float]:
    growth = power * (GROWTH if mean == MEAN else -GROWTH)
    return list(inside(mean, HALF, limits, 48, growth))


def test_skewness_of_a_share_gives_wilsons_interval() -> None:
    for end in ends(1):
        assert abs(end - MEAN) == pytest.approx(HALF * (end * (1 - end) / SPREAD) ** 0.5)
    assert ends(1) == ends(0)


def test_stronger_skewness_moves_the_end_towards_the_middle() -> None:
    (low, high), (wilson_low, wilson_high) = ends(1.5), ends(1)
    assert low == wilson_low
    assert high - MEAN == pytest.approx(HALF * high * (1 - high) / SPREAD)  # m² (1 - m)²
    assert ends(1.25)[1] == pytest.approx((wilson_high + high) / 2)
    assert ends(2)[1] == ends(9)[1] == pytest.approx(wilson_high + 1.5 * (high - wilson_high))


@pytest.mark.parametrize("mean", [0.001, 0.1, 0.3])
def test_where_any_mean_would_do_the_end_goes_along_its_tangent(mean: float) -> None:
    """From a half width of half of m (1 - m) on; before, the end of .002 ± .005 was .5."""
    spread, growth = mean * (1 - mean), 1.5 * (1 - 2 * mean) / (mean * (1 - mean))
    at, before, beyond = (
        inside(mean, share * spread, (0, 1), 48, growth)[1] for share in (0.5, 0.499, 0.9)
    )
    slope = (at - before) / 0.001
    assert beyond == pytest.approx(at + 0.4 * slope, rel=1e-3)


def test_both_limits_are_treated_alike() -> None:
    assert ends(1.5, 1 - MEAN) == pytest.approx([1 - end for end in reversed(ends(1.5))])
    assert inside(10 * MEAN, 10 * HALF, (0, 10), 48, 1.5 * GROWTH / 10) == pytest.approx(
        [10 * end for end in ends(1.5)]
    )


def test_without_an_upper_limit_the_standard_deviation_grows_with_the_mean() -> None:
    high = inside(5, 2, (0, inf), 48, growth=1.5 / 5)[1]
    assert high - 5 == pytest.approx(2 * high / 5)


@given(st.floats(0, 1), st.floats(0, 9), st.floats(-1e6, 1e6), st.sampled_from([1.0, inf]))
def test_no_end_leaves_the_range_or_crosses_the_mean(
    mean: float, half: float, growth: float, highest: float
) -> None:
    low, high = inside(mean, half, (0.0, highest), 48, growth)
    assert 0 <= low <= mean + 1e-9
    assert mean - 1e-9 <= high <= highest
    assert high < inf
