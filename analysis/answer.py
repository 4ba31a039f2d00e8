"""The answer in words, made from the confirmed figures and hedged by their intervals."""

from collections.abc import Mapping

import pandas as pd

from analysis.contents import Headline
from analysis.inference import BestRatio
from hybridir import names

_PURE = {0.0: "cross-lingual batches alone", 1.0: "monolingual batches alone"}
_FEW_SEEDS = 5  # up to this number the page says that the seed part is too narrow


def answer(
    benchmark: str,
    curve: pd.DataFrame,
    differences: pd.DataFrame,
    best: Mapping[str, BestRatio],
) -> Headline:
    """Put a benchmark's figures into words.

    Args:
        benchmark: its name.
        curve: `frames.curve_table`.
        differences: `frames.difference_table`.
        best: setting -> best ratio by mAP.

    Returns:
        The answer, led by the multilingual setting where there is one. A gain counts as such only
        where its interval leaves out 0.
    """
    curve = curve[curve["measure"] == names.AP]
    gains = differences[differences["measure"] == names.AP]
    main = names.MULTILINGUAL if names.MULTILINGUAL in best else next(iter(best))
    return Headline(
        sentence=_sentence(benchmark, main, best[main], gains[gains["setting"] == main]),
        details=_details(best),
        rows=[
            _row(setting, found, curve, gains[gains["setting"] == setting])
            for setting, found in best.items()
        ],
        caveat=_caveat(curve),
    )


def interval_text(estimate: float, low: float, high: float, signed: bool = False) -> str:
    """Write an estimate with its interval, three decimals each.

    >>> interval_text(0.5314, 0.52, 0.5449)
    '0.531 [0.520, 0.545]'
    """
    sign = "+" if signed else ""
    text = f"{estimate:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
    return text.replace("-", "\N{MINUS SIGN}")


def _sentence(benchmark: str, setting: str, best: BestRatio, gains: pd.DataFrame) -> str:
    where = f"On {benchmark}, in the {names.LABELS[setting]} setting,"
    if len(gains) < len(_PURE):
        return (
            f"{where} mixing ratio α = {best.ratio:g} came out best of those that were confirmed; "
            "without both pure strategies beside a hybrid one there is no gain to state."
        )
    hybrid = f"hybrid batches (α = {gains['hybrid'].iloc[0]:g})"
    won = gains[gains["low"] > 0]["pure"].tolist()
    lost = gains[gains["high"] < 0]["pure"].tolist()
    if lost:
        beaten = f", though they beat {_pures(won)}" if won else ""
        return f"{where} {hybrid} lose to {_pures(lost)}{beaten}."
    if len(won) == len(_PURE):
        return f"{where} {hybrid} beat both pure strategies."
    if won:
        other = [pure for pure in _PURE if pure not in won]
        return (
            f"{where} {hybrid} beat {_pures(won)}; "
            f"these data do not tell them apart from {_pures(other)}."
        )
    return f"{where} these data do not tell {hybrid} apart from either pure strategy."


def _pures(ratios: list[float]) -> str:
    return " and ".join(_PURE[ratio] for ratio in ratios)


def _details(best: Mapping[str, BestRatio]) -> str:
    found = [
        f"{names.LABELS[setting]} retrieval at α = {ratio.ratio:g}"
        for setting, ratio in best.items()
    ]
    listed = f"{', '.join(found[:-1])} and {found[-1]}" if len(found) > 1 else found[0]
    return f"Of the ratios confirmed, {listed} scored highest."


def _row(
    setting: str, best: BestRatio, curve: pd.DataFrame, gains: pd.DataFrame
) -> dict[str, str]:
    top = curve[(curve["setting"] == setting) & (curve[names.MIXING_RATIO] == best.ratio)].iloc[0]
    row = {
        "setting": names.LABELS[setting],
        "best α": f"{best.ratio:g} [{best.low:g}, {best.high:g}]",
        "mAP there": interval_text(top["mean"], top["low"], top["high"]),
    }
    for gain in gains.to_dict("records"):
        heading = f"α = {gain['hybrid']:g} minus α = {gain['pure']:g}"
        row[heading] = interval_text(gain["difference"], gain["low"], gain["high"], signed=True)
    return row


def _caveat(curve: pd.DataFrame) -> str:
    seeds = sorted({int(count) for count in curve["n_seeds"]})
    questions = int(curve["n_questions"].max())
    n = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    text = (
        f"Brackets are 95 % intervals: hierarchical bootstrap over {n} "
        f"{'seed' if seeds == [1] else 'seeds'} and {questions:,} questions, the same resamples "
        "for all ratios; differences are paired by seed and question. The bracket of the best α "
        "spans the ratios of the grid that came out best over resamples."
    )
    if seeds[0] == 1:
        text += " With one seed they say nothing about the variance between seeds."
    elif seeds[0] <= _FEW_SEEDS:
        text += " With so few seeds they understate the variance between seeds."
    return text + " The languages are fixed, and nothing is corrected for several comparisons."
