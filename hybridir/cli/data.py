"""``hybridir data``: show the data of a trial, list published data, and prepare them.

hybridir data show trial.yaml                     count the data of a trial, or of a study
hybridir data list                                list the published data sets
hybridir data prepare mr-tydi --out data          make a training table of a published data set
hybridir data prepare xquad-r --out data          copy LAReQA's files, checked by SHA-256
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hybridir.cli.tables import print_whole
from hybridir.errors import InputError
from hybridir.runtime.commands import script
from hybridir.runtime.terminal import plain_console

ConfigFile = Annotated[Path, typer.Argument(help="YAML file with the settings of one trial.")]

console = plain_console()
app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Show data, or prepare published data sets."
)


@app.command()
def show(
    config: Annotated[Path, typer.Argument(help="YAML file of a trial or of a study.")],
) -> None:
    """Count the training and evaluation data of a trial or a study."""
    from hybridir.config import read_data

    settings, is_study = read_data(config)
    from hybridir.batches.index import index_pairs
    from hybridir.data import load_benchmarks, load_training

    loaded = load_training(settings)
    cross = sum(len(index_pairs(pairs).cross) for pairs in loaded.tables)
    table = Table(title=f"{len(loaded.pairs)} training pairs, {cross} cross-lingual")
    table.add_column("data")
    for column in ("language", "questions", "passages", "clusters"):
        table.add_column(column, justify="right")
    for number, pairs in enumerate(loaded.tables, start=1):
        name = f"training, set {number}" if len(loaded.tables) > 1 else "training"
        # A question has a row for each passage that answers it, and several may have one passage.
        questions = _distinct(pairs.language, pairs.question_id)
        passages = _distinct(pairs.passage_languages, pairs.passage)
        clusters = _distinct(pairs.language, pairs.clusters)
        for language in pairs.languages:
            counts = (questions[language], passages[language], clusters[language])
            table.add_row(name, language, *map(str, counts))
    for benchmark in [*([loaded.dev] if loaded.dev else []), *load_benchmarks(settings)]:
        for index, language in enumerate(benchmark.languages):
            n_queries = int((benchmark.query_languages == index).sum())
            pool_size = int(benchmark.pool_offsets[index + 1] - benchmark.pool_offsets[index])
            first = int(benchmark.query_languages.searchsorted(index))  # sorted by language
            n_clusters = len(set(benchmark.clusters[first : first + n_queries]))
            table.add_row(benchmark.name, language, *map(str, (n_queries, pool_size, n_clusters)))
    print_whole(console, table)
    if is_study:
        console.print(
            "note: only the data of this study's file were read; "
            f"{script('tune/run_sweep.py', str(config), '--plan')} checks all of it",
            soft_wrap=True,
        )


def _distinct(languages: Sequence[str], texts: Sequence[str]) -> Counter[str]:
    """The number of different texts by language."""
    return Counter(code for code, _ in set(zip(languages, texts, strict=True)))


@app.command("list")
def list_declared() -> None:
    """List the published data sets, with licence and source."""
    from hybridir.data.published.catalogue import DECLARED

    table = Table()
    table.add_column("name", no_wrap=True)  # to be copied
    for column in ("kind", "languages", "licence", "rows", "source"):
        table.add_column(column, overflow="fold")
    for data in DECLARED.values():
        source = "\n".join(
            f"{origin.repository} {origin.revision[:10]}" for origin in data.sources
        )
        table.add_row(
            data.name,
            data.kind,
            " ".join(data.languages),
            data.licence,
            data.rows or "not stated",
            source,
        )
    print_whole(console, table)
    for data in DECLARED.values():
        remark = f"{data.row}; {data.notes}"
        console.print(f"{data.name}: {remark}.", soft_wrap=True)


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(help="A name from `hybridir data list`.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and its manifest.")],
    languages: Annotated[
        str | None, typer.Option(help="Codes, such as de,en; all languages if left out.")
    ] = None,
    from_folder: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the repository's files, instead of the network."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Another commit than the declared one.")
    ] = None,
) -> None:
    """Make a training table of a published data set; a second call uses the files of the first."""
    from hybridir.data.published.catalogue import DECLARED
    from hybridir.data.published.prepare import prepare as obtain

    if name not in DECLARED:
        raise InputError(f"{name!r} is not a known data set; choose one of {', '.join(DECLARED)}")
    declaration = DECLARED[name].at(revision) if revision else DECLARED[name]
    codes = None if languages is None else languages.replace(",", " ").split()
    obtain(
        declaration,
        out,
        languages=codes,
        from_folder=from_folder,
        say=lambda line: console.print(line, soft_wrap=True),
    )
