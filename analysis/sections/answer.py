"""The answer in words: each claim follows a test and is worded with its uncertainty."""

from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd

from analysis.page import Figure, Headline
from analysis.sections.wording import LEVEL, change_word, interval_text, number_text, p_text
from analysis.study.arrays import Key
from analysis.tables import confirmed
from analysis.tables.tested import PRIMARY, listed_ratios
from hybridir import inference, names
from hybridir.inference.scores import FEW_CLUSTERS

Row = dict[Any, Any]
_PURE = {0.0: "cross-lingual batches alone", 1.0: "monolingual batches alone"}
_SCOPES = {
    names.MULTILINGUAL: "in the pool of all languages",
    names.CROSSLINGUAL: "across languages",
    names.MONOLINGUAL: "within a language",
}
_CLAIMED = (0.4, 0.6)  # ratios reported as stable in arXiv 2408.10536
_DECIMALS = {names.RANK_DISTANCE: 1, names.RANK_DISTANCE_SEEN: 1}
_BIAS = (names.RANK_DISTANCE, names.TOP1_OWN_LANGUAGE)
_MAIN = (names.AP, names.SET_F1)


def answer(
    benchmark: str,
    point: str,
    primary: Collection[Key],
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    changes: str = "",
    figure: Figure | None = None,
) -> Headline:
    """Put the results of a benchmark into words.

    A difference counts as a gain or a loss only if its adjusted p-value is below .05.

    Args:
        benchmark: its name.
        point: the temperature, batch size and budget at which the figures hold, see
            `analysis.study.design.point_text`.
        primary: (measure, setting) of the primary outcomes.
        tables: `confirmed.curve_table`, `tested.gain_table` with ``p_holm``, and
            `tested.optimum_table`.
        changes: whether the answer changes with temperature, batch size or budget, in words.
        figure: shows the answer.

    Returns:
        The answer: the tests of the primary outcomes in words. For the development data it says
        that they chose the parameters, and claims nothing.
    """
    curve, gains, optima = tables
    keys = list(zip(optima["measure"], optima["setting"], strict=True))
    measured = [key for key in primary if key in keys] or keys[:1]
    best = {(row["measure"], row["setting"]): row for row in optima.to_dict("records")}
    further = [key for key in keys if key[0] == names.AP and key not in measured]
    alone = confirmed.is_one_ratio(curve)
    findings = (
        [
            changes,
        ]
        if alone
        else [
            *(_optimum(best[key]) for key in measured),
            changes,
            *_narrow(gains, measured),
            _further_optima({key: best[key] for key in further}),
            *_bias(gains),
            _stability(curve[curve["measure"] == names.AP]),
        ]
    )
    if benchmark == names.DEV:
        sentence = (
            "This study reports on no benchmark. Its figures are on the development data, which "
            "it tunes on, so that they answer nothing about other data."
        )
        hedge = "Name a benchmark under report_on, and run the study again."
        findings = []
    else:
        sentence = (
            _levels(measured, curve, best)
            if gains.empty
            else _sentence([(key, _rows(gains, key)) for key in measured])
        )
        hedge = _hedge(benchmark, point, curve)
    return Headline(
        sentence=sentence,
        hedge=hedge,
        figure=figure,
        findings=[finding for finding in findings if finding],
        rows=answer_rows(curve, gains, optima),
        caveat=_caveat(curve, gains, measured),
    )


def _hedge(benchmark: str, point: str, curve: pd.DataFrame) -> str:
    seeds = int(curve["n_seeds"].min())
    counted = f"{seeds} {'seed' if seeds == 1 else 'seeds'}"
    clusters = f"{int(curve['n_clusters'].max()):,} clusters of questions"
    where = f" {point}" if point else ""
    alone = " Other seeds may differ." if seeds == 1 else ""
    return f"On {benchmark}{where}, from {counted} and {clusters}.{alone}"


def answer_rows(
    curve: pd.DataFrame, gains: pd.DataFrame, optima: pd.DataFrame
) -> list[dict[str, str]]:
    """Tabulate mAP and F1 at R: heading -> text, one row per setting and measure.

    Args:
        curve: `confirmed.curve_table`.
        gains: `tested.gain_table` with ``p_holm``.
        optima: `tested.optimum_table`.
    """
    rows = [row for row in optima.to_dict("records") if row["measure"] in _MAIN]
    rows.sort(key=lambda row: names.SETTINGS.index(row["setting"]))
    return [_row(row, curve, gains) for row in rows]


def _rows(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    return table[(table["measure"] == key[0]) & (table["setting"] == key[1])]


def _row(best: Row, curve: pd.DataFrame, gains: pd.DataFrame) -> dict[str, str]:
    key = (best["measure"], best["setting"])
    points = _rows(curve, key)
    top = points[points[names.MIXING_RATIO] == best["best"]].iloc[0]
    level = interval_text(top["mean"], top["low"], top["high"])
    row = {
        "setting": names.LABELS[best["setting"]],
        "measure": measure_label(*key, all_or_nothing=bool(top.get("all_or_nothing", True))),
    }
    if len(points) == 1:
        return row | {f"α = {best['best']:g}": level}
    row["may be best α"] = str(best["may_be_best"])
    row["best confirmed"] = f"{level} at α = {best['best']:g}"
    for gain in _rows(gains, key).to_dict("records"):
        row[f"α = {gain['hybrid']:g} minus α = {gain['pure']:g}"] = _difference(gain)
    return row


def measure_label(measure: str, setting: str, *, all_or_nothing: bool = True) -> str:
    """Name a measure; F1 at R of one relevant passage is hit@1, and is called so as well.

    Args:
        measure: its name.
        setting: one of `names.SETTINGS`.
        all_or_nothing: whether each question has 0 or 1.

    >>> measure_label("set_f1", "crosslingual")
    'F1 at R (= hit@1)'
    >>> measure_label("set_f1", "crosslingual", all_or_nothing=False)
    'F1 at R'
    """
    label = names.LABELS[measure]
    single = measure == names.SET_F1 and setting != names.MULTILINGUAL and all_or_nothing
    return f"{label} (= {names.LABELS[names.HIT_AT_1]})" if single else label


def _difference(row: Row) -> str:
    """Write a change, whether it is good, and the p of a planned test."""
    decimals = _DECIMALS.get(row["measure"], 3)
    change = interval_text(row["difference"], row["low"], row["high"], True, decimals)
    word = change_word(row["measure"], row["difference"], row["p_holm"])
    planned = f", {p_text(row['p_holm'])}" if row.get("family") == PRIMARY else ""
    return f"{change} ({word}{planned})"


def _optimum(best: Row) -> str:
    """Write which ratios may be best."""
    scope = f"{names.LABELS[best['measure']]} in the {names.LABELS[best['setting']]} setting"
    if not best["bounded"]:
        return f"For {scope}, these data do not say which mixing ratio α is best."
    return (
        f"For {scope}, α = {best['best']:g} has the best mean of the confirmed ratios, and "
        f"{_only(best['may_be_best'])} may be the best: each other one falls short of another "
        "ratio in one-sided comparisons (.05), which are not corrected for other outcomes. The "
        f"optimum lies between {best['low']:g} and {best['high']:g} "
        "(95 %)."
    )


def _only(ratios: str) -> str:
    """Name the ratios that may be the best, as the subject of a sentence."""
    return f"only one of {ratios}" if " " in ratios else f"only α = {ratios.strip('{}')}"


def _sentence(outcomes: list[tuple[Key, pd.DataFrame]]) -> str:
    """Say what hybrid batches gain or lose in each primary outcome, one sentence each."""
    (first, gains), *others = outcomes
    sentences = [_verdict(first, gains)]
    for key, rows in others:
        same = key[1] == first[1] and _signs(rows) == _signs(gains)
        agrees = f"{names.LABELS[key[0]]} agrees." if same else _verdict(key, rows)
        sentences.append(agrees)
    return " ".join(sentences)


def _levels(keys: list[Key], curve: pd.DataFrame, best: dict[Key, Row]) -> str:
    """Say how well one ratio does in each primary outcome, or the best of several in the first."""
    alone = confirmed.is_one_ratio(curve)
    levels = []
    for key in keys if alone else keys[:1]:
        points = _rows(curve, key)
        top = points[points[names.MIXING_RATIO] == best[key]["best"]].iloc[0]
        level = interval_text(top["mean"], top["low"], top["high"])
        levels.append(f"{names.LABELS[key[0]]} {_SCOPES[key[1]]} is {level}")
    ratio = f"At α = {best[keys[0]]['best']:g}"
    if alone:
        return f"{ratio}, the only confirmed ratio, {' and '.join(levels)}."
    return f"{ratio}, the best of the confirmed ratios, {levels[0]}. No gain is tested."


def _signs(gains: pd.DataFrame) -> list[int]:
    """1 for a gain, -1 for a loss, 0 for what is not distinguished, of each pure strategy."""
    return [
        0 if row["p_holm"] >= LEVEL else 1 if row["difference"] > 0 else -1
        for row in gains.sort_values("pure").to_dict("records")
    ]


def _verdict(key: Key, gains: pd.DataFrame) -> str:
    measure, scope = names.LABELS[key[0]], _SCOPES[key[1]]
    clauses: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for sign, row in zip(_signs(gains), gains.sort_values("pure").to_dict("records"), strict=True):
        change = row["difference"]
        amount = number_text(abs(change)) if sign else number_text(change, signed=True)
        by = f"by {amount} {measure}" if sign else f"({amount} {measure})"
        clauses[sign].append(f"{_PURE[row['pure']]} {by}")
    claims = [
        f"{verb} {conjunction.join(clauses[sign])}"
        for sign, verb, conjunction in (
            (1, "beat", " and "),
            (-1, "lose to", " and "),
            (0, "cannot be told from", " or "),
        )
        if clauses[sign]
    ]
    hybrid = f"hybrid batches (α = {gains['hybrid'].iloc[0]:g})"
    return f"{_capital(scope)}, {hybrid} {' and '.join(claims)}."


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _joined(clauses: list[str]) -> str:
    text = "; ".join(clauses)
    return f"{_capital(text)}." if text else ""


def _further_optima(best: dict[Key, Row]) -> str:
    clauses = []
    for (_, setting), row in best.items():
        scope = f"in the {names.LABELS[setting]} setting"
        clauses.append(
            f"{scope} {_only(row['may_be_best'])} may be the best for mAP"
            if row["bounded"]
            else f"{scope} the data do not say which ratio is best"
        )
    return _joined(clauses)


def _bias(gains: pd.DataFrame) -> list[str]:
    """Say how hybrid batches change language bias, one sentence per pure strategy."""
    sentences = []
    for pure, rows in gains[gains["measure"].isin(_BIAS)].groupby("pure"):
        changes = [
            f"{names.LABELS[row['measure']]} by {_difference(row)}"
            for row in rows.to_dict("records")
        ]
        sentences.append(
            f"Exploratory: against {_PURE[float(str(pure))]}, hybrid batches change "
            f"{' and '.join(changes)}."
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
        most = float(rows["loss_at_most"].max())
        # From the few seeds of a small study, the bound may lie beyond the measure's range.
        bound = f", and at most {most:.3f} mAP below the best (95 %)" if most < 1 else ""
        verdict = (
            f"not stable, worse than the best at α = {_ratios(worse)}{bound}"
            if len(worse)
            else f"α = {_ratios(rows)} may be the best{bound}"
        )
        clauses.append(f"{names.LABELS[str(setting)]}: {verdict}")
    return (
        f"Are ratios from {low:g} to {high:g} stable? By one-sided comparisons with the best "
        f"(.05): {'; '.join(clauses)}."
    )


def _ratios(rows: pd.DataFrame) -> str:
    return listed_ratios(rows[names.MIXING_RATIO].tolist())


def _narrow(gains: pd.DataFrame, measured: list[Key]) -> Iterator[str]:
    """Warn of an interval of the answer that is narrower than one for other clusters alone."""
    for row in gains.to_dict("records"):
        if (row["measure"], row["setting"]) not in measured:
            continue
        interval = (row[name] for name in ("difference", "low", "high", "clusters_alone"))
        if inference.is_narrow(*interval):
            yield (
                f"The seeds agree by chance on the gain in {names.LABELS[row['measure']]}, "
                f"{names.LABELS[row['setting']]}, over α = {row['pure']:g}: its interval is "
                "narrower than that for other clusters alone, "
                f"{number_text(row['difference'], signed=True)} ± "
                f"{row['clusters_alone']:.3f}. More seeds would tell how much they vary."
            )


def _caveat(curve: pd.DataFrame, gains: pd.DataFrame, primary: list[Key]) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    questions, clusters = int(curve["n_questions"].max()), int(curve["n_clusters"].max())
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    outcomes = " and ".join(
        f"{names.LABELS[measure]}, {names.LABELS[setting]}" for measure, setting in primary
    )
    scope = " and ".join(
        [*(["other seeds"] if seeds != [1] else []), *(["other clusters"] if clusters > 1 else [])]
    )
    sentences = [
        f"Brackets are 95 % intervals for {scope or 'no other data'}, each row by itself, from "
        f"{n} {'seed' if seeds == [1] else 'seeds'} and {questions:,} questions in {clusters:,} "
        f"{'cluster' if clusters == 1 else 'clusters'}.",
    ]
    if not gains.empty:
        sentences += [
            "Differences are paired by seed and question.",
            f"The tests of the primary outcome ({outcomes}) are corrected together (Holm), all "
            "others, which are exploratory, as one family: a change may not be distinguished "
            "although its bracket leaves out 0.",
        ]
    if not confirmed.is_one_ratio(curve):
        if gains.empty:
            sentences.append("A test of a gain takes a hybrid and a pure ratio.")
        sentences += [
            "A ratio may be best unless another one is better in a one-sided comparison (.05), "
            "joint for all ratios and apart from these corrections: it may exclude a "
            "ratio that a two-sided test does not. The optimum lies between the neighbours of the "
            "ratios that may be best.",
        ]
    if clusters == 1:
        sentences.append("With one cluster, they say nothing about other questions.")
    elif clusters < FEW_CLUSTERS:
        sentences.append(
            f"{clusters} clusters are few: below {FEW_CLUSTERS} the intervals may be too narrow."
        )
    if seeds[0] == 1:
        sentences.append("With one seed, they say nothing about the variance between seeds.")
    if seeds[0] == 2:
        sentences.append("Two seeds hardly tell how much seeds vary: most intervals are wide.")
    sentences.append("Seed effects are assumed to be normal, languages fixed.")
    return " ".join(sentences)
