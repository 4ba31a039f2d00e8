"""Trials on parts of the training data: several training seeds lie within each part.

Means over the seeds of a part are independent between parts; the seeds themselves are not. So in a
study with parts, parts replace seeds in every interval and test, which then generalise to other
training data as well.

Shapes: see CONTRIBUTING; A ratios, U parts of the data, S seeds (s of a part), C cells,
Q questions.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from hybridir import names
from hybridir.inference.scores import Bools, Floats, Scores


def data_part_of_seed(trials: pd.DataFrame) -> dict[int, int]:
    """Map each trial's seed to the number of its data part; empty if trials train on all data."""
    if names.DATA_PART not in trials:
        return {}
    rows = trials.dropna(subset=[names.DATA_PART])
    pairs = zip(rows[names.SEED], rows[names.DATA_PART], strict=True)
    return {int(seed): int(number) for seed, number in pairs}


def average_data_parts(scores: Scores, part_of_seed: Mapping[int, int]) -> Scores:
    """Average over the seeds of each part.

    Args:
        scores: scores of every seed.
        part_of_seed: `data_part_of_seed` of their trials.

    Returns:
        Scores with a "seed" per part, its number; unchanged without parts. A ratio that lacks
        some seeds of a part is averaged over the others.
    """
    if not part_of_seed:
        return scores
    numbers = tuple(sorted(set(part_of_seed.values())))
    n_ratios, _, *rest = scores.values.shape
    values = np.full((n_ratios, len(numbers), *rest), np.nan, scores.values.dtype)
    for index, number in enumerate(numbers):
        members = np.array([part_of_seed[seed] == number for seed in scores.seeds])
        for ratio, trained in enumerate(scores.trained):
            if (trained & members).any():
                values[ratio, index] = scores.values[ratio, trained & members].mean(axis=0)
    return replace(scores, seeds=numbers, values=values)


def group_by_data_part(
    values_ASQ: Floats, scores: Scores, part_of_seed: Mapping[int, int]
) -> tuple[Floats, Bools]:
    """Group the seeds by part.

    Args:
        values_ASQ: what `inference.score_by_question` returned.
        scores: the scores that they were made from.
        part_of_seed: `data_part_of_seed` of their trials.

    Returns:
        [A, U, s, Q] values, where s is the number of seeds of the largest part; NaN for a missing
        seed. And [A, U], whether all s seeds were trained.
    """
    members: dict[int, list[int]] = {number: [] for number in sorted(set(part_of_seed.values()))}
    for index, seed in enumerate(scores.seeds):
        members[part_of_seed[seed]].append(index)
    n_ratios, _, n_questions = values_ASQ.shape
    most = max(map(len, members.values()))
    values_AUsQ = np.full((n_ratios, len(members), most, n_questions), np.nan)
    trained_AU = np.zeros((n_ratios, len(members)), dtype=bool)
    for unit, seeds in enumerate(members.values()):
        values_AUsQ[:, unit, : len(seeds)] = values_ASQ[:, seeds]
        trained_AU[:, unit] = len(seeds) == most and scores.trained[:, seeds].all(axis=1)
    return values_AUsQ, trained_AU
