"""Overlap of the training data with a benchmark, whose figures would not be zero-shot.

Question ids, questions and passages are compared: texts by their words (see
`hybridir.data.contamination.ngrams`), and by the share of a text's 8-grams of words that occur
anywhere in the training data. A text counts from a share of .7, the rule of Chowdhery et al. 2022
(PaLM, arXiv 2204.02311, section 8); texts of fewer than 8 words count only if they are equal.
Translations of a text are not found unless they share its id. Passages that are in the pool of
the development set, but answer nothing that is trained or tuned on, count by their 8-grams alone:
MLQA-R and XQuAD-R share the sentence "[citation needed]", which tells nothing about either.

Shapes: M texts of a benchmark.

Ids that a user chose, such as the numbers of rows, are in many files by chance. Equal ones count
there unless all of them that have a question in a common language ask something else: the two
questions have less than .3 of their runs of three characters in common, which is the project's own
rule. Translations by two hands have more.

If fewer than a tenth of a benchmark's passages are relevant to a question, its pool is a large
collection, such as Wikipedia. Then the relevant passages alone are compared, since the others
answer nothing, and there may be millions of them. The tenth is the project's own: 2 of 10 passages
of MLQA-R are relevant, 7 of 10 of XQuAD-R.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridir.data.benchmark import Benchmark
from hybridir.data.contamination.ngrams import WORDS, Fingerprints, fingerprints, in_chunks
from hybridir.data.pairs import Pairs

# Share of a text's n-grams from which it counts as known.
SHARE = 0.7
# Share of relevant passages below which these alone are compared.
_ALL_COMPARED = 0.1
# Leading bits of a hash that index the table of the first look.
_PREFIX_BITS = 22
# Share of common runs of characters from which two questions may be one.
_ALIKE = 0.3
_RUN = 3
_EXAMPLES = 3
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Overlap:
    """One way in which a benchmark is in the training data.

    Attributes:
        benchmark: its name.
        kind: ``question ids``, ``questions``, ``passages``, or ``relevant passages`` if only these
            are compared.
        match: ``same id``, ``same words``, or ``8-grams`` for texts of which at least `SHARE` of
            the n-grams are in the training data, without those with the same words.
        count: number of the benchmark's ids or texts in the training data.
        total: number of all its ids or texts.
        examples: some of the ids or texts, shortened.
    """

    benchmark: str
    kind: str
    match: str
    count: int
    total: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = "; ".join(map(repr, self.examples))
        return (
            f"{self.benchmark}: {self.count} of {self.total} {self.kind} ({self.match}), "
            f"e.g. {shown}"
        )


def find_overlaps(
    pairs: Pairs,
    benchmarks: Sequence[Benchmark],
    pool: Iterable[str] = (),
    chosen_ids: Collection[str] = (),
) -> tuple[Overlap, ...]:
    """Compare a training table with benchmarks.

    Args:
        pairs: the data for training and tuning.
        benchmarks: the reported benchmarks.
        pool: passages that tuning retrieves from.
        chosen_ids: names of the benchmarks whose ids a user chose.

    Returns:
        Overlaps of one id or text or more, benchmark by benchmark.
    """
    if not benchmarks:
        return ()
    overlaps = []
    compared = [_compared_passages(benchmark) for benchmark in benchmarks]
    questions = _TrainedTexts(pairs.question, [benchmark.queries for benchmark in benchmarks])
    passages = _TrainedTexts(pairs.passage, [texts for _, texts in compared], pool)
    trained_ids = set(pairs.question_id)
    for number, benchmark in enumerate(benchmarks):
        ids = sorted(set(benchmark.question_ids))
        shared = [key for key in ids if key in trained_ids]
        if benchmark.name in chosen_ids and _are_by_chance(shared, pairs, benchmark):
            shared = []
        overlaps.append(_overlap(benchmark, "question ids", "same id", shared, len(ids)))
        for (kind, texts), trained_texts in (
            (("questions", benchmark.queries), questions),
            (compared[number], passages),
        ):
            same_M, share_M = trained_texts.of(number)
            for match, chosen_M in (
                ("same words", same_M),
                (f"{WORDS}-grams", ~same_M & (share_M >= SHARE)),
            ):
                shared = [texts[text] for text in np.flatnonzero(chosen_M).tolist()]
                overlaps.append(_overlap(benchmark, kind, match, shared, len(texts)))
    return tuple(overlap for overlap in overlaps if overlap.count)


def _are_by_chance(ids: Sequence[str], pairs: Pairs, benchmark: Benchmark) -> bool:
    """Whether ids name other questions in the training data than in a benchmark."""
    shared = set(ids)
    trained = {
        (key, code): text
        for key, code, text in zip(pairs.question_id, pairs.language, pairs.question, strict=True)
        if key in shared
    }
    codes = (benchmark.languages[number] for number in benchmark.query_languages)
    asked = zip(benchmark.question_ids, codes, benchmark.queries, strict=True)
    compared = [(text, trained[key, code]) for key, code, text in asked if (key, code) in trained]
    return bool(compared) and not any(_are_alike(*texts) for texts in compared)


def _are_alike(first: str, second: str) -> bool:
    runs = [
        {text[at : at + _RUN] for at in range(max(1, len(text) - _RUN + 1))}
        for text in (first.casefold(), second.casefold())
    ]
    return len(runs[0] & runs[1]) >= _ALIKE * len(runs[0] | runs[1])


def _compared_passages(benchmark: Benchmark) -> tuple[str, Sequence[str]]:
    """The kind of passages of a benchmark that are compared, and their texts."""
    relevant = np.unique(benchmark.relevant)
    if len(relevant) >= _ALL_COMPARED * len(benchmark.passages):
        return "passages", benchmark.passages
    return "relevant passages", [benchmark.passages[index] for index in relevant.tolist()]


def _overlap(
    benchmark: Benchmark, kind: str, match: str, shared: Sequence[str], total: int
) -> Overlap:
    examples = tuple(text[:_SHOWN_CHARACTERS] for text in shared[:_EXAMPLES])
    return Overlap(benchmark.name, kind, match, len(shared), total, examples)


class _TrainedTexts:
    """The texts of some benchmarks that are in the training data, which are read once."""

    def __init__(
        self,
        trained: Iterable[str],
        benchmarks: Sequence[Sequence[str]],
        pool: Iterable[str] = (),
    ) -> None:
        self._prints: list[Fingerprints] = [fingerprints(texts) for texts in benchmarks]
        self._texts = _MarkedHashes([prints.texts_M for prints in self._prints])
        self._grams = _MarkedHashes([prints.grams_Z for prints in self._prints])
        for chunk in in_chunks(trained):
            self._texts.mark(chunk.texts_M)
            self._grams.mark(chunk.grams_Z)
        for chunk in in_chunks(pool):
            self._grams.mark(chunk.grams_Z)

    def of(self, benchmark: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """[M] whether a text has the words of a trained one, and its share of trained n-grams."""
        prints = self._prints[benchmark]
        same_M = self._texts.marked(prints.texts_M) & (prints.texts_M != 0)
        trained_M = prints.total(self._grams.marked(prints.grams_Z))
        return same_M, trained_M / np.maximum(np.diff(prints.offsets), 1)


class _MarkedHashes:
    """A set of hashes, each with a mark."""

    def __init__(self, hashes: Sequence[NDArray[np.uint64]]) -> None:
        self._hashes = np.unique(np.concatenate(hashes))
        self._marked = np.zeros(len(self._hashes), dtype=np.bool_)
        # Most trained texts are in no benchmark, and one look at a prefix tells.
        self._has_prefix = np.zeros(2**_PREFIX_BITS, dtype=np.bool_)
        self._has_prefix[self._prefix(self._hashes)] = True

    def mark(self, hashes: NDArray[np.uint64]) -> None:
        """Mark the members of the set that are among some hashes."""
        possible = hashes[self._has_prefix[self._prefix(hashes)]]
        if len(possible):
            index = self._index(possible)
            self._marked[index[self._hashes[index] == possible]] = True

    def marked(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether hashes, which must be in the set, are marked."""
        flags: NDArray[np.bool_] = self._marked[self._index(hashes)]
        return flags

    def _index(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)

    @staticmethod
    def _prefix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return hashes >> np.uint64(64 - _PREFIX_BITS)
