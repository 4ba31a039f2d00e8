import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from hybridir import names
from hybridir.data.benchmark import build_benchmark
from hybridir.evaluation.evaluate import evaluate
from hybridir.evaluation.summary import (
    absent_figures,
    language_matrix,
    macro_mean,
    macro_means,
    setting_means,
    summarise,
)
from hybridir.retrieval import bm25_scorer

ROOT = Path(__file__).parents[3]
COLUMNS = ["benchmark", "setting", "query_language", "pool_language", "ap"]


def table(*rows: tuple[object, ...], seen: bool = True) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[:4], "category"))
    frame["ndcg_at_10"] = frame["recall_at_10"] = frame["ap"] / 2
    frame["set_f1"] = frame["answer_f1"] = frame["ap"] / 4
    frame["equal_ranks"] = frame["ap"]
    frame["best_is_own"] = pd.array([n % 2 == 0 for n in frame.index], dtype="boolean")
    frame["n_relevant"], frame["best_rank"], frame["worst_rank"] = 3, 1, 11
    frame["best_rank_seen"] = pd.array([1] * len(frame), dtype="Int32")
    frame["worst_rank_seen"] = pd.array([11 if seen else 5] * len(frame), dtype="Int32")
    frame["top1_language"] = frame["query_language"]
    frame["hit_at_1"], frame["pool_size"] = 1.0, 22
    for column in names.LANGUAGE_COLUMNS:
        frame[column] = pd.array([None] * len(frame), dtype="boolean")
    frame["complete_at_r"] = frame["best_is_own"]
    return frame


ROWS = (
    ("b", "monolingual", "de", "de", 0.1),
    ("b", "monolingual", "de", "de", 0.3),
    ("b", "monolingual", "en", "en", 0.6),
    ("b", "crosslingual", "de", "en", 0.2),
    ("b", "crosslingual", "de", "en", 0.4),
    ("b", "crosslingual", "de", "en", 0.6),
    ("b", "crosslingual", "en", "de", 0.8),
    ("b", "multilingual", "de", "all", 0.5),
    ("b", "multilingual", "en", "all", 0.2),
    ("b", "multilingual", "en", "all", 0.4),
)


def test_every_language_pair_weighs_the_same_however_many_queries_it_has() -> None:
    assert macro_mean(table(*ROWS), "ap", "monolingual") == pytest.approx((0.2 + 0.6) / 2)
    assert macro_mean(table(*ROWS), "ap", "crosslingual") == pytest.approx((0.4 + 0.8) / 2)
    assert macro_mean(table(*ROWS), "ap", "multilingual") == pytest.approx((0.5 + 0.3) / 2)


def test_a_setting_without_rows_has_no_mean() -> None:
    assert math.isnan(macro_mean(table(*ROWS[:3]), "ap", "multilingual"))


def test_the_matrix_has_the_monolingual_means_on_its_diagonal() -> None:
    matrix = language_matrix(table(*ROWS), "ap")
    assert matrix.index.tolist() == matrix.columns.tolist() == ["de", "en"]
    assert matrix.to_numpy().ravel().tolist() == pytest.approx([0.2, 0.4, 0.8, 0.6])


def test_a_pair_without_queries_is_missing_from_the_matrix() -> None:
    assert language_matrix(table(*ROWS[:6]), "ap").isna().to_numpy().tolist() == [
        [False, False],
        [True, False],
    ]


def test_headline_metrics_are_the_macro_means() -> None:
    assert summarise(table(*ROWS)) == pytest.approx(
        {
            "b/map_monolingual": 0.4,
            "b/map_crosslingual": 0.6,
            "b/map_multilingual": 0.4,
            "b/map_mean": (0.4 + 0.6 + 0.4) / 3,
            "b/ndcg_at_10_multilingual": 0.2,
            "b/recall_at_10_multilingual": 0.2,
            "b/rank_distance": 10.0,
            "b/top1_own_language": 1.0,
            "b/language_preference": (0.0 + 0.5) / 2,
            "b/peer": 0.4,
            "b/max_at_r": 11.0,
            "b/complete_at_r": (0.0 + 0.5) / 2,
            "b/top1_right_own": 1.0,
            "b/top1_right_other": 0.0,
            "b/top1_wrong_own": 0.0,
            "b/top1_wrong_other": 0.0,
            "b/set_f1_monolingual": 0.1,
            "b/set_f1_crosslingual": 0.15,
            "b/set_f1_multilingual": 0.1,
            "b/answer_f1_monolingual": 0.1,
            "b/answer_f1_crosslingual": 0.15,
        }
    )


def test_absent_figures_have_a_reason() -> None:
    # Each question in one language, and answered in that language alone.
    passages = [("p", "de", "Ja."), ("q", "en", "Yes.")]
    queries = [("a", "de", "Ja?"), ("b", "en", "Yes?")]
    apart = build_benchmark("apart", queries, passages, {"a": {"p"}, "b": {"q"}})
    evaluation = evaluate(bm25_scorer(apart), apart)
    assert absent_figures(evaluation.table).keys() == {
        *(names.CROSSLINGUAL, names.LANGUAGE_BIAS, names.RANK_CORRELATION)
    }
    assert not {name.partition("/")[2] for name in evaluation.summary} & set(names.BIAS_MEASURES)
    # Each question answered in the other language alone.
    across = build_benchmark("across", queries, passages, {"a": {"q"}, "b": {"p"}})
    absent = absent_figures(evaluate(bm25_scorer(across), across).table)
    assert absent.keys() == {names.MONOLINGUAL, names.LANGUAGE_BIAS, names.RANK_CORRELATION}
    # One question in both languages, with an answer in each.
    both = [("a", "de", "Ja?"), ("a", "en", "Yes?")]
    parallel = build_benchmark("parallel", both, passages, {"a": {"p", "q"}})
    assert absent_figures(evaluate(bm25_scorer(parallel), parallel).table) == {}


def test_the_distance_over_seen_languages_is_reported_where_it_can_differ() -> None:
    metrics = summarise(table(*ROWS, seen=False))
    assert (metrics["b/rank_distance"], metrics["b/rank_distance_seen"]) == (10.0, 4.0)


def test_where_no_language_was_seen_there_is_no_distance_over_seen_languages() -> None:
    frame = table(*ROWS)
    frame[["best_rank_seen", "worst_rank_seen"]] = pd.NA
    assert "b/rank_distance_seen" not in summarise(frame)


def test_benchmarks_of_one_table_are_kept_apart_and_missing_settings_left_out() -> None:
    row_of_c = ("c", "monolingual", "de", "de", 0.9)
    metrics = summarise(table(*ROWS, row_of_c))
    assert metrics["b/map_monolingual"] == pytest.approx(0.4)
    assert {name: value for name, value in metrics.items() if name.startswith("c/")} == {
        "c/map_monolingual": 0.9,
        "c/map_mean": 0.9,
        "c/set_f1_monolingual": 0.9 / 4,
        "c/answer_f1_monolingual": 0.9 / 4,
        "c/ndcg_at_10_monolingual": 0.9 / 2,
    }


def table_of_measures(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Rows with a mean precision; every other measure is half of it."""
    keys = ["setting", "query_language", "pool_language"]
    frame = pd.DataFrame(rows, columns=[*keys, names.AP])
    frame = frame.astype(dict.fromkeys(keys, "category"))
    for measure in names.MEASURES[1:]:
        frame[measure] = frame[names.AP] / 2
    return frame


TABLE = table_of_measures(
    ("multilingual", "en", "all", 0.1),
    ("crosslingual", "en", "de", 0.4),
    ("crosslingual", "de", "en", 0.2),
    ("crosslingual", "de", "en", 0.4),
    ("monolingual", "en", "en", 1.0),
    ("monolingual", "de", "de", 0.5),
)


def test_settings_are_means_over_their_queries_in_a_fixed_order() -> None:
    rows = setting_means(TABLE)
    columns = ("setting", "query_language", "pool_language", "n", "map")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("monolingual", "de", "de", 1, 0.5),
        ("monolingual", "en", "en", 1, 1.0),
        ("crosslingual", "de", "en", 2, pytest.approx(0.3)),
        ("crosslingual", "en", "de", 1, 0.4),
        ("multilingual", "en", "all", 1, 0.1),
    ]
    names_of_means = {"map", "set_f1", "mrr", "recall_at_1", "recall_at_10", "ndcg_at_10"}
    assert names_of_means < rows[0].keys()
    assert rows[0].keys() - rows[-1].keys() == {"answer_f1", "answer_f1_squad"}


def test_a_mean_without_a_value_has_no_name() -> None:
    frame = TABLE.copy()
    frame.loc[frame.query_language == "de", "answer_f1"] = math.nan
    assert macro_means(frame)["monolingual"]["answer_f1"] == 1.0 / 2  # of English alone
    assert "answer_f1" not in macro_means(frame)["multilingual"]
    of_language = {row["query_language"]: row for row in setting_means(frame)[:2]}
    assert of_language["en"].keys() - of_language["de"].keys() == {"answer_f1"}


def test_what_compares_languages_is_absent_where_nothing_is_parallel() -> None:
    frame = table(*ROWS)
    frame["equal_ranks"], frame["n_relevant"] = math.nan, 1
    frame["worst_rank"] = frame["best_rank"]
    assert not {"b/peer", "b/rank_distance", "b/rank_distance_seen"} & summarise(frame).keys()


def test_peer_of_one_passage_a_language_is_no_headline_figure() -> None:
    frame = table(*ROWS)
    frame["equal_ranks"] = math.exp(-1)  # as for any three passages in three languages
    assert "b/peer" not in summarise(frame)


def test_macro_means_weigh_every_pair_of_languages_the_same() -> None:
    macro = macro_means(TABLE)
    assert list(macro) == list(names.SETTINGS)
    assert macro["crosslingual"]["map"] == pytest.approx((0.3 + 0.4) / 2)
    assert macro["crosslingual"]["mrr"] == pytest.approx((0.3 + 0.4) / 4)
    assert list(macro_means(TABLE[:1])) == ["multilingual"]


def test_summaries_need_neither_torch_nor_numba() -> None:
    code = (
        "import sys, hybridir.evaluation.summary; print({'torch', 'numba'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
