"""Answer F1: how many words the first passage of a pool shares with a relevant one.

No publication defines an F1 for retrieval on XQuAD-R, so this one is the project's own: the token
F1 of SQuAD between the first-ranked passage and the relevant passages of the pool, the best of
these. Words are counted by the rules of two evaluation scripts:

- SQuAD v1.1 (Rajpurkar et al. 2016, arXiv 1606.05250), which XQuAD applies to all its languages;
- MLQA (Lewis et al. 2020, arXiv 1910.07475), whose rules go by language. It has none for
  languages other than ar, de, en, es, hi, vi and zh; those here are the project's own.

Notation: N passages, W words of all passages, G groups of a query with a pool, R relevant
occurrences, all groups together.
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

# Passages of a benchmark up to which the words of all are kept: some 100 MB.
_KEPT = 100_000
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
# Every ideograph is a word: MLQA's rule for Chinese, the project's own for Japanese and Thai.
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


def token_f1(found: Sequence[str], expected: Sequence[str]) -> float:
    """Harmonic mean of the shares of common words in either text, repeated words counted.

    Returns:
        F1 in [0, 1]; 0 where no word is common, so also for two texts without words.

    >>> token_f1(["a", "b", "b"], ["b", "c"])
    0.4
    """
    left = list(expected)
    same = 0
    for word in found:
        if word in left:
            left.remove(word)
            same += 1
    return 2 * same / (len(found) + len(expected)) if same else 0.0


@dataclass(frozen=True)
class WordTable:
    """The words of N passages as numbers.

    Attributes:
        words_W: int32, ascending within a passage.
        offsets: [N + 1]; those of passage n are ``words_W[offsets[n]:offsets[n + 1]]``.
    """

    words_W: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def best_f1(
        self,
        found_G: NDArray[np.int32],
        relevant_R: NDArray[np.int64],
        offsets: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The best `token_f1` of a passage with some others.

        Args:
            found_G: a passage for each group.
            relevant_R: those that it is compared with.
            offsets: [G + 1]; those of group g are ``relevant_R[offsets[g]:offsets[g + 1]]``.

        Returns:
            [G] values.
        """
        best_G = np.zeros(len(found_G))
        _best_f1(self.words_W, self.offsets, found_G, relevant_R, offsets, best_G)
        return best_G


def words_of(
    benchmark: Benchmark, found_G: NDArray[np.int32], relevant_R: NDArray[np.int64]
) -> tuple[dict[str, WordTable], NDArray[np.int32], NDArray[np.int64]]:
    """The words of passages by the rules of each measure of `hybridir.names`.

    Args:
        benchmark: with the passages. Those of a small one are split into words once; of a large
            one only those that are asked for, each time.
        found_G: passages whose words are needed.
        relevant_R: the others.

    Returns:
        The tables, and both arguments as numbers of their rows.
    """
    if len(benchmark.passages) <= _KEPT:
        return _all_words(benchmark), found_G, relevant_R
    asked = np.unique(np.concatenate([found_G, relevant_R]))
    return (
        _words(benchmark, asked.tolist()),
        np.searchsorted(asked, found_G).astype(np.int32),
        np.searchsorted(asked, relevant_R),
    )


@lru_cache(maxsize=4)  # a trial evaluates some benchmarks, and the next one the same
def _all_words(benchmark: Benchmark) -> dict[str, WordTable]:
    return _words(benchmark, range(len(benchmark.passages)))


def _words(benchmark: Benchmark, rows: Sequence[int]) -> dict[str, WordTable]:
    texts = [benchmark.passages[row] for row in rows]
    languages = (benchmark.languages[benchmark.passage_languages[row]] for row in rows)
    both = zip(texts, languages, strict=True)
    return {
        names.ANSWER_F1: word_table(mlqa_words(text, language) for text, language in both),
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
    words_W: NDArray[np.int32],
    word_offsets: NDArray[np.int64],
    found_G: NDArray[np.int32],
    relevant_R: NDArray[np.int64],
    offsets: NDArray[np.int64],
    best_G: NDArray[np.float64],
) -> None:
    for group in range(len(found_G)):
        start, stop = word_offsets[found_G[group]], word_offsets[found_G[group] + 1]
        for occurrence in range(offsets[group], offsets[group + 1]):
            passage = relevant_R[occurrence]
            first, last = word_offsets[passage], word_offsets[passage + 1]
            here, there, same = start, first, 0
            while here < stop and there < last:
                difference = words_W[here] - words_W[there]
                if difference == 0:
                    same += 1
                here += difference <= 0
                there += difference >= 0
            if same:
                f1 = 2 * same / (stop - start + last - first)
                best_G[group] = max(best_G[group], f1)


@cache
def _without_punctuation() -> dict[int, None]:
    """What `str.translate` drops."""
    return {
        point: None
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)).startswith("P") or chr(point) in string.punctuation
    }
