"""Confirmation trials as arrays: every question's score, aligned over ratios and seeds.

A ratios, S seeds, C cells, Q question ids. A cell is a question language with a pool language; the
macro mean over cells is the figure that is reported (`hybridir.evaluation.summary`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.study.arrays import KEYS, Key, LaidOut, lay_out
from hybridir import names
from hybridir.errors import InputError
from hybridir.inference.scores import Floats, Scores

_LARGE = 400e6  # bytes of all values from which single precision has to do


def collect_scores(
    tables: Iterable[tuple[float, int, pd.DataFrame | Mapping[Key, LaidOut]]],
    trials: Sequence[tuple[float, int]] | None = None,
) -> dict[Key, Scores]:
    """Align the per-query tables of the trials of one benchmark.

    Args:
        tables: (mixing ratio, seed, per-query table, or what `lay_out` made of it).
        trials: (mixing ratio, seed) of all tables, and maybe of others, so that a generator keeps
            only one table in memory; None reads all tables first.

    Returns:
        The scores of every key of `KEYS` for which there are values. Two are left out where they
        say nothing: the rank distance over seen languages where it is the one over all languages,
        and PEER where it is the same for every question, as with one passage a language.

    Raises:
        InputError: if two trials were scored on different questions, which cannot be compared.
    """
    if trials is None:
        tables = [(ratio, seed, _laid_out(table)) for ratio, seed, table in tables]
        trials = [(ratio, seed) for ratio, seed, _ in tables]
    ratios = tuple(sorted({ratio for ratio, _ in trials}))
    seeds = tuple(sorted({seed for _, seed in trials}))
    found: dict[Key, _Aligned] = {}
    for ratio, seed, table in tables:
        laid_out = _laid_out(table)
        size = 8.0 * len(ratios) * len(seeds) * sum(one.values.size for one in laid_out.values())
        for key, values in laid_out.items():
            if key not in found:
                kind = np.float32 if size > _LARGE else np.float64
                room = np.full((len(ratios), len(seeds), *values.values.shape), np.nan, kind)
                found[key] = _Aligned((ratio, seed), values, room)
            place = ratios.index(ratio), seeds.index(seed)
            found[key].values[place] = _same_questions(found[key], (ratio, seed), values)
    scores = {key: _scores(key, ratios, seeds, found[key]) for key in KEYS if key in found}
    everything = scores.get((names.RANK_DISTANCE, names.MULTILINGUAL))
    seen = scores.get((names.RANK_DISTANCE_SEEN, names.MULTILINGUAL))
    if everything and seen and np.array_equal(everything.values, seen.values, equal_nan=True):
        del scores[seen.measure, seen.setting]
    peer = scores.get((names.PEER, names.MULTILINGUAL))
    if peer and np.ptp(peer.values[~np.isnan(peer.values)]) == 0:
        del scores[peer.measure, peer.setting]
    return scores


def _laid_out(table: pd.DataFrame | Mapping[Key, LaidOut]) -> Mapping[Key, LaidOut]:
    return lay_out(table) if isinstance(table, pd.DataFrame) else table


class _Aligned(NamedTuple):
    """Room for all trials, the first one (ratio, seed) and how it was laid out."""

    trial: tuple[float, int]
    first: LaidOut
    values: Floats


def _same_questions(aligned: _Aligned, trial: tuple[float, int], laid_out: LaidOut) -> Floats:
    """Give a trial's values if they are of the questions and cells of the first one."""
    first = aligned.first
    same = laid_out.cells == first.cells and laid_out.questions == first.questions
    if not same or not np.array_equal(np.isnan(laid_out.values), np.isnan(first.values)):
        raise InputError(
            f"the trials at mixing ratio {aligned.trial[0]:g}, seed {aligned.trial[1]} and at "
            f"{trial[0]:g}, seed {trial[1]} were scored on different questions and cannot be "
            "compared: confirm them again under one study name"
        )
    return laid_out.values


def _scores(
    key: Key, ratios: tuple[float, ...], seeds: tuple[int, ...], aligned: _Aligned
) -> Scores:
    """Name what was aligned; ratios and seeds of which no table came are left out."""
    values, first = aligned.values, aligned.first
    trained = np.array([[not np.isnan(trial).all() for trial in trials] for trials in values])
    if not trained.any(axis=0).all() or not trained.any(axis=1).all():
        values = values[np.ix_(trained.any(axis=1), trained.any(axis=0))]
        ratios = tuple(np.compress(trained.any(axis=1), ratios).tolist())
        seeds = tuple(np.compress(trained.any(axis=0), seeds).tolist())
    return Scores(key[0], key[1], ratios, seeds, first.cells, first.questions, values)
