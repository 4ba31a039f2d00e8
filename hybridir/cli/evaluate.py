"""The command `hybridir evaluate`: any encoder, zero-shot, in every setting of a benchmark.

hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR --json figures.json
hybridir evaluate ENCODER --benchmark mlqa-r --data-root DIR --languages de,en --out FOLDER
hybridir evaluate bm25 --benchmark xquad-r --data-root DIR
hybridir evaluate ENCODER --benchmark scifact --folder DIR --language en
"""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from hybridir import names
from hybridir.config import EncoderConfig, EvaluationConfig
from hybridir.config.trial import ReportConfig, describe_problems
from hybridir.data import Benchmark
from hybridir.data.benchmark import Reading
from hybridir.errors import InputError
from hybridir.runtime.files import replacing
from hybridir.runtime.startup import quieten_dependencies

console = Console()
BM25 = "bm25"
_SHOWN = (names.AP, names.RR, names.RECALL_AT_1, names.RECALL_AT_10, names.ANSWER_F1)
_PRECISIONS = ("fp32", "bf16", "auto")


def evaluate(
    encoder: Annotated[
        str,
        typer.Argument(help="Folder of Hugging Face or sentence-transformers, a hub id, or bm25."),
    ],
    benchmark: Annotated[
        str, typer.Option(help="xquad-r, mlqa-r, or any name for what is in --folder.")
    ],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder that holds xquad-r/ or mlqa-r/.")
    ] = None,
    passage_text: Annotated[
        str, typer.Option(help="Of xquad-r and mlqa-r: sentence, or sentence+paragraph.")
    ] = "sentence",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of a benchmark in BEIR's or MIRACL's layout.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of --folder; test if left out.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of --folder, where its files do not say it.")
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub id.")] = None,
    languages: Annotated[
        str | None, typer.Option(help="Codes, separated by commas; all if left out.")
    ] = None,
    seen: Annotated[
        str, typer.Option(help="Languages that the encoder was trained on, for rank distances.")
    ] = "",
    pooling: Annotated[str | None, typer.Option(help="mean, cls or pooler.")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="Put before each query.")] = None,
    passage_prefix: Annotated[str | None, typer.Option(help="Put before each passage.")] = None,
    query_length: Annotated[int | None, typer.Option(help="Tokens of a query at most.")] = None,
    passage_length: Annotated[int | None, typer.Option(help="Of a passage at most.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, bf16 or auto.")] = "fp32",
    reader: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of a model that answers questions, for its F1."),
    ] = None,
    reader_revision: Annotated[str | None, typer.Option(help="Commit of its hub id.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for the figures.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the per-query table and for the figures as CSV."),
    ] = None,
    trec: Annotated[
        Path | None, typer.Option(help="Folder for runs and relevance as trec_eval reads them.")
    ] = None,
    mteb: Annotated[
        Path | None, typer.Option(help="Folder for predictions as MTEB reads them.")
    ] = None,
    depth: Annotated[
        int, typer.Option(min=1, help="Passages of a ranking in --trec and --mteb.")
    ] = 100,
    cache: Annotated[Path, typer.Option(help="Folder of prepared data.")] = Path(
        ".hybridir-cache"
    ),
) -> None:
    """Score an encoder without training it.

    Pooling, prompts and lengths are a sentence-transformers folder's own, unless they are given.
    """
    if precision not in _PRECISIONS:
        raise InputError(f"--precision {precision}: choose one of {', '.join(_PRECISIONS)}")
    given = {
        "pooling": pooling,
        "query_prefix": query_prefix,
        "passage_prefix": passage_prefix,
        "query_length": query_length,
        "passage_length": passage_length,
    }
    report = _validated(
        ReportConfig,
        {
            "name": benchmark,
            "languages": _codes(languages) if languages else None,
            "passage_text": passage_text,
            "folder": folder,
            "split": split,
            "language": language,
        },
    )
    quieten_dependencies()
    from hybridir.data.load import load_benchmark, load_reading
    from hybridir.encoder.third_party import encoder_settings, folder_digest, local_folder

    about: dict[str, Any] = {"model": encoder, "precision": precision}
    config = None
    if encoder != BM25:
        weights = local_folder(encoder, revision)
        own = {name: value for name, value in given.items() if value is not None}
        config = _validated(EncoderConfig, encoder_settings(weights) | own)
        about["model_digest"] = folder_digest(weights)
        about["encoder"] = config.model_dump(mode="json", exclude={"path"}, exclude_none=True)
    loaded = load_benchmark(report, data_root)
    reading = load_reading(report, data_root) if reader else None

    from hybridir.evaluation.evaluate import macro_of, score_bm25, score_encoder, settings_of
    from hybridir.evaluation.trec_files import Runs  # torch and numba, only where they are needed

    console.print(
        f"{loaded.name}: {len(loaded.queries)} queries, {len(loaded.passages)} passages in "
        f"{' '.join(loaded.languages)}",
        highlight=False,
        soft_wrap=True,
    )
    runs = Runs(loaded, depth) if trec or mteb else None
    observers = [runs.add] if runs else []
    if config is None:
        scored = score_bm25(loaded, seen_languages=_codes(seen), observers=observers)
    else:
        scored = score_encoder(
            config,
            loaded,
            cache=cache,
            evaluation=EvaluationConfig(),
            precision=precision,
            seen_languages=_codes(seen),
            observers=observers,
        )
    macro, settings = macro_of(scored.table), settings_of(scored.table)
    _print(macro, scored.summary)
    if reading and reader:
        about["reader"] = reader
        about["reader_macro"] = _read(loaded, reading, scored.ranks, reader, reader_revision, out)
    if out is not None:
        _write_tables(out / loaded.name, scored.table, settings)
    if runs and trec is not None:
        runs.write_trec(trec, tag=Path(encoder).name)
        _say("runs", trec)
    if runs and mteb is not None:
        revision = revision or str(about.get("model_digest", "none"))
        _say("predictions", runs.write_mteb(mteb, encoder, revision))
    if json_file is not None:
        content = {
            "benchmark": loaded.name,
            "benchmark_digest": loaded.digest,
            "passage_text": passage_text,
            **about,
            "settings": settings,
            "macro": macro,
            "bias": _bias(scored.summary),
        }
        with replacing(json_file) as part:
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        _say("figures", json_file)


def _read(
    benchmark: Benchmark,
    reading: Reading,
    ranks: Any,
    reader: str,
    revision: str | None,
    out: Path | None,
) -> dict[str, dict[str, float]]:
    """Let a reader answer from the first passages; returns macro means of its measures."""
    from hybridir.evaluation.evaluate import macro_of
    from hybridir.evaluation.per_query import write_per_query
    from hybridir.evaluation.reader.f1 import reader_table
    from hybridir.evaluation.reader.model import load_reader, read_answers

    local = Path(reader)
    model = load_reader(local if local.is_dir() else reader, revision)
    table = reader_table(benchmark, reading, ranks, partial(read_answers, model))
    macro = macro_of(table, names.READER_MEASURES)
    for setting, means in macro.items():
        f1, exact = means[names.READER_F1], means[names.READER_EXACT]
        shown = f"{names.LABELS[names.READER_F1]} {f1:.4f}, exact {exact:.4f}"
        console.print(f"{names.LABELS[setting]}: {shown}", highlight=False)
    if out is not None:
        write_per_query(table, out / benchmark.name / "reader.parquet")
    return macro


def _write_tables(folder: Path, table: Any, settings: list[dict[str, Any]]) -> None:
    import pandas as pd

    from hybridir.evaluation.per_query import write_per_query

    write_per_query(table, folder / "per_query.parquet")
    for name, content in (("per_query.csv", table), ("settings.csv", pd.DataFrame(settings))):
        with replacing(folder / name) as part:
            content.to_csv(part, index=False)
    _say("tables", folder)


def _codes(given: str) -> tuple[str, ...]:
    return tuple(code.strip() for code in given.split(",") if code.strip())


def _validated(model: Any, content: dict[str, Any]) -> Any:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise describe_problems("command line", error) from None


def _bias(summary: dict[str, float]) -> dict[str, float]:
    figures = ((name.partition("/")[2], value) for name, value in summary.items())
    return {measure: value for measure, value in figures if measure in names.BIAS_MEASURES}


def _print(macro: dict[str, dict[str, float]], summary: dict[str, float]) -> None:
    table = Table(title="means over languages, or over pairs of languages")
    table.add_column("setting")
    for measure in _SHOWN:
        table.add_column(names.LABELS[measure], justify="right")
    for setting, means in macro.items():
        shown = [means[names.MEAN_NAMES.get(measure, measure)] for measure in _SHOWN]
        table.add_row(names.LABELS[setting], *(f"{value:.4f}" for value in shown))
    console.print(table)
    for measure, value in _bias(summary).items():
        console.print(f"{names.LABELS[measure]}: {value:.4g}", highlight=False)


def _say(what: str, path: Path) -> None:
    console.print(f"{what}: {path}", soft_wrap=True, highlight=False)
