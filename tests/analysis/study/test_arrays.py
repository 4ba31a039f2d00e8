from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.study.arrays import COLUMNS, KEYS, to_arrays
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
    arrays = to_arrays(table_of_rows(ROWS))[names.AP, names.MULTILINGUAL]
    assert arrays.cells == (("de", "all"), ("en", "all"))
    assert arrays.questions == ("a", "b")
    np.testing.assert_array_equal(arrays.values, [[0.25, np.nan], [1.0, 0.5]])


def test_measures_of_language_bias_are_those_of_their_columns() -> None:
    own = pd.array([None, True, False], dtype="boolean")
    arrays = to_arrays(table_of_rows(ROWS, best_is_own=own, equal_ranks=[0.1, 0.2, 0.3]))
    expected = {
        names.RANK_DISTANCE: [[4, np.nan], [8, 2]],
        names.TOP1_OWN_LANGUAGE: [[1, np.nan], [1, 0]],
        names.PEER: [[0.2, np.nan], [0.3, 0.1]],
    }
    for measure, values in expected.items():
        np.testing.assert_array_equal(arrays[measure, names.MULTILINGUAL].values, values)
    # The English question b has no choice of language, so b is no question of this measure.
    preference = arrays[names.LANGUAGE_PREFERENCE, names.MULTILINGUAL]
    assert preference.questions == ("a",)
    assert preference.values.tolist() == [[1.0], [0.0]]


def test_a_column_that_is_missing_or_empty_leaves_its_measure_out() -> None:
    arrays = to_arrays(table_of_rows(ROWS))
    assert (names.ANSWER_F1, names.MULTILINGUAL) not in arrays
    assert (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL) not in arrays
    assert set(arrays) <= set(KEYS)


def test_where_nothing_is_parallel_the_language_of_the_first_passage_is_no_measure() -> None:
    arrays = to_arrays(table_of_rows(ROWS, equal_ranks=[np.nan] * 3))
    assert (names.TOP1_OWN_LANGUAGE, names.MULTILINGUAL) not in arrays


def test_the_read_columns_are_enough(table_of: Callable[..., pd.DataFrame]) -> None:
    whole = table_of(0.5, 2)
    chosen = whole[[name for name in COLUMNS if name in whole]]
    arrays, expected = to_arrays(chosen), to_arrays(whole)
    assert arrays.keys() == expected.keys()
    for key, entry in expected.items():
        np.testing.assert_array_equal(arrays[key].values, entry.values)


def test_peer_that_is_the_same_everywhere_is_left_out_of_the_scores() -> None:
    rows = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.44])
    assert (names.PEER, names.MULTILINGUAL) not in collect_scores([(0.5, 1, rows)])
    rows = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.45])
    assert (names.PEER, names.MULTILINGUAL) in collect_scores([(0.5, 1, rows)])


def test_peer_of_which_each_question_has_one_value_in_all_trials_is_left_out() -> None:
    # The questions have passages in different numbers of languages, and so different values,
    # which no ratio and no seed can change.
    fixed = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.37])
    trials = [(0.0, 1), (0.5, 1), (0.5, 2)]  # ratio 0 lacks seed 2
    key = (names.PEER, names.MULTILINGUAL)
    assert key not in collect_scores([(*trial, fixed) for trial in trials])
    moved = table_of_rows(ROWS, equal_ranks=[0.44, 0.44, 0.36])
    tables = [(*trials[0], fixed), (*trials[1], moved), (*trials[2], fixed)]
    assert key in collect_scores(tables)


def test_settings_whose_rows_are_mixed_give_the_arrays_of_settings_one_after_the_other() -> None:
    settings = [names.MULTILINGUAL, names.MONOLINGUAL]
    one_after_the_other = pd.concat(
        [
            table_of_rows(ROWS, ndcg_at_10=[0.1, 0.2, 0.3]).assign(setting=name)
            for name in settings
        ],
        ignore_index=True,
    )
    expected = to_arrays(one_after_the_other)
    assert {setting for _, setting in expected} == set(settings)
    mixed = to_arrays(one_after_the_other.iloc[[3, 0, 4, 1, 5, 2]])
    assert list(mixed) == list(expected)
    for key, array in expected.items():
        assert mixed[key][:-1] == array[:-1]
        np.testing.assert_array_equal(mixed[key].values, array.values)
