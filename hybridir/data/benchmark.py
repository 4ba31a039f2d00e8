"""A retrieval benchmark: queries, a pool of passages per language, and their relevance."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybridir.data.pairs import Pairs
from hybridir.errors import InputError


@dataclass(frozen=True, eq=False)  # equal by identity, so that results can be cached by it
class Benchmark:
    """Queries and passages of all languages, flat, with the relevance between them.

    Q queries, N passages, L languages, R relevant occurrences. Passages are ordered by language,
    so that the pool of a language is a slice; all pools together are the multilingual pool.

    Attributes:
        name: names the scores, for example ``"xquad-r"``.
        languages: L codes, sorted.
        question_ids: Q ids; translations of a question share theirs.
        query_languages: [Q] index into `languages`.
        queries: Q texts.
        passage_ids: N ids, all different; they decide between equal scores.
        passage_languages: [N] index into `languages`, never decreasing.
        passages: N texts.
        relevant_offsets: [Q + 1]; the relevant passages of query q, over all languages, are
            ``relevant[relevant_offsets[q]:relevant_offsets[q + 1]]``.
        relevant: [R] passage indices, increasing within a query.

    One question in two languages, with a relevant passage in each:

    >>> from hybridir import Benchmark
    >>> from hybridir.data.benchmark import build_benchmark
    >>> benchmark: Benchmark = build_benchmark(
    ...     "authors",
    ...     queries=[("q1", "en", "Who wrote Faust?"), ("q1", "de", "Wer schrieb Faust?")],
    ...     passages=[
    ...         ("en-1", "en", "Goethe wrote Faust."),
    ...         ("en-2", "en", "Weimar is in Thuringia."),
    ...         ("de-1", "de", "Goethe schrieb Faust."),
    ...     ],
    ...     relevant={"q1": {"en-1", "de-1"}},
    ... )
    >>> benchmark.languages, benchmark.queries
    (('de', 'en'), ['Wer schrieb Faust?', 'Who wrote Faust?'])
    """

    name: str
    languages: tuple[str, ...]
    question_ids: Sequence[str]
    query_languages: NDArray[np.int32]
    queries: Sequence[str]
    passage_ids: Sequence[str]
    passage_languages: NDArray[np.int32]
    passages: Sequence[str]
    relevant_offsets: NDArray[np.int64]
    relevant: NDArray[np.int64]

    @cached_property
    def pool_offsets(self) -> NDArray[np.int64]:
        """[L + 1]; the pool of language l is ``pool_offsets[l]:pool_offsets[l + 1]``."""
        return np.searchsorted(self.passage_languages, np.arange(len(self.languages) + 1))

    @cached_property
    def relevant_queries(self) -> NDArray[np.int64]:
        """[R] the query of each entry of `relevant`."""
        return np.repeat(np.arange(len(self.queries)), np.diff(self.relevant_offsets))

    @cached_property
    def relevant_languages(self) -> NDArray[np.int64]:
        """[R] the language of each entry of `relevant`."""
        return self.passage_languages[self.relevant].astype(np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, ids, texts and relevance."""
        sha = hashlib.sha256()
        for column in (
            self.languages,
            self.question_ids,
            self.queries,
            self.passage_ids,
            self.passages,
        ):
            for text in (*column, "\0"):
                encoded = text.encode()
                sha.update(len(encoded).to_bytes(4, "big") + encoded)
        for array in (self.query_languages, self.relevant_offsets, self.relevant):
            sha.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return sha.hexdigest()


@dataclass(frozen=True)
class Reading:
    """Paragraphs for a reader to extract answers from, and the gold answers.

    Attributes:
        paragraphs: passage id -> text of the paragraph that holds the passage.
        answers: (question id, language) -> gold answers, one or more.
    """

    paragraphs: Mapping[str, str]
    answers: Mapping[tuple[str, str], tuple[str, ...]]


def build_benchmark(
    name: str,
    queries: Iterable[tuple[str, str, str]],
    passages: Iterable[tuple[str, str, str]],
    relevant: dict[str, set[str]],
    *,
    empty_pools: bool = False,
) -> Benchmark:
    """Build a benchmark from plain tuples.

    Args:
        name: names the scores.
        queries: (question id, language, text).
        passages: (passage id, language, text).
        relevant: question id -> ids of its relevant passages in all languages.
        empty_pools: let a language have queries but no passages; those in other languages are
            relevant.

    Returns:
        The benchmark, queries and passages sorted by language, in the order of the arguments
        within one.

    Raises:
        InputError: if a query has no relevant passage, a relevant passage is missing, a passage id
            occurs twice, a question occurs twice in one language, or a language has queries but no
            passages.
    """
    query_rows = sorted(queries, key=lambda row: row[1])
    passage_rows = sorted(passages, key=lambda row: row[1])
    position = {passage_id: index for index, (passage_id, _, _) in enumerate(passage_rows)}
    query_languages = {row[1] for row in query_rows} if empty_pools else set()
    languages = tuple(sorted({row[1] for row in passage_rows} | query_languages))
    code = {language: index for index, language in enumerate(languages)}
    _check(name, query_rows, passage_rows, position, relevant, empty_pools)

    indices = [sorted(position[key] for key in relevant[row[0]]) for row in query_rows]
    return Benchmark(
        name=name,
        languages=languages,
        question_ids=[row[0] for row in query_rows],
        query_languages=np.array([code[row[1]] for row in query_rows], dtype=np.int32),
        queries=[row[2] for row in query_rows],
        passage_ids=[row[0] for row in passage_rows],
        passage_languages=np.array([code[row[1]] for row in passage_rows], dtype=np.int32),
        passages=[row[2] for row in passage_rows],
        relevant_offsets=np.cumsum([0, *map(len, indices)], dtype=np.int64),
        relevant=np.array([index for row in indices for index in row], dtype=np.int64),
    )


def _check(
    name: str,
    queries: list[tuple[str, str, str]],
    passages: list[tuple[str, str, str]],
    position: dict[str, int],
    relevant: dict[str, set[str]],
    empty_pools: bool,
) -> None:
    problems = []
    if not queries:
        problems.append("there is no query")
    if len(position) < len(passages):
        problems.append(f"{len(passages) - len(position)} passage ids occur more than once")
    if len({row[:2] for row in queries}) < len(queries):
        problems.append("a question occurs twice in one language")
    lacking = {row[0] for row in queries if not relevant.get(row[0])}
    if lacking:
        problems.append(
            f"{len(lacking)} questions have no relevant passage, e.g. {min(lacking)!r}"
        )
    missing = {key for row in queries for key in relevant.get(row[0], ())} - position.keys()
    if missing:
        problems.append(f"{len(missing)} relevant passages are missing, e.g. {min(missing)!r}")
    without_pool = {row[1] for row in queries} - {row[1] for row in passages}
    if without_pool and not empty_pools:
        problems.append(f"no passages in {', '.join(sorted(without_pool))}")
    if problems:
        raise InputError.collect(f"benchmark {name!r} cannot be built", problems)


def benchmark_from_pairs(name: str, pairs: Pairs) -> Benchmark:
    """Make a benchmark of a training table's rows, for the development split.

    The pool of a language holds its distinct passages. Relevant for a question are the passages of
    the same question id in every language. A language without passages has no monolingual setting.
    This construction is the project's own; LAReQA's, with every sentence of a paragraph as a
    candidate, is in `hybridir.data.readers.lareqa`.
    """
    passage_id: dict[tuple[str, str], str] = {}
    relevant: dict[str, set[str]] = {}
    rows = zip(pairs.question_id, pairs.passage_languages, pairs.passage, strict=True)
    for question_id, language, passage in rows:
        key = passage_id.setdefault((language, passage), f"{language}-{len(passage_id):08d}")
        relevant.setdefault(question_id, set()).add(key)
    return build_benchmark(
        name,
        zip(pairs.question_id, pairs.language, pairs.question, strict=True),
        ((key, language, passage) for (language, passage), key in passage_id.items()),
        relevant,
        empty_pools=True,
    )
