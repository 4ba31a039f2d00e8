"""Answer F1: overlap of words between the first passage of a pool and a relevant one.

No publication defines an F1 for retrieval on XQuAD-R, so this one is the project's own: the best
token F1, as SQuAD defines it, between the first-ranked passage and a relevant passage of the pool.
Words are counted by the rules of two evaluation scripts:

- SQuAD v1.1 (Rajpurkar et al. 2016, arXiv 1606.05250), which XQuAD applies to all its languages;
- MLQA (Lewis et al. 2020, arXiv 1910.07475), whose rules go by language. It has none for
  languages other than ar, de, en, es, hi, vi and zh; those here are the project's own.

N passages, T words of all passages, G groups of a query with a pool, R relevant occurrences of all
groups.
"""

import re
import string
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from hybridir import names
from hybridir.data import Benchmark
from hybridir.runtime.jit import compiled

# Word tables of benchmarks with at most this many passages stay in memory: some 100 MB.
_CACHED_PASSAGES = 100_000
_ARTICLES = {
    # MLQA's lists, https://github.com/facebookresearch/MLQA (mlqa_evaluation_v1.py).
    "en": r"\b(?:a|an|the)\b",
    "es": r"\b(?:un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(?:của|là|cái|chiếc|những)\b",
    "de": r"\b(?:ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": r"\sال^|ال",
    # The project's own.
    "el": r"\b(?:ο|η|το|οι|τα|του|της|των|τον|την|τους|τις|ένας|μία|μια|ένα)\b",
}
# Each character of these is a word: MLQA's rule for Chinese, the project's own for others.
_UNSPACED = {"zh": "\u4e00-\u9fa5", "ja": "\u3040-\u30ff\u4e00-\u9fa5", "th": "\u0e00-\u0e7f"}
_SQUAD_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SQUAD_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def squad_words(text: str) -> list[str]:
    """Lower case, no ASCII punctuation, no English articles, split at white space.

    >>> squad_words("The Broncos' 24–10 win!")
    ['broncos', '24–10', 'win']
    """
    return _SQUAD_ARTICLES.sub(" ", _SQUAD_PUNCTUATION.sub("", text.lower())).split()


def mlqa_words(text: str, language: str) -> list[str]:
    """Lower case, no punctuation of any script, no articles of the language, split at white space.

    In Chinese, Japanese and Thai each character of the script is a word.

    >>> mlqa_words("Die Stadt «Köln».", "de")
    ['stadt', 'köln']
    """
    text = text.lower().translate(_without_punctuation())
    if articles := _ARTICLES.get(language):
        text = re.sub(articles, " ", text)
    if characters := _UNSPACED.get(language):
        text = re.sub(f"([{characters}])", r" \1 ", text)
    return text.split()


def token_f1(candidate: Sequence[str], reference: Sequence[str]) -> float:
    """Harmonic mean of the shares of common words in two texts; repeated words count repeatedly.

    Returns:
        F1 in [0, 1]; 0 where no word is common, and so for two texts without words.

    >>> token_f1(["a", "b", "b"], ["b", "c"])
    0.4
    """
    unmatched = list(reference)
    common = 0
    for word in candidate:
        if word in unmatched:
            unmatched.remove(word)
            common += 1
    return 2 * common / (len(candidate) + len(reference)) if common else 0.0


@dataclass(frozen=True)
class WordTable:
    """The words of N passages as numbers.

    Attributes:
        words_T: int32, ascending within a passage.
        offsets: [N + 1]; the words of passage n are ``words_T[offsets[n]:offsets[n + 1]]``.
    """

    words_T: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def best_f1(
        self,
        first_G: NDArray[np.int32],
        relevant_R: NDArray[np.int64],
        offsets: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The best `token_f1` of each group's first passage with its relevant passages.

        Args:
            first_G: the first-ranked passage of each group.
            relevant_R: relevant passages, group after group.
            offsets: [G + 1]; group g has ``relevant_R[offsets[g]:offsets[g + 1]]``.

        Returns:
            [G] values.
        """
        best_G = np.zeros(len(first_G))
        _best_f1(self.words_T, self.offsets, first_G, relevant_R, offsets, best_G)
        return best_G


def words_of(
    benchmark: Benchmark, first_G: NDArray[np.int32], relevant_R: NDArray[np.int64]
) -> tuple[dict[str, WordTable], NDArray[np.int32], NDArray[np.int64]]:
    """The words of passages by the rules of each measure of `hybridir.names`.

    Args:
        benchmark: passages and their languages. All passages of a small benchmark are split into
            words once; of a large one only those needed, in each call.
        first_G: passages whose words are needed.
        relevant_R: more of them.

    Returns:
        The tables, and both arguments as rows of the tables.
    """
    if len(benchmark.passages) <= _CACHED_PASSAGES:
        return _all_words(benchmark), first_G, relevant_R
    needed = np.unique(np.concatenate([first_G, relevant_R]))
    return (
        _words(benchmark, needed.tolist()),
        np.searchsorted(needed, first_G).astype(np.int32),
        np.searchsorted(needed, relevant_R),
    )


@lru_cache(maxsize=4)  # a trial evaluates a few benchmarks, and the next trial the same
def _all_words(benchmark: Benchmark) -> dict[str, WordTable]:
    return _words(benchmark, range(len(benchmark.passages)))


def _words(benchmark: Benchmark, rows: Sequence[int]) -> dict[str, WordTable]:
    texts = [benchmark.passages[row] for row in rows]
    languages = (benchmark.languages[benchmark.passage_languages[row]] for row in rows)
    pairs = zip(texts, languages, strict=True)
    return {
        names.ANSWER_F1: word_table(mlqa_words(text, language) for text, language in pairs),
        names.ANSWER_F1_SQUAD: word_table(map(squad_words, texts)),
    }


def word_table(texts: Iterable[list[str]]) -> WordTable:
    """Number the words of texts."""
    numbers: dict[str, int] = {}
    rows = [
        np.sort(np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int32))
        for words in texts
    ]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return WordTable(np.concatenate([np.empty(0, np.int32), *rows]), offsets)


@compiled
def _best_f1(
    words_T: NDArray[np.int32],
    word_offsets: NDArray[np.int64],
    first_G: NDArray[np.int32],
    relevant_R: NDArray[np.int64],
    offsets: NDArray[np.int64],
    best_G: NDArray[np.float64],
) -> None:
    """Write each group's best F1; the words of two passages are compared as sorted lists."""
    for group in range(len(first_G)):
        start, stop = word_offsets[first_G[group]], word_offsets[first_G[group] + 1]
        for occurrence in range(offsets[group], offsets[group + 1]):
            passage = relevant_R[occurrence]
            relevant_start, relevant_stop = word_offsets[passage], word_offsets[passage + 1]
            left, right, common = start, relevant_start, 0
            while left < stop and right < relevant_stop:
                difference = words_T[left] - words_T[right]
                if difference == 0:
                    common += 1
                left += difference <= 0
                right += difference >= 0
            if common:
                f1 = 2 * common / (stop - start + relevant_stop - relevant_start)
                best_G[group] = max(best_G[group], f1)


@cache
def _without_punctuation() -> dict[int, None]:
    """Table for `str.translate` that drops punctuation."""
    return {
        point: None
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)).startswith("P") or chr(point) in string.punctuation
    }
