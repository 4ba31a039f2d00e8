"""Encoder x benchmark -> embeddings, each text once."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.data.benchmark import Benchmark
from hybridir.data.prepare import TokenTable
from hybridir.encoder import BiEncoder, embed
from hybridir.loading import tokenise
from hybridir.processes import ALONE, Processes


def encode(
    encoder: BiEncoder,
    texts: TokenTable,
    *,
    pad_token: int,
    batch_tokens: int,
    processes: Processes = ALONE,
) -> NDArray[np.float32]:
    """Embed texts, each distinct one once, in batches of similar length.

    The composition of a batch moves embeddings in their last bits, so texts with the same tokens
    would otherwise differ and no longer tie.

    Args:
        encoder: in evaluation mode.
        texts: T texts.
        pad_token: id that fills up shorter texts.
        batch_tokens: tokens encoded at once, padding included.
        processes: those that share the batches, which are the same for any number of them.

    Returns:
        [T, D] unit vectors, in every process.
    """
    rows = texts.take(np.arange(len(texts)))
    distinct: dict[bytes, int] = {}
    which_T = np.array([distinct.setdefault(text.tobytes(), len(distinct)) for text in rows])
    _, first = np.unique(which_T, return_index=True)
    by_length = first[np.argsort(texts.offsets[first + 1] - texts.offsets[first], kind="stable")]
    embeddings = np.zeros((len(distinct), encoder.dimension), dtype=np.float32)
    batches = _batches(by_length, texts, batch_tokens)
    with torch.no_grad():
        for members in batches[processes.rank :: processes.count]:
            batch = embed(encoder, texts.take(members), pad_token).float().cpu().numpy()
            embeddings[which_T[members]] = batch
    processes.add(embeddings)  # each row is zero everywhere but in one process
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


def encode_benchmark(
    encoder: BiEncoder,
    benchmark: Benchmark,
    tokenizer: PreTrainedTokenizerBase,
    config: EncoderConfig,
    *,
    batch_tokens: int,
    cache: Path,
    processes: Processes = ALONE,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Embed the queries and passages of a benchmark.

    Args:
        encoder: put into evaluation mode.
        benchmark: queries and passages.
        tokenizer: the encoder's.
        config: prefixes and maximal lengths.
        batch_tokens: tokens encoded at once.
        cache: folder of prepared data.
        processes: those that share the work.

    Returns:
        [Q, D] queries and [N, D] passages, unit vectors, in every process.
    """
    encoder.eval()
    queries_QD, passages_ND = (
        encode(
            encoder,
            texts,
            pad_token=int(tokenizer.pad_token_id),
            batch_tokens=batch_tokens,
            processes=processes,
        )
        for texts in tokenise(config, tokenizer, benchmark.queries, benchmark.passages, cache)
    )
    return queries_QD, passages_ND
