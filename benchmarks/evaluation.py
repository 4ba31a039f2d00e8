"""What scoring costs beyond the matrix product, on random embeddings of XQuAD-R's size.

    python benchmarks/evaluation.py --json evaluation.json
    python benchmarks/evaluation.py --only score-vs-pytrec_eval

Ours is everything from the embeddings to the per-query table: all monolingual, cross-lingual and
multilingual settings, full rankings. The floor is the bare fp32 product in blocks of the same size
into a reused buffer. Figures from full rankings are compared with going without.
Times are CPU seconds of this process; the candidates take turns within a repeat. Peers score a
part of the queries, and are compared by queries a second, so that a ratio above 1 means that ours
scores more. Encoding the texts is not covered, nor splitting them into words, which is done once.
"""

import ctypes
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray

from benchmarks.parts.scorers import PEERS
from hybridir.data import Benchmark
from hybridir.data.benchmark import build_benchmark
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.rank_correlation import FullRankings
from hybridir.retrieval import rank_embeddings

# Candidates per language of XQuAD-R; Roy et al. 2020, arXiv 2004.05484, table 1.
POOLS = {"ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219} | {
    "th": 852,
    "tr": 1167,
    "vi": 1209,
    "zh": 1196,
}
QUESTIONS = 1190  # a language
DUPLICATES = 230  # passages that tokenise like another one; measured with an English vocabulary
WORDS = 20  # of a passage
BLOCK = 256
PRODUCT = "score-vs-product"
FULL_RANKINGS = "full-rankings-vs-score"

Floats = NDArray[np.float32]
Record = dict[str, str | float | int | None]


def synthetic_benchmark(questions: int) -> Benchmark:
    """Lay out a benchmark of XQuAD-R's shape, with one relevant passage a language.

    Args:
        questions: questions a language; the pools shrink in proportion.

    Returns:
        The benchmark; its passages are random words, its questions empty.
    """
    rng = np.random.default_rng(0)
    sizes = {code: max(2, round(size * questions / QUESTIONS)) for code, size in POOLS.items()}
    return build_benchmark(
        "random",
        ((f"q{number}", code, "") for code in sizes for number in range(questions)),
        (
            (f"{code}-{n}", code, " ".join(map(str, rng.integers(1000, size=WORDS))))
            for code, size in sizes.items()
            for n in range(size)
        ),
        {
            f"q{number}": {f"{code}-{rng.integers(size)}" for code, size in sizes.items()}
            for number in range(questions)
        },
    )


def random_embeddings(benchmark: Benchmark, dimensions: int) -> tuple[Floats, Floats]:
    """Draw unit vectors, with exact duplicates among the passages so that ties occur.

    Returns:
        [queries, dimensions] and [passages, dimensions], float32.
    """
    rng = np.random.default_rng(1)
    n_passages = len(benchmark.passages)
    queries, passages = (
        rng.standard_normal((count, dimensions), dtype=np.float32)
        for count in (len(benchmark.queries), n_passages)
    )
    for array in (queries, passages):
        array /= np.linalg.norm(array, axis=1, keepdims=True)
    n_copies = round(DUPLICATES * n_passages / sum(POOLS.values()))
    shuffled = rng.permutation(n_passages)
    passages[shuffled[:n_copies]] = passages[shuffled[n_copies : 2 * n_copies]]
    return queries, passages


def product(queries: Floats, passages: Floats, buffer: torch.Tensor) -> None:
    """Multiply block by block into the buffer: the floor."""
    q, p = torch.from_numpy(queries), torch.from_numpy(passages).T
    for start in range(0, len(q), BLOCK):
        block = q[start : start + BLOCK]
        torch.mm(block, p, out=buffer[: len(block)])


def subset(benchmark: Benchmark, chosen: NDArray[np.int64]) -> Benchmark:
    """Keep some queries, and all passages."""
    relevant = [
        benchmark.relevant[slice(*benchmark.relevant_offsets[query : query + 2])]
        for query in chosen
    ]
    return Benchmark(
        benchmark.name,
        benchmark.languages,
        [benchmark.question_ids[query] for query in chosen],
        benchmark.query_languages[chosen],
        [benchmark.queries[query] for query in chosen],
        benchmark.passage_ids,
        benchmark.passage_languages,
        benchmark.passages,
        np.cumsum([0, *map(len, relevant)], dtype=np.int64),
        np.concatenate(relevant),
    )


def memory_beyond(run: Callable[[], object]) -> float | None:
    """Measure by how much a call raises the process's resident memory at its peak.

    Returns:
        Megabytes; None where the system does not tell (other than Linux).
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)  # memory that was freed before would hide new memory
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to the present
        before = _status_kb("VmHWM")
        run()
        return (_status_kb("VmHWM") - before) / 1024
    except (OSError, AttributeError):
        return None


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def interleaved(repeats: int, *runs: Callable[[], object]) -> list[list[float]]:
    """Time some calls in turns.

    Returns:
        CPU seconds, a list of `repeats` for each call.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(repeats):
        for run, taken in zip(runs, seconds, strict=True):
            start = time.process_time()
            run()
            taken.append(time.process_time() - start)
    return seconds


def compare(
    name: str,
    ours: tuple[list[float], float | None],
    peer: tuple[list[float], float | None],
    floor: list[float],
    scored: int | None = None,
) -> Record:
    """Print medians and spreads of two candidates, and put them into one record.

    Args:
        name: of the comparison.
        ours: CPU seconds and megabytes.
        peer: the same.
        floor: CPU seconds of the bare product, in the same repeats.
        scored: number of queries, for rates instead of seconds.

    Returns:
        Medians in seconds, or in queries a second; ``ratio`` is ours over the peer's, the median
        over repeats; ``floor_share`` is the share of our time that the bare product takes.
    """
    unit = "queries/s" if scored else "s"
    amounts = [[scored / s if scored else s for s in seconds] for seconds, _ in (ours, peer)]
    ratios = [mine / theirs for mine, theirs in zip(*amounts, strict=True)]
    typer.echo(name)
    for who, values, megabytes in zip(("ours", "peer"), amounts, (ours[1], peer[1]), strict=True):
        memory = "" if megabytes is None else f", {megabytes:.0f} MB at the peak"
        typer.echo(f"  {who}  {spread(values)} {unit}{memory}")
    typer.echo(f"  ours / peer  {spread(ratios)}  ({len(ratios)} repeats)")
    return {
        "name": name,
        "ours": statistics.median(amounts[0]),
        "peer": statistics.median(amounts[1]),
        "unit": unit,
        "ratio": statistics.median(ratios),
        "floor_share": statistics.median(floor) / statistics.median(ours[0]),
        "ours_mb": ours[1],
        "peer_mb": peer[1],
        "n": len(ratios),
    }


def spread(values: list[float]) -> str:
    """Write a median with the smallest and the largest value."""
    return f"{statistics.median(values):.4g} [{min(values):.4g} .. {max(values):.4g}]"


def main(
    repeats: Annotated[int, typer.Option(min=1, help="How often each candidate runs.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the product.")] = 1,
    dimensions: Annotated[int, typer.Option(min=1, help="Size of an embedding.")] = 768,
    questions: Annotated[
        int, typer.Option(min=10, help="Questions a language; pools shrink in proportion.")
    ] = QUESTIONS,
    only: Annotated[str | None, typer.Option(help="Make this comparison alone.")] = None,
    peer_queries: Annotated[int, typer.Option(min=1, help="Queries that peers score.")] = 256,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for the figures, a list of objects.")
    ] = None,
) -> None:
    """Time the scoring of all settings against the bare matrix product and against peers."""
    torch.set_num_threads(threads)
    known = [PRODUCT, FULL_RANKINGS, *PEERS]
    if only is not None and only not in known:
        typer.echo(f"--only {only}: known are {', '.join(known)}", err=True)
        raise typer.Exit(2)
    benchmark = synthetic_benchmark(questions)
    queries, passages = random_embeddings(benchmark, dimensions)
    typer.echo(
        f"{len(queries)} queries x {len(passages)} passages x {dimensions} dimensions, "
        f"{len(benchmark.relevant)} relevant, threads={threads}, CPU seconds, "
        "median [smallest .. largest]"
    )
    few = subset(benchmark, np.arange(min(11, len(queries)), dtype=np.int64))
    scored_table(few, queries[:11], passages)  # compiles the kernel
    records: list[Record] = []
    for name in [only] if only else known:
        if name in (PRODUCT, FULL_RANKINGS):
            own = _against_product if name == PRODUCT else _with_full_rankings
            records.append(own(benchmark, queries, passages, repeats))
        else:
            sizes = (repeats, peer_queries)
            try:
                records.append(_against_peer(name, benchmark, queries, passages, *sizes))
            except ModuleNotFoundError as error:
                typer.echo(f"{name}: {error.name} is not installed; `make bench` installs it")
        if json_file is not None:
            json_file.write_text(json.dumps(records, indent=2) + "\n")


def scored_table(benchmark: Benchmark, queries: Floats, passages: Floats) -> pd.DataFrame:
    """Rank and measure, with all languages as seen ones."""
    ranks = rank_embeddings(benchmark, queries, passages)
    return per_query_table(benchmark, ranks, benchmark.languages)


def _against_product(
    benchmark: Benchmark, queries: Floats, passages: Floats, repeats: int
) -> Record:
    buffer = torch.empty(BLOCK, len(passages))
    runs: tuple[Callable[[], object], ...] = (
        lambda: product(queries, passages, buffer),
        lambda: scored_table(benchmark, queries, passages),
    )
    floor_mb, ours_mb = (memory_beyond(run) for run in runs)
    floor_s, ours_s = interleaved(repeats, *runs)
    return compare(PRODUCT, (ours_s, ours_mb), (floor_s, floor_mb), floor_s)


def _with_full_rankings(
    benchmark: Benchmark, queries: Floats, passages: Floats, repeats: int
) -> Record:
    buffer = torch.empty(BLOCK, len(passages))

    def full_rankings() -> None:
        ranks = rank_embeddings(benchmark, queries, passages, [FullRankings(benchmark).add])
        per_query_table(benchmark, ranks, benchmark.languages)

    runs: tuple[Callable[[], object], ...] = (
        lambda: product(queries, passages, buffer),
        lambda: scored_table(benchmark, queries, passages),
        full_rankings,
    )
    _, ranks_mb, full_mb = (memory_beyond(run) for run in runs)
    floor_s, ranks_s, full_s = interleaved(repeats, *runs)
    return compare(FULL_RANKINGS, (full_s, full_mb), (ranks_s, ranks_mb), floor_s)


def _against_peer(
    name: str,
    benchmark: Benchmark,
    queries: Floats,
    passages: Floats,
    repeats: int,
    peer_queries: int,
) -> Record:
    chosen = np.unique(np.linspace(0, len(queries) - 1, peer_queries).astype(np.int64))
    few, few_queries = subset(benchmark, chosen), queries[chosen]
    buffer = torch.empty(BLOCK, len(passages))
    runs: tuple[Callable[[], object], ...] = (
        lambda: product(few_queries, passages, buffer),
        lambda: scored_table(few, few_queries, passages),
        lambda: PEERS[name](few, few_queries, passages),
    )
    for run in runs:
        run()  # peers compile and import, too
    _, ours_mb, peer_mb = (memory_beyond(run) for run in runs)
    floor_s, ours_s, peer_s = interleaved(repeats, *runs)
    typer.echo(f"on {len(chosen)} of the queries:")
    return compare(name, (ours_s, ours_mb), (peer_s, peer_mb), floor_s, scored=len(chosen))


if __name__ == "__main__":
    typer.run(main)
