"""A retrieval benchmark: queries, a pool of passages per language, and their relevance."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hybridir.data.judgements import Judgements
from hybridir.errors import InputError
from hybridir.languages import Spellings


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
        clusters: Q labels; the questions of a cluster, such as those on one article, are not
            independent of each other, so that intervals draw whole clusters. Translations of a
            question share theirs. Each question is a cluster of its own if left out.
        judgements: what published evaluation counts beside `relevant`.

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
    clusters: Sequence[str] = ()
    judgements: Judgements = field(default_factory=Judgements)

    def __post_init__(self) -> None:
        """Fill in clusters where nothing is known about them.

        Raises:
            InputError: if there is another number of clusters than of queries, or a question has
                two.
        """
        if len(self.clusters) == 0:
            object.__setattr__(self, "clusters", self.question_ids)
        elif self.clusters is not self.question_ids:
            _check_clusters(self.name, self.question_ids, self.clusters)

    @cached_property
    def n_clusters(self) -> int:
        """The number of different clusters."""
        return len(set(self.clusters))

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
        """SHA-256 over names of languages, ids, texts and relevance: all that scores depend on.

        Clusters are left out: they change no score, which digests are there to find again, and
        the per-query table carries its own. For the benchmarks that come by name they follow from
        ids and relevance.
        """
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
        sha.update(self.judgements.digest)
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


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question with the paragraph that answers it, for a reader to learn from.

    Attributes:
        question_id: shared by translations.
        language: code of question and paragraph.
        question: text.
        paragraph: text.
        answer: text.
        start: character of the paragraph at which the answer begins.
    """

    question_id: str
    language: str
    question: str
    paragraph: str
    answer: str
    start: int


def build_benchmark(
    name: str,
    queries: Iterable[tuple[str, str, str]],
    passages: Iterable[tuple[str, str, str]],
    relevant: dict[str, set[str]],
    *,
    clusters: Mapping[str, str] | None = None,
    empty_pools: bool = False,
    unanswered: bool = False,
) -> Benchmark:
    """Build a benchmark from plain tuples.

    Args:
        name: names the scores.
        queries: (question id, language, text). A language is named as it is spelled first, here
            or in `passages`.
        passages: (passage id, language, text).
        relevant: question id -> ids of its relevant passages in all languages.
        clusters: question id -> cluster; each question is one by itself if None.
        empty_pools: let a language have queries but no passages; those in other languages are
            relevant.
        unanswered: let a query have no relevant passage.

    Returns:
        The benchmark, queries and passages sorted by language, in the order of the arguments
        within one.

    Raises:
        InputError: if a query has no relevant passage or no cluster, a relevant passage is
            missing, a passage id occurs twice, a question occurs twice in one language, or a
            language has queries but no passages.
    """
    spell = Spellings()
    query_rows, passage_rows = (
        sorted(((key, spell(code), text) for key, code, text in rows), key=lambda row: row[1])
        for rows in (queries, passages)
    )
    position = {passage_id: index for index, (passage_id, _, _) in enumerate(passage_rows)}
    query_languages = {row[1] for row in query_rows} if empty_pools else set()
    languages = tuple(sorted({row[1] for row in passage_rows} | query_languages))
    code = {language: index for index, language in enumerate(languages)}
    if clusters is None:
        clusters = {row[0]: row[0] for row in query_rows}
    if unanswered:
        relevant = {row[0]: set[str]() for row in query_rows} | relevant
    problems = _problems(query_rows, passage_rows, position, relevant, clusters, unanswered)
    if not empty_pools:
        without_pool = {row[1] for row in query_rows} - {row[1] for row in passage_rows}
        problems += [f"no passages in {', '.join(sorted(without_pool))}"] if without_pool else []
    if problems:
        raise InputError.collect(f"benchmark {name!r} cannot be built", problems)

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
        clusters=[clusters[row[0]] for row in query_rows],
    )


def _problems(
    queries: list[tuple[str, str, str]],
    passages: list[tuple[str, str, str]],
    position: dict[str, int],
    relevant: dict[str, set[str]],
    clusters: Mapping[str, str],
    unanswered: bool,
) -> list[str]:
    problems = []
    if not queries:
        problems.append("there is no query")
    if len(position) < len(passages):
        problems.append(f"{len(passages) - len(position)} passage ids occur more than once")
    if len({row[:2] for row in queries}) < len(queries):
        problems.append("a question occurs twice in one language")
    lacking = {row[0] for row in queries if not relevant.get(row[0])}
    if lacking and not unanswered:
        problems.append(
            f"{len(lacking)} questions have no relevant passage, e.g. {min(lacking)!r}"
        )
    missing = {key for row in queries for key in relevant.get(row[0], ())} - position.keys()
    if missing:
        problems.append(f"{len(missing)} relevant passages are missing, e.g. {min(missing)!r}")
    apart = {row[0] for row in queries} - clusters.keys()
    if apart:
        problems.append(f"{len(apart)} questions have no cluster, e.g. {min(apart)!r}")
    return problems


def _check_clusters(name: str, question_ids: Sequence[str], clusters: Collection[str]) -> None:
    if len(clusters) != len(question_ids):
        raise InputError(
            f"benchmark {name!r}: {len(clusters)} clusters for {len(question_ids)} queries; give "
            "one for each query, or none at all"
        )
    first: dict[str, str] = {}
    for question, cluster in zip(question_ids, clusters, strict=True):
        if first.setdefault(question, cluster) != cluster:
            raise InputError(
                f"benchmark {name!r}: question {question!r} is in the clusters "
                f"{first[question]!r} and {cluster!r}; translations of a question share theirs"
            )
