"""The command `hybridir evaluate`: any encoder, zero-shot, in every setting of a benchmark.

hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR --json figures.json
hybridir evaluate ENCODER --benchmark mlqa-r --data-root DIR --languages de,en --out FOLDER
hybridir evaluate bm25 --benchmark xquad-r --data-root DIR
hybridir evaluate ENCODER --benchmark scifact --folder DIR --language en
hybridir evaluate ENCODER --benchmark mine --table FILE --passages FILE
"""

from pathlib import Path
from typing import Annotated

import typer

from hybridir import names
from hybridir.cli.evaluation import (
    DEPTH,
    WHERE,
    EvaluationRequest,
    OutputPaths,
    ReaderSource,
    run_evaluation,
)
from hybridir.cli.messages import as_options, problems_as_options, reworded
from hybridir.cli.options import idle_options, where_data_are
from hybridir.languages import parse_languages

_PRECISIONS = ("fp32", "bf16", "auto")


def evaluate_command(
    encoder: Annotated[
        str,
        typer.Argument(help="Folder of Hugging Face or sentence-transformers, a hub id, or bm25."),
    ],
    benchmark: Annotated[
        str,
        typer.Option(help="xquad-r, mlqa-r, or any name for the one in --folder or --table."),
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
    table: Annotated[
        Path | None,
        typer.Option(help="File with question_id, language, question, passage in each row."),
    ] = None,
    passages: Annotated[
        Path | None,
        typer.Option(help="Of --table: file with language and passage, for more passages."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave unusable rows out instead of stopping.")
    ] = False,
    split: Annotated[str | None, typer.Option(help="Split of --folder; test if left out.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of --folder, if its files do not name it.")
    ] = None,
    parallel: Annotated[
        bool,
        typer.Option("--parallel", help="Equal ids in several languages are translations."),
    ] = False,
    parallel_questions: Annotated[
        bool,
        typer.Option("--parallel-questions", help="Those of questions are, not of passages."),
    ] = False,
    rules: Annotated[
        str, typer.Option(help="published, as trec_eval and BEIR count; or in_pool.")
    ] = "published",
    ignore_identical_ids: Annotated[
        bool | None,
        typer.Option(
            "--ignore-identical-ids/--no-ignore-identical-ids",
            help="Whether a query must not find the passage that has its own id, as in BEIR.",
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit of a hub id.")] = None,
    languages: Annotated[
        str | None,
        typer.Option(help="Codes, such as de,en; pt-BR=pt calls one by another. All if left out."),
    ] = None,
    seen: Annotated[
        str | None,
        typer.Option(help="Languages that the encoder was trained on, for rank distances."),
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(help="mean, cls, max, ..., joined by + for several, or pooler."),
    ] = None,
    similarity: Annotated[str | None, typer.Option(help="cosine or dot.")] = None,
    query_prefix: Annotated[str | None, typer.Option(help="Put before each query.")] = None,
    passage_prefix: Annotated[str | None, typer.Option(help="Put before each passage.")] = None,
    query_length: Annotated[int | None, typer.Option(help="Tokens of a query at most.")] = None,
    passage_length: Annotated[
        int | None, typer.Option(help="Tokens of a passage at most.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="fp32 (default), bf16 or auto.")] = None,
    reader: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of a model that answers questions, for its F1."),
    ] = None,
    reader_revision: Annotated[
        str | None, typer.Option(help="Commit of the reader's hub id.")
    ] = None,
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
        int | None,
        typer.Option(min=1, help="Passages of a ranking in --trec and --mteb (default: 100)."),
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of prepared data.")] = Path(
        ".hybridir-cache"
    ),
) -> None:
    """Score an encoder without training it.

    Pooling, similarity, prompts and lengths default to those of a sentence-transformers folder.
    """
    from hybridir.config import BenchmarkConfig, describe_problems, validate

    report = {
        "name": benchmark,
        "languages": None if languages is None else parse_languages(languages),
        "passage_text": passage_text,
        "folder": folder,
        "table": {"path": table, "passages": passages} if table else None,
        "split": split,
        "language": language,
        "skip_bad": skip_bad,
        "parallel": "questions" if parallel_questions else parallel,
        "rules": rules,
        "ignore_identical_ids": ignore_identical_ids,
    }
    overrides = {
        "pooling": pooling,
        "similarity": similarity,
        "query_prefix": query_prefix,
        "passage_prefix": passage_prefix,
        "query_length": query_length,
        "passage_length": passage_length,
    }
    problems = [
        *idle_options(
            encoder == names.BM25,
            overrides | {"precision": precision, "revision": revision},
            [
                ("--passages", passages, "--table", table),
                ("--depth", depth, "--trec or --mteb", trec or mteb),
                ("--reader-revision", reader_revision, "--reader", reader),
            ],
        ),
        *where_data_are(benchmark, data_root, folder, table),
    ]
    if parallel and parallel_questions:
        problems.append("--parallel: --parallel-questions says otherwise; leave one of them out")
    if precision not in (None, *_PRECISIONS):
        problems.append(f"--precision {precision}: choose one of {', '.join(_PRECISIONS)}")
    if problems:
        raise describe_problems(WHERE, problems)
    with reworded(as_options, problems_as_options):
        config = validate(BenchmarkConfig, report, WHERE)
    run_evaluation(
        EvaluationRequest(
            encoder,
            config,
            data_root,
            cache,
            revision=revision,
            overrides={name: value for name, value in overrides.items() if value is not None},
            seen_languages=tuple((seen or "").replace(",", " ").split()),
            precision=precision or "fp32",
            reader=ReaderSource(reader, reader_revision) if reader else None,
            output=OutputPaths(json_file, out, trec, mteb, depth or DEPTH),
        )
    )
