"""Encoder x benchmark -> embeddings, each text once, in memory or in a file.

T texts, D dimensions, Q queries, N passages, M texts of some chunks.
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.data import Benchmark
from hybridir.encoder import BiEncoder, embed
from hybridir.encoder.load import tokenise
from hybridir.encoder.packed.packing import cut, pack
from hybridir.encoder.token_table import TokenTable
from hybridir.retrieval.ranks import BLOCK
from hybridir.retrieval.vector_store import StoredVectors, store_vectors
from hybridir.runtime.distributed import ALONE, Processes


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
    which_T, first = _distinct(texts)
    chunks = cut(texts.offsets[first + 1] - texts.offsets[first], batch_tokens)
    embedded_MD = _embed(encoder, texts, [first[members] for members in chunks], processes)
    place = np.empty(len(first), dtype=np.int64)
    place[np.concatenate([*chunks, place[:0]])] = np.arange(len(first))
    result_TD: NDArray[np.float32] = embedded_MD[place[which_T]]
    return result_TD


def encode_to_file(
    encoder: BiEncoder,
    texts: TokenTable,
    *,
    batch_tokens: int,
    folder: Path,
    digest: str,
    processes: Processes = ALONE,
    shard_mb: float = 64,
) -> StoredVectors:
    """Embed texts as `encode` does, to the same bits, without holding all embeddings.

    A shard is a run of the same batches, so its rows lie scattered over the file.

    Args:
        encoder: in evaluation mode.
        texts: T texts.
        batch_tokens: tokens encoded at once.
        folder: of these embeddings alone; an interrupted call is continued there.
        digest: of everything that decides the embeddings.
        processes: those that share the batches; the first one writes.
        shard_mb: embeddings of one shard, about.

    Returns:
        [T, D] unit vectors; they can be read where the first process runs.

    Raises:
        TrialError: if they cannot be written.
    """
    which_T, first = _distinct(texts)
    chunks = cut(texts.offsets[first + 1] - texts.offsets[first], batch_tokens)
    ends = np.cumsum([len(members) for members in chunks])
    shard_of = (ends - 1) // max(1, int(shard_mb * 1e6 / (4 * encoder.dimension)))
    starts = np.flatnonzero(np.diff(shard_of, prepend=-1))
    stops = np.append(starts[1:], len(chunks))
    equal_T = np.argsort(which_T, kind="stable")  # texts by the distinct text that they equal
    times = np.bincount(which_T, minlength=len(first))
    begin = np.cumsum(times) - times

    def make(shard: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        run = chunks[starts[shard] : stops[shard]]
        embedded_MD = _embed(encoder, texts, [first[members] for members in run], processes)
        members_M = np.concatenate(run)
        rows = [equal_T[begin[m] : begin[m] + times[m]] for m in members_M]
        return np.concatenate(rows), np.repeat(embedded_MD, times[members_M], axis=0)

    return store_vectors(
        folder,
        len(texts),
        encoder.dimension,
        digest=digest,
        shards=len(starts),
        make=make,
        processes=processes,
    )


def _distinct(texts: TokenTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[T] which distinct text each one is, and the first text of each, in order."""
    digests = b"".join(
        hashlib.blake2b(texts[row].tobytes(), digest_size=16).digest() for row in range(len(texts))
    )
    _, first, which_T = np.unique(
        np.frombuffer(digests, dtype="S16"), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[which_T], first[order]


def _embed(
    encoder: BiEncoder,
    texts: TokenTable,
    chunks: Sequence[NDArray[np.int64]],
    processes: Processes,
) -> NDArray[np.float32]:
    """[M, D] embeddings of the texts of some chunks, one chunk after the other."""
    ends = np.cumsum([0, *map(len, chunks)])
    embedded_MD = np.zeros((int(ends[-1]), encoder.dimension), dtype=np.float32)
    with torch.no_grad():
        for number in range(processes.rank, len(chunks), processes.count):
            vectors = embed(encoder, pack(texts.take(chunks[number])))
            embedded_MD[ends[number] : ends[number + 1]] = vectors.cpu().numpy()
    processes.add(embedded_MD)  # each row is zero everywhere but in one process
    return embedded_MD


def fits(passages: int, dimension: int, memory_mb: float) -> bool:
    """Whether passages can be ranked in memory: their embeddings, and a block of scores.

    Args:
        passages: their number.
        dimension: of an embedding.
        memory_mb: what may be taken.
    """
    return passages * (dimension + BLOCK) * 4 <= memory_mb * 1e6


def encode_benchmark(
    encoder: BiEncoder,
    benchmark: Benchmark,
    tokenizer: PreTrainedTokenizerBase,
    config: EncoderConfig,
    *,
    batch_tokens: int,
    cache: Path,
    processes: Processes = ALONE,
    memory_mb: float = math.inf,
    folder: Path | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | StoredVectors]:
    """Embed the queries and passages of a benchmark.

    Args:
        encoder: put into evaluation mode.
        benchmark: queries and passages.
        tokenizer: the encoder's.
        config: prefixes and maximal lengths.
        batch_tokens: tokens encoded at once.
        cache: folder of prepared data.
        processes: those that share the work.
        memory_mb: embeddings of passages for which it is too little go to a file; see `fits`.
        folder: for that file.

    Returns:
        [Q, D] queries and [N, D] passages, unit vectors, in every process; a file is there for
        the first one.

    Raises:
        TrialError: if the file cannot be written.
    """
    encoder.eval()
    queries, passages = tokenise(
        config, tokenizer, benchmark.queries, benchmark.passages, cache, benchmark.digest
    )
    queries_QD = encode(encoder, queries, batch_tokens=batch_tokens, processes=processes)
    if folder is None or fits(len(passages), encoder.dimension, memory_mb):
        return queries_QD, encode(
            encoder, passages, batch_tokens=batch_tokens, processes=processes
        )
    digest = processes.on_first(lambda: _digest(encoder, passages, batch_tokens))
    return queries_QD, encode_to_file(
        encoder,
        passages,
        batch_tokens=batch_tokens,
        folder=folder,
        digest=digest,
        processes=processes,
    )


def _digest(encoder: BiEncoder, texts: TokenTable, batch_tokens: int) -> str:
    """SHA-256 over what decides the embeddings of some texts."""
    sha = hashlib.sha256(f"{encoder.pooling} {batch_tokens}".encode())
    for name, weight in encoder.state_dict().items():
        sha.update(f"{name} {weight.dtype} {weight.device.type}".encode())
        sha.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    for array in (texts.offsets, texts.tokens):
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
