from itertools import pairwise

import altair as alt
import numpy as np
import pytest

from analysis.figures.style import bounded_axis, log_ticks, nice_ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (13, 894, [10, 20, 50, 100, 200, 500, 1000]),
        (0.015, 0.06, [0.01, 0.02, 0.05, 0.1]),
        (1, 1, [1]),
        (100, 1000, [100, 200, 500, 1000]),
    ],
)
def test_ticks_reach_from_below_the_lowest_to_above_the_highest(
    low: float, high: float, expected: list[float]
) -> None:
    assert log_ticks(low, high) == expected


@pytest.mark.parametrize("low", [0.0, 0.25, 0.9999999999999999])
def test_values_that_differ_by_rounding_alone_have_ticks_around_them(low: float) -> None:
    high = np.nextafter(low, 1.0)
    ticks = nice_ticks(low, high, (0.0, 1.0))
    assert len(ticks) > 1
    assert ticks[0] <= low
    assert ticks[-1] >= round(high, 12)
    assert all(0.0001 < after - before < 0.1 for before, after in pairwise(ticks))


@pytest.mark.parametrize(
    ("ticks", "labelled"),
    [
        # 5 letters, 30.5 pixels, with 46 for the outer ones: more than the 42 between two ticks
        ([-0.15, -0.1, -0.05, 0.0, 0.05, 0.1], [-0.1, 0.0, 0.1]),
        ([-0.1, -0.05, 0.0, 0.05, 0.1, 0.15], [-0.1, 0.0, 0.1]),
        ([-0.6, -0.4, -0.2, 0.0, 0.2, 0.4], [-0.6, -0.4, -0.2, 0.0, 0.2, 0.4]),
    ],
)
def test_where_not_all_labels_have_room_that_of_0_stays(
    ticks: list[float], labelled: list[float]
) -> None:
    channel = bounded_axis(alt.X("gain:Q"), ticks, width=210).to_dict()
    assert channel["axis"]["values"] == labelled
    assert channel["scale"]["domain"] == [ticks[0], ticks[-1]]
