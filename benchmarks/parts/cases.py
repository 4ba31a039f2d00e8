"""What is measured: encoders of random weights, and what their products of matrices take."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from benchmarks.parts.texts import LONGEST, vocabulary

_SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")


@dataclass(frozen=True)
class Case:
    """One comparison.

    Attributes:
        name: of the comparison.
        folder: the encoder, see `make_encoder`.
        texts: what is embedded: questions, then as many passages.
        precision: ``fp32`` or ``bf16``.
        batch_size: pairs.
        steps: of a repeat.
        repeats: that are counted, see `benchmarks.parts.turns.take_turns`.
        chunk_tokens: tokens at once of our chunks; 0 for no chunks, None for what memory allows.
        mini_batch: texts at once of the peer's.
    """

    name: str
    folder: Path
    texts: tuple[str, ...]
    precision: str
    batch_size: int
    steps: int
    repeats: int
    chunk_tokens: int | None = 0
    mini_batch: int = 0


def make_encoder(folder: Path, layers: int, hidden: int, dropout: float, words: int = 0) -> Path:
    """Write a BERT of random weights with a tokenizer of whole words.

    Args:
        folder: where to.
        layers: number of layers.
        hidden: dimensions; 64 make an attention head, the feed-forward part is 4 times as wide.
        dropout: of hidden states and attention.
        words: of the vocabulary, if it is to have more than the texts are drawn from.
    """
    spelled = (*_SPECIAL, *(word for language in vocabulary() for word in language))
    numbers = {word: n for n, word in enumerate(spelled)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    # Chinese has no spaces; each of its characters is a word.
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=LONGEST,
    ).save_pretrained(folder)
    BertModel(
        BertConfig(
            vocab_size=max(words, len(numbers)),
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=max(1, hidden // 64),
            intermediate_size=4 * hidden,
            max_position_embeddings=LONGEST,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    ).save_pretrained(folder)
    return folder


def flops(
    lengths: NDArray[np.int64], layers: int, hidden: int, feed_forward: int | None = None
) -> float:
    """Operations of the matrix products of one forward pass over texts without padding.

    A layer has 4 products of D x D and 2 of D x F, by default 4D, for each token, and 2 of
    l x l x D for each text of l tokens; a product of m x k and k x n takes 2 m k n operations.
    """
    dense = 2.0 * (4 * hidden**2 + 2 * hidden * (feed_forward or 4 * hidden)) * lengths.sum()
    attention = 2.0 * 2 * hidden * (lengths.astype(float) ** 2).sum()
    return layers * float(dense + attention)
