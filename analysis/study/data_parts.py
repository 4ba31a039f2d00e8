"""Trials on parts of the training data: several training seeds lie within each part.

A ratios, S seeds, P parts, T seeds of a part, Q question ids. Means over the seeds of a part are
independent from part to part, which those seeds are not. So where a study has parts they take the
place of the seeds in every interval and test, which then speak of other data as well.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from hybridir import names
from hybridir.inference.scores import Bools, Floats, Scores


def parts_of(trials: pd.DataFrame) -> dict[int, int]:
    """Map each trial's seed to the seed of its part; empty where trials learn from all data."""
    if names.DATA_PART not in trials:
        return {}
    known = trials.dropna(subset=[names.DATA_PART])
    pairs = zip(known[names.SEED], known[names.DATA_PART], strict=True)
    return {int(seed): int(part) for seed, part in pairs}


def over_parts(scores: Scores, parts: Mapping[int, int]) -> Scores:
    """Average over the seeds of each part.

    Args:
        scores: of every seed.
        parts: `parts_of` their trials.

    Returns:
        Scores whose seeds are those of the parts; unchanged without parts. A ratio's mean is
        over the seeds of a part that it has.
    """
    if not parts:
        return scores
    seeds = tuple(sorted(set(parts.values())))
    n_ratios, _, *rest = scores.values.shape
    values = np.full((n_ratios, len(seeds), *rest), np.nan, scores.values.dtype)
    for place, part in enumerate(seeds):
        within = np.array([parts[seed] == part for seed in scores.seeds])
        for ratio, trained in enumerate(scores.trained):
            if (trained & within).any():
                values[ratio, place] = scores.values[ratio, trained & within].mean(axis=0)
    return replace(scores, seeds=seeds, values=values)


def within_parts(
    values_ASQ: Floats, scores: Scores, parts: Mapping[int, int]
) -> tuple[Floats, Bools]:
    """Lay the seeds out part by part.

    Args:
        values_ASQ: `inference.score_by_question`.
        scores: of which they were made.
        parts: `parts_of` their trials.

    Returns:
        [A, P, T, Q], with the T seeds that the largest part has, NaN for one that is not there;
        and [A, P], whether all T are.
    """
    places: dict[int, list[int]] = {part: [] for part in sorted(set(parts.values()))}
    for place, seed in enumerate(scores.seeds):
        places[parts[seed]].append(place)
    n_ratios, _, n_questions = values_ASQ.shape
    most = max(map(len, places.values()))
    laid_out = np.full((n_ratios, len(places), most, n_questions), np.nan)
    trained = np.zeros((n_ratios, len(places)), dtype=bool)
    for part, within in enumerate(places.values()):
        laid_out[:, part, : len(within)] = values_ASQ[:, within]
        trained[:, part] = len(within) == most and scores.trained[:, within].all(axis=1)
    return laid_out, trained
