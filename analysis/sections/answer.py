"""The answer in words: each claim follows a test and is worded with its uncertainty."""

from typing import Any

import pandas as pd

from analysis.page import Headline
from analysis.sections.wording import interval_text, p_text
from analysis.tables.tested import GRID
from hybridir import names

Row = dict[Any, Any]
_PURE = {0.0: "cross-lingual batches alone", 1.0: "monolingual batches alone"}
_LEVEL = 0.05  # of adjusted p-values
_CLAIMED = (0.4, 0.6)  # ratios reported as stable in arXiv 2408.10536
_DECIMALS = {names.RANK_DISTANCE: 1, names.RANK_DISTANCE_SEEN: 1}
_BIAS = (names.RANK_DISTANCE, names.TOP1_OWN_LANGUAGE)


def answer(
    benchmark: str, curve: pd.DataFrame, gains: pd.DataFrame, optima: pd.DataFrame
) -> Headline:
    """Put the results of a benchmark into words.

    A difference counts as a gain or a loss only if its adjusted p-value is below .05.

    Args:
        benchmark: its name.
        curve: `confirmed.curve_table`.
        gains: `tested.gain_table` with ``p_holm``.
        optima: `tested.optimum_table`.

    Returns:
        The answer. It begins with the multilingual setting where there is one.
    """
    map_curve, map_gains, map_optima = map(_map_rows, (curve, gains, optima))
    settings = map_optima["setting"].tolist()
    main = names.MULTILINGUAL if names.MULTILINGUAL in settings else settings[0]
    best = {row["setting"]: row for row in map_optima.to_dict("records")}
    main_gains = map_gains[map_gains["setting"] == main]
    details = [
        _further_optima({setting: row for setting, row in best.items() if setting != main}),
        *_bias(gains),
        _stability(map_curve),
    ]
    return Headline(
        sentence=f"{_best_ratio(benchmark, main, best[main])} {_verdict(main_gains)}",
        details=" ".join(detail for detail in details if detail),
        rows=answer_rows(curve, gains, optima),
        caveat=_caveat(curve, map_optima),
    )


def answer_rows(
    curve: pd.DataFrame, gains: pd.DataFrame, optima: pd.DataFrame
) -> list[dict[str, str]]:
    """Tabulate the answer: heading -> text, one row per setting.

    Args:
        curve: `confirmed.curve_table`.
        gains: `tested.gain_table` with ``p_holm``.
        optima: `tested.optimum_table`.
    """
    map_curve, map_gains = _map_rows(curve), _map_rows(gains)
    return [
        _row(best, map_curve, map_gains[map_gains["setting"] == best["setting"]])
        for best in _map_rows(optima).to_dict("records")
    ]


def _map_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["measure"] == names.AP]


def _row(best: Row, curve: pd.DataFrame, gains: pd.DataFrame) -> dict[str, str]:
    setting = str(best["setting"])
    is_best = (curve["setting"] == setting) & (curve[names.MIXING_RATIO] == best["best"])
    top = curve[is_best].iloc[0]
    level = interval_text(top["mean"], top["low"], top["high"])
    row = {
        "setting": names.LABELS[setting],
        "best α": f"{best['optimum']:.2g} [{best['low']:.2g}, {best['high']:.2g}]",
        "based on": str(best["rests_on"]),
        "best confirmed mAP": f"{level} at α = {best['best']:g}",
    }
    for gain in gains.to_dict("records"):
        row[f"α = {gain['hybrid']:g} minus α = {gain['pure']:g}"] = _difference(gain)
    return row


def _difference(row: Row) -> str:
    decimals = _DECIMALS.get(row["measure"], 3)
    change = interval_text(row["difference"], row["low"], row["high"], True, decimals)
    return f"{change}, {p_text(row['p_holm'])}"


def _best_ratio(benchmark: str, setting: str, best: Row) -> str:
    scope = f"On {benchmark}, in the {names.LABELS[setting]} setting,"
    if not best["bounded"]:
        return f"{scope} these data do not say which mixing ratio α is best."
    return f"{scope} mAP is highest at {_optimum(best)}."


def _optimum(best: Row) -> str:
    """Write the best α, its interval, and the basis of both."""
    bounds = f"{best['low']:.2g} to {best['high']:.2g}"
    if best["rests_on"] == GRID:
        candidates = "no other" if best["low"] == best["high"] else f"one from {bounds}"
        return f"α = {best['optimum']:.2g} of the confirmed ratios (95 %: {candidates})"
    return f"α = {best['optimum']:.2g} (95 % interval {bounds})"


def _verdict(gains: pd.DataFrame) -> str:
    if gains.empty:
        return "No gain can be stated without both a hybrid and a pure strategy."
    hybrid = f"hybrid batches (α = {gains['hybrid'].iloc[0]:g})"
    clear = gains[gains["p_holm"] < _LEVEL]
    unclear = gains[gains["p_holm"] >= _LEVEL]
    won, lost = clear[clear["difference"] > 0], clear[clear["difference"] < 0]
    claims = [
        f"{verb} {_strategies(rows)}"
        for verb, rows in (("beat", won), ("lose to", lost))
        if len(rows)
    ]
    if len(won) == len(_PURE):
        claims = [f"beat both pure strategies ({_largest_p(won)})"]
    clauses = [f"{hybrid} {' and '.join(claims)}"] if claims else []
    if len(unclear) == len(_PURE):
        compared = f"either pure strategy ({_largest_p(unclear)})"
    else:
        compared = _strategies(unclear)
    if len(unclear):
        subject = "them" if claims else hybrid
        clauses.append(f"the data do not distinguish {subject} from {compared}")
    return _sentence(clauses)


def _strategies(rows: pd.DataFrame) -> str:
    return " and ".join(
        f"{_PURE[row['pure']]} ({p_text(row['p_holm'])})" for row in rows.to_dict("records")
    )


def _largest_p(rows: pd.DataFrame) -> str:
    largest = p_text(rows["p_holm"].max())
    return largest.replace("=", "≤") if len(rows) > 1 else largest


def _sentence(clauses: list[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _further_optima(best: dict[str, Row]) -> str:
    clauses = []
    for setting, row in best.items():
        scope = f"in the {names.LABELS[setting]} setting"
        clauses.append(
            f"{scope} mAP is highest at {_optimum(row)}"
            if row["bounded"]
            else f"{scope} the data do not say which ratio is best"
        )
    return _sentence(clauses)


def _bias(gains: pd.DataFrame) -> list[str]:
    """Say how hybrid batches change language bias, one sentence per pure strategy."""
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


def _stability(curve: pd.DataFrame) -> str:
    """Compare the claim that ratios from .4 to .6 are stable with the data, by setting."""
    low, high = _CLAIMED
    inside = curve[curve[names.MIXING_RATIO].between(low, high)]
    if inside.empty:
        return f"No ratio from {low:g} to {high:g} was confirmed, so their stability is open."
    clauses = []
    for setting, rows in inside.groupby("setting", sort=False):
        worse = rows[~rows["may_be_best"].astype(bool)]
        bound = f"at most {rows['loss_at_most'].max():.3f} mAP below the best (95 %)"
        verdict = (
            f"not stable, significantly worse at α = {_ratios(worse)} and {bound}"
            if len(worse)
            else f"α = {_ratios(rows)} not significantly worse than the best, {bound}"
        )
        clauses.append(f"{names.LABELS[str(setting)]}: {verdict}")
    return f"Are ratios from {low:g} to {high:g} stable? {_sentence(clauses)}"


def _ratios(rows: pd.DataFrame) -> str:
    return ", ".join(f"{ratio:g}" for ratio in rows[names.MIXING_RATIO])


def _caveat(curve: pd.DataFrame, map_optima: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    questions = int(curve["n_questions"].max())
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    sentences = [
        "Brackets are 95 % intervals for other seeds and other questions, estimated from "
        f"{n} {'seed' if seeds == [1] else 'seeds'} and {questions:,} questions.",
        "Differences are paired by seed and question.",
        "p-values are corrected for multiple comparisons (Holm).",
        "The best α is the maximum of a smooth curve through the means; its bracket holds every "
        "ratio at which that curve may have its maximum.",
    ]
    if (map_optima["rests_on"] == GRID).any():
        sentences.append(
            "Where no smooth curve fits, or too few ratios were confirmed, the best α is the best "
            "confirmed ratio; its bracket spans the ratios that are not significantly worse."
        )
    if seeds[0] == 1:
        sentences.append("With one seed, they say nothing about the variance between seeds.")
    sentences.append("Seed effects are assumed to be normal, and the languages are fixed.")
    return " ".join(sentences)
