"""Formats the values of a column, for the page and for LaTeX tables."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from hybridir import names


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, which are aligned to the right."""
    return is_numeric_dtype(column) and not is_bool_dtype(column)


def format_column(column: pd.Series) -> list[str]:
    """Format every value of a column.

    Numbers of a column are formatted alike, names become their labels, missing values "".

    >>> format_column(pd.Series(["ap", None])), format_column(pd.Series([0.5, 1.0]))
    (['mAP', ''], ['0.5', '1.0'])
    """
    if is_numeric(column):
        write = number_format(column)
        return ["" if pd.isna(value) else write(value) for value in column.tolist()]
    texts = ["" if pd.isna(value) else str(value) for value in column]
    return [names.LABELS.get(text, text) for text in texts]


def number_format(column: pd.Series) -> Callable[[float], str]:
    """Choose the format of a column's numbers.

    Uses as few decimals, up to three, as are exact for every number. If three are not enough,
    numbers below 1 get four decimals, those below .001 three significant digits, and numbers from
    1 on four.

    >>> [number_format(pd.Series([0.25, 1.0]))(value) for value in (0.25, 1.0)]
    ['0.25', '1.00']
    >>> [number_format(pd.Series([0.12345, 891.362]))(value) for value in (0.1234, 891.362)]
    ['0.1234', '891.4']
    >>> [number_format(pd.Series([0.0123, 0.000455]))(value) for value in (0.0123, 0.000455)]
    ['0.0123', '0.000455']
    """
    values = column.dropna().to_numpy(dtype=np.float64)
    for decimals in range(4):
        if np.allclose(values, values.round(decimals), rtol=0, atol=1e-9):
            return partial(_format, decimals)
    return partial(_format, None)


def _format(decimals: int | None, value: float) -> str:
    if decimals is not None:
        specification = f"z.{decimals}f"
    elif value and abs(value) < 0.001:
        specification = ".3g"
    else:
        specification = "#.4g" if abs(value) >= 1 else ".4f"
    return format(value, specification).rstrip(".").replace("-", "\N{MINUS SIGN}")
