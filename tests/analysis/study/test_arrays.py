from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.study.arrays import KEYS, NEEDED, lay_out
from analysis.study.scores import collect_scores
from hybridir import names

ROWS = [("en", "b", 0.5), ("de", "a", 0.25), ("en", "a", 1.0)]


def table_of_rows(rows: list[tuple[str, str, float]], **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[names.QUERY_LANGUAGE, names.QUESTION_ID, names.AP])
    return table.assign(
        pool_language=names.ALL_LANGUAGES,
        setting=names.MULTILINGUAL,
        best_rank=1,
        worst_rank=[3, 5, 9],
        best_rank_seen=None,
        worst_rank_seen=None,
        top1_language=["de", "de", "en"],
        **columns,
    )


def test_cells_and_questions_are_sorted_whatever_the_order_of_rows() -> None:
    found = lay_out(table_of_rows(ROWS))[names.AP, names.MULTILINGUAL]
    assert found.cells == (("de", "all"), ("en", "all"))
    assert found.questions == ("a", "b")
    np.testing.assert_array_equal(found.values, [[0.25, np.nan], [1.0, 0.5]])


def test_measures_of_language_bias_are_those_of_their_columns() -> None:
    own = pd.array([None, True, False], dtype="boolean")
    found = lay_out(table_of_rows(ROWS, best_is_own=own, equal_ranks=[0.1, 0.2, 0.3]))
    expected = {
        names.RANK_DISTANCE: [[4, np.nan], [8, 2]],
        names.TOP1_OWN_LANGUAGE: [[1, np.nan], [1, 0]],
        names.PEER: [[0.2, np.nan], [0.3, 0.1]],
    }
    for measure, values in expected.items():
        np.testing.assert_array_equal(found[measure, names.MULTILINGUAL].values, values)
    # The English question b has no choice of language, so b is no question of this measure.
    preference = found[names.LANGUAGE_PREFERENCE, names.MULTILINGUAL]
    assert preference.questions == ("a",)
    assert preference.values.tolist() == [[1.0], [0.0]]


def test_a_column_that_is_missing_or_empty_leaves_its_measure_out() -> None:
    found = lay_out(table_of_rows(ROWS))
    assert (names.ANSWER_F1, names.MULTILINGUAL) not in found
    assert (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL) not in found
    assert set(found) <= set(KEYS)


def test_the_columns_that_are_needed_are_enough(table_of: Callable[..., pd.DataFrame]) -> None:
    whole = table_of(0.5, 2)
    part = whole[[name for name in NEEDED if name in whole]]
    found, expected = lay_out(part), lay_out(whole)
    assert found.keys() == expected.keys()
    for key, entry in expected.items():
        np.testing.assert_array_equal(found[key].values, entry.values)


def test_peer_that_is_the_same_everywhere_is_left_out_of_the_scores() -> None:
    rows = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.44])
    assert (names.PEER, names.MULTILINGUAL) not in collect_scores([(0.5, 1, rows)])
    rows = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.45])
    assert (names.PEER, names.MULTILINGUAL) in collect_scores([(0.5, 1, rows)])
