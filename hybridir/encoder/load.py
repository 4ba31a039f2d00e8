"""From a folder, a hub id or a configuration to tokenizer, weights and vectors.

`load_encoder` gives all of it as one object.
A trial takes the steps one by one (`load_tokenizer`, `load_bi_encoder`, `tokenise`), since it
tokenises its training data before it trains.

Shapes: B texts, D dimensions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.encoder.backbone import load_backbone, new_backbone
from hybridir.encoder.bi_encoder import BiEncoder, embed
from hybridir.encoder.packed.packing import pack
from hybridir.encoder.third_party import encoder_settings, local_folder
from hybridir.encoder.token_table import TokenTable, prepare_tokens, token_ids
from hybridir.encoder.vocabulary import cached_tokenizer, train_tokenizer
from hybridir.errors import InputError

# Tokens encoded at once by `LoadedEncoder`; as `EvaluationConfig.batch_tokens`.
_BATCH_TOKENS = 8192


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its tokenizer and its settings, ready to embed texts.

    Attributes:
        model: the weights.
        tokenizer: the tokenizer of these weights.
        config: pooling, prefixes and lengths.
    """

    model: BiEncoder
    tokenizer: PreTrainedTokenizerBase
    config: EncoderConfig

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[B, D] unit vectors of questions; the query prefix is added."""
        return self._embed(texts, self.config.query_prefix, self.config.query_length)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[B, D] unit vectors of passages; the passage prefix is added."""
        return self._embed(texts, self.config.passage_prefix, self.config.passage_length)

    def _embed(self, texts: Sequence[str], prefix: str, max_length: int) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.model.dimension), dtype=np.float32)
        rows = token_ids(texts, self.tokenizer, prefix, max_length)
        self.model.eval()
        with torch.no_grad():
            vectors_BD = embed(self.model, pack(rows, chunk_tokens=_BATCH_TOKENS))
        array_BD: NDArray[np.float32] = vectors_BD.cpu().numpy()
        return array_BD


def load_encoder(
    source: str | Path | EncoderConfig,
    *,
    revision: str | None = None,
    texts: Sequence[str] = (),
    seed: int = 0,
) -> LoadedEncoder:
    """Load an encoder, ready to embed texts.

    A sentence-transformers folder brings its pooling, prefixes and longest text along; for a plain
    Hugging Face folder the defaults of `EncoderConfig` hold.

    Args:
        source: a folder, a hub id, or a configuration. For example ``"encoder"``,
            ``"intfloat/multilingual-e5-small"`` or ``EncoderConfig(path="encoder",
            pooling="cls")``.
        revision: commit that pins a hub id; a folder needs none.
        texts: texts that the vocabulary is learned from, for an encoder that starts from scratch.
        seed: decides the weights of an encoder that starts from scratch.

    Returns:
        The encoder: ``embed_queries(texts)`` and ``embed_passages(texts)`` give [B, D] unit
        vectors, so that their dot product is the cosine.

    Raises:
        InputError: if no usable encoder is found.

    A tiny encoder with random weights:

    >>> from hybridir import load_encoder
    >>> from hybridir.config import EncoderConfig
    >>> passages = ["The river is wide and cold.", "Der Fluss ist breit und kalt."]
    >>> config = EncoderConfig(from_scratch={"layers": 1, "hidden_size": 32})
    >>> encoder = load_encoder(config, texts=passages, seed=1)
    >>> vectors = encoder.embed_passages(passages)
    >>> vectors.shape
    (2, 32)
    >>> [round(float(vector @ vector), 3) for vector in vectors]
    [1.0, 1.0]
    >>> cosine = encoder.embed_queries(["Is the river cold?"]) @ vectors.T
    >>> cosine.shape
    (1, 2)
    """
    if isinstance(source, EncoderConfig):
        if revision is not None:
            raise InputError(f"revision={revision!r}: a configuration names its own, hub.revision")
        config = source
    else:
        config = EncoderConfig(**encoder_settings(local_folder(str(source), revision)))
    if config.from_scratch is None:
        tokenizer = _pretrained_tokenizer(config)
    elif texts:
        tokenizer = train_tokenizer(texts, config.from_scratch.vocabulary)
    else:
        raise InputError(
            "encoder.from_scratch learns its vocabulary from texts; name some: texts=[...]"
        )
    return LoadedEncoder(load_bi_encoder(config, tokenizer, seed), tokenizer, config)


def load_tokenizer(
    config: EncoderConfig, training_texts: Sequence[str], digest: str, cache: Path
) -> PreTrainedTokenizerBase:
    """Load the tokenizer that belongs to the weights, or learn a vocabulary.

    Args:
        config: names the origin of the weights.
        training_texts: texts that a vocabulary is learned from, if the encoder starts from
            scratch.
        digest: digest of these texts.
        cache: folder of prepared data.

    Raises:
        InputError: if no tokenizer is found, or only a slow one or one without a padding token.
    """
    if config.from_scratch:
        return cached_tokenizer(training_texts, config.from_scratch.vocabulary, cache, digest)
    return _pretrained_tokenizer(config)


def load_bi_encoder(
    config: EncoderConfig, tokenizer: PreTrainedTokenizerBase, seed: int
) -> BiEncoder:
    """Load pretrained weights, or draw new ones from a seed.

    Raises:
        InputError: if the weights cannot be loaded or take fewer tokens than the configuration
            asks for.
    """
    longest = max(config.query_length, config.passage_length)
    pad_token = int(tokenizer.pad_token_id)
    if config.from_scratch:
        backbone = new_backbone(
            config.from_scratch,
            vocabulary=len(tokenizer),
            max_length=longest,
            pad_token=pad_token,
            dropout=config.dropout,
            seed=seed,
        )
        return BiEncoder.wrap(backbone, config.pooling, pad_token)
    source, revision = _origin(config)
    backbone = load_backbone(
        source, revision=revision, dropout=config.dropout, pooling=config.pooling
    )
    if len(tokenizer) > backbone.config.vocab_size:
        raise InputError(
            f"encoder {str(source)!r}: its tokenizer has {len(tokenizer)} tokens, its weights "
            f"are for {backbone.config.vocab_size}; they must belong together"
        )
    limit = getattr(backbone.config, "max_position_embeddings", longest)
    if longest > limit:
        raise InputError(
            f"encoder.query_length and passage_length: {longest} tokens asked for, but "
            f"{str(source)!r} takes at most {limit}"
        )
    return BiEncoder.wrap(backbone, config.pooling, pad_token)


def tokenise(
    config: EncoderConfig,
    tokenizer: PreTrainedTokenizerBase,
    queries: Sequence[str],
    passages: Sequence[str],
    cache: Path,
    digest: str,
) -> tuple[TokenTable, TokenTable]:
    """Tokenise queries and passages, each with the prefix and length of their role, or re-open.

    Args:
        config: prefixes and maximal lengths.
        tokenizer: the encoder's.
        queries: texts of questions.
        passages: texts of passages.
        cache: folder of prepared data.
        digest: digest of the data that queries and passages belong to.
    """
    return (
        prepare_tokens(
            queries,
            tokenizer,
            prefix=config.query_prefix,
            max_length=config.query_length,
            cache=cache,
            digest=f"queries of {digest}",
        ),
        prepare_tokens(
            passages,
            tokenizer,
            prefix=config.passage_prefix,
            max_length=config.passage_length,
            cache=cache,
            digest=f"passages of {digest}",
        ),
    )


def _pretrained_tokenizer(config: EncoderConfig) -> PreTrainedTokenizerBase:
    source, revision = _origin(config)
    options = {} if revision is None else {"revision": revision}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
    # A damaged file can make transformers raise any exception.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"encoder {str(source)!r}: its tokenizer cannot be loaded: {reason}; "
            "the folder needs tokenizer.json"
        ) from None
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise InputError(
            f"encoder {str(source)!r}: its tokenizer must be a fast one with a padding token "
            "(tokenizer.json)"
        )
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    return tokenizer


def _origin(config: EncoderConfig) -> tuple[str | Path, str | None]:
    """Folder or hub id of pretrained weights, and the commit of a hub id."""
    if config.hub:
        return config.hub.id, config.hub.revision
    assert config.path is not None, "EncoderConfig names exactly one origin"
    # Without a tokenizer's file transformers would make up one that knows no word.
    missing = [
        name for name in ("config.json", "tokenizer.json") if not (config.path / name).is_file()
    ]
    if missing:
        raise InputError(
            f"encoder.path={str(config.path)!r}: this is no Hugging Face encoder "
            f"({' and '.join(missing)} missing)"
        )
    return config.path, None
