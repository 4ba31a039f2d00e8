"""What hybrid batches gain over each pure strategy: by language and pair, and by kind of pair.

The kinds compare what transfer may depend on: the same or another language, the same or another
script, languages that were trained on or not. C cells; see `hybridir.inference.by_question`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from hybridir import names
from hybridir.inference.by_question import score_by_question
from hybridir.inference.crossed import Crossed
from hybridir.inference.hybrid_vs_pure import PURE
from hybridir.inference.mean_squares import paired_gain, setting_of
from hybridir.inference.multiple_comparisons import holm
from hybridir.inference.scores import Floats, Scores
from hybridir.languages import LANGUAGES

_SAME_LANGUAGE, _OTHER_LANGUAGE = "same language", "other language"
_SAME_SCRIPT, _OTHER_SCRIPT = "same script", "other script"
Cell = tuple[str, str]
_RESULT = ["difference", "low", "high", "p", "n_seeds", "n_questions"]


def gains_by_cell(scores: Scores, hybrid: float) -> pd.DataFrame:
    """Tabulate the gain of every cell: language, pair of languages, language in the common pool.

    Args:
        scores: all settings side by side, see `hybridir.inference.mean_squares.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.

    Returns:
        Columns ``setting, query_language, pool_language, pure, difference, low, high, p, p_holm,
        n_seeds, n_questions``; `p_holm` is adjusted over a setting and pure strategy.
    """
    rows = []
    for index, cell in enumerate(scores.cells):
        weights = np.zeros(len(scores.cells))
        weights[index] = 1.0
        rows += [(setting_of(cell), *cell, *row) for row in _gains(scores, hybrid, weights)]
    columns = ["setting", names.QUERY_LANGUAGE, names.POOL_LANGUAGE, "pure", *_RESULT]
    return _adjusted(pd.DataFrame(rows, columns=columns), ["setting", "pure"])


def gains_by_group(scores: Scores, hybrid: float, seen: frozenset[str] | None) -> pd.DataFrame:
    """Tabulate mean gains of kinds of cells, and how two kinds differ in their gain.

    Args:
        scores: all settings side by side.
        hybrid: the ratio that stands for hybrid batches.
        seen: languages that were trained on; None leaves out what depends on them.

    Returns:
        Columns ``grouping, group, contrast, pure, n_cells, difference, low, high, p, p_holm,
        n_seeds, n_questions``. A contrast is one group's gain minus another's; `p_holm` is
        adjusted over the rows of a pure strategy. Groupings of which only one group occurs are
        left out.
    """
    rows = []
    for grouping, groups in _groupings(scores.cells, seen):
        members = {
            group: np.array([cell in cells for cell in scores.cells])
            for group, cells in groups.items()
        }
        means = {group: inside / inside.sum() for group, inside in members.items()}
        first = next(iter(means))
        asked = [(group, False, int(members[group].sum()), means[group]) for group in means]
        asked += [
            (f"{first} minus {group}", True, int((members[first] | members[group]).sum()), weights)
            for group, weights in ((one, means[first] - means[one]) for one in means)
            if group != first
        ]
        for group, contrast, n_cells, weights in asked:
            for pure, *result in _gains(scores, hybrid, weights):
                rows.append((grouping, group, contrast, pure, n_cells, *result))
    columns = ["grouping", "group", "contrast", "pure", "n_cells", *_RESULT]
    return _adjusted(pd.DataFrame(rows, columns=columns), ["pure"])


def _gains(scores: Scores, hybrid: float, weights_C: Floats) -> Iterator[tuple[float, ...]]:
    spread = score_by_question(scores, weights_C)
    for pure in PURE:
        if pure in scores.ratios:
            gain = paired_gain(spread, scores, hybrid, pure)
            if len(gain):
                crossed, itself = Crossed.of(gain[None]), np.ones(1)
                estimate, low, high, *counts = crossed.interval(itself)
                p = float(crossed.p_values(itself[None])[0])
                yield (pure, estimate, low, high, p, *counts)


def _groupings(
    cells: tuple[Cell, ...], seen: frozenset[str] | None
) -> Iterator[tuple[str, dict[str, set[Cell]]]]:
    """Name kinds of cells, those with two groups or more; the first group is compared."""
    by_setting: dict[str, list[Cell]] = {
        setting: [cell for cell in cells if setting_of(cell) == setting]
        for setting in names.SETTINGS
    }
    pairs = by_setting[names.MONOLINGUAL] + by_setting[names.CROSSLINGUAL]
    asked: list[tuple[str, list[Cell], Callable[[Cell], str]]] = [
        ("question and pool", pairs, _language_kind),
        ("question and pool, cross-lingual", by_setting[names.CROSSLINGUAL], _script_kind),
    ]
    if seen is not None:
        trained = {
            names.MONOLINGUAL: "language, monolingual",
            names.CROSSLINGUAL: "languages, cross-lingual",
            names.MULTILINGUAL: "question's language, multilingual",
        }
        asked += [
            (label, by_setting[setting], lambda cell: _seen_kind(cell, seen))
            for setting, label in trained.items()
        ]
    for grouping, members, kind in asked:
        groups: dict[str, set[Cell]] = {}
        for cell in members:
            groups.setdefault(kind(cell), set()).add(cell)
        if len(groups) > 1:
            yield grouping, {group: groups[group] for group in _ORDER if group in groups}


_ORDER = (
    *(_SAME_LANGUAGE, _OTHER_LANGUAGE, _SAME_SCRIPT, _OTHER_SCRIPT),
    *("seen", "both seen", "one unseen", "unseen", "both unseen"),
)


def _language_kind(cell: Cell) -> str:
    return _SAME_LANGUAGE if cell[0] == cell[1] else _OTHER_LANGUAGE


def _script_kind(cell: Cell) -> str:
    scripts = {LANGUAGES[code].script if code in LANGUAGES else code for code in cell}
    return _SAME_SCRIPT if len(scripts) == 1 else _OTHER_SCRIPT


def _seen_kind(cell: Cell, seen: frozenset[str]) -> str:
    if setting_of(cell) != names.CROSSLINGUAL:
        return "seen" if cell[0] in seen else "unseen"
    return ("both unseen", "one unseen", "both seen")[sum(code in seen for code in cell)]


def _adjusted(table: pd.DataFrame, family: list[str]) -> pd.DataFrame:
    """Insert Holm's adjusted p behind p, over rows of the same values in the columns `family`."""
    adjusted = table.groupby(family)["p"].transform(lambda p: holm(p.to_numpy()))
    table.insert(list(table.columns).index("p") + 1, "p_holm", adjusted)
    return table
