from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.errors import TrialError
from hybridir.evaluation import language_bias
from hybridir.evaluation.per_query import COLUMNS, per_query_table, write_per_query
from hybridir.retrieval import rank_embeddings, rank_stored
from hybridir.retrieval.vector_store import StoredVectors

# Two languages, five passages; question q2 has no translation and nothing relevant in English.
BENCHMARK = build_benchmark(
    "five",
    queries=[("q1", "de", ""), ("q2", "de", ""), ("q1", "en", "")],
    passages=[
        ("d1", "de", ""),
        ("d2", "de", ""),
        ("d3", "de", ""),
        ("e1", "en", ""),
        ("e2", "en", ""),
    ],
    relevant={"q1": {"d1", "e1"}, "q2": {"d2", "d3"}},
)
# Scores by query (q1 de, q2 de, q1 en) and passage (d1, d2, d3, e1, e2).
SCORES = np.array(
    [[0.9, 0.8, 0.1, 0.2, 0.7], [0.1, 0.6, 0.3, 0.5, 0.4], [0.3, 0.4, 0.2, 0.1, 0.5]],
    dtype=np.float32,
)


def table_of(scores: np.ndarray, seen: set[str], benchmark: Benchmark = BENCHMARK) -> pd.DataFrame:
    queries = np.eye(len(scores), dtype=np.float32)  # so that the product is the scores
    ranks = rank_embeddings(benchmark, queries, np.ascontiguousarray(scores.T))
    return per_query_table(benchmark, ranks, seen)


def test_pain_21_each_query_has_a_row_for_each_pool_with_a_relevant_passage() -> None:
    table = table_of(SCORES, {"de", "en"})
    assert table.columns.tolist() == list(COLUMNS)
    columns = ["setting", "question_id", "query_language", "pool_language", "pool_size"]
    columns += ["n_relevant", "best_rank", "worst_rank"]
    assert list(table[columns].itertuples(index=False, name=None)) == [
        ("monolingual", "q1", "de", "de", 3, 1, 1, 1),  # d1 d2 d3
        ("monolingual", "q2", "de", "de", 3, 2, 1, 2),  # d2 d3 d1
        ("monolingual", "q1", "en", "en", 2, 1, 2, 2),  # e2 e1
        ("crosslingual", "q1", "de", "en", 2, 1, 2, 2),  # e2 e1
        ("crosslingual", "q1", "en", "de", 3, 1, 2, 2),  # d2 d1 d3
        ("multilingual", "q1", "de", "all", 5, 2, 1, 4),  # d1 d2 e2 e1 d3
        ("multilingual", "q2", "de", "all", 5, 2, 1, 4),  # d2 e1 e2 d3 d1
        ("multilingual", "q1", "en", "all", 5, 2, 3, 5),  # e2 d2 d1 d3 e1
    ]
    assert (table.benchmark == "five").all()


def test_each_row_has_the_cluster_of_its_question() -> None:
    table = table_of(SCORES, {"de"}, replace(BENCHMARK, clusters=["moon", "sun", "moon"]))
    expected = table.question_id.map({"q1": "moon", "q2": "sun"}).tolist()
    assert table.cluster.tolist() == expected
    assert isinstance(table.cluster.dtype, pd.CategoricalDtype)
    assert table.cluster.cat.categories.tolist() == ["moon", "sun"]
    assert str(table.cluster.cat.codes.dtype) == "int8"
    assert table_of(SCORES, {"de"}).cluster.tolist() == table.question_id.tolist()


def test_passages_in_a_file_give_the_same_table(tmp_path: Path) -> None:
    np.ascontiguousarray(SCORES.T).tofile(tmp_path / "vectors.f32")
    stored = StoredVectors(tmp_path / "vectors.f32", count=5, dimension=3)
    ranks = rank_stored(BENCHMARK, np.eye(3, dtype=np.float32), stored)
    table = per_query_table(BENCHMARK, ranks, {"de"})
    pd.testing.assert_frame_equal(table, table_of(SCORES, {"de"}))


def test_measures_follow_from_the_ranks() -> None:
    table = table_of(SCORES, {"de", "en"})
    assert table.ap.tolist() == pytest.approx(
        [1, 1, 1 / 2, 1 / 2, 1 / 2, (1 + 2 / 4) / 2, (1 + 2 / 4) / 2, (1 / 3 + 2 / 5) / 2]
    )
    assert table.rr.tolist() == pytest.approx([1, 1, 1 / 2, 1 / 2, 1 / 2, 1, 1, 1 / 3])
    assert table.recall_at_1.tolist() == pytest.approx([1, 1 / 2, 0, 0, 0, 1 / 2, 1 / 2, 0])


def test_ranks_of_passages_in_seen_languages_are_those_in_the_full_pool() -> None:
    benchmark = build_benchmark(
        "three",
        queries=[("q1", "de", ""), ("q2", "en", "")],
        passages=[(f"{code}{n}", code, "") for code in ("de", "en", "fr") for n in (1, 2)],
        relevant={"q1": {"de1", "en1", "fr1"}, "q2": {"de1", "de2", "en1"}},
    )
    scores = np.array([[0.1, 0.3, 0.5, 0.4, 0.6, 0.2]] * 2, dtype=np.float32)
    table = table_of(scores, {"de", "fr"}, benchmark)
    rows = table[table.setting == "multilingual"]
    # fr1 is first and de1 last; of q2 the seen passages are all German, so not parallel.
    assert rows.best_rank_seen.tolist() == [1, pd.NA]
    assert rows.worst_rank_seen.tolist() == [6, pd.NA]
    assert table[table.setting != "multilingual"].best_rank_seen.isna().all()


def test_with_all_languages_seen_the_ranks_are_the_same_where_languages_can_be_compared() -> None:
    rows = table_of(SCORES, {"de", "en"})
    rows = rows[rows.setting == "multilingual"]
    # q2 has nothing in English.
    assert rows.best_rank_seen.tolist() == [1, pd.NA, 3]
    assert rows.worst_rank_seen.tolist() == [4, pd.NA, 5]


@pytest.mark.parametrize("seen", [set(), {"en"}])
def test_with_fewer_than_two_languages_seen_the_ranks_are_missing(seen: set[str]) -> None:
    table = table_of(SCORES, seen)
    assert table.best_rank_seen.isna().all()
    assert str(table.best_rank_seen.dtype) == "Int32"


def test_only_multilingual_rows_have_the_language_of_the_first_passage() -> None:
    table = table_of(SCORES, {"de"})
    assert table.top1_language.dropna().tolist() == ["de", "de", "en"]
    assert table[table.top1_language.notna()].setting.unique().tolist() == ["multilingual"]


def test_the_best_relevant_passage_is_compared_with_the_language_of_the_question() -> None:
    table = table_of(SCORES, {"de"})
    rows = table[table.setting == "multilingual"]
    # q1 de: d1 d2 e2 e1; q2 has nothing in English, so no choice; q1 en: e2 d2 d1 d3 e1.
    assert rows.best_is_own.tolist() == [True, pd.NA, False]
    assert table[table.setting != "multilingual"].best_is_own.isna().all()


def test_equal_ranks_is_the_test_of_kruskal_and_wallis() -> None:
    rng = np.random.default_rng(0)
    languages = [code for code in ("de", "en", "ru", "zh") for _ in range(30)]
    ids = [f"{code}{number:03d}" for number, code in enumerate(languages)]
    relevant = {f"q{n}": set(rng.choice(ids, 5 + n, replace=False)) for n in range(12)}
    relevant["q0"] = set(ids[:7])  # all in one language
    benchmark = build_benchmark(
        "fair",
        [(question, "de", "") for question in relevant],
        [(key, code, "") for key, code in zip(ids, languages, strict=True)],
        relevant,
    )
    scores = rng.standard_normal((12, 120)).astype(np.float32)
    table = table_of(scores, {"de"}, benchmark)
    p_values = table[table.setting == "multilingual"].equal_ranks.tolist()
    expected = []
    for query in range(1, 12):
        position = np.argsort(np.argsort(-scores[query]))
        own = benchmark.relevant[benchmark.relevant_queries == query]
        by_language = pd.Series(position[own]).groupby(benchmark.passage_languages[own])
        expected.append(kruskal(*(ranks for _, ranks in by_language)).pvalue)
    assert np.isnan(p_values[0])
    assert p_values[1:] == pytest.approx(expected, abs=1e-12)
    assert language_bias.peer_can_tell(table)
    assert language_bias.peer(table) == pytest.approx(np.mean(expected))
    assert table[table.setting != "multilingual"].equal_ranks.isna().all()


def test_answer_f1_compares_the_first_passage_of_each_pool_with_the_gold_ones() -> None:
    benchmark = build_benchmark(
        "words",
        queries=[("q1", "de", ""), ("q2", "de", ""), ("q1", "en", "")],
        passages=[
            ("d1", "de", "rot und blau"),
            ("d2", "de", "Der Hund ist rot"),  # "der" is an article in German
            ("d3", "de", "rot, rot"),
            ("e1", "en", "white and blue"),
            ("e2", "en", "the rot and dog"),  # and "the" in English
        ],
        relevant={"q1": {"d1", "e1"}, "q2": {"d2", "d3"}},
    )
    table = table_of(SCORES, {"de"}, benchmark)
    assert table.answer_f1.tolist() == pytest.approx(
        [
            1,  # q1 de in de: d1 itself
            1,  # q2 de in de: d2 itself
            2 * 1 / (3 + 3),  # q1 en in en: e2 against e1, "and" of 3 and 3 words
            2 * 1 / (3 + 3),  # q1 de in en: the same
            2 * 1 / (3 + 3),  # q1 en in de: d2 against d1, "rot" of 3 and 3 words
            1,  # all: d1
            1,  # all: d2
            2 * 1 / (3 + 3),  # all, q1 en: e2 against e1; d1, with "rot", is not in English
        ]
    )
    # SQuAD's articles are English alone: d2 has four words.
    assert table.answer_f1_squad.tolist()[4] == pytest.approx(2 * 1 / (4 + 3))


def test_answer_f1_is_absent_where_it_is_not_defined() -> None:
    benchmark = build_benchmark(
        "absent",
        queries=[("q", "en", ""), ("q", "th", ""), ("r", "th", "")],
        passages=[("e", "en", "one dog"), ("t1", "th", "หมา ตัวหนึ่ง"), ("t2", "th", "หมา")],
        relevant={"q": {"e", "t1"}, "r": {"e"}},
    )
    scores = np.array([[0.3, 0.1, 0.2]] * 3, dtype=np.float32)
    table = table_of(scores, set(), benchmark)
    columns = ["setting", "question_id", "query_language", "pool_language"]
    columns += ["answer_f1", "answer_f1_squad"]
    rows = {tuple(row[:4]): row[4:] for row in table[columns].to_numpy().tolist()}
    nan = np.nan
    expected = {
        ("monolingual", "q", "en", "en"): [1, 1],
        # Thai has no words; what stands between spaces is SQuAD's word: one of two is common.
        ("monolingual", "q", "th", "th"): [nan, 2 * 1 / (1 + 2)],
        ("crosslingual", "q", "en", "th"): [nan, 2 * 1 / (1 + 2)],
        ("crosslingual", "q", "th", "en"): [1, 1],
        ("crosslingual", "r", "th", "en"): [1, 1],
        ("multilingual", "q", "en", "all"): [1, 1],
        ("multilingual", "q", "th", "all"): [nan, 0],  # e against t1
        ("multilingual", "r", "th", "all"): [nan, nan],  # nothing in Thai is right
    }
    assert sorted(rows) == sorted(expected)
    for key, values in expected.items():
        assert rows[key] == pytest.approx(values, nan_ok=True), key


def test_two_relevant_passages_in_one_language_make_one_row() -> None:
    table = table_of(SCORES, {"de"})
    row = table[(table.setting == "monolingual") & (table.question_id == "q2")]
    assert row.n_relevant.tolist() == [2]


def test_a_query_with_no_relevant_passage_of_its_own_language_has_no_monolingual_row() -> None:
    benchmark = build_benchmark(
        "one",
        queries=[("q", "de", "")],
        passages=[("d", "de", ""), ("e", "en", "")],
        relevant={"q": {"e"}},
    )
    table = table_of(np.array([[0.2, 0.1]]).astype(np.float32), {"de"}, benchmark)
    assert table.setting.tolist() == ["crosslingual", "multilingual"]
    assert table.best_rank.tolist() == [1, 2]


def test_an_encoder_that_diverged_is_not_ranked() -> None:
    with pytest.raises(TrialError, match="NaN"):
        table_of(np.full_like(SCORES, np.nan), {"de"})


def test_a_table_survives_being_written_and_read(tmp_path: Path) -> None:
    table = table_of(SCORES, {"en"})
    path = tmp_path / "new" / "five.parquet"
    write_per_query(table, path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert [entry.name for entry in path.parent.iterdir()] == ["five.parquet"]


def test_a_table_that_cannot_be_written_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "five.parquet"
    write_per_query(table_of(SCORES, {"en"}), path)
    before = path.read_bytes()
    unwritable = pd.DataFrame({names.AP: [0.5, "not a number"]})
    with pytest.raises(Exception, match=r"not a number|Could not convert"):
        write_per_query(unwritable, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["five.parquet"]
