"""How the values of a column are written, on the page and in the tables for papers."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from hybridir import names


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers, which are written to the right."""
    return is_numeric_dtype(column) and not is_bool_dtype(column)


def written(column: pd.Series) -> list[str]:
    """Write every value of a column: numbers alike, names as people call them, nothing as "".

    >>> written(pd.Series(["ap", None])), written(pd.Series([0.5, 1.0]))
    (['mAP', ''], ['0.5', '1.0'])
    """
    if is_number(column):
        write = number_format(column)
        return ["" if pd.isna(value) else write(value) for value in column.tolist()]
    texts = ["" if pd.isna(value) else str(value) for value in column]
    return [names.LABELS.get(text, text) for text in texts]


def number_format(column: pd.Series) -> Callable[[float], str]:
    """Choose how a column's numbers are written.

    Up to three decimals where that is exact for all of them; else four decimals below 1 and four
    significant digits from there.

    >>> [number_format(pd.Series([0.25, 1.0]))(value) for value in (0.25, 1.0)]
    ['0.25', '1.00']
    >>> [number_format(pd.Series([0.12345, 891.362]))(value) for value in (0.1234, 891.362)]
    ['0.1234', '891.4']
    """
    values = column.dropna().to_numpy(dtype=np.float64)
    for decimals in range(4):
        if np.allclose(values, values.round(decimals), rtol=0, atol=1e-9):
            return partial(_write, decimals)
    return partial(_write, None)


def _write(decimals: int | None, value: float) -> str:
    if decimals is not None:
        specification = f".{decimals}f"
    elif value and abs(value) < 0.0001:
        specification = ".1e"
    else:
        specification = "#.4g" if abs(value) >= 1 else ".4f"
    return format(value, specification).rstrip(".").replace("-", "\N{MINUS SIGN}")
