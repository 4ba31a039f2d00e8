"""An evaluation from the terminal: what is asked for, its progress, its figures and its files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from hybridir import names
from hybridir.cli.messages import as_options, problems_as_options, reworded
from hybridir.cli.options import check_seen, refuse_trial
from hybridir.cli.tables import print_whole
from hybridir.runtime.files import atomic_write, check_file, check_folder
from hybridir.runtime.startup import quieten_dependencies
from hybridir.runtime.terminal import plain_console

if TYPE_CHECKING:
    import pandas as pd

    from hybridir.config import BenchmarkConfig, ResolvedEncoderConfig
    from hybridir.data import Benchmark
    from hybridir.data.benchmark import Reading
    from hybridir.encoder import LoadedEncoder
    from hybridir.retrieval.ranks import RelevantRanks

console = plain_console()
WHERE = "command line"
DEPTH = 100
_SHOWN = (
    *(names.AP, names.SET_F1, names.RR, names.RECALL_AT_1, names.RECALL_AT_10),
    names.ANSWER_F1,
)


@dataclass(frozen=True)
class ReaderSource:
    """The question answering model that reads the first passages.

    Attributes:
        source: folder or hub id.
        revision: commit of a hub id.
    """

    source: str
    revision: str | None = None


@dataclass(frozen=True)
class OutputPaths:
    """Files and folders for the results; None leaves one out.

    Attributes:
        json_file: the figures.
        tables: folder of the per-query table and of the figures as CSV.
        trec: folder of runs and relevance judgements as trec_eval reads them.
        mteb: folder of predictions as MTEB reads them.
        depth: passages of a ranking in `trec` and `mteb`.
    """

    json_file: Path | None = None
    tables: Path | None = None
    trec: Path | None = None
    mteb: Path | None = None
    depth: int = DEPTH

    def check(self) -> None:
        """Refuse what cannot be written, before the work begins.

        Raises:
            InputError: with the option, and the part of its path that is in the way.
        """
        if self.json_file is not None:
            check_file("--json", self.json_file)
        for option, folder in (
            ("--out", self.tables),
            ("--trec", self.trec),
            ("--mteb", self.mteb),
        ):
            if folder is not None:
                check_folder(option, folder)


@dataclass(frozen=True)
class EvaluationRequest:
    """Encoder, benchmark, settings and outputs of one evaluation.

    Attributes:
        encoder: folder, hub id or ``bm25``.
        benchmark: name, languages and folder of the benchmark.
        data_root: folder that holds ``xquad-r/`` and ``mlqa-r/``.
        revision: commit of a hub id.
        overrides: fields of `EncoderConfig` that replace the folder's own settings.
        seen_languages: languages that the encoder was trained on.
        precision: ``fp32``, ``bf16`` or ``auto``.
        reader: reads answers from the first passages; None for none.
        output: files and folders for the results.
        cache: folder of prepared data.
    """

    encoder: str
    benchmark: "BenchmarkConfig"
    data_root: Path | None
    cache: Path
    revision: str | None = None
    overrides: Mapping[str, Any] | None = None
    seen_languages: tuple[str, ...] = ()
    precision: str = "fp32"
    reader: ReaderSource | None = None
    output: OutputPaths = OutputPaths()


def run_evaluation(request: EvaluationRequest) -> dict[str, Any]:
    """Evaluate, print the headline figures, and write the results.

    Returns:
        The content of the JSON file.

    Raises:
        InputError: if the encoder, the reader or the benchmark cannot be used.
        TrialError: if embeddings are not finite.
    """
    quieten_dependencies()
    from hybridir.data.load import load_benchmark, load_reading

    request.output.check()
    check_folder("--cache", request.cache)
    config, description = _describe_encoder(request)
    with reworded(as_options):
        benchmark = load_benchmark(request.benchmark, request.data_root)
    if note := check_seen(request.seen_languages, benchmark):
        console.print(note, soft_wrap=True)
    reading = load_reading(request.benchmark, request.data_root) if request.reader else None

    # torch and numba, only where they are needed
    from hybridir.encoder import load_encoder
    from hybridir.evaluation.evaluate import evaluate
    from hybridir.evaluation.language_bias import language_comparisons
    from hybridir.evaluation.summary import absent_figures, macro_means, setting_means
    from hybridir.evaluation.trec_files import Runs
    from hybridir.retrieval import bm25_scorer

    console.print(
        f"{benchmark.name}: {len(benchmark.queries)} queries, {len(benchmark.passages)} passages "
        f"in {' '.join(benchmark.languages)}, {benchmark.n_clusters} clusters of questions",
        soft_wrap=True,
    )
    for note in benchmark.judgements.notes():
        console.print(f"note: {as_options(note)}", soft_wrap=True)
    output = request.output
    runs = Runs(benchmark, output.depth) if output.trec or output.mteb else None
    tag = Path(request.encoder).name
    if runs and output.trec is not None:
        runs.check_names(tag)  # before the work
    encoder = None if config is None else load_encoder(config)
    with _encoding_shown(encoder, benchmark):
        evaluation = evaluate(
            encoder or bm25_scorer(benchmark),
            benchmark,
            seen_languages=request.seen_languages,
            precision=request.precision,
            observers=[runs.add] if runs else [],
            cache=request.cache,
        )
    macro, settings = macro_means(evaluation.table), setting_means(evaluation.table)
    unordered = _bias(evaluation.summary) | language_comparisons(evaluation.table)
    bias: dict[str, float] = {
        name: unordered[name] for name in names.BIAS_MEASURES if name in unordered
    }
    absent = absent_figures(evaluation.table)
    similarity = config.similarity if config else None
    _print(macro, bias, absent, benchmark.languages, similarity)
    if request.reader and reading:
        description |= _read_answers(request, benchmark, reading, evaluation.ranks)
    if output.tables is not None:
        _write_tables(output.tables / benchmark.name, evaluation.table, settings)
    if runs and output.trec is not None:
        runs.write_trec(output.trec, tag)
        _print_path("runs", output.trec)
    if runs and output.mteb is not None:
        pin = request.revision or str(description.get("model_digest", "none"))
        _print_path("predictions", runs.write_mteb(output.mteb, request.encoder, pin))
    content = {
        "benchmark": benchmark.name,
        "benchmark_digest": benchmark.digest,
        "n_queries": len(benchmark.queries),
        "n_passages": len(benchmark.passages),
        "n_clusters": benchmark.n_clusters,
        "passage_text": request.benchmark.passage_text,
        **_judgements(request.benchmark, benchmark),
        **description,
        "settings": settings,
        "macro": macro,
        "bias": bias,
        "absent": absent,
    }
    if output.json_file is not None:
        with atomic_write(output.json_file) as partial:
            text = json.dumps(content, indent=1, ensure_ascii=False)
            partial.write_text(text + "\n", "utf-8")
        _print_path("figures", output.json_file)
    return content


@contextmanager
def _encoding_shown(encoder: "LoadedEncoder | None", benchmark: "Benchmark") -> Iterator[None]:
    """On a terminal, show how many texts are encoded, and the time left."""
    if encoder is None or not console.is_terminal:
        yield
        return
    from rich.progress import Progress

    texts = len({*benchmark.queries}) + len({*benchmark.passages})  # each is encoded once
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("encoding", total=texts)
        hook = encoder.model.register_forward_hook(
            lambda model, packed, vectors: bar.advance(task, len(vectors))
        )
        try:
            yield
        finally:
            hook.remove()


def _describe_encoder(
    request: EvaluationRequest,
) -> tuple["ResolvedEncoderConfig | None", dict[str, Any]]:
    """The encoder's configuration, None for BM25, and its entries in the JSON file."""
    from hybridir.config import EncoderConfig, validate
    from hybridir.encoder.third_party import (
        folder_digest,
        foreign_folder,
        local_folder,
        resolve,
    )

    description: dict[str, Any] = {"model": request.encoder, "precision": request.precision}
    if request.encoder == names.BM25:
        return None, description
    refuse_trial(Path(request.encoder))
    weights = local_folder(request.encoder, request.revision)
    with reworded(problems_as_options):
        chosen = validate(EncoderConfig, {"path": weights, **(request.overrides or {})}, WHERE)
    config, source = resolve(chosen), foreign_folder(chosen)
    assert source is not None, "a folder was named"
    description["model_digest"] = folder_digest(weights)
    description["encoder"] = config.model_dump(mode="json", exclude={"path"}, exclude_none=True)
    description["encoder"] |= source.description
    return config, description


def _judgements(config: "BenchmarkConfig", benchmark: "Benchmark") -> dict[str, Any]:
    """How the folder of a benchmark was taken, and what was left out or mended."""
    judged = benchmark.judgements
    if not judged.rules:
        return {}
    return {
        "judgements": {
            "rules": judged.rules,
            "ignore_identical_ids": judged.ignore_identical_ids,
            "parallel": config.parallel,
            "counts": dict(judged.counts),
            "notes": judged.notes(),
        }
    }


def _read_answers(
    request: EvaluationRequest, benchmark: "Benchmark", reading: "Reading", ranks: "RelevantRanks"
) -> dict[str, Any]:
    """Let a reader answer from the first passages; returns its entries in the JSON file."""
    from hybridir.evaluation.per_query import write_per_query
    from hybridir.evaluation.reader.f1 import reader_table
    from hybridir.evaluation.reader.model import reader_folder
    from hybridir.evaluation.reader.stored_answers import StoredReader
    from hybridir.evaluation.summary import macro_means

    assert request.reader is not None, "the caller has looked"
    source = request.reader.source
    reader = StoredReader(reader_folder(source, request.reader.revision), request.cache)
    table = reader_table(benchmark, reading, ranks, reader)
    macro = macro_means(table, names.READER_MEASURES)
    for setting, means in macro.items():
        f1, exact = means[names.READER_F1], means[names.READER_EXACT]
        shown = f"{names.LABELS[names.READER_F1]} {f1:.4f}, exact {exact:.4f}"
        console.print(f"{names.LABELS[setting]}: {shown}")
    if request.output.tables is not None:
        write_per_query(table, request.output.tables / benchmark.name / "reader.parquet")
    return {"reader": source, "reader_digest": reader.digest, "reader_macro": macro}


def _write_tables(folder: Path, table: "pd.DataFrame", settings: list[dict[str, Any]]) -> None:
    import pandas as pd

    from hybridir.evaluation.per_query import write_per_query

    write_per_query(table, folder / "per_query.parquet")
    for name, content in (("per_query.csv", table), ("settings.csv", pd.DataFrame(settings))):
        with atomic_write(folder / name) as partial_file:
            content.to_csv(partial_file, index=False)
    _print_path("tables", folder)


def _bias(summary: dict[str, float]) -> dict[str, float]:
    figures = ((name.partition("/")[2], value) for name, value in summary.items())
    return {measure: value for measure, value in figures if measure in names.BIAS_MEASURES}


def _print(
    macro: dict[str, dict[str, float]],
    bias: dict[str, float],
    absent: dict[str, str],
    languages: Sequence[str],
    similarity: str | None,
) -> None:
    compared = f"; similarity: {names.SIMILARITIES[similarity]}" if similarity else ""
    table = Table(title=f"means over languages, or over pairs of languages{compared}")
    table.add_column("setting")
    for measure in _SHOWN:
        table.add_column(names.LABELS[measure], justify="right")
    for setting, means in macro.items():
        shown = [means.get(names.MEAN_NAMES.get(measure, measure)) for measure in _SHOWN]
        cells = ("" if value is None else f"{value:.4f}" for value in shown)
        table.add_row(names.LABELS[setting], *cells)
    print_whole(console, table)
    for note in _notes(languages):
        console.print(note, soft_wrap=True)
    for measure, value in bias.items():
        console.print(f"{names.LABELS[measure]}: {value:.4g}")
    for kind, reason in absent.items():
        console.print(f"no {names.LABELS[kind]}: {reason}", soft_wrap=True)


def _notes(languages: Sequence[str]) -> list[str]:
    """What the table's figures of this project's own are, in a line each."""
    from hybridir.evaluation.answer_f1 import has_words

    wordless = ", ".join(code for code in languages if not has_words(code))
    without = f"{wordless}, written without spaces, and without " if wordless else ""
    return [
        f"{names.LABELS[names.SET_F1]}: of the first R passages, R being the number of relevant "
        "ones; hit@1 where one is relevant",
        f"{names.LABELS[names.ANSWER_F1]}: words that the first passage shares with the gold one; "
        f"without {without}the pool of all languages, where it rewards language bias",
    ]


def _print_path(content: str, path: Path) -> None:
    console.print(f"{content}: {path}", soft_wrap=True)
