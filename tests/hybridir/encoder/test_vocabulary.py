import json
from pathlib import Path

import pytest

from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder.vocabulary import cached_tokenizer, train_tokenizer
from tests.support.tiny import python

SPECIAL = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}


def corpus() -> list[str]:
    pairs = synthetic_corpus(3, 20, 30).train
    return [*pairs.question, *pairs.passage]


IN_ANOTHER_PROCESS = """
import json
from hybridir.encoder.vocabulary import train_tokenizer
from tests.hybridir.encoder.test_vocabulary import corpus
print(json.dumps(train_tokenizer(corpus(), 600).get_vocab()))
"""


@pytest.mark.long
def test_the_vocabulary_is_the_same_in_every_process() -> None:
    here = train_tokenizer(corpus(), 600).get_vocab()
    assert len(here) == 600
    assert json.loads(python(IN_ANOTHER_PROCESS, hash_seed=1)) == here


def test_special_tokens_are_berts_five_and_come_first() -> None:
    tokenizer = train_tokenizer(corpus(), 600)
    assert set(tokenizer.all_special_tokens) == SPECIAL
    assert set(tokenizer.get_added_vocab()) <= SPECIAL
    assert {tokenizer.get_vocab()[token] for token in SPECIAL} == set(range(5))


def test_a_text_is_framed_and_comes_back_in_lower_case_with_its_accents() -> None:
    tokenizer = train_tokenizer(["Ünder the Stone, thế giới"] * 3, 300)
    ids = tokenizer("the Ünder stone")["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the ünder stone"


def test_no_text_of_the_corpus_has_an_unknown_word() -> None:
    tokenizer = train_tokenizer(corpus(), 600)
    for ids in tokenizer(corpus())["input_ids"]:
        assert tokenizer.unk_token_id not in ids


def test_letters_take_half_of_the_vocabulary_at_most_and_are_the_most_frequent() -> None:
    # 400 letters, the k-th of which occurs 400 - k times; a vocabulary of 205 has room for
    # (205 - 5) / 4 = 50 of them, in two forms each, and for 100 other tokens.
    letters = [chr(0x1000 + k) for k in range(400) if chr(0x1000 + k).isalpha()]
    rare = letters[60:]
    texts = [letter for k, letter in enumerate(letters) for _ in range(len(letters) - k)]
    texts += [letters[0] + letters[1]] * 900
    tokenizer = train_tokenizer(texts, 205)
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) <= 205
    assert [letter for letter in letters if letter in vocabulary] == letters[:50]
    assert letters[0] + letters[1] in vocabulary
    assert tokenizer(rare[0])["input_ids"][1] == tokenizer.unk_token_id


def test_the_cache_gives_the_same_tokenizer_and_is_written_once(tmp_path: Path) -> None:
    learned = train_tokenizer(corpus(), 300)
    first = cached_tokenizer(corpus(), 300, tmp_path, "key")
    (path,) = tmp_path.glob("vocabulary-*.json")
    written = path.stat().st_mtime_ns
    second = cached_tokenizer([], 300, tmp_path, "key")  # the texts are not looked at again
    assert path.stat().st_mtime_ns == written
    for tokenizer in (first, second):
        assert tokenizer.get_vocab() == learned.get_vocab()
        assert tokenizer(corpus()[:50])["input_ids"] == learned(corpus()[:50])["input_ids"]


@pytest.mark.parametrize(("size", "key"), [(400, "key"), (300, "other")])
def test_the_cache_tells_sizes_and_texts_apart(tmp_path: Path, size: int, key: str) -> None:
    cached_tokenizer(corpus(), 300, tmp_path, "key")
    cached_tokenizer(corpus(), size, tmp_path, key)
    assert len(list(tmp_path.glob("vocabulary-*.json"))) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"[PAD]": 0}', "not JSON", "[" * 5000])
def test_a_damaged_cache_is_learned_again(tmp_path: Path, content: str) -> None:
    learned = cached_tokenizer(corpus(), 300, tmp_path, "key").get_vocab()
    (path,) = tmp_path.glob("vocabulary-*.json")
    path.write_text(content)
    assert cached_tokenizer(corpus(), 300, tmp_path, "key").get_vocab() == learned
    assert path.read_text() != content
