"""A WordPiece vocabulary of the training text, the same in every process."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from filelock import FileLock
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from hybridir.data.pairs import is_unicode
from hybridir.runtime.files import atomic_write

_logger = logging.getLogger("hybridir")

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def train_tokenizer(texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """Learn a WordPiece vocabulary and make a BERT-like tokenizer of it.

    The trainer numbers the letters in the order of a randomly seeded hash table and breaks ties
    between merges by these numbers, so that two processes get different vocabularies. Naming all
    letters as special tokens fixes the numbers; the vocabulary is then rebuilt with the real
    special tokens alone.

    The most frequent letters take at most half of the vocabulary (two tokens each, one of them
    within words); a word with a rarer letter is unknown. Otherwise the characters of Chinese and
    Japanese would leave no room for words.

    Args:
        texts: training text.
        size: most tokens, special ones and letters included.

    Returns:
        A tokenizer that lower-cases, splits at spaces and punctuation, and puts each text between
        ``[CLS]`` and ``[SEP]``.
    """
    trained = _pipeline(models.WordPiece(unk_token="[UNK]"))
    letters = _letters(trained, texts, (size - len(_SPECIAL)) // 4)
    alphabet = [*letters, *(f"##{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        special_tokens=[*_SPECIAL, *alphabet],
        limit_alphabet=0,  # besides those named
        show_progress=False,
    )
    trained.train_from_iterator(texts, trainer)
    return _wrap(trained.get_vocab())


def cached_tokenizer(
    texts: Sequence[str], size: int, cache: Path, key: str
) -> PreTrainedTokenizerFast:
    """`train_tokenizer`, once on each machine.

    Args:
        texts: training text.
        size: most tokens.
        cache: folder of prepared data.
        key: digest of the texts.
    """
    path = cache / f"vocabulary-{key[:24]}-{size}.json"
    vocabulary = _read(path)
    if vocabulary is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            vocabulary = _read(path)
            if vocabulary is None:
                vocabulary = train_tokenizer(texts, size).get_vocab()
                with atomic_write(path) as unfinished:
                    unfinished.write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    return _wrap(vocabulary)


def _read(path: Path) -> dict[str, int] | None:
    """The vocabulary of an earlier call; None if it is missing or damaged."""
    try:
        vocabulary: dict[str, int] = json.loads(path.read_text("utf-8"))
        numbers = sorted(vocabulary.values())
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, TypeError, RecursionError):
        vocabulary, numbers = {}, []
    if (
        numbers == list(range(len(vocabulary)))
        and vocabulary.keys() >= set(_SPECIAL)
        and all(map(is_unicode, vocabulary))
        and {type(number) for number in numbers} == {int}
    ):
        return vocabulary
    _logger.warning("%s: damaged; the vocabulary is learned again", path)
    return None


def _pipeline(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    # Accents are kept: they are letters in Vietnamese and vowels in Hindi.
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _letters(tokenizer: Tokenizer, texts: Iterable[str], limit: int) -> list[str]:
    """The most frequent letters, sorted by code point."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    letters = sorted(letter for letter in counts if not letter.isspace())
    return sorted(sorted(letters, key=lambda letter: -counts[letter])[:limit])


def _wrap(vocabulary: dict[str, int]) -> PreTrainedTokenizerFast:
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    tokenizer = _pipeline(
        models.WordPiece({token: index for index, token in enumerate(tokens)}, unk_token="[UNK]")
    )
    ids = {token: tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]")}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=list(ids.items())
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
