import math
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark
from hybridir.errors import InputError
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.summary import language_matrix
from hybridir.retrieval.bm25 import bm25_scorer, bm25_words
from hybridir.retrieval.ranks import rank_scores


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Wo liegt Köln?", "wo liegt köln"),
        ("STRASSE Straße", "strasse strasse"),
        ("ｆｕｌｌ ﬁ", "full fi"),  # NFKC
        ("e\u0301te\u0301", "été"),
        ("Ankara'nın 1,5 km²", "ankara nın 1 5 km2"),
        ("क्या हिन्दी?", "क्या हिन्दी"),  # vowel signs and viramas are marks
        ("مَكتبة", "مَكتبة"),
        ("北京大学", "北京 京大 大学"),
        ("在Python中", "在 python 中"),
        ("3年。春", "3 年 春"),
        ("東京タワー", "東京 京タ タワ ワー"),
        ("한국어", "한국 국어"),
        ("กินข้าว", "กิน นข้ ข้า าว"),  # กิ น ข้ า ว: marks stay on their letters
        ("", ""),
        ("?!", ""),
    ],
)
def test_words_follow_the_script(text: str, words: str) -> None:
    assert bm25_words(text) == words.split()


@given(st.text(alphabet="ab ,éß½\u0301北京กิํ้า1한!", max_size=12))
def test_letters_digits_and_marks_are_in_words_and_nothing_else_is(text: str) -> None:
    normalised = unicodedata.normalize("NFKC", text).casefold()
    expected = {letter for letter in normalised if unicodedata.category(letter)[0] in "LMN"}
    assert set("".join(bm25_words(text))) == expected


# Words of three passages; the query's are "a b a d".
DOCUMENTS = ["a b b", "a c", "c c c d e"]


def three_documents(query: str = "a b a d") -> Benchmark:
    return build_benchmark(
        "three",
        queries=[("q", "en", query)],
        passages=[(f"p{n}", "en", text) for n, text in enumerate(DOCUMENTS)],
        relevant={"q": {"p0"}},
    )


def scores_of(benchmark: Benchmark, **constants: float) -> np.ndarray:
    n_queries = len(benchmark.queries)
    scores = np.full((n_queries, len(benchmark.passages)), 9.0, dtype=np.float32)
    bm25_scorer(benchmark, **constants)(np.arange(n_queries), scores)
    return scores


def test_three_documents_score_as_worked_by_hand() -> None:
    # "a" is in two of three passages, "b" and "d" in one; their lengths are 3, 2, 5, mean 10 / 3.
    a = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))  # log 1.6
    once = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))  # log 2.667
    # k1 (1 - b + b length / mean): lengths over the mean are .9, .6 and 1.5.
    norm = [1.5 * (0.25 + 0.75 * ratio) for ratio in (0.9, 0.6, 1.5)]
    expected = [
        2 * a * 1 / (1 + norm[0]) + once * 2 / (2 + norm[0]),  # "a" is twice in the query
        2 * a * 1 / (1 + norm[1]),
        once * 1 / (1 + norm[2]),
    ]
    assert scores_of(three_documents())[0] == pytest.approx(expected, rel=1e-6)


def test_constants_of_the_formula_can_be_chosen() -> None:
    # With b = 0 lengths do not count; with k1 = 0 a repeated word counts once.
    a, once = math.log(1.6), math.log(1 + 2.5 / 1.5)
    flat = [2 * a / (1 + 2) + once * 2 / (2 + 2), 2 * a / (1 + 2), once / (1 + 2)]
    assert scores_of(three_documents(), k1=2.0, b=0.0)[0] == pytest.approx(flat, rel=1e-6)
    binary = [2 * a + once, 2 * a, once]
    assert scores_of(three_documents(), k1=0.0)[0] == pytest.approx(binary, rel=1e-6)


def slow(query: Sequence[str], pool: Sequence[Sequence[str]]) -> list[float]:
    """The formula of the docstring, word by word."""
    mean = sum(map(len, pool)) / len(pool)
    scores = []
    for passage in pool:
        count, total = Counter(passage), 0.0
        for word in query:
            holding = sum(word in text for text in pool)
            weight = math.log(1 + (len(pool) - holding + 0.5) / (holding + 0.5))
            length = 1 - 0.75 + 0.75 * len(passage) / mean
            total += weight * count[word] / (count[word] + 1.5 * length)
        scores.append(total)
    return scores


def multilingual(rng: np.random.Generator) -> Benchmark:
    """Short texts of few words, some of them common to two languages."""
    alphabet = {"de": "a b c d e f", "en": "e f g h i j", "th": "ก ข ค"}
    passages, queries = [], []
    for code, letters in alphabet.items():
        draw = rng.choice(letters.split(), size=(20, 4))
        passages += [
            (f"{code}{n}", code, " ".join(row[: 1 + n % 4])) for n, row in enumerate(draw)
        ]
        queries += [(f"q{n}", code, " ".join(row[:2])) for n, row in enumerate(draw[:8])]
    ids = [key for key, _, _ in passages]
    relevant = {f"q{n}": {str(key) for key in rng.choice(ids, 6)} for n in range(8)}
    return build_benchmark("short", queries, passages, relevant)


@pytest.mark.parametrize("seed", range(3))
def test_every_pool_has_statistics_of_its_own(seed: int) -> None:
    benchmark = multilingual(np.random.default_rng(seed))
    words = [bm25_words(text) for text in benchmark.passages]
    bounds = list(zip(benchmark.pool_offsets[:-1], benchmark.pool_offsets[1:], strict=True))
    expected = [
        [value for low, high in bounds for value in slow(bm25_words(query), words[low:high])]
        for query in benchmark.queries
    ]
    scores = scores_of(benchmark)
    assert scores == pytest.approx(np.array(expected), rel=1e-5)
    german, english = benchmark.query_languages == 0, benchmark.passage_languages == 1
    assert (scores[german][:, english] > 0).any(), "both have the words e and f"


def test_texts_without_words_score_zero() -> None:
    benchmark = build_benchmark(
        "wordless",
        queries=[("q", "de", "?"), ("r", "de", "wort")],
        passages=[("d0", "de", "..."), ("d1", "de", "Wort!"), ("e", "en", "?")],
        relevant={"q": {"d1"}, "r": {"d0"}},
    )
    scores = scores_of(benchmark)
    assert (scores > 0).tolist() == [[False] * 3, [False, True, False]]


@pytest.mark.parametrize("constants", [{"k1": -1.0}, {"b": 1.5}, {"b": math.nan}])
def test_constants_out_of_range_are_refused(constants: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected k1 of 0 or more and b from 0 to 1"):
        bm25_scorer(three_documents(), **constants)


def test_without_the_library_the_message_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)  # as Python marks what cannot be imported
    with pytest.raises(InputError, match=r"needs the package bm25s.*--editable '\.\[bm25\]'"):
        bm25_scorer(three_documents())


@pytest.mark.long
def test_monolingual_retrieval_works_in_every_language_of_xquad_r(data_root: Path) -> None:
    languages = ["de", "en", "hi", "th", "zh"]
    benchmark = load_lareqa_benchmark("xquad-r", data_root / "xquad-r", languages)
    ranks = rank_scores(benchmark, bm25_scorer(benchmark))
    matrix = language_matrix(per_query_table(benchmark, ranks, ()), names.AP)
    monolingual = np.diag(matrix)
    crosslingual = matrix.to_numpy()[~np.eye(len(languages), dtype=np.bool_)]
    assert monolingual.min() > 0.4
    assert crosslingual.max() < monolingual.min()
