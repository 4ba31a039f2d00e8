"""BM25: the lexical baseline that every dense retriever is compared with.

B queries of a block, N passages.

Each language's pool has an index and word statistics of its own.
A query is scored in all pools: its words seldom occur in another language, which is the weakness
that the baseline shows beside a multilingual encoder.
In the pool of all languages the scores of all indexes are compared as they are.
"""

import logging
import re
import unicodedata
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.data.contamination.ngrams import UNSPACED
from hybridir.errors import InputError
from hybridir.retrieval.ranks import Scorer

# Written with spaces, but its words grow by endings; Lucene makes bigrams of it, too.
_HANGUL = (0xAC00, 0xD7A3)


def bm25_words(text: str) -> list[str]:
    """Cut a text into the words that BM25 counts, by the same rules in all languages.

    Texts are brought to NFKC and case-folded; words are runs of letters, digits and their marks.
    There is no stemming and no list of stop words.
    Runs of scripts without spaces between words, and of Korean, become overlapping bigrams: these
    need no dictionary (Chinese, Japanese and Thai would need one each), and match names that no
    dictionary lists. A character is taken with its marks; a single character is a word.

    Source: bigrams of Han, kana and Hangul are those of Lucene's CJKBigramFilter,
    https://lucene.apache.org/core/8_1_0/analyzers-common/org/apache/lucene/analysis/cjk/package-summary.html.
    That Thai, Lao, Khmer and Burmese are treated alike is the project's own.

    >>> bm25_words("The Broncos' 24–10 WIN")
    ['the', 'broncos', '24', '10', 'win']
    >>> bm25_words("北京大学 1898年")
    ['北京', '京大', '大学', '1898', '年']
    """
    unit, word = _patterns()
    words = []
    for run in word.finditer(unicodedata.normalize("NFKC", text).casefold()):
        if run["spaced"]:
            words.append(run["spaced"])
        else:
            units = unit.findall(run["unspaced"])
            words += [first + second for first, second in pairwise(units)] or units
    return words


def bm25_scorer(benchmark: Benchmark, k1: float = 1.5, b: float = 0.75) -> Scorer:
    """Score a benchmark's queries against its passages, each pool by its own statistics.

    A passage's score is the sum over the words of the query, repeated ones repeatedly, of
    ``log(1 + (N - n + 0.5) / (n + 0.5)) * f / (f + k1 * (1 - b + b * length / mean length))``,
    where n of the pool's N passages hold the word, this one f times; length is in words.

    Args:
        benchmark: queries and passages.
        k1: how slowly repeated words stop to count. 1.5 is bm25s' default.
        b: how much the length of a passage counts, from 0 to 1. 0.75 is bm25s' default.

    Returns:
        A scorer for `hybridir.retrieval.rank_scores` or `hybridir.evaluate`.
        Passages that share no word with a query tie at 0.

    Raises:
        InputError: if k1 or b is out of range, or bm25s is not installed.

    Source: Robertson and Zaragoza 2009, doi 10.1561/1500000019, in Lucene's variant as bm25s
    computes it (Lù 2024, arXiv 2407.03618).
    """
    if not (k1 >= 0 and 0 <= b <= 1):
        raise InputError(f"k1={k1}, b={b}: expected k1 of 0 or more and b from 0 to 1")
    library = _library()
    queries = [bm25_words(text) for text in benchmark.queries]
    pools: list[tuple[slice, Any]] = []
    for start, stop in pairwise(benchmark.pool_offsets.tolist()):
        words = [bm25_words(text) for text in benchmark.passages[start:stop]]
        if any(words):
            index = library.BM25(k1=k1, b=b, method="lucene", dtype="float32")
            index.index(words, show_progress=False)
            pools.append((slice(start, stop), index))

    def score(queries_B: NDArray[np.int64], scores_BN: NDArray[np.float32]) -> None:
        scores_BN[:] = 0
        for row, query in enumerate(queries_B):
            for pool, index in pools:
                if word_ids := index.get_tokens_ids(queries[query]):
                    scores_BN[row, pool] = index.get_scores_from_ids(word_ids)

    return score


def check_installed() -> None:
    """Check early that BM25 can be computed.

    Raises:
        InputError: if bm25s is not installed.
    """
    _library()


def _library() -> Any:
    try:
        import bm25s  # an extra of its own, which only this baseline needs
    except ImportError:
        raise InputError(
            "BM25 needs the package bm25s, which is not installed; in the checkout: "
            "python -m pip install --constraint requirements.lock --editable '.[bm25]'"
        ) from None
    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG
    return bm25s


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns: a character of an unspaced script with its marks; a word or a run of such."""
    unspaced = {point for low, high in (*UNSPACED, _HANGUL) for point in range(low, high + 1)}
    points: dict[str, list[int]] = {"mark": [], "unspaced": [], "spaced": []}
    for point in range(0x40000):  # the planes behind have no letters
        match unicodedata.category(chr(point))[0]:
            case "M":
                points["mark"].append(point)
            case "L" | "N":
                points["unspaced" if point in unspaced else "spaced"].append(point)
    marks, letters, spaced = (_ranges(code_points) for code_points in points.values())
    unit = f"[{letters}][{marks}]*"
    words = f"(?P<unspaced>(?:{unit})+)|(?P<spaced>[{spaced}{marks}]+)"
    return re.compile(unit), re.compile(words)


def _ranges(points: list[int]) -> str:
    """Write ascending code points as the inside of a character class."""
    starts = [p for p, before in zip(points, [-2, *points], strict=False) if p != before + 1]
    ends = [p for p, after in zip(points, [*points[1:], -2], strict=True) if p != after - 1]
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in zip(starts, ends, strict=True))
