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
from hybridir.packing import cut, pack
from hybridir.processes import ALONE, Processes


def encode(
    encoder: BiEncoder,
    texts: TokenTable,
    *,
    batch_tokens: int,
    processes: Processes = ALONE,
) -> NDArray[np.float32]:
    """Embed texts, each distinct one once.

    The composition of a batch moves embeddings in their last bits, so texts with the same tokens
    would otherwise differ and no longer tie.

    Args:
        encoder: in evaluation mode.
        texts: T texts.
        batch_tokens: tokens encoded at once.
        processes: those that share the batches, which are the same for any number of them.

    Returns:
        [T, D] unit vectors, in every process.
    """
    rows = texts.take(np.arange(len(texts)))
    distinct: dict[bytes, int] = {}
    which_T = np.array([distinct.setdefault(text.tobytes(), len(distinct)) for text in rows])
    _, first = np.unique(which_T, return_index=True)
    chunks = cut(texts.offsets[first + 1] - texts.offsets[first], batch_tokens)
    embeddings = np.zeros((len(distinct), encoder.dimension), dtype=np.float32)
    with torch.no_grad():
        for members in chunks[processes.rank :: processes.count]:
            embedded = embed(encoder, pack(texts.take(first[members])))
            embeddings[members] = embedded.cpu().numpy()
    processes.add(embeddings)  # each row is zero everywhere but in one process
    result_TD: NDArray[np.float32] = embeddings[which_T]
    return result_TD


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
            batch_tokens=batch_tokens,
            processes=processes,
        )
        for texts in tokenise(
            config, tokenizer, benchmark.queries, benchmark.passages, cache, benchmark.digest
        )
    )
    return queries_QD, passages_ND
