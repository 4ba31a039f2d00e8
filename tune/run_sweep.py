"""Run a study: search, confirmation, report.

    python tune/run_sweep.py                       the embedded study, tune/studies/demo.yaml
    python tune/run_sweep.py STUDY.yaml            another one
    python tune/run_sweep.py STUDY.yaml --plan     what it will take, from a measured probe
    python tune/run_sweep.py STUDY.yaml --preflight    whether every node can run it
    python tune/run_sweep.py --status demo         how far the newest run is
    python tune/run_sweep.py --resume demo         go on after an interruption
    python tune/run_sweep.py --replay demo/search-003  one trial again without Ray, compared

Everything is written under results/ and to mlflow.db in the working directory. With RAY_ADDRESS a
cluster is joined. Not covered: clusters whose nodes do not share the storage.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import typer
from rich.console import Console
from rich.logging import RichHandler

from hybridir.errors import InputError
from hybridir.runtime.startup import long_lived, quieten_dependencies
from tune.folders import RunFolder, latest_run
from tune.study.file import DEMO, StudyConfig, load_study

console = Console() if sys.stdout.isatty() else Console(width=120)
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(
    study: Annotated[Path | None, typer.Argument(help="Study file; default: the demo.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be repeated."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what it will take, and stop.")
    ] = False,
    preflight: Annotated[
        bool, typer.Option("--preflight", help="Check every node, and stop.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with the newest run of a study.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show how far the newest run is.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(metavar="NAME/TRIAL", help="Run a trial of the newest run again, compare."),
    ] = None,
    storage: Annotated[
        Path, typer.Option(help="Where --resume, --status and --replay look.")
    ] = Path("results"),
) -> None:
    """Run a study over (mixing ratio, temperature, batch size): search, confirmation, report."""
    _refuse_mixtures(
        {"STUDY": study, "--set": overrides, "--plan": plan, "--preflight": preflight},
        {"--resume": resume, "--status": status, "--replay": replay},
    )
    if status:
        from tune.view.status import show_status

        show_status(latest_run(storage, status), console)
    elif replay:
        _replay(storage, replay)
    elif resume:
        folder = latest_run(storage, resume)
        settings = load_study(folder.study_file, [])
        _run(settings.model_copy(update={"storage": storage}), folder)
    else:
        settings = load_study(study or DEMO, overrides or [])
        if plan or preflight:
            _look_ahead(settings, plan, preflight)
        else:
            _run(settings, None)


def _refuse_mixtures(new: dict[str, object], alone: dict[str, object]) -> None:
    """Refuse what belongs to a new run beside a command about one that exists."""
    given = [name for name, value in (new | alone).items() if value]
    first = next((name for name, value in alone.items() if value), None)
    if first and len(given) > 1:
        raise InputError(
            f"{' and '.join(given)} do not go together; {first} takes a name alone, "
            "since a run keeps the settings that it was started with"
        )


def _look_ahead(study: StudyConfig, plan: bool, preflight: bool) -> None:
    with long_lived():
        quieten_dependencies()
        from tune.driver.launch import inspect, ready
        from tune.forecast.plan import make_plan, render

    with ready(study, console.print) as there:
        if preflight:
            flight = inspect(study, there, None)
            console.print(flight.table())
            flight.refuse_problems()
            for line in (flight.summary, *flight.warnings):
                console.print(line, highlight=False, soft_wrap=True)
        if plan:
            for part in render(study, make_plan(study, there.inputs, there.nodes)):
                console.print(part, highlight=False, soft_wrap=True)


def _replay(storage: Path, given: str) -> None:
    with long_lived():
        quieten_dependencies()
        from tune.driver.replay import replay

    name, slash, trial = given.partition("/")
    if not slash:
        raise InputError(
            f"--replay {given}: expected the study's name and the trial's, such as "
            "demo/search-003; --status names the trials"
        )
    if not replay(latest_run(storage, name), trial, console):
        raise typer.Exit(1)


def _run(study: StudyConfig, continued: RunFolder | None) -> None:
    with long_lived():
        quieten_dependencies()
        from tune.driver.drive import drive

    drive(study, continued, console)


def run() -> None:
    """Entry point: a user's mistake ends with a message and exit code 2."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_time=False, show_path=False)],
    )
    try:
        app()
    except InputError as error:
        Console(stderr=True).print(
            f"error: {error}", markup=False, highlight=False, soft_wrap=True, style="red"
        )
        sys.exit(2)


if __name__ == "__main__":
    run()
