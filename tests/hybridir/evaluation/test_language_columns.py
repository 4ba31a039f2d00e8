import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.evaluation import language_bias
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.summary import summarise
from hybridir.retrieval import rank_embeddings, rank_scores, rank_stored
from hybridir.retrieval.ranks import RelevantRanks
from hybridir.retrieval.vector_store import StoredVectors

Floats = NDArray[np.float32]


@dataclass
class Case:
    """A small benchmark with its scores, and what counts in it as plain Python objects."""

    benchmark: Benchmark
    scores_QN: Floats
    relevant: dict[str, set[str]]
    language_of: dict[str, str]

    def rankings(self) -> Iterator[tuple[str, str, list[str]]]:
        """Each question with its language and all passages, best first."""
        ids = list(self.benchmark.passage_ids)
        for query, question in enumerate(self.benchmark.question_ids):
            scored = zip(self.scores_QN[query], map(str.encode, ids), strict=True)
            ranking = [key.decode() for _, key in sorted(scored, reverse=True)]
            language = self.benchmark.languages[self.benchmark.query_languages[query]]
            yield question, language, ranking


def draw_case(seed: int, codes: tuple[str, ...] = ("de", "en", "zh"), values: int = 6) -> Case:
    """Random relevance, some of it in one language alone, and scores with many ties.

    Questions in French have no pool.
    """
    rng = np.random.default_rng(seed)
    ids = [f"{number}" for number in rng.permutation(30)]
    language_of = {key: str(rng.choice(codes)) for key in ids}
    by_language = {code: [key for key in ids if language_of[key] == code] for code in codes}
    relevant: dict[str, set[str]] = {}
    for number in range(12):
        chosen = rng.choice(codes, rng.integers(1, len(codes) + 1), replace=False)
        relevant[f"q{number}"] = {
            str(key)
            for code in chosen
            for key in rng.choice(by_language[code], rng.integers(1, 3), replace=False)
        }
    relevant["q11"] = set(ids[:12])  # more than ten
    benchmark = build_benchmark(
        "drawn",
        [(question, code, "") for question in relevant for code in (*codes, "fr")],
        [(key, language_of[key], "") for key in ids],
        relevant,
        empty_pools=True,
    )
    scores = rng.integers(values, size=(len(benchmark.queries), len(ids))).astype(np.float32)
    return Case(benchmark, scores, relevant, language_of)


def average_precision(ranking: list[str], relevant: set[str]) -> float:
    ranks = [rank for rank, key in enumerate(ranking, 1) if key in relevant]
    return fmean(hits / rank for hits, rank in enumerate(ranks, 1))


def brute_force(case: Case) -> dict[tuple[str, str], dict[str, Any]]:
    """Columns of the multilingual rows from full rankings; None for a missing value."""
    rows = {}
    for question, own, ranking in case.rankings():
        relevant = case.relevant[question]
        worst = max(ranking.index(key) + 1 for key in relevant)
        several = len({case.language_of[key] for key in relevant}) > 1
        row: dict[str, Any] = dict.fromkeys(names.LANGUAGE_COLUMNS)
        for name, k in (("complete_at_10", 10), ("complete_at_20", 20)):
            if several and len(relevant) <= k:
                row[name] = relevant <= set(ranking[:k])
        if several:
            row["complete_at_r"] = relevant == set(ranking[: len(relevant)])
        pool = [key for key in ranking if case.language_of[key] in (own, "en")]
        in_own, in_english = (
            {key for key in relevant if case.language_of[key] == code} for code in (own, "en")
        )
        if own != "en" and in_own and in_english:
            both = in_own | in_english
            distractors = [key for key in pool if key not in in_english]
            mirrored = [key for key in pool if key not in in_own]
            row["bilingual_ap"] = average_precision(pool, both)
            row["bilingual_worst_rank"] = max(pool.index(key) + 1 for key in both)
            row["bilingual_complete_at_r"] = set(pool[: len(both)]) == both
            row["bilingual_own_ap"] = average_precision(distractors, in_own)
            row["bilingual_english_ap"] = average_precision(mirrored, in_english)
            row["english_first"] = case.language_of[distractors[0]] == "en"
            row["english_first_of_both"] = (
                case.language_of[pool[0]] == "en" and pool[0] not in relevant
            )
        rows[question, own] = {"worst_rank": worst, **row}
    return rows


def values_of(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    rows = table[table.setting == "multilingual"]
    return {
        (str(row["question_id"]), str(row["query_language"])): {
            name: None if pd.isna(row[name]) else row[name]
            for name in ("worst_rank", *names.LANGUAGE_COLUMNS)
        }
        for row in rows.to_dict("records")
    }


def by_embeddings(case: Case, tmp_path: Path) -> RelevantRanks:
    queries = np.eye(len(case.scores_QN), dtype=np.float32)  # so that the product is the scores
    return rank_embeddings(case.benchmark, queries, np.ascontiguousarray(case.scores_QN.T))


def by_scorer(case: Case, tmp_path: Path) -> RelevantRanks:
    def score(queries_B: NDArray[np.int64], scores_BN: Floats) -> None:
        scores_BN[:] = case.scores_QN[queries_B]

    return rank_scores(case.benchmark, score, block=9)


def by_store(case: Case, tmp_path: Path) -> RelevantRanks:
    np.ascontiguousarray(case.scores_QN.T).tofile(tmp_path / "vectors.f32")
    shape = case.scores_QN.shape[::-1]
    stored = StoredVectors(tmp_path / "vectors.f32", *shape)
    return rank_stored(case.benchmark, np.eye(shape[1], dtype=np.float32), stored, block=(7, 4))


@pytest.mark.parametrize("rank", [by_embeddings, by_scorer, by_store])
@pytest.mark.parametrize("values", [1, 2, 6, 1000])
def test_columns_are_those_of_full_rankings(rank: Any, values: int, tmp_path: Path) -> None:
    for seed in range(6):
        case = draw_case(seed, values=values)
        table = per_query_table(case.benchmark, rank(case, tmp_path), {"de"})
        measured, expected = values_of(table), brute_force(case)
        assert measured.keys() == expected.keys()
        for key, row in expected.items():
            assert measured[key] == pytest.approx(row, abs=1e-12), key
        others = table[table.setting != "multilingual"]
        assert others[list(names.LANGUAGE_COLUMNS)].isna().all(axis=None)


def macro(values: dict[str, list[float]]) -> float:
    return fmean(map(fmean, values.values()))


@pytest.mark.parametrize("values", [2, 6, 1000])
def test_means_are_those_of_full_rankings(values: int, tmp_path: Path) -> None:
    case = draw_case(7, values=values)
    table = per_query_table(case.benchmark, by_embeddings(case, tmp_path), set())
    columns: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (_, own), row in brute_force(case).items():
        for name, value in row.items():
            if value is not None and (name != "worst_rank" or row["complete_at_r"] is not None):
                columns[name][own].append(float(value))
    for question, own, ranking in case.rankings():
        languages = [case.language_of[key] == own for key in case.relevant[question]]
        if any(languages) and not all(languages):
            right = "right" if ranking[0] in case.relevant[question] else "wrong"
            hit = f"top1_{right}_{'own' if case.language_of[ranking[0]] == own else 'other'}"
            for kind in names.FIRST_HITS:
                columns[kind][own].append(float(kind == hit))
    column_of = {name: name for name in columns} | language_bias.COLUMN_OF
    column_of |= {"max_at_r": "worst_rank"}
    expected = {
        measure: macro(columns[column_of.get(measure, measure)])
        for measure in names.BIAS_MEASURES[6:]
        if measure != "max_at_r_share"
    }
    expected["max_at_r_share"] = expected["max_at_r"] / 30  # passages
    means = language_bias.language_comparisons(table)
    assert means == pytest.approx(expected, abs=1e-12)
    assert list(means) == list(names.BIAS_MEASURES[6:])
    shares = language_bias.first_hit_shares(table)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
    headlines = summarise(table)
    for measure in ("max_at_r", "complete_at_r", *names.FIRST_HITS, "english_inclination"):
        assert headlines[f"drawn/{measure}"] == means[measure]


def test_without_english_there_is_no_pool_of_two_languages(tmp_path: Path) -> None:
    case = draw_case(0, codes=("de", "zh"))
    ranks = by_embeddings(case, tmp_path)
    assert ranks.top1_bilingual_Q2 is None
    assert by_store(case, tmp_path).top1_bilingual_Q2 is None
    table = per_query_table(case.benchmark, ranks, set())
    assert table[list(names.BILINGUAL_COLUMNS)].isna().all(axis=None)
    means = language_bias.language_comparisons(table)
    assert means.keys() == {
        *("max_at_r", "max_at_r_share", "complete_at_10", "complete_at_20", "complete_at_r"),
        *names.FIRST_HITS,
    }
    assert "drawn/english_inclination" not in summarise(table)


def test_a_benchmark_in_one_language_has_none_of_these_figures(tmp_path: Path) -> None:
    case = draw_case(0, codes=("en",))
    table = per_query_table(case.benchmark, by_embeddings(case, tmp_path), set())
    assert table[list(names.LANGUAGE_COLUMNS)].isna().all(axis=None)
    assert language_bias.language_comparisons(table) == {}
    assert math.isnan(language_bias.max_at_r(table))
    assert not {f"drawn/{name}" for name in names.BIAS_MEASURES[6:]} & summarise(table).keys()


def test_english_distractors_that_beat_the_own_passage_are_counted(tmp_path: Path) -> None:
    """German question, g relevant. By score: e (its translation), f (English), h (German), g."""
    benchmark = build_benchmark(
        "four",
        [("q", "de", "")],
        [("g", "de", ""), ("h", "de", ""), ("e", "en", ""), ("f", "en", "")],
        {"q": {"g", "e"}},
    )
    case = Case(benchmark, np.array([[0.1, 0.2, 0.4, 0.3]], np.float32), {}, {})
    row = per_query_table(benchmark, by_embeddings(case, tmp_path), set()).iloc[-1]
    assert row.bilingual_ap == pytest.approx((1 / 1 + 2 / 4) / 2)  # e at 1, g at 4
    assert row.bilingual_worst_rank == 4
    assert not row.bilingual_complete_at_r
    assert row.bilingual_own_ap == pytest.approx(1 / 3)  # f, h, g
    assert row.bilingual_english_ap == 1  # e, f, h
    assert row.english_first
    assert not row.english_first_of_both
