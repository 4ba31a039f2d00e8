"""Encoder x benchmark -> per-query table."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.data.benchmark import Benchmark
from hybridir.data.prepare import TokenTable
from hybridir.encoder import embed
from hybridir.loading import tokenise
from hybridir.per_query import per_query_table


def encode(
    encoder: nn.Module, texts: TokenTable, *, pad_token: int, batch_tokens: int
) -> NDArray[np.float32]:
    """Embed texts, each distinct one once, in batches of similar length.

    The composition of a batch moves embeddings in their last bits, so texts with the same tokens
    would otherwise differ and no longer tie.

    Args:
        encoder: a `BiEncoder` in evaluation mode, possibly wrapped by accelerate.
        texts: T texts.
        pad_token: id that fills up shorter texts.
        batch_tokens: tokens encoded at once, padding included.

    Returns:
        [T, D] unit vectors.
    """
    rows = texts.take(np.arange(len(texts)))
    distinct: dict[bytes, int] = {}
    which_T = np.array([distinct.setdefault(text.tobytes(), len(distinct)) for text in rows])
    _, first = np.unique(which_T, return_index=True)
    by_length = first[np.argsort(texts.offsets[first + 1] - texts.offsets[first], kind="stable")]
    embeddings: NDArray[np.float32] | None = None
    with torch.no_grad():
        for members in _batches(by_length, texts, batch_tokens):
            batch = embed(encoder, texts.take(members), pad_token).float().cpu().numpy()
            if embeddings is None:
                embeddings = np.empty((len(distinct), batch.shape[1]), dtype=np.float32)
            embeddings[which_T[members]] = batch
    assert embeddings is not None, "a benchmark has texts"
    result_TD: NDArray[np.float32] = embeddings[which_T]
    return result_TD


def _batches(
    by_length: NDArray[np.int64], texts: TokenTable, batch_tokens: int
) -> list[NDArray[np.int64]]:
    """Cut rows of rising length into batches of at most `batch_tokens` padded tokens."""
    batches = []
    start = 0
    for end in range(1, len(by_length) + 1):
        is_last = end == len(by_length)
        longest = 0 if is_last else len(texts[by_length[end]])
        if is_last or (end + 1 - start) * longest > batch_tokens:
            batches.append(by_length[start:end])
            start = end
    return batches


def evaluate(
    encoder: nn.Module,
    benchmark: Benchmark,
    tokenizer: PreTrainedTokenizerBase,
    config: EncoderConfig,
    *,
    batch_tokens: int,
    seen_languages: tuple[str, ...],
    cache: Path,
) -> pd.DataFrame:
    """Evaluate an encoder on a benchmark in all three settings, from one pass over its texts.

    Args:
        encoder: a `BiEncoder`, possibly wrapped by accelerate; put into evaluation mode.
        benchmark: queries, passages and relevance.
        tokenizer: the encoder's.
        config: prefixes and maximal lengths.
        batch_tokens: tokens encoded at once.
        seen_languages: languages that were trained on.
        cache: folder of prepared data.

    Returns:
        The per-query table; see `hybridir.per_query.per_query_table`.
    """
    encoder.eval()
    pad_token = int(tokenizer.pad_token_id)
    queries, passages = tokenise(config, tokenizer, benchmark.queries, benchmark.passages, cache)
    queries_QD, passages_ND = (
        encode(encoder, texts, pad_token=pad_token, batch_tokens=batch_tokens)
        for texts in (queries, passages)
    )
    return per_query_table(benchmark, queries_QD, passages_ND, seen_languages)
