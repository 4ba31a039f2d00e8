"""The main table of a paper: every ratio in every setting, in one column of the page."""

from typing import Any, Final

import pandas as pd

from analysis.page.latex import escape
from analysis.sections.benchmark import BenchmarkTables
from analysis.sections.literature_figures import HYBRID, PUBLISHED
from analysis.sections.wording import others
from analysis.tables import confirmed
from hybridir import names

MEASURES: Final = {names.AP: "main_table", names.SET_F1: "f1_table"}
"""Measures with such a table, and the start of its name."""
_RANKS: Final = (names.RANK_DISTANCE, names.MULTILINGUAL)
_HEADS: Final = {
    names.MONOLINGUAL: "mono.",
    names.CROSSLINGUAL: "cross.",
    names.MULTILINGUAL: "multi.",
}
_Key = tuple[str, str]


def main_table(tables: BenchmarkTables, measure: str) -> str:
    r"""Write the main table of a benchmark in LaTeX.

    Args:
        tables: the confirmed results on the benchmark.
        measure: one of `MEASURES`. Beside mAP stands rank distance, where it was measured.

    Returns:
        A ``table`` for ``\input``, as wide as a column; a row for the means of each ratio, and
        one for their intervals; the best mean of several is bold. Published results follow, of
        each encoder with all three kinds of batches. "" without the measure.
    """
    curve = tables.curve.curve
    keys: list[_Key] = [(measure, setting) for setting in names.SETTINGS]
    keys += [_RANKS] if measure == names.AP else []
    points = {key: _points(curve, key) for key in keys}
    points = {key: rows for key, rows in points.items() if not rows.empty}
    if not points or _RANKS == next(iter(points)):
        return ""
    ratios = sorted({ratio for rows in points.values() for ratio in rows.index})
    lines = [line for ratio in ratios for line in _of_ratio(ratio, points)]
    published = _published(tables.benchmark, list(points))
    heads = " & ".join(_head(key) for key in points)
    stem = f"{MEASURES[measure]}-{tables.benchmark}"
    return (
        "\\begin{table}[t]\n\\centering\n\\footnotesize\n\\setlength{\\tabcolsep}{2pt}\n"
        "\\begin{tabular*}{\\columnwidth}{@{\\extracolsep{\\fill}}"
        f"l{'c' * len(points)}@{{}}}}\n"
        f"\\toprule\n$\\alpha$ & {heads} \\\\\n\\midrule\n{''.join(lines)}{''.join(published)}"
        "\\bottomrule\n\\end{tabular*}\n"
        f"\\caption{{{_caption(tables, measure, bool(published))}}}\n\\label{{tab:{stem}}}\n"
        "\\end{table}\n"
    )


def _points(curve: pd.DataFrame, key: _Key) -> pd.DataFrame:
    rows = curve[(curve["measure"] == key[0]) & (curve["setting"] == key[1])]
    lower = key[0] in names.LOWER_IS_BETTER
    best = rows["mean"] == (rows["mean"].min() if lower else rows["mean"].max())
    compared = len(rows) > 1
    rows = rows.assign(best=best & compared, may_be_best=rows["may_be_best"] & compared)
    return rows.set_index(names.MIXING_RATIO)


def _head(key: _Key) -> str:
    return "rank dist.\\,$\\downarrow$" if key == _RANKS else f"{_HEADS[key[1]]}"


def _of_ratio(ratio: float, points: dict[_Key, pd.DataFrame]) -> list[str]:
    means, intervals = [], []
    for key, rows in points.items():
        row: Any = rows.loc[ratio] if ratio in rows.index else None
        if row is None:
            means.append("")
            intervals.append("")
            continue
        mean = _number(key, row["mean"])
        if row["best"]:
            mean = f"\\textbf{{{mean}}}"
        elif row["may_be_best"]:
            mean = f"\\underline{{{mean}}}"
        means.append(mean)
        ends = ", ".join(_number(key, row[end]) for end in ("low", "high"))
        intervals.append(f"{{\\scriptsize [{ends}]}}")
    return [
        f"{_ratio(ratio)} & {' & '.join(means)} \\\\*\n",
        f" & {' & '.join(intervals)} \\\\[2pt]\n",
    ]


def _published(benchmark: str, keys: list[_Key]) -> list[str]:
    """Write the published means of all encoders that were trained with hybrid batches."""
    known = {
        (row.encoder, row.mixing_ratio, (row.measure, row.setting)): row.value
        for row in PUBLISHED
        if row.benchmark == benchmark
    }
    encoders = dict.fromkeys(
        row.encoder for row in PUBLISHED if row.benchmark == benchmark and row.strategy == HYBRID
    )
    lines = []
    for encoder in encoders:
        rows = {
            ratio: [known.get((encoder, ratio, key)) for key in keys] for ratio in (0.0, 0.5, 1.0)
        }
        if not any(value is not None for values in rows.values() for value in values):
            continue
        heading = f"Published, {escape(encoder)} (no intervals)"
        lines.append(f"\\midrule\n\\multicolumn{{{len(keys) + 1}}}{{@{{}}l}}{{{heading}}} \\\\\n")
        for ratio, values in rows.items():
            cells = [
                "" if value is None else _number(key, value, published=True)
                for key, value in zip(keys, values, strict=True)
            ]
            lines.append(f"{_ratio(ratio)} & {' & '.join(cells)} \\\\\n")
    return lines


def _ratio(ratio: float) -> str:
    text = f"{ratio:.3g}"
    return text.removeprefix("0") if text.startswith("0.") else text


def _number(key: _Key, value: float, *, published: bool = False) -> str:
    """Write a share without the 0 before its point, and ranks with their thousands."""
    if key == _RANKS:
        return f"{value:,.1f}" if published or value < 1000 else f"{value:,.0f}"
    text = f"{value:.4f}" if published else f"{value:.3f}"
    return text.removeprefix("0")


def _caption(tables: BenchmarkTables, measure: str, published: bool) -> str:
    curve = tables.curve.curve
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    counted = "--".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    clusters, questions = int(curve["n_clusters"].max()), int(curve["n_questions"].max())
    sentences = [
        f"{escape(names.LABELS[measure])} on {escape(tables.benchmark)} by the share $\\alpha$ of "
        "monolingual batches (0: cross-lingual batches alone, 1: monolingual batches alone)"
        f"{escape(f', {tables.point}' if tables.point else '')}.",
        f"Means, and below them 95\\,\\% intervals for {others(curve)} "
        f"({counted} {'seed' if seeds == [1] else 'seeds'}, {questions:,} questions in "
        f"{clusters:,} clusters).",
    ]
    if not confirmed.is_one_ratio(curve):
        sentences.append(
            "Bold: best mean of this study; underlined: may be the best as well (one-sided "
            "comparisons with the best, .05)."
        )
    if measure == names.AP and (curve["measure"] == names.RANK_DISTANCE).any():
        sentences.append("Lower rank distances are better.")
    if published:
        sentences.append(
            "Published results are of other encoders, data and budgets (arXiv 2408.10536)."
        )
    return " ".join(sentences)
