"""Encoder x benchmark -> embeddings, each distinct text once, in memory or in a file.

Q queries, N passages or texts, M distinct texts of some batches, D dimensions.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from hybridir.config import EvaluationConfig
from hybridir.data import Benchmark
from hybridir.encoder import BiEncoder, LoadedEncoder, embed
from hybridir.encoder.load import tokenise
from hybridir.encoder.packed.packing import pack, split_into_chunks
from hybridir.encoder.token_table import TokenTable
from hybridir.retrieval.ranks import BLOCK
from hybridir.retrieval.vector_store import StoredVectors, store_vectors
from hybridir.runtime.distributed import SINGLE_PROCESS, Distributed


class Embeddings(NamedTuple):
    """The embeddings of a benchmark, whose dot products are similarities.

    Attributes:
        queries_QD: of its queries.
        passages_ND: of its passages; in a file, rank 0 alone can read them.
    """

    queries_QD: NDArray[np.float32]
    passages_ND: NDArray[np.float32] | StoredVectors


def encode_benchmark(
    encoder: LoadedEncoder,
    benchmark: Benchmark,
    settings: EvaluationConfig,
    *,
    cache: Path,
    folder: Path | None = None,
    distributed: Distributed = SINGLE_PROCESS,
) -> Embeddings:
    """Embed the queries and passages of a benchmark.

    Args:
        encoder: put into evaluation mode.
        benchmark: queries and passages.
        settings: tokens encoded at once, and the memory limit.
        cache: folder of prepared data.
        folder: embeddings of passages go to a file here if they exceed the memory limit, see
            `fits`; None keeps them in memory.
        distributed: the processes that share the work.

    Returns:
        The embeddings, in every process.

    Raises:
        TrialError: if the file cannot be written.
    """
    model = encoder.model.eval()
    queries, passages = tokenise(
        encoder.config,
        encoder.tokenizer,
        benchmark.queries,
        benchmark.passages,
        cache,
        benchmark.digest,
    )
    batch_tokens = settings.batch_tokens
    queries_QD = encode(model, queries, batch_tokens=batch_tokens, distributed=distributed)
    if folder is None or fits(len(passages), model.dimension, settings.memory_mb):
        return Embeddings(
            queries_QD,
            encode(model, passages, batch_tokens=batch_tokens, distributed=distributed),
        )
    digest = distributed.on_rank_zero(lambda: _digest(model, passages, batch_tokens))
    stored = encode_to_file(
        model,
        passages,
        batch_tokens=batch_tokens,
        folder=folder,
        digest=digest,
        distributed=distributed,
    )
    return Embeddings(queries_QD, stored)


def fits(n_passages: int, dimension: int, memory_mb: float) -> bool:
    """Whether passages can be ranked in memory: their embeddings, and a block of scores.

    Args:
        n_passages: number of passages.
        dimension: dimensions of an embedding.
        memory_mb: the memory limit.
    """
    return n_passages * (dimension + BLOCK) * 4 <= memory_mb * 1e6


def encode(
    encoder: BiEncoder,
    texts: TokenTable,
    *,
    batch_tokens: int,
    distributed: Distributed = SINGLE_PROCESS,
) -> NDArray[np.float32]:
    """Embed texts, each distinct text once.

    The composition of a batch moves embeddings in their last bits, so that texts with the same
    tokens would otherwise get different vectors and no longer tie.

    Args:
        encoder: in evaluation mode.
        texts: N texts.
        batch_tokens: tokens encoded at once.
        distributed: the processes that share the batches; batches do not depend on their number.

    Returns:
        [N, D] vectors, in every process.
    """
    distinct_N, first_M = _distinct(texts)
    batches = split_into_chunks(texts.offsets[first_M + 1] - texts.offsets[first_M], batch_tokens)
    embedded_MD = _embed(encoder, texts, [first_M[members] for members in batches], distributed)
    row_M = np.empty(len(first_M), dtype=np.int64)
    row_M[np.concatenate([*batches, row_M[:0]])] = np.arange(len(first_M))
    embedded_ND: NDArray[np.float32] = embedded_MD[row_M[distinct_N]]
    return embedded_ND


def encode_to_file(
    encoder: BiEncoder,
    texts: TokenTable,
    *,
    batch_tokens: int,
    folder: Path,
    digest: str,
    distributed: Distributed = SINGLE_PROCESS,
    shard_mb: float = 64,
) -> StoredVectors:
    """Embed texts as `encode` does, to the same bits, without all embeddings in memory.

    A shard is a run of the same batches, so its rows are scattered over the file.

    Args:
        encoder: in evaluation mode.
        texts: N texts.
        batch_tokens: tokens encoded at once.
        folder: for these embeddings alone; an interrupted call is continued there.
        digest: of everything that decides the embeddings.
        distributed: the processes that share the batches; rank 0 writes.
        shard_mb: approximate size of a shard.

    Returns:
        [N, D] vectors, readable where rank 0 runs.

    Raises:
        TrialError: if they cannot be written.
    """
    distinct_N, first_M = _distinct(texts)
    batches = split_into_chunks(texts.offsets[first_M + 1] - texts.offsets[first_M], batch_tokens)
    ends = np.cumsum([len(members) for members in batches])
    shard_of = (ends - 1) // max(1, int(shard_mb * 1e6 / (4 * encoder.dimension)))
    starts = np.flatnonzero(np.diff(shard_of, prepend=-1))
    stops = np.append(starts[1:], len(batches))
    by_distinct_N = np.argsort(distinct_N, kind="stable")  # texts, equal ones side by side
    copies_M = np.bincount(distinct_N, minlength=len(first_M))
    begin_M = np.cumsum(copies_M) - copies_M

    def make(shard: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        run = batches[starts[shard] : stops[shard]]
        embedded_md = _embed(encoder, texts, [first_M[members] for members in run], distributed)
        members_m = np.concatenate(run)
        rows = [by_distinct_N[begin_M[m] : begin_M[m] + copies_M[m]] for m in members_m]
        return np.concatenate(rows), np.repeat(embedded_md, copies_M[members_m], axis=0)

    return store_vectors(
        folder,
        len(texts),
        encoder.dimension,
        digest=digest,
        shards=len(starts),
        make=make,
        distributed=distributed,
    )


def _distinct(texts: TokenTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[N] number of each text's distinct text, and [M] the first text equal to each, ascending."""
    digests = b"".join(
        hashlib.blake2b(texts[row].tobytes(), digest_size=16).digest() for row in range(len(texts))
    )
    _, first, distinct_N = np.unique(
        np.frombuffer(digests, dtype="S16"), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return number[distinct_N], first[order]


def _embed(
    encoder: BiEncoder,
    texts: TokenTable,
    batches: Sequence[NDArray[np.int64]],
    distributed: Distributed,
) -> NDArray[np.float32]:
    """[M, D] embeddings of the texts of some batches, one batch after the other."""
    ends = np.cumsum([0, *map(len, batches)])
    embedded_MD = np.zeros((int(ends[-1]), encoder.dimension), dtype=np.float32)
    with torch.no_grad():
        for number in range(distributed.rank, len(batches), distributed.world_size):
            vectors = embed(encoder, pack(texts.take(batches[number])))
            embedded_MD[ends[number] : ends[number + 1]] = vectors.cpu().numpy()
    distributed.all_reduce(embedded_MD)  # each row is zero everywhere but in one process
    return embedded_MD


def _digest(encoder: BiEncoder, texts: TokenTable, batch_tokens: int) -> str:
    """SHA-256 over everything that decides the embeddings of some texts."""
    sha = hashlib.sha256(f"{encoder.description} {batch_tokens}".encode())
    for name, weight in encoder.state_dict().items():
        sha.update(f"{name} {weight.dtype} {weight.device.type}".encode())
        sha.update(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    for array in (texts.offsets, texts.tokens):
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()
