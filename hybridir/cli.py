"""The command line of the library: one trial without a study, and a look at data.

hybridir train trial.yaml runs/first       train and evaluate one configuration
hybridir data trial.yaml                   what it would be trained and evaluated on
hybridir evaluate ENCODER --benchmark xquad-r --data-root DIR
                                           any encoder, without training it
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hybridir.config import TrialConfig, describe_problems
from hybridir.errors import InputError, TrialError
from hybridir.evaluate_command import evaluate
from hybridir.quiet import quieten_dependencies

console = Console()
app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Train and evaluate multilingual dense retrievers on hybrid batches.",
)

app.command()(evaluate)

ConfigFile = Annotated[Path, typer.Argument(help="YAML file with the settings of one trial.")]


@app.command()
def train(
    config: ConfigFile,
    workspace: Annotated[Path, typer.Argument(help="Folder for everything that it writes.")],
    cache: Annotated[Path, typer.Option(help="Folder of prepared data.")] = Path(
        ".hybridir-cache"
    ),
) -> None:
    """Train and evaluate one configuration; a second call goes on where the first one stopped."""
    settings = read_trial(config)
    quieten_dependencies()
    from hybridir.trial import run_trial  # torch, only where it is needed

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


@app.command()
def data(config: ConfigFile) -> None:
    """Count what a configuration would be trained and evaluated on."""
    settings = read_trial(config)
    from hybridir.data.sources import load_reported, load_training
    from hybridir.pools import build_pools

    loaded = load_training(settings.data)
    pools = build_pools(loaded.pairs)
    table = Table(title=f"{len(loaded.pairs)} training pairs, {len(pools.cross)} cross-lingual")
    table.add_column("data")
    for column in ("language", "questions", "passages"):
        table.add_column(column, justify="right")
    for language, size in zip(pools.languages, pools.sizes, strict=True):
        table.add_row("training", language, str(size), str(size))
    for benchmark in [*([loaded.dev] if loaded.dev else []), *load_reported(settings.data)]:
        for index, language in enumerate(benchmark.languages):
            queries = int((benchmark.query_languages == index).sum())
            passages = int(benchmark.pools[index + 1] - benchmark.pools[index])
            table.add_row(benchmark.name, language, str(queries), str(passages))
    console.print(table)


def read_trial(path: Path) -> TrialConfig:
    """Read one trial's settings.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return TrialConfig.model_validate(content)
    except ValidationError as error:
        raise describe_problems(str(path), error) from None


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
