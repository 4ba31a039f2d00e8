"""The command line of the library: one trial without a study, and its data.

hybridir train trial.yaml runs/first       train and evaluate one configuration
hybridir data ...                          see `hybridir.cli.data`
hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR
                                           any encoder, without training it
hybridir export results/demo/run-001 --out FOLDER
                                           a trained encoder, with its card
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from hybridir.cli import data
from hybridir.cli.evaluate import evaluate
from hybridir.cli.export import export
from hybridir.config import read_trial
from hybridir.errors import InputError, TrialError
from hybridir.runtime.startup import long_lived, quieten_dependencies

console = Console()
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Train and evaluate multilingual dense retrievers on hybrid batches.",
)

app.command()(evaluate)
app.command()(export)
app.add_typer(data.app, name="data")


@app.command()
def train(
    config: data.ConfigFile,
    workspace: Annotated[Path, typer.Argument(help="Folder for everything that it writes.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared data.")] = Path(
        ".hybridir-cache"
    ),
) -> None:
    """Train and evaluate one configuration; a second call goes on where the first one stopped."""
    settings = read_trial(config)
    with long_lived():
        quieten_dependencies()
        from hybridir.trial.run import run_trial  # torch, only where it is needed

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
        console.print(f"{name:<45} {value:.6g}", highlight=False)
    console.print(f"results: {workspace}", highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point: a user's mistake ends with a message and exit code 2, a lost trial with 1."""
    try:
        app(prog_name="hybridir")
    except (InputError, TrialError) as error:
        Console(stderr=True).print(
            f"error: {error}", markup=False, highlight=False, soft_wrap=True, style="red"
        )
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main()
