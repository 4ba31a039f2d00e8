"""The library's command line: a single trial without a study, its data, and its encoder.

hybridir train trial.yaml runs/first       train and evaluate one configuration
hybridir data ...                          show or prepare data; see `hybridir.cli.data`
hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR
                                           evaluate any encoder without training
hybridir train-reader ENCODER --data mlqa-r --benchmark xquad-r --data-root DIR --out READER
                                           make a reader for `evaluate --reader`
hybridir export results/demo/run-001 --out FOLDER
                                           export a trained encoder with its model card
hybridir infer scores.parquet              judge scores from any trainer
hybridir config ...                        explain settings, or write a trial's file
hybridir --version                         print the version
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from hybridir import __version__
from hybridir.cli import data
from hybridir.cli.config import config as config_command
from hybridir.cli.evaluate import evaluate_command
from hybridir.cli.export import export
from hybridir.cli.infer import infer
from hybridir.cli.train_reader import train_reader
from hybridir.errors import InputError, TrialError
from hybridir.runtime.addresses import without_secrets
from hybridir.runtime.startup import frozen_imports, quieten_dependencies
from hybridir.runtime.terminal import plain_console

console = plain_console()
app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


def _print_version(version: bool) -> None:
    if version:
        console.print(f"hybridir {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Train and evaluate multilingual dense retrievers on hybrid batches."""


app.command("evaluate")(evaluate_command)
app.command()(export)
app.command()(infer)
app.command()(train_reader)
app.command("config", no_args_is_help=True)(config_command)
app.add_typer(data.app, name="data")


@app.command()
def train(
    config: data.ConfigFile,
    workspace: Annotated[Path, typer.Argument(help="Folder for all files of the trial.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared data.")] = Path(
        ".hybridir-cache"
    ),
) -> None:
    """Train and evaluate one configuration; a second call continues an interrupted first call."""
    from hybridir.config import read_trial

    settings = read_trial(config)
    with frozen_imports():
        quieten_dependencies()
        from hybridir.trial.run import run_trial  # loads torch, which other commands do not need

    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("training")
        result = run_trial(
            settings,
            workspace,
            cache,
            progress=lambda step, steps: progress.update(task, completed=step, total=steps),
            keep_encoder=True,
        )
    for name, value in sorted(result.metrics.items()):
        console.print(f"{name:<45} {value:.6g}")
    console.print(f"results: {workspace}", soft_wrap=True)


def main() -> None:
    """Run the command line: a user's mistake ends with exit code 2, a failed trial with 1."""
    # It would read the metadata of every installed package for plugins, of which none is used.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        try:
            app(prog_name="hybridir")
        except OSError as error:
            raise InputError.of_file(error) from None
    except (InputError, TrialError) as error:
        text = f"error: {without_secrets(str(error))}"
        plain_console(stderr=True).print(text, soft_wrap=True, style="red")
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
