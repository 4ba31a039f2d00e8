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
from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.encoder.backbone import load_backbone, most_tokens, new_backbone
from hybridir.encoder.bi_encoder import BiEncoder, Projection, embed
from hybridir.encoder.folder_settings import FolderSettings
from hybridir.encoder.head import load_head
from hybridir.encoder.packed.packing import pack
from hybridir.encoder.pooling import pooled_width
from hybridir.encoder.third_party import foreign_folder, local_folder, resolve
from hybridir.encoder.token_table import TokenTable, prepare_tokens, token_ids
from hybridir.encoder.tokenizers import check_files, load_pretrained_tokenizer
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
        config: pooling, similarity, prefixes and lengths.
    """

    model: BiEncoder
    tokenizer: PreTrainedTokenizerBase
    config: EncoderConfig

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[B, D] vectors of questions; the query prefix is added."""
        config = resolve(self.config)
        return self._embed(texts, config.query_prefix, config.query_length)

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[B, D] vectors of passages; the passage prefix is added."""
        config = resolve(self.config)
        return self._embed(texts, config.passage_prefix, config.passage_length)

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

    A sentence-transformers folder brings its modules, similarity, prompts and longest text along;
    for a plain Hugging Face folder the defaults of `ResolvedEncoderConfig` hold.

    Args:
        source: a folder, a hub id, or a configuration. For example ``"encoder"``,
            ``"intfloat/multilingual-e5-small"`` or ``EncoderConfig(path="encoder",
            pooling="cls")``.
        revision: commit that pins a hub id; a folder needs none.
        texts: texts that the vocabulary is learned from, for an encoder that starts from scratch.
        seed: decides the weights of an encoder that starts from scratch.

    Returns:
        The encoder: ``embed_queries(texts)`` and ``embed_passages(texts)`` give [B, D] vectors
        whose dot product is its similarity; unit vectors, unless that is the dot product itself.

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
        config = EncoderConfig(path=local_folder(str(source), revision))
    config = resolve(config)
    if config.from_scratch is None:
        tokenizer = load_pretrained_tokenizer(_folder(config))
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
        InputError: if no tokenizer is found, or one that cannot be used.
    """
    if config.from_scratch:
        return cached_tokenizer(training_texts, config.from_scratch.vocabulary, cache, digest)
    return load_pretrained_tokenizer(_folder(config))


def load_bi_encoder(
    config: EncoderConfig, tokenizer: PreTrainedTokenizerBase, seed: int
) -> BiEncoder:
    """Load pretrained weights, or draw new ones from a seed.

    Raises:
        InputError: if the weights cannot be loaded or take fewer tokens than the configuration
            asks for.
    """
    settings = resolve(config)
    longest = max(settings.query_length, settings.passage_length)
    pad_token = int(tokenizer.pad_token_id)
    if settings.from_scratch:
        backbone = new_backbone(
            settings.from_scratch,
            vocabulary=len(tokenizer),
            max_length=longest,
            pad_token=pad_token,
            dropout=settings.dropout,
            seed=seed,
        )
        projection = Projection(settings.pooling, settings.similarity)
        return BiEncoder.wrap(backbone, projection, pad_token)
    source = _folder(config)
    check_files(source.folder, source.weights)
    shown = str(source.weights)
    backbone = load_backbone(source.weights, dropout=settings.dropout, pooling=settings.pooling)
    if len(tokenizer) > backbone.config.vocab_size:
        raise InputError(
            f"encoder {shown!r}: its tokenizer has {len(tokenizer)} tokens, its weights are for "
            f"{backbone.config.vocab_size}; they must belong together"
        )
    limit = most_tokens(backbone)
    if limit is not None and longest > limit:
        raise InputError(
            f"encoder.query_length and passage_length: {longest} tokens asked for, but {shown!r} "
            f"takes at most {limit}; ask for fewer"
        )
    width = pooled_width(settings.pooling, getattr(backbone.config, "hidden_size", 0))
    head = load_head(source, width, settings.similarity)
    projection = Projection(settings.pooling, settings.similarity, head)
    try:
        return BiEncoder.wrap(backbone, projection, pad_token)
    except InputError as error:
        raise InputError(
            f"encoder {shown!r}: {error}; choose an encoder of another family"
        ) from None


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
    settings = resolve(config)
    return (
        prepare_tokens(
            queries,
            tokenizer,
            prefix=settings.query_prefix,
            max_length=settings.query_length,
            cache=cache,
            digest=f"queries of {digest}",
        ),
        prepare_tokens(
            passages,
            tokenizer,
            prefix=settings.passage_prefix,
            max_length=settings.passage_length,
            cache=cache,
            digest=f"passages of {digest}",
        ),
    )


def _folder(config: EncoderConfig) -> FolderSettings:
    """The folder of pretrained weights."""
    source = foreign_folder(config)
    assert source is not None, "pretrained weights have a folder"
    return source
