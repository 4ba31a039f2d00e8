"""Words for estimates, p-values and samples, and the table heads that sections share."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from analysis.page.model import HIGH, LOW
from analysis.tables.tested import PRIMARY
from hybridir import names

LEVEL: Final = 0.05  # of corrected p-values
INTERVAL: Final = {"low": LOW, "high": HIGH}
SAMPLE: Final = {"n_seeds": "seeds", "n_clusters": "clusters"}


# A model that finds each passage in the question's own language alone has the highest of these.
_NEITHER_IS_BETTER: Final = (
    *(names.TOP1_OWN_LANGUAGE, names.LANGUAGE_PREFERENCE),
    *(names.TOP1_RIGHT_OWN, names.TOP1_RIGHT_OTHER),
)


def others(table: pd.DataFrame) -> str:
    """Name what the intervals of a table are for; one seed says nothing about others.

    >>> others(pd.DataFrame({"n_seeds": [3]})), others(pd.DataFrame({"n_seeds": [1]}))
    ('other seeds and clusters of questions', 'other clusters of questions')
    """
    alone = bool((table["n_seeds"] == 1).all())
    return f"other {'' if alone else 'seeds and '}clusters of questions"


def interval_text(
    estimate: float, low: float, high: float, signed: bool = False, decimals: int = 3
) -> str:
    """Write an estimate with its interval.

    >>> interval_text(0.5314, 0.52, 0.5449)
    '0.531 [0.520, 0.545]'
    """
    shown, *ends = (number_text(value, signed, decimals) for value in (estimate, low, high))
    return f"{shown} [{', '.join(ends)}]"


def number_text(value: float, signed: bool = False, decimals: int = 3) -> str:
    """Write a number, with a minus sign where it is negative; what rounds to 0 has no sign.

    >>> number_text(0.0104), number_text(0.0104, signed=True)
    ('0.010', '+0.010')
    """
    sign = "+" if signed and round(value, decimals) else ""
    text = f"{value:{sign}z.{decimals}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def change_word(measure: str, difference: float, p_holm: float) -> str:
    """Say whether a change is good.

    Args:
        measure: its name.
        difference: hybrid minus pure.
        p_holm: its p-value, corrected.

    Returns:
        ``better`` or ``worse``; ``higher`` or ``lower`` for a measure of which neither is better;
        ``not distinguished`` for p of .05 or more.

    >>> change_word("rank_distance", 20.0, 0.01), change_word("ap", 0.1, 0.2)
    ('worse', 'not distinguished')
    """
    if not p_holm < LEVEL:
        return "not distinguished"
    if measure in _NEITHER_IS_BETTER:
        return "higher" if difference > 0 else "lower"
    return "better" if (difference > 0) != (measure in names.LOWER_IS_BETTER) else "worse"


def with_change(gains: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``change``, see `change_word`, and ``p_planned``.

    Args:
        gains: columns ``measure, difference, p_holm``, and ``family`` where some tests were
            planned: their p stands in ``p_planned``, which is missing elsewhere.
    """
    rows = zip(gains["measure"], gains["difference"], gains["p_holm"], strict=True)
    changed = gains.assign(change=[change_word(*row) for row in rows])
    if "family" in gains:
        changed["p_planned"] = gains["p_holm"].where(gains["family"] == PRIMARY)
    return changed


def p_text(p: float) -> str:
    """Write a p-value.

    >>> p_text(0.0003), p_text(0.0312), p_text(0.44)
    ('p < 0.001', 'p = 0.031', 'p = 0.44')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def sample_text(table: pd.DataFrame) -> str:
    """Write the sample behind a table.

    Args:
        table: columns ``n_seeds, n_clusters``, possibly ``n_questions``, and ``n_parts`` where
            parts of the training data were used.

    >>> sizes = {"n_seeds": [2, 3], "n_clusters": [48, 48], "n_questions": [1190, 1190]}
    >>> sample_text(pd.DataFrame(sizes))
    'n = 2–3 seeds × 1,190 questions in 48 clusters.'
    """
    seeds = sorted({int(count) for count in table["n_seeds"]})
    counts = "–".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    sample = f"{counts} {'seed' if seeds == [1] else 'seeds'}"
    if "n_parts" in table:
        sample = f"{int(table['n_parts'].max())} parts of the data × {sample}"
    clusters = f"{int(table['n_clusters'].max()):,} clusters"
    if "n_questions" not in table:
        return f"n = {sample} × {clusters} of questions."
    return f"n = {sample} × {int(table['n_questions'].max()):,} questions in {clusters}."


def listed(items: Sequence[str], most: int | None = None) -> str:
    """Join items by commas, the last one by "and"; of many, the first and the number of others.

    >>> listed(["a", "b", "c"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b and c', 'a, b and 2 more')
    """
    shown = [*items]
    if most is not None and len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most:,} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
