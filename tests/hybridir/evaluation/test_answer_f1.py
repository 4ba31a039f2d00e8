import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir import names
from hybridir.data.benchmark import build_benchmark
from hybridir.evaluation import answer_f1
from hybridir.evaluation.answer_f1 import mlqa_words, squad_words, token_f1, word_table, words_of

WORDS = st.lists(st.sampled_from("abcde"), max_size=8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The  Broncos' win, a/b!", "broncos win ab"),
        ("An apple and the pear", "apple and pear"),
        ("theatre", "theatre"),
        ("24–10 «quoted»", "24–10 «quoted»"),  # no ASCII punctuation
        ("L'an 2000", "lan 2000"),
    ],
)
def test_squad_counts_words_by_its_rules(text: str, words: str) -> None:
    assert squad_words(text) == words.split()


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "The 24–10 «win», a game", "2410 win game"),
        ("de", "Der Hund und die Katze eines Mannes", "hund und katze mannes"),
        ("es", "¿Las casas de la ciudad?", "casas de ciudad"),
        ("vi", "của nhà những người", "nhà người"),
        ("ar", "الكتاب الجديد", "كتاب جديد"),
        ("hi", "यह एक घर है।", "यह एक घर है"),
        ("zh", "北京大学, 1898年", "北 京 大 学 1898 年"),
        ("zh", "使用Python语言", "使 用 python 语 言"),
        # A variant has the rules of its language, whatever its spelling.
        ("en-GB", "The 24–10 «win», a game", "2410 win game"),
        ("deu", "Der Hund und die Katze eines Mannes", "hund und katze mannes"),
        ("arb_Arab", "الكتاب الجديد", "كتاب جديد"),
        ("cmn-Hant", "北京大學, 1898年", "北 京 大 學 1898 年"),
        # The project's own rules.
        ("el", "Η πόλη της Αθήνας", "πόλη αθήνας"),
        ("ru", "Столица — Москва!", "столица москва"),
        ("tr", "Ankara'nın nüfusu", "ankaranın nüfusu"),
        ("th", "เมืองไทย 24", "เมืองไทย 24"),  # phrases: Thai has no answer F1
        ("fi", "Helsinki, the city", "helsinki the city"),
    ],
)
def test_mlqa_counts_words_by_the_rules_of_the_language(
    language: str, text: str, words: str
) -> None:
    assert mlqa_words(text, language) == words.split()


@given(WORDS, WORDS)
def test_f1_is_that_of_precision_and_recall_of_bags(
    candidate: list[str], reference: list[str]
) -> None:
    common = (Counter(candidate) & Counter(reference)).total()
    f1 = 0.0
    if common:
        precision, recall = common / len(candidate), common / len(reference)
        f1 = 2 * precision * recall / (precision + recall)
    assert token_f1(candidate, reference) == pytest.approx(f1)


@given(st.lists(WORDS, min_size=1, max_size=5), st.data())
def test_the_table_finds_the_best_of_several(texts: list[list[str]], data: st.DataObject) -> None:
    passage = st.integers(0, len(texts) - 1)
    groups = data.draw(st.lists(st.tuples(passage, st.lists(passage, max_size=4)), max_size=5))
    best = word_table(texts).best_f1(
        np.array([first for first, _ in groups], dtype=np.int32),
        np.array([passage for _, relevant in groups for passage in relevant], dtype=np.int64),
        np.cumsum([0, *(len(relevant) for _, relevant in groups)]),
    )
    expected = [
        max((token_f1(texts[first], texts[passage]) for passage in relevant), default=math.nan)
        for first, relevant in groups
    ]
    assert best.tolist() == pytest.approx(expected, nan_ok=True)


def test_of_a_large_benchmark_only_needed_passages_are_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passages = [("a", "de", "Der Hund"), ("b", "en", "the dog"), ("c", "en", "a cat, the dog")]
    benchmark = build_benchmark("b", [("q", "en", "?")], passages, {"q": {"c"}})
    first, relevant, offsets = np.array([1], np.int32), np.array([2]), np.array([0, 1])

    def f1() -> tuple[int, dict[str, list[float]]]:
        tables, first_G, relevant_R = words_of(benchmark, first, relevant)
        values = {
            name: table.best_f1(first_G, relevant_R, offsets).tolist()
            for name, table in tables.items()
        }
        return len(tables[names.ANSWER_F1].offsets) - 1, values

    n_all, of_small = f1()
    monkeypatch.setattr(answer_f1, "_CACHED_PASSAGES", 2)
    n_needed, of_large = f1()
    assert (n_all, n_needed) == (3, 2)
    # "dog" of one and "cat dog" of two words: 2 * 1 / (1 + 2)
    assert of_large == of_small == {names.ANSWER_F1: [2 / 3], names.ANSWER_F1_SQUAD: [2 / 3]}
