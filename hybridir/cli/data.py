"""``hybridir data``: what a trial would use, which published data there are, and preparing them.

hybridir data show trial.yaml                     what it would be trained and evaluated on
hybridir data list                                published data that can be prepared
hybridir data prepare mr-tydi --out data          one of them as a training table
hybridir data prepare xquad-r --out data          LAReQA's files, checked against their SHA-256
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from hybridir.config import read_trial
from hybridir.errors import InputError

ConfigFile = Annotated[Path, typer.Argument(help="YAML file with the settings of one trial.")]

console = Console()
app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Look at data, or prepare published ones."
)


@app.command()
def show(config: ConfigFile) -> None:
    """Count what a configuration would be trained and evaluated on."""
    settings = read_trial(config)
    from hybridir.batches.index import build_pools
    from hybridir.data import load_benchmarks, load_training

    loaded = load_training(settings.data)
    cross = sum(len(build_pools(pairs).cross) for pairs in loaded.tables)
    table = Table(title=f"{len(loaded.pairs)} training pairs, {cross} cross-lingual")
    table.add_column("data")
    for column in ("language", "questions", "passages"):
        table.add_column(column, justify="right")
    for number, each in enumerate(loaded.tables, start=1):
        name = f"training, set {number}" if len(loaded.tables) > 1 else "training"
        asked, answered = Counter(each.language), Counter(each.passage_languages)
        for language in each.languages:
            table.add_row(name, language, str(asked[language]), str(answered[language]))
    for benchmark in [*([loaded.dev] if loaded.dev else []), *load_benchmarks(settings.data)]:
        for index, language in enumerate(benchmark.languages):
            queries = int((benchmark.query_languages == index).sum())
            passages = int(benchmark.pools[index + 1] - benchmark.pools[index])
            table.add_row(benchmark.name, language, str(queries), str(passages))
    console.print(table)


@app.command("list")
def list_declared() -> None:
    """Name the published data that can be prepared, with licence and source."""
    from hybridir.data.published.catalogue import DECLARED

    table = Table()
    for column in ("name", "kind", "languages", "licence", "rows", "source"):
        table.add_column(column, overflow="fold")
    for data in DECLARED.values():
        source = "\n".join(f"{part.repository} {part.revision[:10]}" for part in data.parts)
        table.add_row(
            data.name,
            data.kind,
            " ".join(data.languages),
            data.licence,
            data.rows or "not stated",
            source,
        )
    console.print(table)
    for data in DECLARED.values():
        remark = f"{data.row}; {data.notes}"
        console.print(f"{data.name}: {remark}.", highlight=False, soft_wrap=True)


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(help="One of those that `hybridir data list` names.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and its manifest.")],
    languages: Annotated[
        str | None, typer.Option(help="Codes, such as de,en; all if left out.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with the repository's files, instead of the network."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Another commit than the one that is declared.")
    ] = None,
) -> None:
    """Make a training table of published data; a second call goes on where the first stopped."""
    from hybridir.data.published.catalogue import DECLARED
    from hybridir.data.published.download import download
    from hybridir.data.published.prepare import prepare as obtain

    if name not in DECLARED:
        raise InputError(f"{name!r}: there are no such data; known are {', '.join(DECLARED)}")
    declaration = DECLARED[name].at(revision) if revision else DECLARED[name]
    codes = None if languages is None else languages.replace(",", " ").split()
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    silent = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=silent) as bar:
        task = bar.add_task("", visible=False)
        obtain(
            declaration,
            out,
            languages=codes,
            source=source,
            say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
            get=partial(
                download,
                progress=lambda arrived, total: bar.update(
                    task, completed=arrived, total=total, visible=True
                ),
            ),
        )
