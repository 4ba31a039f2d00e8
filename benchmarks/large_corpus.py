"""Whether a million passages are searched in bounded memory, on random embeddings.

    python benchmarks/large_corpus.py --json large_corpus.json   # 3.1 GB of disk
    python benchmarks/large_corpus.py --passages 100000

Unit vectors are drawn and written shard by shard, then ranked by blocks, as a trial does with
embeddings that it cannot hold: exact ranks of the relevant passages, and the first ones of every
query. Beside them stands one pass of the bare products over the same file, the floor of both.
Memory is the peak of the whole process, libraries and what is mapped of the file included. The
exit code is 1 if it goes past the limit. Encoding texts is not covered.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from hybridir.data import Benchmark
from hybridir.retrieval import rank_stored
from hybridir.retrieval.ranks import as_tensor
from hybridir.retrieval.ranks_from_store import PASSAGES, QUERIES, top_k
from hybridir.retrieval.vector_store import StoredVectors, store_vectors
from hybridir.runtime.memory import peak_memory_mb, release_memory, reset_peak_memory

SHARD = 20_000  # vectors drawn at once: 61 MB at 768 dimensions
LANGUAGES = 18  # as many pools of equal size; MIRACL has 18
RELEVANT = 3  # passages of each query

Record = dict[str, str | float | int]


def random_file(folder: Path, count: int, dimensions: int) -> StoredVectors:
    """Draw unit vectors and write them shard by shard."""

    def make(shard: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        rows = np.arange(shard * SHARD, min((shard + 1) * SHARD, count))
        return rows, unit_vectors(shard + 1, len(rows), dimensions)

    shards = -(-count // SHARD)
    return store_vectors(folder, count, dimensions, digest="random", shards=shards, make=make)


def unit_vectors(seed: int, count: int, dimensions: int) -> NDArray[np.float32]:
    """[count, dimensions] random directions."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def products(queries: NDArray[np.float32], stored: StoredVectors) -> None:
    """Multiply every block of queries with every block of passages, and do nothing else."""
    q_QD, buffer = as_tensor(queries), torch.empty(QUERIES * PASSAGES)
    for start in range(0, len(stored), PASSAGES):
        p_DP = as_tensor(stored.rows(start, min(start + PASSAGES, len(stored)))).T
        for query in range(0, len(q_QD), QUERIES):
            q_BD = q_QD[query : query + QUERIES]
            shape = (len(q_BD), p_DP.shape[1])
            torch.mm(q_BD, p_DP, out=buffer[: shape[0] * shape[1]].view(shape))


def measured(name: str, run: Callable[[], object], sizes: dict[str, int]) -> Record:
    """Run something once; prints and returns seconds and peak memory."""
    release_memory()
    reset_peak_memory()
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    megabytes = peak_memory_mb()
    typer.echo(f"{name:<16} {wall:8.1f} s, {cpu:8.1f} of the CPU, {megabytes:6.0f} MB at the peak")
    return {"name": name, "wall_s": wall, "cpu_s": cpu, "peak_mb": megabytes, **sizes}


def main(
    passages: Annotated[int, typer.Option(min=100, help="Passages in the corpus.")] = 1_000_000,
    queries: Annotated[int, typer.Option(min=1, help="Queries that are searched for.")] = 1000,
    dimensions: Annotated[int, typer.Option(min=1, help="Size of an embedding.")] = 768,
    k: Annotated[int, typer.Option(min=1, help="First passages that are kept.")] = 100,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the product.")] = 1,
    limit_mb: Annotated[float, typer.Option(help="Largest peak memory.")] = 4 * 2**30 / 1e6,
    folder: Annotated[
        Path | None, typer.Option(help="Where the file is made, and deleted afterwards.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Write random embeddings to a file, and rank them in bounded memory."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    queries_QD = unit_vectors(0, queries, dimensions)
    relevant = rng.integers(passages, size=queries * RELEVANT)
    benchmark = bare_benchmark(passages, relevant)
    sizes = {"passages": passages, "queries": queries}
    sizes |= {"dimensions": dimensions, "threads": threads}
    gigabytes = passages * dimensions * 4 / 1e9
    typer.echo(
        f"{passages} passages x {dimensions} dimensions = {gigabytes:.2f} GB, {queries} queries, "
        f"threads={threads}"
    )
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        made: list[StoredVectors] = []
        records = [
            measured(
                "write",
                lambda: made.append(random_file(Path(inside) / "vectors", passages, dimensions)),
                sizes,
            )
        ]
        (stored,) = made
        warm_up(stored)
        for name, run in (
            ("products alone", lambda: products(queries_QD, stored)),
            ("ranks", lambda: rank_stored(benchmark, queries_QD, stored)),
            (f"first {k}", lambda: top_k(benchmark, queries_QD, stored, k)),
        ):
            records.append(measured(name, run, sizes))
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")
    peak = max(float(record["peak_mb"]) for record in records)
    typer.echo(f"peak {peak:.0f} MB, limit {limit_mb:.0f} MB")
    raise typer.Exit(int(peak > limit_mb))


def bare_benchmark(passages: int, relevant: NDArray[np.int64]) -> Benchmark:
    """Queries and passages without texts; each query has `RELEVANT` relevant passages in a row."""
    queries = len(relevant) // RELEVANT
    pools = np.linspace(0, passages, LANGUAGES + 1).astype(np.int64)
    return Benchmark(
        name="random",
        languages=tuple(f"l{number}" for number in range(LANGUAGES)),
        question_ids=[str(number) for number in range(queries)],
        query_languages=np.zeros(queries, dtype=np.int32),
        queries=[""] * queries,
        passage_ids=[f"{number * 7919 % passages:08d}-{number}" for number in range(passages)],
        passage_languages=np.repeat(np.arange(LANGUAGES), np.diff(pools)).astype(np.int32),
        passages=[""] * passages,
        relevant_offsets=np.arange(0, len(relevant) + 1, RELEVANT),
        relevant=relevant,
    )


def warm_up(stored: StoredVectors) -> None:
    """Compile the kernels."""
    few = StoredVectors(stored.path, 10, stored.dimension)
    benchmark = bare_benchmark(10, np.arange(RELEVANT))
    rank_stored(benchmark, few.rows(0, 1), few)
    top_k(benchmark, few.rows(0, 1), few, 2)


if __name__ == "__main__":
    typer.run(main)
