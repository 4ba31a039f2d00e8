"""Random texts as long as those of XQuAD-R, in eleven languages of its scripts' widths.

What is reproduced was measured on its questions and answers with a WordPiece vocabulary
of 30,000 trained on them: how many tokens a text has, and how many characters a token. The second
is why sorting by characters, as a library without the tokens at hand does it, is no sorting by
tokens: a Chinese text has three times as many of them as an English one of its width.
"""

import re

import numpy as np
from numpy.typing import NDArray

LONGEST = 256

# Tokens, special ones included, at each share of the questions and of the sentences that answer
# them; these are cut at LONGEST. Their means are 18 and 55.
_SHARES = [0, 0.01, 0.02, 0.05, *np.arange(1, 10) / 10, 0.95, 0.98, 0.99, 0.995, 1]
_QUESTION = [3, 8, 8, 10, 11, 13, 14, 15, 17, 18, 20, 22, 25, 28, 33, 36, 39, 86]
_ANSWER = [4, 13, 16, 21, 25, 32, 38, 44, 49, 55, 62, 71, 88, 110, 145, 170, 199, LONGEST]
# Characters for each token, the space before it included; that of Chinese has none.
_WIDTHS = {
    "ar": 2.99,
    "de": 3.9,
    "el": 3.53,
    "en": 3.88,
    "es": 3.77,
    "hi": 3.3,
    "ru": 3.46,
    "th": 3.78,
    "tr": 3.78,
    "vi": 3.64,
    "zh": 1.0,
}
_WORDS = 30_000
_LETTERS = 64  # of each language, its own
_FIRST_LETTER = 0xAC00  # Hangul, which has letters enough
_FIRST_CHARACTER = 0x4E00  # Chinese
_TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")


def vocabulary() -> list[list[str]]:
    """Words of each language, equally many."""
    size = _WORDS // len(_WIDTHS)
    return [
        [chr(_FIRST_CHARACTER + n) for n in range(size)]
        if language == "zh"
        else _words(number, size, width - 1)
        for number, (language, width) in enumerate(_WIDTHS.items())
    ]


def _words(language: int, size: int, width: float) -> list[str]:
    """Words of two and of three letters, as many of each as the mean width asks for."""
    first = _FIRST_LETTER + _LETTERS * language
    short = round(size * (3 - width))
    letters = [2] * min(short, size) + [3] * (size - short)
    return [
        "".join(chr(first + n // _LETTERS**place % _LETTERS) for place in range(count))
        for n, count in enumerate(letters)
    ]


def draw_texts(pairs: int, seed: int) -> tuple[str, ...]:
    """Questions and, behind them, as many passages; those of a pair are of one language."""
    rng = np.random.default_rng(seed)
    spelled = vocabulary()
    languages = rng.integers(len(spelled), size=pairs)
    lengths = np.concatenate(
        [
            np.interp(rng.random(pairs), _SHARES, quantiles).round().astype(np.int64)
            for quantiles in (_QUESTION, _ANSWER)
        ]
    )
    texts = []
    for language, length in zip(np.tile(languages, 2), lengths - 2, strict=True):
        words = spelled[language]
        space = "" if len(words[0]) == 1 else " "
        texts.append(space.join(words[n] for n in rng.integers(len(words), size=length)))
    return tuple(texts)


def lengths_of(texts: tuple[str, ...]) -> NDArray[np.int64]:
    """Tokens of each text, special ones included."""
    return np.array([len(_TOKEN.findall(text)) + 2 for text in texts], dtype=np.int64)
