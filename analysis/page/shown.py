"""What a table shows: fewer and narrower columns than its file holds.

An estimate and the two ends of its interval are one column, and a column with one value in all
rows becomes a sentence, so that a table fits a page, a phone and a column of a paper. Fractions of
a column have the same decimals.
"""

import math
from statistics import median_high
from typing import Final, NamedTuple

import pandas as pd

from analysis.page.format import format_column, is_numeric
from analysis.page.model import HIGH, LOW, Table

_FEW: Final = 3  # rows; a shorter table keeps its columns
_DIGITS: Final = 2  # of half an interval, so that an estimate has no digits beyond its precision
_MOST_DECIMALS: Final = 4
_OPEN: Final = "\N{HORIZONTAL ELLIPSIS}"  # an end that is not known


class Column(NamedTuple):
    """A column as it is shown.

    Attributes:
        heading: its heading.
        texts: a text a row.
        values: what rows are sorted by, "" for none.
        numeric: whether it holds numbers, which are aligned to the right.
    """

    heading: str
    texts: list[str]
    values: list[str]
    numeric: bool


def shown_columns(table: Table) -> tuple[list[Column], str]:
    """Choose what a table shows.

    Args:
        table: the table; without chosen columns all are shown.

    Returns:
        The columns, and a sentence with the values that all rows share, "" for none.

    >>> data = pd.DataFrame({"x": [1, 2, 3], "m": [0.5, 0.6, 0.7], "l": 0.45, "h": 0.75, "n": 4})
    >>> headings = {"x": "x", "m": "mean", "l": LOW, "h": HIGH, "n": "seeds"}
    >>> columns, shared = shown_columns(Table("t", data, headings, ""))
    >>> [(column.heading, column.texts[0]) for column in columns], shared
    ([('x', '1'), ('mean [95 %]', '0.50 [0.45, 0.75]')], 'In every row: seeds 4.')
    """
    headings = table.columns or {str(name): str(name) for name in table.data}
    names = list(headings)
    columns: list[Column] = []
    for index, name in enumerate(names):
        heading = headings[name]
        following = [headings[other] for other in names[index + 1 : index + 3]]
        if heading in (LOW, HIGH):
            continue
        values = table.data[name]
        if following != [LOW, HIGH]:
            columns.append(_plain(heading, values))
            continue
        ends = table.data[names[index + 1]], table.data[names[index + 2]]
        if is_numeric(values):
            columns.append(_with_interval(heading, values, *ends))
        else:
            bounds = [_bracket(*pair, None) for pair in zip(*ends, strict=True)]
            columns += [_plain(heading, values), Column("95 %", bounds, bounds, True)]
    return _without_shared(columns, len(table.data))


def _without_shared(columns: list[Column], n_rows: int) -> tuple[list[Column], str]:
    if n_rows < _FEW:
        return columns, ""
    varied = [column for column in columns if len(set(column.texts)) > 1]
    if not varied:
        return columns, ""
    shared = [
        f"{column.heading} {column.texts[0]}"
        for column in columns
        if column not in varied and column.texts[0]
    ]
    return varied, f"In every row: {', '.join(shared)}." if shared else ""


def _plain(heading: str, values: pd.Series) -> Column:
    keys = ["" if pd.isna(value) else str(value) for value in values.tolist()]
    return Column(heading, format_column(values), keys, is_numeric(values))


def _with_interval(heading: str, values: pd.Series, low: pd.Series, high: pd.Series) -> Column:
    rows = list(zip(values.tolist(), low.tolist(), high.tolist(), strict=True))
    fractions = [_decimals(*row) for row in rows if _is_fraction(*row)]
    alike = median_high(fractions) if fractions else None
    texts = [_estimate(*row, alike if _is_fraction(*row) else None) for row in rows]
    keys = ["" if pd.isna(value) else str(value) for value in values.tolist()]
    bounded = any("[" in text for text in texts)
    return Column(f"{heading} [95 %]" if bounded else heading, texts, keys, True)


def _is_fraction(value: float, low: float, high: float) -> bool:
    """Whether an estimate with an interval is of a measure such as mAP, not of ranks."""
    if pd.isna(value) or isinstance(value, int) or (pd.isna(low) and pd.isna(high)):
        return False
    return abs(value) < 1


def _estimate(value: float, low: float, high: float, decimals: int | None) -> str:
    """Write an estimate and its interval; a number without one has four digits.

    Args:
        value: the estimate.
        low: lower end.
        high: upper end.
        decimals: of all three; None chooses by the interval.
    """
    if pd.isna(value):
        return ""
    if pd.isna(low) and pd.isna(high):
        form = ",.0f" if isinstance(value, int) or abs(value) >= 1000 else ".4g"
        return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
    decimals = _decimals(value, low, high) if decimals is None else decimals
    return f"{_decimal(value, decimals)} {_bracket(low, high, decimals)}"


def _decimals(value: float, low: float, high: float) -> int:
    """Count the decimals that show two digits of half the interval."""
    if isinstance(value, int) and all(pd.isna(end) or isinstance(end, int) for end in (low, high)):
        return 0
    ends = [abs(end - value) for end in (low, high) if not pd.isna(end)]
    half = max(ends, default=0.0)
    if half == 0 or math.isinf(half):
        return 3
    return min(max(_DIGITS - 1 - math.floor(math.log10(half)), 0), _MOST_DECIMALS)


def _bracket(low: float, high: float, decimals: int | None) -> str:
    if pd.isna(low) and pd.isna(high):
        return ""
    return f"[{', '.join(_OPEN if pd.isna(end) else _end(end, decimals) for end in (low, high))}]"


def _end(value: float, decimals: int | None) -> str:
    return f"{value:g}" if decimals is None else _decimal(value, decimals)


def _decimal(value: float, decimals: int) -> str:
    """Write a number; what rounds to 0 has no sign."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")
