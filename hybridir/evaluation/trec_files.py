"""Rankings and relevance judgements in the formats that other tools read.

B queries of a block, N passages, K passages at the top of a ranking.

- TREC: ``run-POOL.txt`` with ``query Q0 passage rank score tag`` and ``qrels-POOL.txt`` with
  ``query 0 passage grade``, for trec_eval, pytrec_eval, ir_measures and their kin;
- MTEB: ``BENCHMARK_predictions.json``, which maps pool, split, query and passage to a score, as
  its retrieval tasks save and load.

A query is named by its language and its question's id, for example ``de:56be4db0acb8001400a5``,
since translations share the id. POOL is a language, or ``all``.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybridir import names
from hybridir.data import Benchmark
from hybridir.errors import InputError
from hybridir.retrieval.trec_order import ascending_ids, pack_keys, unpack_keys
from hybridir.runtime.files import atomic_write

SPLIT = "test"  # MTEB's name of the split that is reported

# Passages and their scores, best first.
Ranking = tuple[NDArray[np.int32], NDArray[np.float32]]


class Runs:
    """Collects the first passages of every query in every pool that has a relevant passage.

    Args:
        benchmark: queries and passages.
        depth: passages of each ranking at most.
    """

    def __init__(self, benchmark: Benchmark, depth: int) -> None:
        self._benchmark = benchmark
        self._depth = depth
        id_order_N, by_id_N = ascending_ids(benchmark.passage_ids)
        self._by_position_N = by_id_N[::-1]
        self._position_N = (len(by_id_N) - 1 - id_order_N).astype(np.uint64)
        bounds = list(pairwise(benchmark.pool_offsets.tolist()))
        self._pools = dict(zip(benchmark.languages, bounds, strict=True))
        self._pools[names.ALL_LANGUAGES] = (0, len(benchmark.passages))
        # For each pool and query.
        self._rankings: dict[str, dict[int, Ranking]] = {pool: {} for pool in self._pools}

    def add(self, queries_B: NDArray[np.int64], scores_BN: NDArray[np.float32]) -> None:
        """Rank the passages for some queries."""
        keys_BN = pack_keys(scores_BN, self._position_N)
        for pool, (start, stop) in self._pools.items():
            keys_BK = np.sort(keys_BN[:, start:stop], axis=1)[:, : self._depth]
            _, position_BK = unpack_keys(keys_BK)
            for row, query in enumerate(queries_B.tolist()):
                if self._judged(query, pool):
                    passages = self._by_position_N[position_BK[row]]
                    # What the query must not find comes last.
                    passages = passages[scores_BN[row, passages] > -np.inf]
                    self._rankings[pool][query] = (passages, scores_BN[row, passages])

    def check_names(self, tag: str) -> None:
        """Check that TREC's files can hold all ids, which separate columns by white space.

        Raises:
            InputError: if an id or the tag has white space.
        """
        ids = (*self._benchmark.passage_ids, *self._benchmark.question_ids, tag)
        illegal = [name for name in ids if not name or name.split() != [name]]
        if illegal:
            raise InputError(
                f"{self._benchmark.name}: TREC's files allow no white space in a name, such as "
                f"{illegal[0]!r}; {len(illegal)} names are empty or have some; rename them"
            )

    def write_trec(self, folder: Path, tag: str) -> list[Path]:
        """Write a run and its relevance judgements for each pool.

        Args:
            folder: made if it does not exist.
            tag: names the run, in one word.

        Returns:
            The files. Scores have enough digits to tell fp32 numbers apart, so that ties and
            order survive.

        Raises:
            InputError: if an id has white space, which separates columns in these files.
        """
        self.check_names(tag)
        written = []
        for pool in self._pools:
            runs, qrels = [], []
            for query, (passages, scores) in sorted(self._rankings[pool].items()):
                name = self._name(query)
                for rank, (passage, score) in enumerate(zip(passages, scores, strict=True), 1):
                    key = self._benchmark.passage_ids[passage]
                    runs.append(f"{name} Q0 {key} {rank} {score:.9g} {tag}\n")
                for passage_id, grade in self._judged(query, pool):
                    qrels.append(f"{name} 0 {passage_id} {grade}\n")
            for kind, lines in (("run", runs), ("qrels", qrels)):
                if lines:
                    written.append(_write(folder / f"{kind}-{pool}.txt", "".join(lines)))
        return written

    def write_mteb(self, folder: Path, model: str, revision: str) -> Path:
        """Write predictions as MTEB's retrieval tasks save them; pools are its subsets.

        Args:
            folder: made if it does not exist.
            model: name of the encoder.
            revision: commit or digest that pins its weights.
        """
        ids = self._benchmark.passage_ids
        content: dict[str, object] = {
            "mteb_model_meta": {"model_name": model, "revision": revision}
        }
        for pool, rankings in self._rankings.items():
            content[pool] = {
                SPLIT: {
                    self._name(query): {
                        ids[passage]: float(score)
                        for passage, score in zip(passages, scores, strict=True)
                    }
                    for query, (passages, scores) in sorted(rankings.items())
                }
            }
        path = folder / f"{self._benchmark.name}_predictions.json"
        return _write(path, json.dumps(content, ensure_ascii=False))

    def _name(self, query: int) -> str:
        language = self._benchmark.languages[self._benchmark.query_languages[query]]
        return f"{language}:{self._benchmark.question_ids[query]}"

    def _judged(self, query: int, pool: str) -> list[tuple[str, int]]:
        """Ids and grades of a query's relevant passages in a pool, absent ones included."""
        benchmark, (start, stop) = self._benchmark, self._pools[pool]
        gains_R, ids = benchmark.judgements.gains_R, benchmark.passage_ids
        low, high = benchmark.relevant_offsets[query : query + 2].tolist()
        relevant = [
            (ids[passage], 1 if gains_R is None else int(gains_R[low + number]))
            for number, passage in enumerate(benchmark.relevant[low:high].tolist())
            if start <= passage < stop
        ]
        language = None if pool == names.ALL_LANGUAGES else benchmark.languages.index(pool)
        return relevant + benchmark.judgements.absent_from(query, language)


def _write(path: Path, text: str) -> Path:
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
