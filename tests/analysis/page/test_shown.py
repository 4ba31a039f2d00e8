import numpy as np
import pandas as pd
import pytest

from analysis.page.model import HIGH, LOW, Table
from analysis.page.shown import shown_columns


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.8909, 0.8403, 0.9268, "0.891 [0.840, 0.927]"),  # half an interval of .05: 3 decimals
        (0.01352, 0.0124, 0.0148, "0.0135 [0.0124, 0.0148]"),
        (-2659.9, -2789.0, -2530.9, "\u22122,660 [\u22122,789, \u22122,531]"),
        (0.7977, np.nan, np.nan, "0.7977"),  # published, without an interval
        (410.2, np.nan, np.nan, "410.2"),
        (12345.6, np.nan, np.nan, "12,346"),
        (-0.00001, -0.2, 0.2, "0.00 [\u22120.20, 0.20]"),  # what rounds to 0 has no sign
        (np.nan, np.nan, np.nan, ""),
    ],
)
def test_an_estimate_has_two_digits_of_its_precision(
    value: float, low: float, high: float, text: str
) -> None:
    data = pd.DataFrame({"m": [value], "l": [low], "h": [high]})
    ((column,), shared) = shown_columns(Table("t", data, {"m": "mean", "l": LOW, "h": HIGH}, ""))
    assert (column.texts, shared) == ([text], "")


def test_fractions_of_a_column_have_the_same_decimals_and_ranks_their_own() -> None:
    # By itself the second would have four decimals: half its interval is .0095.
    data = pd.DataFrame(
        {"m": [0.55, 0.60, 0.65, 2659.9], "l": [0.53, 0.5905, 0.63, 2530.9]}
        | {"h": [0.57, 0.6095, 0.67, 2789.0]}
    )
    ((column,), _) = shown_columns(Table("t", data, {"m": "mean", "l": LOW, "h": HIGH}, ""))
    assert column.texts == [
        "0.550 [0.530, 0.570]",
        "0.600 [0.591, 0.610]",
        "0.650 [0.630, 0.670]",
        "2,660 [2,531, 2,789]",
    ]


def test_counts_stay_whole_and_an_open_end_is_marked() -> None:
    data = pd.DataFrame({"n": [2270, 4], "l": [617, 3], "h": [None, 62]}, dtype="Int64")
    headings = {"n": "seeds", "l": LOW, "h": HIGH}
    ((column,), _) = shown_columns(Table("t", data, headings, ""))
    assert column.texts == ["2,270 [617, \N{HORIZONTAL ELLIPSIS}]", "4 [3, 62]"]
    assert column.values == ["2270", "4"], "rows are sorted by the estimate"


def test_a_value_that_all_rows_share_is_a_sentence() -> None:
    data = pd.DataFrame({"x": [1, 2, 3], "n": 5, "none": ""})
    columns, shared = shown_columns(Table("t", data, {"x": "x", "n": "seeds", "none": "z"}, ""))
    assert ([column.heading for column in columns], shared) == (["x"], "In every row: seeds 5.")
    few = shown_columns(Table("t", data[:2], {"x": "x", "n": "seeds"}, ""))
    assert ([column.heading for column in few[0]], few[1]) == (["x", "seeds"], "")
