"""Texts as hashes of their words, so that a million of them can be compared in seconds.

Shapes: M texts, Y characters, Z n-grams of all texts.

Texts that differ in case, punctuation, spaces or Unicode form are the same text here: each is
brought to NFKC, case-folded, and cut into words of letters, marks and digits. Characters of
scripts that are written without spaces are words of their own.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybridir.runtime.jit import compiled

# Words of an n-gram.
WORDS = 8

# Texts hashed at once: few enough to bound memory.
_CHUNK = 10_000
# Separates texts; one inside a text becomes a space.
_END: Final = "\0"

_BETWEEN_WORDS, _IN_WORD, _WORD, _TEXT_END = range(4)
# First and last code points of scripts that put no spaces between words: Thai, Lao, Myanmar,
# Khmer, kana, ideographs of the first three planes. https://www.unicode.org/Public/UNIDATA/Blocks.txt
UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


@dataclass(frozen=True)
class Fingerprints:
    """Hashes of M texts; equal ones belong to equal words, but for one chance in 2^64.

    Attributes:
        texts_M: uint64 hash of all words of a text; 0 for a text without words.
        grams_Z: uint64 hashes of the n-grams of `WORDS` words, text after text.
        offsets: [M + 1]; text m has ``grams_Z[offsets[m]:offsets[m + 1]]``, none if it has fewer
            words.
    """

    texts_M: NDArray[np.uint64]
    grams_Z: NDArray[np.uint64]
    offsets: NDArray[np.int64]

    def total(self, flags_Z: NDArray[np.bool_]) -> NDArray[np.int64]:
        """[M] number of flagged n-grams of each text."""
        totals = np.concatenate([[0], np.cumsum(flags_Z, dtype=np.int64)])
        return np.diff(totals[self.offsets])


def fingerprints(texts: Iterable[str]) -> Fingerprints:
    """Hash some texts at once."""
    words = _END.join([text.replace(_END, " ") for text in texts]) + _END
    words = unicodedata.normalize("NFKC", words).casefold()
    points_Y = np.frombuffer(words.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    count = int((points_Y == ord(_END)).sum())
    texts_M = np.zeros(count, dtype=np.uint64)
    grams = np.empty(len(points_Y), dtype=np.uint64)  # no text has more n-grams than characters
    offsets = np.zeros(count + 1, dtype=np.int64)
    _hash(points_Y, _kinds(), texts_M, grams, offsets)
    return Fingerprints(texts_M, grams[: offsets[-1]].copy(), offsets)


def in_chunks(texts: Iterable[str]) -> Iterator[Fingerprints]:
    """Hash any number of texts, some at a time."""
    remaining = iter(texts)
    while chunk := list(islice(remaining, _CHUNK)):
        yield fingerprints(chunk)


@cache
def _kinds() -> NDArray[np.uint8]:
    """Kind of each code point: a word of its own, a letter of a word, or neither."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    for point in range(0x40000):  # the planes behind hold no letters
        if unicodedata.category(chr(point))[0] in "LMN":
            kinds[point] = _IN_WORD
    for first, last in UNSPACED:
        for point in range(first, last + 1):
            if unicodedata.category(chr(point))[0] in "LN":  # a mark belongs to its letter
                kinds[point] = _WORD
    kinds[ord(_END)] = _TEXT_END
    return kinds


@compiled
def _hash(
    points_Y: NDArray[np.uint32],
    kinds: NDArray[np.uint8],
    texts_M: NDArray[np.uint64],
    grams_Y: NDArray[np.uint64],
    offsets: NDArray[np.int64],
) -> None:
    """Fill the last three arguments, see `Fingerprints`.

    A word is hashed by FNV-1a over its code points with the finaliser of MurmurHash3, and words
    are combined by a polynomial; both are in the public domain
    (http://www.isthe.com/chongo/tech/comp/fnv/, https://github.com/aappleby/smhasher).
    """
    start, prime = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
    base = np.uint64(0x9E3779B97F4A7C15)
    recent = np.zeros(WORDS, dtype=np.uint64)
    text, grams, n_words = 0, 0, 0
    word, all_words = start, np.uint64(0)
    for point in points_Y:
        kind = kinds[point]
        if kind != _IN_WORD and word != start:  # a word ends here
            word ^= word >> np.uint64(33)
            word *= np.uint64(0xFF51AFD7ED558CCD)
            word ^= word >> np.uint64(33)
            all_words = (all_words + word) * base
            recent[n_words % WORDS] = word
            n_words += 1
            if n_words >= WORDS:
                gram = np.uint64(0)
                for back in range(WORDS):
                    gram = (gram + recent[(n_words + back) % WORDS]) * base
                grams_Y[grams] = gram
                grams += 1
            word = start
        if kind == _IN_WORD or kind == _WORD:
            word = (word ^ np.uint64(point)) * prime
        if kind == _TEXT_END:
            texts_M[text] = all_words
            text += 1
            offsets[text] = grams
            all_words, n_words = np.uint64(0), 0
