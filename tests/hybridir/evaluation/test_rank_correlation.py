from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import spearmanr

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.evaluation.rank_correlation import FullRankings
from hybridir.retrieval import rank_embeddings
from hybridir.retrieval.vector_store import StoredVectors


def benchmark_of(
    queries: list[tuple[str, str]], ids: list[str], languages: list[str]
) -> Benchmark:
    return build_benchmark(
        "some",
        [(question, language, "") for question, language in queries],
        [(key, language, "") for key, language in zip(ids, languages, strict=True)],
        {question: {ids[0]} for question, _ in queries},
    )


def observed(benchmark: Benchmark, scores_QN: np.ndarray) -> FullRankings:
    """Unit vectors as queries make the product equal the scores."""
    rankings = FullRankings(benchmark)
    queries = np.eye(len(scores_QN), dtype=np.float32)
    rank_embeddings(benchmark, queries, np.ascontiguousarray(scores_QN.T), [rankings.add])
    return rankings


def from_a_file(benchmark: Benchmark, scores_QN: np.ndarray, folder: Path) -> FullRankings:
    path = folder / "vectors.f32"
    np.ascontiguousarray(scores_QN.T).tofile(path)
    stored = StoredVectors(path, scores_QN.shape[1], scores_QN.shape[0])
    rankings = FullRankings(benchmark)
    rankings.add_stored(np.eye(len(scores_QN), dtype=np.float32), stored, memory_mb=0.001)
    return rankings


def order_of(scores: np.ndarray, ids: Any) -> list[int]:
    """Trec_eval's: by score, then the higher id first."""
    passages = range(len(ids))
    return sorted(passages, key=lambda n: (scores[n], ids[n].encode()), reverse=True)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Benchmark, np.ndarray]:
    size = draw(st.integers(2, 30))
    ids = draw(st.lists(st.text("abé中", max_size=4), min_size=size, max_size=size, unique=True))
    languages = [draw(st.sampled_from(["de", "en", "ru"])) for _ in ids]
    languages[:3] = ["de", "en", "ru"][: len(languages)]
    queries = [
        (f"q{number}", language)
        for number in range(draw(st.integers(1, 4)))
        for language in draw(st.sets(st.sampled_from(sorted(set(languages))), min_size=1))
    ]
    benchmark = benchmark_of(queries, ids, languages)
    values = st.sampled_from([-1.5, -0.0, 0.0, 0.5, 2.0]) | st.floats(-9, 9, width=32)
    return benchmark, draw(hnp.arrays(np.float32, (len(queries), size), elements=values))


@pytest.mark.slow
@given(cases())
def test_correlations_are_those_of_scipy_and_shares_those_of_sorted_lists(
    case: tuple[Benchmark, np.ndarray],
) -> None:
    benchmark, scores = case
    rankings = observed(benchmark, scores)
    orders = [order_of(row, benchmark.passage_ids) for row in scores]

    correlations_of: dict[tuple[str, str], list[float]] = {}
    queries = list(zip(benchmark.question_ids, benchmark.query_languages, strict=True))
    for first, second in combinations(range(len(queries)), 2):
        if queries[first][0] == queries[second][0]:
            positions = [np.argsort(orders[query]) for query in (first, second)]
            between = sorted(benchmark.languages[queries[n][1]] for n in (first, second))
            correlations = correlations_of.setdefault((between[0], between[1]), [])
            correlations.append(spearmanr(*positions).statistic)
    correlation = rankings.rank_correlation()
    for first_language, second_language in combinations(benchmark.languages, 2):
        values = correlations_of.get((first_language, second_language))
        expected = np.mean(values) if values else np.nan
        pair = [first_language, second_language]
        expected_LL = np.array([[np.nan, expected], [expected, np.nan]])
        correlation_LL = correlation.loc[pair, pair].to_numpy()
        assert correlation_LL == pytest.approx(expected_LL, abs=1e-12, nan_ok=True)
    assert np.isnan(np.diag(correlation)).all()

    shares = rankings.top_languages()
    for code, language in enumerate(benchmark.languages):
        rows = [n for n, (_, query_language) in enumerate(queries) if query_language == code]
        if not rows:
            assert language not in shares.index
            continue
        top = [benchmark.passage_languages[n] for row in rows for n in orders[row][:10]]
        of_language = np.bincount(top, minlength=len(benchmark.languages)) / len(top)
        assert shares.loc[[language]].to_numpy() == pytest.approx(of_language[None])


def test_mean_rank_correlation_is_a_mean_of_languages() -> None:
    benchmark = benchmark_of(
        [("q", "de"), ("q", "en"), ("q", "ru")], ["a", "b", "c"], ["de", "en", "ru"]
    )
    # Positions de 0 1 2, en 0 1 2, ru 2 1 0: de-en 1, de-ru -1, en-ru -1.
    scores = np.array([[3, 2, 1], [9, 8, 7], [1, 2, 3]], dtype=np.float32)
    expected = ((1 - 1) / 2 + (1 - 1) / 2 + (-1 - 1) / 2) / 3
    assert observed(benchmark, scores).mean_rank_correlation() == pytest.approx(expected)


def test_without_translations_there_is_no_correlation() -> None:
    benchmark = benchmark_of([("q", "de"), ("r", "en")], ["a", "b"], ["de", "en"])
    rankings = observed(benchmark, np.eye(2, dtype=np.float32))
    assert np.isnan(rankings.mean_rank_correlation())


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_passages_in_a_file_give_the_same_figures_as_in_memory(
    tmp_path: Path, case: tuple[Benchmark, np.ndarray]
) -> None:
    in_memory, stored = observed(*case), from_a_file(*case, tmp_path)
    pd.testing.assert_frame_equal(stored.top_languages(), in_memory.top_languages())
    pd.testing.assert_frame_equal(stored.rank_correlation(), in_memory.rank_correlation())
