"""What the training data and a benchmark have in common: figures on it would not be zero-shot.

Compared are question ids, questions with questions, and passages with passages: by their words
(see `contamination.ngrams`), and by the share of a text's 8-grams of words that occur
anywhere in the training data. A text counts from a share of .7, the rule of Chowdhery et al. 2022
(PaLM, arXiv 2204.02311, section 8); for texts of fewer than 8 words only equality is asked.
Translations of one text are not found unless they share its id.

Where fewer than a tenth of a benchmark's passages are relevant to a question, its pool is a large
collection, such as Wikipedia: these passages alone are compared, since the others answer nothing,
and there may be millions of them. The tenth is the project's own: 2 of 10 passages of MLQA-R are
relevant, 7 of 10 of XQuAD-R.
"""

from collections.abc import Iterable, Sequence
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
# Of the hashes' 64 bits so many choose a place in the table that is asked first.
_PLACES = 22
_EXAMPLES = 3
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Overlap:
    """One way in which a benchmark is in the training data.

    Attributes:
        benchmark: its name.
        what: ``question ids``, ``questions``, ``passages``, or ``relevant passages`` where these
            alone are compared.
        how: ``same id``, ``same words``, or ``8-grams`` for texts of which at least `SHARE` of
            the n-grams are known, those with the same words apart.
        count: of the benchmark's ids or texts that are affected.
        total: all of its ids or texts.
        examples: some of them, shortened.
    """

    benchmark: str
    what: str
    how: str
    count: int
    total: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        shown = "; ".join(map(repr, self.examples))
        return (
            f"{self.benchmark}: {self.count} of {self.total} {self.what} ({self.how}), "
            f"e.g. {shown}"
        )


def find_overlaps(pairs: Pairs, benchmarks: Sequence[Benchmark]) -> tuple[Overlap, ...]:
    """Compare a training table with benchmarks.

    Args:
        pairs: all that is trained and tuned on.
        benchmarks: what is reported on.

    Returns:
        What they have in common, benchmark by benchmark; empty if nothing.
    """
    if not benchmarks:
        return ()
    found = []
    compared = [_compared(benchmark) for benchmark in benchmarks]
    questions = _KnownTexts(pairs.question, [benchmark.queries for benchmark in benchmarks])
    passages = _KnownTexts(pairs.passage, [texts for _, texts in compared])
    ids = set(pairs.question_id)
    for number, benchmark in enumerate(benchmarks):
        own = sorted(set(benchmark.question_ids))
        known = [key for key in own if key in ids]
        found.append(_overlap(benchmark, "question ids", "same id", known, len(own)))
        for (what, texts), known_texts in (
            (("questions", benchmark.queries), questions),
            (compared[number], passages),
        ):
            same_T, share_T = known_texts.of(number)
            for how, chosen_T in (
                ("same words", same_T),
                (f"{WORDS}-grams", ~same_T & (share_T >= SHARE)),
            ):
                known = [texts[text] for text in np.flatnonzero(chosen_T).tolist()]
                found.append(_overlap(benchmark, what, how, known, len(texts)))
    return tuple(overlap for overlap in found if overlap.count)


def _compared(benchmark: Benchmark) -> tuple[str, Sequence[str]]:
    """The passages of a benchmark that are looked for, and what they are called."""
    relevant = np.unique(benchmark.relevant)
    if len(relevant) >= _ALL_COMPARED * len(benchmark.passages):
        return "passages", benchmark.passages
    return "relevant passages", [benchmark.passages[index] for index in relevant.tolist()]


def _overlap(
    benchmark: Benchmark, what: str, how: str, known: Sequence[str], total: int
) -> Overlap:
    examples = tuple(text[:_SHOWN_CHARACTERS] for text in known[:_EXAMPLES])
    return Overlap(benchmark.name, what, how, len(known), total, examples)


class _KnownTexts:
    """Which texts of some benchmarks are in the training data; reads these once."""

    def __init__(self, trained: Iterable[str], benchmarks: Sequence[Sequence[str]]) -> None:
        self._prints: list[Fingerprints] = [fingerprints(texts) for texts in benchmarks]
        nothing = np.empty(0, dtype=np.uint64)
        self._texts = _Marks(np.concatenate([nothing, *(each.texts_T for each in self._prints)]))
        self._grams = _Marks(np.concatenate([nothing, *(each.grams_G for each in self._prints)]))
        for chunk in in_chunks(trained):
            self._texts.mark(chunk.texts_T)
            self._grams.mark(chunk.grams_G)

    def of(self, benchmark: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """[T] whether a text has the words of a trained one, and the share of known n-grams."""
        prints = self._prints[benchmark]
        same_T = self._texts.marked(prints.texts_T) & (prints.texts_T != 0)
        known_T = prints.total(self._grams.marked(prints.grams_G))
        return same_T, known_T / np.maximum(np.diff(prints.offsets), 1)


class _Marks:
    """A set of hashes, each with a mark."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._hashes = np.unique(hashes)
        self._marked = np.zeros(len(self._hashes), dtype=np.bool_)
        # Most of what is trained on is in no benchmark, and one look tells.
        self._there = np.zeros(2**_PLACES, dtype=np.bool_)
        self._there[self._place(self._hashes)] = True

    def mark(self, hashes: NDArray[np.uint64]) -> None:
        """Mark those of the set that are among these."""
        possible = hashes[self._there[self._place(hashes)]]
        if len(possible):
            index = self._index(possible)
            self._marked[index[self._hashes[index] == possible]] = True

    def marked(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Whether each of some hashes of the set is marked."""
        flags: NDArray[np.bool_] = self._marked[self._index(hashes)]
        return flags

    def _index(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)

    @staticmethod
    def _place(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return hashes >> np.uint64(64 - _PLACES)
