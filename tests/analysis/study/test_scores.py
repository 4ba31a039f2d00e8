from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.study.arrays import Key
from analysis.study.scores import collect_scores
from hybridir import names
from hybridir.errors import InputError
from hybridir.evaluation import language_bias, summary
from hybridir.inference.scores import Scores

Table = Callable[..., pd.DataFrame]


def test_macro_means_equal_those_of_the_library(
    scores: dict[Key, Scores], table_of: Table
) -> None:
    for setting in names.SETTINGS:
        aligned = scores[names.AP, setting]
        for (ratio, seed), mean in np.ndenumerate(aligned.macro_means()):
            table = table_of(aligned.ratios[ratio], aligned.seeds[seed])
            assert mean == pytest.approx(summary.macro_mean(table, names.AP, setting), abs=1e-12)


def test_bias_measures_equal_those_of_the_library(
    scores: dict[Key, Scores], table_of: Table
) -> None:
    table = table_of(0.5, 1)
    expected = {
        names.RANK_DISTANCE: language_bias.rank_distance(table),
        names.RANK_DISTANCE_SEEN: language_bias.rank_distance(table, seen_only=True),
        names.TOP1_OWN_LANGUAGE: language_bias.top1_own_language(table),
    }
    for measure, value in expected.items():
        mean = scores[measure, names.MULTILINGUAL].macro_means()[1, 0]
        assert mean == pytest.approx(value)


def test_announced_trials_without_a_table_are_left_out(table_of: Table) -> None:
    announced = [(0.0, 1), (0.0, 3), (0.5, 2), (1.0, 1)]
    tables = ((ratio, seed, table_of(ratio, seed)) for ratio, seed in [(0.0, 1), (1.0, 1)])
    aligned = collect_scores(tables, announced)[names.AP, names.MULTILINGUAL]
    assert (aligned.ratios, aligned.seeds) == ((0.0, 1.0), (1,))
    assert aligned.trained.tolist() == [[True], [True]]
    assert aligned.macro_means().tolist() == [[pytest.approx(0.39)], [pytest.approx(0.29)]]


def test_very_many_values_are_held_in_single_precision(
    table_of: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = [(0.0, 1), (0.5, 1), (1.0, 1)]
    exact = collect_scores((ratio, seed, table_of(ratio, seed)) for ratio, seed in trials)
    monkeypatch.setattr("analysis.study.scores._LARGE", 5000)  # bytes; three trials have 6,048
    single = collect_scores((ratio, seed, table_of(ratio, seed)) for ratio, seed in trials)
    for key, aligned in exact.items():
        assert aligned.values.itemsize == 8
        assert single[key].values.itemsize == 4
        np.testing.assert_allclose(single[key].macro_means(), aligned.macro_means(), rtol=1e-7)


def test_cells_weigh_the_same_however_many_questions_they_have() -> None:
    # en has questions of AP 1, 1, 1; de has one of AP 0: the macro mean is (1 + 0) / 2
    rows = [("en", "a", 1.0), ("en", "b", 1.0), ("en", "c", 1.0), ("de", "a", 0.0)]
    table = pd.DataFrame(rows, columns=[names.QUERY_LANGUAGE, names.QUESTION_ID, names.AP])
    table = table.assign(
        pool_language=table[names.QUERY_LANGUAGE],
        setting=names.MONOLINGUAL,
        best_rank=1,
        worst_rank=1,
        best_rank_seen=None,
        worst_rank_seen=None,
        top1_language=None,
    )
    aligned = collect_scores([(0.5, 1, table)])[names.AP, names.MONOLINGUAL]
    assert aligned.macro_means().tolist() == [[0.5]]


def test_ratio_and_seed_that_were_not_trained_are_missing(table_of: Table) -> None:
    trials = [(0.0, 1), (0.0, 2), (1.0, 2)]
    aligned = collect_scores((ratio, seed, table_of(ratio, seed)) for ratio, seed in trials)
    maps = aligned[names.AP, names.MULTILINGUAL]
    assert maps.trained.tolist() == [[True, True], [False, True]]
    assert np.isnan(maps.macro_means()[1, 0])


def test_trials_scored_on_different_questions_are_refused(table_of: Table) -> None:
    whole = table_of(0.0, 1)
    fewer = whole[whole[names.QUESTION_ID] != "question-00"]
    with pytest.raises(
        InputError, match=r"ratio 0, seed 1 and at 1, seed 2 .* different questions"
    ):
        collect_scores([(0.0, 1, whole), (1.0, 2, fewer)])


def test_rank_distance_over_seen_languages_is_left_out_where_all_are_seen(table_of: Table) -> None:
    table = table_of(0.5, 1)
    table[names.WORST_RANK] += np.arange(len(table))
    table[names.WORST_RANK_SEEN] = table[names.WORST_RANK].astype("Int32")
    table.loc[table[names.BEST_RANK_SEEN].isna(), names.WORST_RANK_SEEN] = pd.NA
    aligned = collect_scores([(0.5, 1, table)])
    assert (names.RANK_DISTANCE, names.MULTILINGUAL) in aligned
    assert (names.RANK_DISTANCE_SEEN, names.MULTILINGUAL) not in aligned
