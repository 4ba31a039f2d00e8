"""`LanguagePoolEvaluator` against sentence-transformers' InformationRetrievalEvaluator.

    python benchmarks/evaluator.py --data-root DATA --encoder FOLDER --json evaluator.json
    python benchmarks/evaluator.py --languages de,en,zh --repeats 1

Both measure the same model in the same settings, 122 of XQuAD-R: the questions of each language in
the pool of each language, and all questions in the pool of all languages. Ours needs one call. The
peer takes an evaluator for each setting, as its documentation shows it, and each of them
encodes its questions and its pool again. Times are CPU seconds of this process on one thread. A
ratio above 1 means that ours is faster. Our first call, which reads the model's settings and
tokenises, is timed apart from the later ones. mAP is compared in every setting, the peer's at the
depth of the whole pool; that is not timed.

The floor is what no evaluation can leave out: the matrix products of one pass of each text without
padding, and of all queries with all passages, at the rate of a large product by torch's `@`,
measured in the same run. In fp32 oneDNN, which ours calls, may be faster: a second floor.

Without --data-root the texts are those of made-up languages, without --encoder weights are random.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.parts.cases import flops
from benchmarks.parts.ours import matrix_rate, onednn_rate
from hybridir import load_encoder, names
from hybridir.config import EncoderConfig
from hybridir.data import Benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder import save_encoder
from hybridir.evaluation.summary import setting_means
from hybridir.runtime.startup import quieten_dependencies

# As all-MiniLM-L6 and its kin.
SIZE = {
    "layers": 6,
    "hidden_size": 384,
    "heads": 12,
    "intermediate_size": 1536,
    "vocabulary": 30_000,
}
EVERY = names.ALL_LANGUAGES
Setting = tuple[str, str]
"""(language of the questions, language of the pool); ``all`` for those of all languages."""


def settings_of(benchmark: Benchmark) -> Iterator[Setting]:
    """All settings of a benchmark, those of the pool of all languages as one."""
    for asked in benchmark.languages:
        for pool in benchmark.languages:
            yield asked, pool
    yield EVERY, EVERY


def peer_evaluator(benchmark: Benchmark, setting: Setting, **depths: Any) -> Any:
    """Make the peer's evaluator of one setting."""
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )

    asked, pool = (
        None if code == names.ALL_LANGUAGES else benchmark.languages.index(code)
        for code in setting
    )
    members = {
        number
        for number, language in enumerate(benchmark.passage_languages)
        if pool is None or language == pool
    }
    bounds = zip(benchmark.relevant_offsets[:-1], benchmark.relevant_offsets[1:], strict=True)
    relevant = {
        str(query): {str(n) for n in benchmark.relevant[start:stop] if n in members}
        for query, (start, stop) in enumerate(bounds)
        if asked is None or benchmark.query_languages[query] == asked
    }
    return InformationRetrievalEvaluator(
        queries={key: benchmark.queries[int(key)] for key in relevant},
        corpus={str(number): benchmark.passages[number] for number in sorted(members)},
        relevant_docs=relevant,
        write_csv=False,
        **depths,
    )


def largest_difference(benchmark: Benchmark, ours: Any, model: Any) -> float:
    """The largest difference between both sides' mAP, over all settings."""
    table = ours.evaluation.table
    means = {
        (row[names.QUERY_LANGUAGE], row[names.POOL_LANGUAGE]): row["map"]
        for row in setting_means(table)
    }
    rows = table[table[names.SETTING] == names.MULTILINGUAL]
    means[names.ALL_LANGUAGES, names.ALL_LANGUAGES] = rows[
        names.AP
    ].mean()  # as the peer: over all questions
    differences = []
    for setting in settings_of(benchmark):
        depth = len(benchmark.passages)
        peer = peer_evaluator(benchmark, setting, map_at_k=[depth])
        figures = peer(model)
        (value,) = (value for name, value in figures.items() if name.endswith(f"map@{depth}"))
        differences.append(abs(value - means[setting]))
    return float(max(differences))


def operations(benchmark: Benchmark, model: Any) -> float:
    """Operations of an evaluation's matrix products."""
    config = model[0].auto_model.config
    texts = [*benchmark.queries, *benchmark.passages]
    tokens = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    lengths = np.array([len(text) for text in tokens], dtype=np.int64)
    scores = 2.0 * len(benchmark.queries) * len(benchmark.passages) * int(config.hidden_size)
    wide = getattr(config, "intermediate_size", None)
    return scores + float(flops(lengths, config.num_hidden_layers, config.hidden_size, wide))


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a call; with a GPU seconds of the clock."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    start = clock()
    work()
    return clock() - start


def spread(values: list[float]) -> str:
    """Write a median with the smallest and the largest value."""
    return f"{statistics.median(values):.4g} [{min(values):.4g} .. {max(values):.4g}]"


def load_benchmark(data_root: Path | None, languages: str | None, entities: int) -> Benchmark:
    """Load XQuAD-R in some languages, or make up a benchmark in as many."""
    codes = languages.split(",") if languages else None
    if data_root is None:
        number = len(codes) if codes else 3
        corpus = synthetic_corpus(languages=number, seed=20, entities=30, distractors=entities)
        return corpus.test
    return load_lareqa_benchmark("xquad-r", data_root / "xquad-r", codes)


def main(
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds xquad-r/.")] = None,
    encoder: Annotated[Path | None, typer.Option(help="Folder of the model.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Codes, such as de,en; all if out.")
    ] = None,
    distractors: Annotated[int, typer.Option(help="Entities of made-up texts.")] = 20,
    shrink: Annotated[int, typer.Option(help="Divides the size of a random model.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Calls of each that are timed.")] = 3,
    check: Annotated[bool, typer.Option(help="Compare mAP in all settings.")] = True,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
) -> None:
    """Time both, and compare their figures."""
    quieten_dependencies()
    from sentence_transformers import SentenceTransformer

    from hybridir.integrations.sentence_transformers import LanguagePoolEvaluator

    torch.set_num_threads(threads)
    benchmark = load_benchmark(data_root, languages, distractors)
    with tempfile.TemporaryDirectory() as folder:
        if encoder is None:
            encoder = Path(folder) / "encoder"
            size = SIZE | {name: SIZE[name] // shrink for name in SIZE if name != "vocabulary"}
            config = EncoderConfig.model_validate({"from_scratch": size})
            made = load_encoder(config, texts=[*benchmark.passages, *benchmark.queries])
            save_encoder(made.model, made.tokenizer, config, encoder)
        model = SentenceTransformer(str(encoder))
    settings = list(settings_of(benchmark))
    typer.echo(
        f"{benchmark.name}: {len(benchmark.queries)} queries x {len(benchmark.passages)} "
        f"passages, {len(settings)} settings"
    )
    ours = LanguagePoolEvaluator(benchmark, write_csv=False)
    peers = [peer_evaluator(benchmark, setting) for setting in settings]
    first = seconds(lambda: ours(model))
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(seconds(lambda: ours(model)))
        theirs.append(seconds(lambda: [peer(model) for peer in peers]))
    ratios = [peer / own for own, peer in zip(mine, theirs, strict=True)]
    typer.echo(f"  ours  {spread(mine)} s, {first:.4g} s the first time")
    typer.echo(f"  peer  {spread(theirs)} s")
    typer.echo(f"  peer / ours  {spread(ratios)}  ({repeats} repeats)")
    rate = matrix_rate("fp32")
    share = operations(benchmark, model) / rate / statistics.median(mine)
    typer.echo(f"  share of the floor by torch's products  {share:.2f}")
    if (onednn := onednn_rate()) is not None:
        typer.echo(f"  share of the floor by oneDNN's  {share * rate / onednn:.2f}")
    record = {
        "name": "evaluator-vs-InformationRetrievalEvaluator",
        "benchmark": benchmark.name,
        "settings": len(settings),
        "first_call": first,
        "ours": statistics.median(mine),
        "peer": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "floor_share": share,
        "unit": "s",
        "n": repeats,
    }
    if check:
        record["largest_map_difference"] = largest_difference(benchmark, ours, model)
        typer.echo(f"  largest difference in mAP  {record['largest_map_difference']:.1e}")
    if json_file is not None:
        json_file.write_text(json.dumps([record], indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
