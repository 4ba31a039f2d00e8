import pytest

from analysis.figures.style import log_ticks


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
