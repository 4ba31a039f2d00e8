"""Answer F1: words that the first passage of a pool shares with the gold passage.

No publication defines an F1 for retrieval on XQuAD-R, so this one is the project's own: token F1,
as SQuAD defines it, of the first-ranked passage against the gold passage.
In a pool of one language the gold passage is the relevant one there. In the pool of all languages
it is the one in the question's own language; a question without one has no value there.

In the pool of all languages answer F1 ranks encoders backwards, so no headline figure shows it
there. It rewards a first passage in the question's language: a gold passage in another language is
as right, but has other words. Four encoders with mAP .299, .575, .558 and .49 in XQuAD-R's pool
had an answer F1 of .769, .757, .757 and .769.

Words are counted by the rules of two evaluation scripts:

- MLQA (Lewis et al. 2020, arXiv 1910.07475), whose rules go by language: ar, de, en, es, hi, vi,
  and zh, where each character is a word. Other languages with spaces between words follow the same
  rules; that, and the articles of Greek, are the project's own.
  A variant follows its language: en-GB the rules of en, zh-Hant and cmn those of zh.
  Thai, Japanese, Lao, Khmer and Burmese have neither spaces between words nor a published rule,
  nor has any other language but Chinese in a script without spaces between words; so they have no
  answer F1 by these words. Letters as words gave wrong Thai passages an F1 of .55
  (.08 to .23 in other languages). Words of a segmenter would follow its dictionary and version, at
  the price of a dependency for one of XQuAD-R's eleven languages.
- SQuAD v1.1 (Rajpurkar et al. 2016, arXiv 1606.05250), which XQuAD applies to all its languages:
  in Thai and Chinese a word is then all that stands between two spaces.

N passages, T words of all passages, G groups of a query with a pool, R gold passages of all
groups.
"""

import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from hybridir import names
from hybridir.data import Benchmark
from hybridir.languages import base_of, script_of
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
_CHINESE = "zh"
_CHINESE_CHARACTER = re.compile("([\u4e00-\u9fa5])")  # MLQA's range
# Scripts without spaces between words: those of the classes SA, AK and ID of Unicode's line
# breaking (UAX #14) that living languages are written in, and Tibetan, which marks syllables.
_WITHOUT_SPACES = frozenset(
    {"Bali", "Hani", "Hans", "Hant", "Java", "Jpan", "Khmr", "Lana", "Laoo"}
    | {"Mymr", "Tale", "Talu", "Tavt", "Thai", "Tibt", "Yiii"}
)
_SQUAD_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_SQUAD_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}]")


def squad_words(text: str) -> list[str]:
    """Lower case, no ASCII punctuation, no English articles, split at white space.

    >>> squad_words("The Broncos' 24–10 win!")
    ['broncos', '24–10', 'win']
    """
    return _SQUAD_ARTICLES.sub(" ", _SQUAD_PUNCTUATION.sub("", text.lower())).split()


def has_words(language: str) -> bool:
    """Whether `mlqa_words` gives words: in Chinese, and in scripts with spaces between words.

    >>> [has_words(code) for code in ("th", "ja", "zh-TW", "yue", "pl")]
    [False, False, True, False, True]
    """
    return base_of(language) == _CHINESE or script_of(language) not in _WITHOUT_SPACES


def mlqa_words(text: str, language: str) -> list[str]:
    """Lower case, no punctuation of any script, no articles of the language, split at white space.

    In Chinese each character is a word. Where `has_words` is false, what stands between two spaces
    is a phrase rather than a word.

    >>> mlqa_words("Die Stadt «Köln».", "de")
    ['stadt', 'köln']
    """
    text = text.lower().translate(_without_punctuation())
    base = base_of(language)
    if articles := _ARTICLES.get(base):
        text = re.sub(articles, " ", text)
    if base == _CHINESE:
        text = _CHINESE_CHARACTER.sub(r" \1 ", text)
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
        gold_R: NDArray[np.int64],
        offsets: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The best `token_f1` of each group's first passage with its gold passages.

        Args:
            first_G: the first-ranked passage of each group.
            gold_R: gold passages, group after group.
            offsets: [G + 1]; group g has ``gold_R[offsets[g]:offsets[g + 1]]``, which may be
                empty.

        Returns:
            [G] values; NaN for a group without a gold passage.
        """
        best_G = np.full(len(first_G), np.nan)
        _best_f1(self.words_T, self.offsets, first_G, gold_R, offsets, best_G)
        return best_G


def answer_f1(
    benchmark: Benchmark,
    first_G: NDArray[np.int32],
    gold_R: NDArray[np.int64],
    offsets: NDArray[np.int64],
) -> dict[str, NDArray[np.float64]]:
    """The best token F1 of each group's first passage with its gold passages.

    Args:
        benchmark: passages and their languages.
        first_G: the first-ranked passage of each group.
        gold_R: gold passages, group after group.
        offsets: [G + 1]; group g has ``gold_R[offsets[g]:offsets[g + 1]]``, which may be empty.

    Returns:
        Measure -> [G] values, by MLQA's words and by SQuAD's. NaN for a group without a gold
        passage, and by MLQA's words also where the gold passage is in a language without words
        (`has_words`).
    """
    tables, first_G, row_R = words_of(benchmark, first_G, gold_R)
    has_words_L = np.array([has_words(code) for code in benchmark.languages])
    has_words_R = has_words_L[benchmark.passage_languages[gold_R]]
    return {
        names.ANSWER_F1: tables[names.ANSWER_F1].best_f1(
            first_G, *choose_gold(row_R, offsets, has_words_R)
        ),
        names.ANSWER_F1_SQUAD: tables[names.ANSWER_F1_SQUAD].best_f1(first_G, row_R, offsets),
    }


def choose_gold(
    gold_R: NDArray[np.int64], offsets: NDArray[np.int64], chosen_R: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep some of the gold passages of groups.

    Args:
        gold_R: gold passages, group after group.
        offsets: [G + 1] their groups.
        chosen_R: whether a passage stays.

    Returns:
        The passages that stay, and [G + 1] their groups, some of which may be empty.

    >>> chosen = np.array([True, False, False])
    >>> choose_gold(np.array([7, 8, 9]), np.array([0, 2, 3]), chosen)
    (array([7]), array([0, 1, 1]))
    """
    return gold_R[chosen_R], np.append(0, np.cumsum(chosen_R))[offsets]


def words_of(
    benchmark: Benchmark, first_G: NDArray[np.int32], gold_R: NDArray[np.int64]
) -> tuple[dict[str, WordTable], NDArray[np.int32], NDArray[np.int64]]:
    """The words of passages by the rules of each measure of `hybridir.names`.

    Args:
        benchmark: passages and their languages. All passages of a small benchmark are split into
            words once; of a large one only those needed, in each call.
        first_G: passages whose words are needed.
        gold_R: more of them.

    Returns:
        The tables, and both arguments as rows of the tables.
    """
    if len(benchmark.passages) <= _CACHED_PASSAGES:
        return _all_words(benchmark), first_G, gold_R
    needed = np.unique(np.concatenate([first_G, gold_R]))
    return (
        _words(benchmark, needed.tolist()),
        np.searchsorted(needed, first_G).astype(np.int32),
        np.searchsorted(needed, gold_R),
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
    gold_R: NDArray[np.int64],
    offsets: NDArray[np.int64],
    best_G: NDArray[np.float64],
) -> None:
    """Write each group's best F1; the words of two passages are compared as sorted lists."""
    for group in range(len(first_G)):
        start, stop = word_offsets[first_G[group]], word_offsets[first_G[group] + 1]
        for occurrence in range(offsets[group], offsets[group + 1]):
            passage = gold_R[occurrence]
            gold_start, gold_stop = word_offsets[passage], word_offsets[passage + 1]
            left, right, common = start, gold_start, 0
            while left < stop and right < gold_stop:
                difference = words_T[left] - words_T[right]
                if difference == 0:
                    common += 1
                left += difference <= 0
                right += difference >= 0
            f1 = 2 * common / (stop - start + gold_stop - gold_start) if common else 0.0
            if np.isnan(best_G[group]) or f1 > best_G[group]:
                best_G[group] = f1


@cache
def _without_punctuation() -> dict[int, None]:
    """Table for `str.translate` that drops punctuation."""
    return {
        point: None
        for point in range(0x20000)  # planes 0 and 1: the others hold no punctuation
        if unicodedata.category(chr(point)).startswith("P") or chr(point) in string.punctuation
    }
