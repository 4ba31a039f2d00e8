import math

import numpy as np
import pytest

from hybridir import names
from hybridir.evaluation.measures import MEASURES, RankedGroups, all_measures


def score(*ranks_of_groups: list[int]) -> dict[str, list[float]]:
    groups = RankedGroups(
        np.array([rank for ranks in ranks_of_groups for rank in ranks], dtype=np.int64),
        np.cumsum([0, *map(len, ranks_of_groups)]),
    )
    return {name: values.tolist() for name, values in all_measures(groups).items()}


def log2(x: float) -> float:
    return math.log2(x)


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        # Five documents, the relevant ones at 2, 3 and 5.
        (
            [2, 3, 5],
            {
                names.AP: (1 / 2 + 2 / 3 + 3 / 5) / 3,
                names.AP_AT_20: (1 / 2 + 2 / 3 + 3 / 5) / 3,
                names.RR: 1 / 2,
                names.RECALL_AT_1: 0,
                names.RECALL_AT_10: 1,
                names.RECALL_AT_100: 1,
                names.NDCG_AT_10: (1 / log2(3) + 1 / log2(4) + 1 / log2(6))
                / (1 / log2(2) + 1 / log2(3) + 1 / log2(4)),
                names.HIT_AT_1: 0,
                names.HIT_AT_10: 1,
                names.SET_F1: 2 / 3,  # two of the first three
            },
        ),
        # One relevant document, first: every measure is perfect.
        ([1], dict.fromkeys(names.RANK_MEASURES, 1.0)),
        # The last rank that counts, and the first that does not, for each cut-off.
        (
            [1, 10, 11, 20, 21, 100, 101],
            {
                names.AP: (1 + 2 / 10 + 3 / 11 + 4 / 20 + 5 / 21 + 6 / 100 + 7 / 101) / 7,
                names.AP_AT_20: (1 + 2 / 10 + 3 / 11 + 4 / 20) / 7,
                names.RR: 1,
                names.RECALL_AT_1: 1 / 7,
                names.RECALL_AT_10: 2 / 7,
                names.RECALL_AT_100: 6 / 7,
                names.NDCG_AT_10: (1 + 1 / log2(11)) / sum(1 / log2(1 + r) for r in range(1, 8)),
                names.HIT_AT_1: 1,
                names.HIT_AT_10: 1,
                names.SET_F1: 1 / 7,
            },
        ),
        # Eleven relevant documents: an ideal list of ten holds only ten of them.
        (
            list(range(1, 12)),
            dict.fromkeys(names.RANK_MEASURES, 1.0)
            | {names.RECALL_AT_1: 1 / 11, names.RECALL_AT_10: 10 / 11},
        ),
        # Below every cut-off.
        ([1000], dict.fromkeys(names.RANK_MEASURES, 0.0) | {names.AP: 0.001, names.RR: 0.001}),
    ],
)
def test_measures_equal_their_definition_by_hand(
    ranks: list[int], expected: dict[str, float]
) -> None:
    assert {name: values[0] for name, values in score(ranks).items()} == pytest.approx(
        expected, abs=1e-15
    )


def test_groups_are_scored_independently_of_their_neighbours() -> None:
    lists = [[3], [1, 2], [7, 9, 30], [1]]
    together = score(*lists)
    for name in names.RANK_MEASURES:
        assert together[name] == [score(ranks)[name][0] for ranks in lists]


def test_no_group_gives_no_value() -> None:
    assert score() == {name: [] for name in names.RANK_MEASURES}


def test_every_measure_of_the_vocabulary_is_declared_once_and_in_order() -> None:
    assert tuple(measure.name for measure in MEASURES) == names.RANK_MEASURES
    assert all(measure.sentence.endswith(".") and measure.reference for measure in MEASURES)
