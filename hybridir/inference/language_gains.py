"""Gains of hybrid batches over each pure strategy: by language and pair, and by kind of pair.

The kinds compare what transfer may depend on: the same or another language, the same or another
script, languages that were trained on or not.

Shapes: see CONTRIBUTING; C cells.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from hybridir import names
from hybridir.inference.by_cluster import score_by_cluster
from hybridir.inference.crossed import Crossed, p_values_of_each
from hybridir.inference.hybrid_vs_pure import PURE
from hybridir.inference.scores import Cell, Floats, Scores, setting_of
from hybridir.languages import script_of, tag_of

_SAME_LANGUAGE, _OTHER_LANGUAGE = "same language", "other language"
_SAME_SCRIPT, _OTHER_SCRIPT = "same script", "other script"
# The first kind of a grouping is compared with each of its others.
_ORDER = (
    *(_SAME_LANGUAGE, _OTHER_LANGUAGE, _SAME_SCRIPT, _OTHER_SCRIPT),
    *("seen", "both seen", "one unseen", "unseen", "both unseen"),
)


class CellGain(NamedTuple):
    """Hybrid minus pure in one cell.

    Attributes:
        setting: setting of the cell, one of `names.SETTINGS`.
        query_language: language of the questions.
        pool_language: language of the pool.
        pure: 0 or 1.
        difference: of the means.
        low: lower end of its interval at `LEVEL`.
        high: upper end.
        p: p-value for other seeds and clusters, not adjusted for the number of cells.
        n_seeds: seeds that have both ratios.
        n_clusters: clusters with a question in the cell.
    """

    setting: str
    query_language: str
    pool_language: str
    pure: float
    difference: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_clusters: int


class GroupGain(NamedTuple):
    """Hybrid minus pure as the mean over a kind of cells, or how two kinds differ in it.

    Attributes:
        grouping: name of the comparison.
        group: name of the kind; of a contrast, of both.
        contrast: whether it is one kind's gain minus another's.
        pure: 0 or 1.
        n_cells: cells of the kind, or of both.
        difference: gain, or difference of two gains.
        low: lower end of its interval at `LEVEL`.
        high: upper end.
        p: p-value for other seeds and clusters, not adjusted for the number of groups.
        n_seeds: seeds that have both ratios.
        n_clusters: clusters with a question in the cells.
    """

    grouping: str
    group: str
    contrast: bool
    pure: float
    n_cells: int
    difference: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_clusters: int


def gains_by_cell(scores: Scores, hybrid: float) -> list[CellGain]:
    """Compute the gain of every cell: language, pair of languages, language in the common pool.

    Args:
        scores: all settings of a measure, see `hybridir.inference.scores.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.

    Returns:
        A gain per cell and pure strategy that was trained, cell by cell.
    """
    gains = []
    for index, pure, result in _gains(scores, hybrid, list(np.eye(len(scores.cells)))):
        query, pool = cell = scores.cells[index]
        gains.append(CellGain(setting_of(cell), query, pool, pure, *result))
    return gains


def gains_by_group(scores: Scores, hybrid: float, seen: frozenset[str] | None) -> list[GroupGain]:
    """Compute mean gains of kinds of cells, and how two kinds differ in their gain.

    Args:
        scores: all settings of a measure, see `hybridir.inference.scores.side_by_side`.
        hybrid: the ratio that stands for hybrid batches.
        seen: languages that were trained on; None leaves out what depends on them.

    Returns:
        A gain per group or contrast and pure strategy. A grouping with only one group is left out.
    """
    kinds, weightings = [], []
    for grouping, groups in _groupings(scores.cells, seen):
        members = {
            group: np.array([cell in cells for cell in scores.cells])
            for group, cells in groups.items()
        }
        means = {group: inside / inside.sum() for group, inside in members.items()}
        first, *others = means
        for group in means:
            kinds.append((grouping, group, False))
            weightings.append(means[group])
        for group in others:
            kinds.append((grouping, f"{first} minus {group}", True))
            weightings.append(means[first] - means[group])
    gains = []
    for index, pure, result in _gains(scores, hybrid, weightings):
        grouping, group, contrast = kinds[index]
        n_cells = int(np.count_nonzero(weightings[index]))
        gains.append(GroupGain(grouping, group, contrast, pure, n_cells, *result))
    return gains


class _Result(NamedTuple):
    """The fields that gains of cells and of groups share."""

    difference: float
    low: float
    high: float
    p: float
    n_seeds: int
    n_clusters: int


def _gains(
    scores: Scores, hybrid: float, weightings: Sequence[Floats]
) -> list[tuple[int, float, _Result]]:
    """List (index of the weights, pure ratio, gain) of each weighted sum of cell means."""
    pairs = {
        pure: [scores.ratios.index(hybrid), scores.ratios.index(pure)]
        for pure in PURE
        if pure in scores.ratios
    }
    shared = {pure: scores.trained[pair].all(axis=0) for pure, pair in pairs.items()}
    contrast = np.array([1.0, -1.0])
    gains = []
    for index, weights_C in enumerate(weightings):
        values_ASG = score_by_cluster(scores, weights_C)
        ends = weights_C[weights_C != 0, None] * np.array(scores.bounds)
        limits = float(ends.min(axis=1).sum()), float(ends.max(axis=1).sum())
        for pure, pair in pairs.items():
            if shared[pure].any():
                crossed = Crossed.of(values_ASG[pair][:, shared[pure]])
                gains.append((index, pure, crossed, crossed.interval(contrast, limits)))
    if not gains:
        return []
    p_values = p_values_of_each([crossed for _, _, crossed, _ in gains], contrast).tolist()
    return [
        (index, pure, _Result(estimate, low, high, p, *counts))
        for (index, pure, _, (estimate, low, high, *counts)), p in zip(
            gains, p_values, strict=True
        )
    ]


def _groupings(
    cells: tuple[Cell, ...], seen: frozenset[str] | None
) -> Iterator[tuple[str, dict[str, set[Cell]]]]:
    """Yield (name, cells by kind) of every grouping that has two kinds or more."""
    by_setting: dict[str, list[Cell]] = {
        setting: [cell for cell in cells if setting_of(cell) == setting]
        for setting in names.SETTINGS
    }
    pairs = by_setting[names.MONOLINGUAL] + by_setting[names.CROSSLINGUAL]
    # Of a label nobody knows the script.
    with_scripts = [cell for cell in by_setting[names.CROSSLINGUAL] if all(map(script_of, cell))]
    groupings: list[tuple[str, list[Cell], Callable[[Cell], str]]] = [
        ("question and pool", pairs, _language_kind),
        ("question and pool, cross-lingual", with_scripts, _script_kind),
    ]
    if seen is not None:
        trained = {
            names.MONOLINGUAL: "language, monolingual",
            names.CROSSLINGUAL: "languages, cross-lingual",
            names.MULTILINGUAL: "question's language, multilingual",
        }
        tags = frozenset(map(tag_of, seen))
        groupings += [
            (label, by_setting[setting], lambda cell: _seen_kind(cell, tags))
            for setting, label in trained.items()
        ]
    for name, members, kind_of in groupings:
        groups: dict[str, set[Cell]] = {}
        for cell in members:
            groups.setdefault(kind_of(cell), set()).add(cell)
        if len(groups) > 1:
            yield name, {kind: groups[kind] for kind in _ORDER if kind in groups}


def _language_kind(cell: Cell) -> str:
    return _SAME_LANGUAGE if cell[0] == cell[1] else _OTHER_LANGUAGE


def _script_kind(cell: Cell) -> str:
    scripts = set(map(script_of, cell))
    return _SAME_SCRIPT if len(scripts) == 1 else _OTHER_SCRIPT


def _seen_kind(cell: Cell, seen: frozenset[str]) -> str:
    """Kind of a cell by the tags of the languages that were trained on."""
    if setting_of(cell) != names.CROSSLINGUAL:
        return "seen" if tag_of(cell[0]) in seen else "unseen"
    return ("both unseen", "one unseen", "both seen")[sum(tag_of(code) in seen for code in cell)]
