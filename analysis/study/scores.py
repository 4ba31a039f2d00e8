"""The trials' arrays, aligned over ratios and seeds: the input of `hybridir.inference`.

Shapes: see CONTRIBUTING; A ratios, S seeds, C cells, Q questions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.study.arrays import KEYS, Key, ScoreArray, to_arrays
from hybridir import names
from hybridir.errors import InputError
from hybridir.inference.scores import Bools, Floats, Scores

_LARGE = 400e6  # bytes of all values, from which on they are held in single precision


def collect_scores(
    tables: Iterable[tuple[float, int, pd.DataFrame | Mapping[Key, ScoreArray]]],
    trials: Sequence[tuple[float, int]] | None = None,
) -> dict[Key, Scores]:
    """Align the per-query tables of the trials of one benchmark.

    Args:
        tables: (mixing ratio, seed, per-query table or its arrays).
        trials: (mixing ratio, seed) of all tables, and possibly of more, so that a generator of
            tables has only one of them in memory; None reads all tables first.

    Returns:
        The scores of every key of `KEYS` with values. Two measures are left out where they add
        nothing: the rank distance over seen languages if it equals that over all languages, and a
        measure of language bias of which every question has one value in all trials, as PEER
        has with one passage per language.

    Raises:
        InputError: if two trials were scored on different questions, which cannot be compared.
    """
    if trials is None:
        tables = [(ratio, seed, _as_arrays(table)) for ratio, seed, table in tables]
        trials = [(ratio, seed) for ratio, seed, _ in tables]
    ratios = tuple(sorted({ratio for ratio, _ in trials}))
    seeds = tuple(sorted({seed for _, seed in trials}))
    aligned: dict[Key, _Aligned] = {}
    for ratio, seed, table in tables:
        arrays = _as_arrays(table)
        same: dict[tuple[int, int], bool] = {}
        size = 8.0 * len(ratios) * len(seeds) * sum(array.values.size for array in arrays.values())
        for key, array in arrays.items():
            if key not in aligned:
                kind = np.float32 if size > _LARGE else np.float64
                empty = np.full((len(ratios), len(seeds), *array.values.shape), np.nan, kind)
                aligned[key] = _Aligned((ratio, seed), array, np.isnan(array.values), empty)
            _check_same_questions(aligned[key], (ratio, seed), array, same)
            aligned[key].values[ratios.index(ratio), seeds.index(seed)] = array.values
    scores = {key: _scores(key, ratios, seeds, aligned[key]) for key in KEYS if key in aligned}
    whole = scores.get((names.RANK_DISTANCE, names.MULTILINGUAL))
    seen = scores.get((names.RANK_DISTANCE_SEEN, names.MULTILINGUAL))
    if whole and seen and np.array_equal(whole.values, seen.values, equal_nan=True):
        del scores[seen.measure, seen.setting]
    constant = [
        key
        for key, measured in scores.items()
        if key[0] in names.BIAS_MEASURES and _cannot_vary(measured.values)
    ]
    return {key: measured for key, measured in scores.items() if key not in constant}


def _cannot_vary(values: Floats) -> bool:
    """Whether every question has one value in all trials; of one trial, whether all are equal.

    PEER of one passage a language is such a measure: it follows from the number of languages in
    which a question has relevant passages, whatever their ranks.
    """
    trials = [trial for trial in values.reshape(-1, *values.shape[2:]) if not _is_absent(trial)]
    if len(trials) == 1:
        return bool(np.ptp(trials[0][~np.isnan(trials[0])]) == 0)
    return all(np.array_equal(trial, trials[0], equal_nan=True) for trial in trials[1:])


def _is_absent(trial: Floats) -> bool:
    return bool(np.isnan(trial).all())


def _as_arrays(table: pd.DataFrame | Mapping[Key, ScoreArray]) -> Mapping[Key, ScoreArray]:
    return to_arrays(table) if isinstance(table, pd.DataFrame) else table


class _Aligned(NamedTuple):
    """The values of all trials; the first trial (ratio, seed), its array and what that lacks."""

    trial: tuple[float, int]
    first: ScoreArray
    absent: Bools
    values: Floats


def _check_same_questions(
    aligned: _Aligned,
    trial: tuple[float, int],
    array: ScoreArray,
    compared: dict[tuple[int, int], bool],
) -> None:
    """Refuse a trial whose questions and cells differ from those of the first trial.

    Args:
        aligned: the first trial's array.
        trial: (mixing ratio, seed) of the other one.
        array: its array.
        compared: ids of labels of both trials -> whether they are equal; the arrays of a trial
            share most of them, and comparing a thousand texts takes time.
    """
    first = aligned.first
    for labels, others in zip(array[:-1], first[:-1], strict=True):
        pair = (id(labels), id(others))
        if pair not in compared:
            compared[pair] = labels == others
    same = all(compared[id(a), id(b)] for a, b in zip(array[:-1], first[:-1], strict=True))
    if not same or not np.array_equal(np.isnan(array.values), aligned.absent):
        raise InputError(
            f"the trials at mixing ratio {aligned.trial[0]:g}, seed {aligned.trial[1]} and at "
            f"{trial[0]:g}, seed {trial[1]} were scored on different questions and cannot be "
            "compared: confirm them again under one study name"
        )


def _scores(
    key: Key, ratios: tuple[float, ...], seeds: tuple[int, ...], aligned: _Aligned
) -> Scores:
    """Make scores of aligned values, without ratios and seeds that have no table."""
    values, first = aligned.values, aligned.first
    trained = np.array([[not np.isnan(trial).all() for trial in trials] for trials in values])
    if not trained.any(axis=0).all() or not trained.any(axis=1).all():
        values = values[np.ix_(trained.any(axis=1), trained.any(axis=0))]
        ratios = tuple(np.compress(trained.any(axis=1), ratios).tolist())
        seeds = tuple(np.compress(trained.any(axis=0), seeds).tolist())
    layout = (first.cells, first.questions)
    return Scores(key[0], key[1], ratios, seeds, *layout, values, first.clusters)
