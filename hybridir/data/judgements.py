"""What published evaluation counts beside the relevant passages of a pool.

Q queries, N passages, P passages of a block, B queries of a block, L languages, R relevant
occurrences, A absent ones.

trec_eval divides by all relevant documents of its judgements, whether they are in the corpus or
not, gives a query without any the value 0, and its nDCG gains the grade of a document. BEIR drops
the document that has the query's own id.

Sources: ``form_res_rels.c`` and ``m_ndcg_cut.c`` of https://github.com/usnistgov/trec_eval, and
``beir/retrieval/evaluation.py`` of https://github.com/beir-cellar/beir (commit ef83d29).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

PUBLISHED: Final = "published"
IN_POOL: Final = "in_pool"


def _no_numbers() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Judgements:
    """Grades, relevant passages that are not there, passages that a query must not find.

    Those of a benchmark without a folder say nothing: every relevant passage is there, and counts
    as much as another.

    Attributes:
        rules: ``published`` or ``in_pool``; "" where nothing was judged.
        ignore_identical_ids: whether `excluded` holds the passages with their query's id.
        gains_R: grades of the benchmark's relevant passages; None if each is 1.
        absent_queries: [A] the query of each relevant passage that is not in the pool; a query
            without any relevant passage has one entry of grade 0.
        absent_languages: [A] the language of the pool that the passage would be in.
        absent_gains: [A] its grade.
        absent_ids: A ids.
        excluded: query -> passages that are taken out of its pools.
        counts: names of `NOTES` -> how often that was met.
    """

    rules: str = ""
    ignore_identical_ids: bool = False
    gains_R: NDArray[np.float64] | None = None
    absent_queries: NDArray[np.int64] = field(default_factory=_no_numbers)
    absent_languages: NDArray[np.int64] = field(default_factory=_no_numbers)
    absent_gains: NDArray[np.int64] = field(default_factory=_no_numbers)
    absent_ids: Sequence[str] = ()
    excluded: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def change_measures(self) -> bool:
        """Whether any figure differs from that of the relevant passages alone."""
        return bool(self.gains_R is not None or len(self.absent_queries) or self.excluded)

    @cached_property
    def digest(self) -> bytes:
        """A hash of all that figures depend on; empty where that is nothing."""
        if not self.change_measures:
            return b""
        sha = hashlib.sha256()
        gains_R = _no_numbers() if self.gains_R is None else self.gains_R
        pairs = [(query, key) for query, keys in self.excluded.items() for key in keys]
        for array in (
            gains_R,
            self.absent_queries,
            self.absent_languages,
            self.absent_gains,
            np.array(sorted(pairs), dtype=np.int64).ravel(),
        ):
            numbers = np.ascontiguousarray(array, dtype="<i8").tobytes()
            sha.update(len(numbers).to_bytes(8, "big") + numbers)
        return sha.digest()

    def take_out(
        self, scores_BP: NDArray[np.float32], queries_B: Sequence[int], first_passage: int = 0
    ) -> None:
        """Give excluded passages the lowest score.

        Args:
            scores_BP: scores of some queries and of consecutive passages; written to.
            queries_B: numbers of the queries.
            first_passage: number of the first passage.
        """
        if not self.excluded:
            return
        for row, query in enumerate(queries_B):
            for passage in self.excluded.get(int(query), ()):
                if first_passage <= passage < first_passage + scores_BP.shape[1]:
                    scores_BP[row, passage - first_passage] = -np.inf

    def absent_from(self, query: int, language: int | None) -> list[tuple[str, int]]:
        """Ids and grades of a query's absent passages of one language, or of all."""
        return [
            (self.absent_ids[entry], int(self.absent_gains[entry]))
            for entry in self._entries.get(query, ())
            if language in (None, self.absent_languages[entry])
        ]

    @cached_property
    def _entries(self) -> dict[int, list[int]]:
        """Query -> its entries among the absent passages."""
        entries: dict[int, list[int]] = {}
        for entry, query in enumerate(self.absent_queries.tolist()):
            entries.setdefault(query, []).append(entry)
        return entries

    def notes(self) -> list[str]:
        """What was met in the files, how often, and how it counts, in a line each."""
        lines = []
        for name, count in self.counts.items():
            note = _NOTES[name]
            how = note.published if self.rules == PUBLISHED else note.in_pool or note.published
            lines.append(f"{note.words}: {count}, {how}")
        return lines


class _Note(NamedTuple):
    """What is counted, in words, and how it counts by published rules and, if other, in_pool."""

    words: str
    published: str
    in_pool: str = ""


_NOTES = {
    "passages_without_text": _Note(
        "passages without text",
        "in the pool, as in BEIR; rules: in_pool leaves them out",
        "left out; rules: published has them in the pool, as BEIR",
    ),
    "queries_without_text": _Note(
        "queries without text",
        "asked, as in BEIR; rules: in_pool leaves them out",
        "left out; rules: published asks them, as BEIR",
    ),
    "repeated_passages": _Note("passages that repeat an earlier one", "counted once"),
    "repeated_queries": _Note("queries that repeat an earlier one", "counted once"),
    "repeated_judgements": _Note("judgements that repeat an earlier one", "counted once"),
    "bad_records": _Note(
        "bad records",
        "left out; of contradicting ones the last counts, as in BEIR",
    ),
    "absent_relevant_passages": _Note(
        "judgements of a relevant passage that is not in the corpus",
        "counted as not found, as in trec_eval; rules: in_pool leaves them out",
        "left out; rules: published counts the passage as not found, as trec_eval",
    ),
    "queries_without_relevant_passage": _Note(
        "judged queries without a relevant passage",
        "counted as 0, as in trec_eval; rules: in_pool leaves them out",
        "left out; rules: published counts them as 0, as trec_eval",
    ),
    "queries_without_judgement": _Note(
        "queries without a judgement",
        "left out, as in trec_eval",
    ),
    "graded_judgements": _Note(
        "judgements with a grade above 1",
        "nDCG gains the grade, as in trec_eval; rules: in_pool takes each as 1",
        "counted as 1; rules: published lets nDCG gain the grade, as trec_eval",
    ),
    "negative_judgements": _Note(
        "judgements below 0",
        "counted as not relevant, as in trec_eval",
    ),
    "questions_with_shared_id": _Note(
        "question ids in several languages",
        "taken for different questions; parallel: true makes them translations",
    ),
    "questions_in_one_language": _Note(
        "questions in one language alone",
        "none is parallel, since no two languages share an id",
    ),
    "identical_ids": _Note(
        "passages with the id of a query",
        "that query does not find it, as in BEIR; ignore_identical_ids: false keeps it",
    ),
    "identical_ids_kept": _Note(
        "passages with the id of a query",
        "kept; ignore_identical_ids: true hides it from that query, as BEIR",
    ),
}
NOTES: Final = tuple(_NOTES)
"""Names of what is counted while a folder is read, in the order in which it is shown."""
