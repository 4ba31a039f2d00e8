import re
import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.contamination.ngrams import WORDS, fingerprints, in_chunks

LETTERS = st.text(st.sampled_from("abcdeÀéßñжλ0123456789'.,-!? \n\t"), max_size=120)


def words_of(text: str) -> list[str]:
    """By regular expressions: for scripts without marks and with spaces."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


def grams_of(text: str) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1)]


@given(st.lists(LETTERS, min_size=1, max_size=6))
def test_equal_hashes_are_equal_words_and_ngrams(texts: list[str]) -> None:
    prints = fingerprints(texts)
    words = [tuple(words_of(text)) for text in texts]
    for first, hash_of_first in zip(words, prints.texts_M, strict=True):
        assert (hash_of_first == 0) == (not first)
        for second, hash_of_second in zip(words, prints.texts_M, strict=True):
            assert (hash_of_first == hash_of_second) == (first == second)
    grams = [gram for text in texts for gram in grams_of(text)]
    assert len(grams) == len(prints.grams_Z)
    assert np.diff(prints.offsets).tolist() == [len(grams_of(text)) for text in texts]
    meaning = dict(zip(prints.grams_Z.tolist(), grams, strict=True))
    assert [meaning[key] for key in prints.grams_Z.tolist()] == grams
    assert len(meaning) == len(set(grams))


def test_case_punctuation_spaces_and_unicode_form_make_no_difference() -> None:
    for same in (
        ["Élysée", "E\u0301lyse\u0301e", "ÉLYSÉE!"],
        ["ＡＢＣ １２", "abc 12"],
        ["  Où est-il ?", "où EST\nil"],
        ["Straße", "STRASSE"],
    ):
        assert len(set(fingerprints(same).texts_M)) == 1, same
    assert len(set(fingerprints(["Elysee", "Élysée"]).texts_M)) == 2, "accents count"


def test_marks_belong_to_their_word() -> None:
    # Nine words of Hindi with vowel signs, which are marks: two n-grams.
    hindi = "मैं कल दिल्ली से अपने गाँव वापस जा रहा"
    assert len(fingerprints([hindi]).grams_Z) == 2


def test_characters_of_scripts_without_spaces_are_words() -> None:
    chinese, thai = "中华人民共和国位于亚洲", "ประเทศไทย"
    # 11 ideographs: 4 n-grams; 9 letters of Thai, none of them a mark: 2.
    assert fingerprints([chinese, thai]).offsets.tolist() == [0, 4, 6]


def test_separator_inside_a_text_does_not_split_it() -> None:
    assert len(set(fingerprints(["one\0two", "one two"]).texts_M)) == 1


def test_lone_surrogates_are_hashed_like_anything_else() -> None:
    assert len(fingerprints(["a \ud800 b", "a b"]).texts_M) == 2


def test_chunks_have_the_hashes_of_all_texts_at_once() -> None:
    texts = [f"text {number} of a few words and then {number % 7}" for number in range(25_000)]
    at_once = fingerprints(texts)
    chunks = list(in_chunks(iter(texts)))
    assert len(chunks) == 3
    assert np.array_equal(np.concatenate([chunk.texts_M for chunk in chunks]), at_once.texts_M)
    assert np.array_equal(np.concatenate([chunk.grams_Z for chunk in chunks]), at_once.grams_Z)
    assert list(in_chunks([])) == []
