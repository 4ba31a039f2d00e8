"""From an encoder's configuration to its tokenizer and weights."""

from collections.abc import Sequence
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.encoder.backbone import load_backbone, new_backbone
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.token_table import TokenTable, prepare_tokens
from hybridir.encoder.vocabulary import cached_tokenizer
from hybridir.errors import InputError


def load_tokenizer(
    config: EncoderConfig, training_texts: Sequence[str], digest: str, cache: Path
) -> PreTrainedTokenizerBase:
    """The tokenizer that goes with the weights.

    Args:
        config: where the weights come from.
        training_texts: what a vocabulary is learned from, if the encoder starts from scratch.
        digest: digest of these texts.
        cache: folder of prepared data.

    Raises:
        InputError: if there is none, or only a slow one without a padding token.
    """
    if config.from_scratch:
        return cached_tokenizer(training_texts, config.from_scratch.vocabulary, cache, digest)
    source, revision = _source(config)
    options = {} if revision is None else {"revision": revision}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
    # transformers passes on whatever a damaged file makes of its code.
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


def load_encoder(
    config: EncoderConfig, tokenizer: PreTrainedTokenizerBase, seed: int
) -> BiEncoder:
    """The encoder, with pretrained weights or weights drawn from a seed.

    Raises:
        InputError: if the weights cannot be loaded or take fewer tokens than asked for.
    """
    longest = max(config.query_length, config.passage_length)
    if config.from_scratch:
        backbone = new_backbone(
            vocabulary=len(tokenizer),
            layers=config.from_scratch.layers,
            hidden_size=config.from_scratch.hidden_size,
            intermediate_size=config.from_scratch.intermediate_size,
            heads=config.from_scratch.heads,
            max_length=longest,
            pad_token=int(tokenizer.pad_token_id),
            dropout=config.dropout,
            seed=seed,
        )
    else:
        source, revision = _source(config)
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
    return BiEncoder(backbone, config.pooling, int(tokenizer.pad_token_id))


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
        digest: of the data that queries and passages belong to.
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


def _source(config: EncoderConfig) -> tuple[str | Path, str | None]:
    if config.hub:
        return config.hub.id, config.hub.revision
    assert config.path is not None, "EncoderConfig holds exactly one origin"
    # Without a tokenizer's file transformers would make up one that knows no word.
    lacking = [
        name for name in ("config.json", "tokenizer.json") if not (config.path / name).is_file()
    ]
    if lacking:
        raise InputError(
            f"encoder.path={str(config.path)!r}: there is no Hugging Face encoder "
            f"({' and '.join(lacking)} missing)"
        )
    return config.path, None
