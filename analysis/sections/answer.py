"""The answer in words, made from what was tested and hedged by it."""

from typing import Any

import pandas as pd

from analysis.page.model import Headline
from analysis.tables.tested import GRID
from hybridir import names

Row = dict[Any, Any]
_PURE = {0.0: "cross-lingual batches alone", 1.0: "monolingual batches alone"}
_LEVEL = 0.05  # of adjusted p-values
_CLAIMED = (0.4, 0.6)  # said to be stable, arXiv 2408.10536
_DECIMALS = {names.RANK_DISTANCE: 1, names.RANK_DISTANCE_SEEN: 1}
_BIAS = (names.RANK_DISTANCE, names.TOP1_OWN_LANGUAGE)


def answer(
    benchmark: str, curve: pd.DataFrame, gains: pd.DataFrame, optima: pd.DataFrame
) -> Headline:
    """Put a benchmark's figures into words.

    Args:
        benchmark: its name.
        curve: `confirmed.curve_table`.
        gains: `tested.gain_table` with ``p_holm``.
        optima: `tested.optimum_table`.

    Returns:
        The answer, led by the multilingual setting where there is one. A gain counts as such only
        where its adjusted p-value is below .05.
    """
    by_map = [table[table["measure"] == names.AP] for table in (curve, gains, optima)]
    map_curve, map_gains, map_optima = by_map
    settings = map_optima["setting"].tolist()
    main = names.MULTILINGUAL if names.MULTILINGUAL in settings else settings[0]
    best = {row["setting"]: row for row in map_optima.to_dict("records")}
    of_main = map_gains[map_gains["setting"] == main]
    details = [
        _optima({setting: row for setting, row in best.items() if setting != main}),
        *_bias(gains),
        *_claim(map_curve),
    ]
    return Headline(
        sentence=f"{_best(benchmark, main, best[main])} {_verdict(of_main)}",
        details=" ".join(detail for detail in details if detail),
        rows=[
            _row(best[setting], map_curve, map_gains[map_gains["setting"] == setting])
            for setting in settings
        ],
        caveat=_caveat(curve, optima),
    )


def interval_text(
    estimate: float, low: float, high: float, signed: bool = False, decimals: int = 3
) -> str:
    """Write an estimate with its interval, three decimals each unless others are asked for.

    >>> interval_text(0.5314, 0.52, 0.5449)
    '0.531 [0.520, 0.545]'
    """
    form = f"{'+' if signed else ''}.{decimals}f"
    text = f"{estimate:{form}} [{low:{form}}, {high:{form}}]"
    return text.replace("-", "\N{MINUS SIGN}")


def p_text(p: float) -> str:
    """Write a p-value.

    >>> p_text(0.0003), p_text(0.0312), p_text(0.44)
    ('p < 0.001', 'p = 0.031', 'p = 0.44')
    """
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _best(benchmark: str, setting: str, best: Row) -> str:
    where = f"On {benchmark}, in the {names.LABELS[setting]} setting,"
    if not best["bounded"]:
        return f"{where} these data do not say which mixing ratio α is best."
    return f"{where} mAP is highest at {_at(best)}."


def _at(best: Row) -> str:
    """Write where an optimum is: α with its interval, and what that rests on."""
    where = f"{best['low']:.2g} to {best['high']:.2g}"
    if best["rests_on"] == GRID:
        which = "no other" if best["low"] == best["high"] else f"one of {where}"
        return f"α = {best['optimum']:.2g} of the ratios confirmed (95 %: {which})"
    return f"α = {best['optimum']:.2g} (95 % interval {where})"


def _verdict(gains: pd.DataFrame) -> str:
    if gains.empty:
        return "Without a pure strategy beside a hybrid one there is no gain to state."
    hybrid = f"ybrid batches (α = {gains['hybrid'].iloc[0]:g})"
    clear = gains[gains["p_holm"] < _LEVEL]
    won, lost = clear[clear["difference"] > 0], clear[clear["difference"] < 0]
    open_ = gains[gains["p_holm"] >= _LEVEL]
    parts = [
        f"{verb} {_pures(rows)}" for verb, rows in (("beat", won), ("lose to", lost)) if len(rows)
    ]
    if len(won) == len(_PURE):
        text = f"H{hybrid} beat both pure strategies ({_p(won)})"
    elif parts:
        text = f"H{hybrid} {' and '.join(parts)}"
    elif len(open_) == len(_PURE):
        return f"They do not tell h{hybrid} apart from either pure strategy ({_p(open_)})."
    if len(open_):
        apart = f"the data do not tell h{hybrid} apart from {_pures(open_)}"
        text = f"{text}; {apart.replace(f'h{hybrid}', 'them')}" if parts else apart.capitalize()
    return f"{text}."


def _pures(rows: pd.DataFrame) -> str:
    return " and ".join(
        f"{_PURE[row['pure']]} ({p_text(row['p_holm'])})" for row in rows.to_dict("records")
    )


def _p(rows: pd.DataFrame) -> str:
    worst = p_text(rows["p_holm"].max())
    return worst if len(rows) == 1 or worst.startswith("p <") else worst.replace("=", "≤")


def _optima(best: dict[str, Row]) -> str:
    found = [
        f"in the {names.LABELS[setting]} setting mAP is highest at {_at(row)}"
        if row["bounded"]
        else f"in the {names.LABELS[setting]} setting the data do not say which ratio is best"
        for setting, row in best.items()
    ]
    text = "; ".join(found)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _bias(gains: pd.DataFrame) -> list[str]:
    """Say how hybrid batches change language bias, a sentence per pure strategy."""
    sentences = []
    for pure, rows in gains[gains["measure"].isin(_BIAS)].groupby("pure"):
        changes = [
            f"{names.LABELS[row['measure']]} by {_difference(row)}"
            for row in rows.to_dict("records")
        ]
        sentences.append(
            f"Against {_PURE[float(str(pure))]}, hybrid batches change {' and '.join(changes)}."
        )
    return sentences


def _difference(row: Row) -> str:
    decimals = _DECIMALS.get(row["measure"], 3)
    change = interval_text(row["difference"], row["low"], row["high"], True, decimals)
    return f"{change}, {p_text(row['p_holm'])}"


def _claim(curve: pd.DataFrame) -> list[str]:
    """Hold the claim that ratios from .4 to .6 are stable against the data, by setting."""
    low, high = _CLAIMED
    inside = curve[curve[names.MIXING_RATIO].between(low, high)]
    if inside.empty:
        return [
            f"No ratio from {low:g} to {high:g} was confirmed: whether they are stable is open."
        ]
    sentences = []
    for setting, rows in inside.groupby("setting", sort=False):
        worse = rows[~rows["may_be_best"].astype(bool)][names.MIXING_RATIO]
        which = ", ".join(f"{ratio:g}" for ratio in rows[names.MIXING_RATIO])
        most = f"at most {rows['loss_at_most'].max():.3f} mAP below the best (95 %)"
        if len(worse):
            found = f"significantly worse at α = {', '.join(f'{ratio:g}' for ratio in worse)}"
            sentences.append(f"{names.LABELS[str(setting)]}: not stable, {found} and {most}")
        else:
            found = "not significantly worse than the best"
            sentences.append(f"{names.LABELS[str(setting)]}: α = {which} {found}, {most}")
    return [f"Are ratios from {low:g} to {high:g} stable? {'; '.join(sentences)}."]


def _row(best: Row, curve: pd.DataFrame, gains: pd.DataFrame) -> dict[str, str]:
    setting = str(best["setting"])
    of_grid = (curve["setting"] == setting) & (curve[names.MIXING_RATIO] == best["best"])
    top = curve[of_grid].iloc[0]
    row = {
        "setting": names.LABELS[setting],
        "best α": f"{best['optimum']:.2g} [{best['low']:.2g}, {best['high']:.2g}]",
        "rests on": str(best["rests_on"]),
        "best mAP confirmed": interval_text(top["mean"], top["low"], top["high"])
        + f" at α = {best['best']:g}",
    }
    for gain in gains.to_dict("records"):
        row[f"α = {gain['hybrid']:g} minus α = {gain['pure']:g}"] = _difference(gain)
    return row


def _caveat(curve: pd.DataFrame, optima: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    questions = int(curve["n_questions"].max())
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    text = (
        f"Brackets are 95 % intervals for other seeds and other questions, from {n} "
        f"{'seed' if seeds == [1] else 'seeds'} and {questions:,} questions; differences are "
        "paired by both. p-values are corrected for several comparisons (Holm). The best α is "
        "that of a smooth curve through the means, and its bracket holds every ratio at which "
        "that curve may have its maximum."
    )
    maps = optima[optima["measure"] == names.AP]
    if (maps["rests_on"] == GRID).any():
        text += (
            " Where no smooth curve fits, or there are too few ratios for one, it is the best "
            "ratio confirmed, and the bracket spans those that are not significantly worse."
        )
    if seeds[0] == 1:
        text += " With one seed they say nothing about the variance between seeds."
    return text + " Seed effects are taken to be normal, and the languages are fixed."
