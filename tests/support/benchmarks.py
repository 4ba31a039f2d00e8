"""Benchmarks without texts, from plain arrays."""

from collections.abc import Sequence

import numpy as np

from hybridir.data.benchmark import Benchmark


def bare_benchmark(
    pools: Sequence[int],
    relevant: Sequence[Sequence[int]],
    passage_ids: Sequence[str],
    question_ids: Sequence[str] | None = None,
) -> Benchmark:
    """Lay out pools and relevant passages; each query is a question of its own by default."""
    n_queries = len(relevant)
    sizes = np.diff(pools)
    return Benchmark(
        name="bare",
        languages=tuple(f"l{number}" for number in range(len(sizes))),
        question_ids=question_ids or [f"q{number}" for number in range(n_queries)],
        query_languages=np.zeros(n_queries, dtype=np.int32),
        queries=[""] * n_queries,
        passage_ids=passage_ids,
        passage_languages=np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
        passages=[""] * len(passage_ids),
        relevant_offsets=np.cumsum([0, *map(len, relevant)], dtype=np.int64),
        relevant=np.array([index for row in relevant for index in row], dtype=np.int64),
    )
