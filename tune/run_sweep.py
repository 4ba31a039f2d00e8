"""Run a study: search, confirmation, report.

    python tune/run_sweep.py                       run the embedded study, tune/studies/demo.yaml
    python tune/run_sweep.py STUDY.yaml            run another study
    python tune/run_sweep.py STUDY.yaml --plan     estimate time, memory and disk from a probe
    python tune/run_sweep.py STUDY.yaml --preflight    check every node
    python tune/run_sweep.py --status demo         show the progress of the newest run
    python tune/run_sweep.py --resume demo         continue after an interruption
    python tune/run_sweep.py --resume demo@run-001     continue an older run than the newest
    python tune/run_sweep.py --replay demo/search-003  repeat one trial without Ray and compare it
    python tune/run_sweep.py --clean demo          remove what finished runs no longer need
    python tune/run_sweep.py --help-all            explain all settings of a study file
    python tune/run_sweep.py --schema              print the schema by which editors complete it

Output goes to results/ and to mlflow.db in the working directory. RAY_ADDRESS names a cluster to
join. Not covered: clusters whose nodes do not share the storage.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Instead of this script's folder, whose modules would shadow others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    # It would read the metadata of every installed package for plugins, of which none is used.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What follows takes seconds, in which a signal to stop would end in a traceback.
    from tune.driver.interruption import stop_at_once

    stop_at_once()

import json
import logging
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.logging import RichHandler

from hybridir import __version__
from hybridir.errors import InputError
from hybridir.runtime.addresses import without_secrets
from hybridir.runtime.startup import frozen_imports, quieten_dependencies
from hybridir.runtime.terminal import plain_console
from tune.folders import RunFolder, find_run, list_runs
from tune.view.terminal import make_output_last

# The settings' models take .3 s, and what drives a study 5 s: both are imported where they are
# used.
if TYPE_CHECKING:
    from tune.study.file import StudyConfig

# Where `make sweep` runs; --status looks there as well.
_ROOT = Path(__file__).resolve().parents[1]
_RESULTS = Path("results")
console = plain_console() if sys.stdout.isatty() else plain_console(width=120)
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


_EXAMPLES = """\b
Examples:
  python tune/run_sweep.py STUDY.yaml --set training.pairs=6400 --plan
  python tune/run_sweep.py --status demo
  python tune/run_sweep.py --resume demo"""


@app.command(epilog=_EXAMPLES)
def main(
    study: Annotated[Path | None, typer.Argument(help="Study file; default: the demo.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; may be repeated."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print an estimate of time, memory and disk, and stop.")
    ] = False,
    trial: Annotated[
        str | None,
        typer.Option(metavar="TRIAL", help="Print the file of one trial, for hybridir train."),
    ] = None,
    preflight: Annotated[
        bool, typer.Option("--preflight", help="Check every node, and stop.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Continue the newest run of a study. Here and below NAME@run-001, or the path of "
            "a run's folder, takes a certain run.",
        ),
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show the progress of the newest run.")
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="NAME/TRIAL", help="Repeat a trial of the newest run and compare its figures."
        ),
    ] = None,
    clean: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Remove what finished runs no longer need."),
    ] = None,
    help_all: Annotated[
        bool, typer.Option("--help-all", help="Explain all settings of a study file, and stop.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of study files, and stop.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, and stop.")
    ] = False,
    storage: Annotated[
        Path | None,
        typer.Option(
            help="Folder of all studies, for --resume, --status, --replay and --clean (results)."
        ),
    ] = None,
) -> None:
    """Run a study over (mixing ratio, temperature, batch size): search, confirmation, report."""
    if version:
        _say([f"hybridir {__version__}"])
        return
    if help_all or schema:
        _explain(schema)
        return
    existing = {"--resume": resume, "--status": status, "--replay": replay, "--clean": clean}
    if empty := [option for option, name in existing.items() if name == ""]:
        raise InputError(f"{empty[0]}: the name of a study is empty; say one, such as demo")
    _refuse_mixtures(
        {
            **{"STUDY": study, "--set": overrides, "--trial": trial},
            **{"--plan": plan, "--preflight": preflight},
        },
        existing,
    )
    if storage is not None and not (status or replay or resume or clean):
        raise InputError(
            f"--storage {storage}: belongs to --resume, --status, --replay and --clean; for a new "
            f"run say --set storage={storage}"
        )
    if trial and (plan or preflight):
        raise InputError(
            "--trial cannot be combined with --plan or --preflight; say one at a time"
        )
    if status:
        from tune.view.status import show_status

        study_name, elsewhere = status.partition("@")[0], _ROOT / "results"
        if storage is None and not list_runs(_RESULTS, study_name):
            storage = elsewhere if list_runs(elsewhere, study_name) else None
        show_status(_find_run(storage, status), console)
    elif replay:
        _replay(storage, replay)
    elif resume:
        _resume(_find_run(storage, resume))
    elif clean:
        _clean(_find_run(storage, clean), clean)
    else:
        from tune.study.file import DEMO, read_study_file

        settings = read_study_file(study or DEMO, overrides or [])
        if trial:
            _print_trial(settings, trial)
        elif plan or preflight:
            _look_ahead(settings, plan, preflight)
        else:
            _run(settings, None)


def _explain(as_schema: bool) -> None:
    from hybridir.config.reference import as_lines, sections
    from tune.study.reference import study_schema

    schema = study_schema()
    lines = (
        [json.dumps(schema, indent=2)] if as_schema else as_lines(sections(schema), console.width)
    )
    for line in lines:
        print(line)  # as it is, for files and pipes


def _refuse_mixtures(new: Mapping[str, object], existing: Mapping[str, object]) -> None:
    """Refuse options of a new run beside a command about an existing one."""
    options = [name for name, value in {**new, **existing}.items() if value]
    first = next((name for name, value in existing.items() if value), None)
    if first and len(options) > 1:
        raise InputError(
            f"{' and '.join(options)} cannot be combined; {first} takes a name alone, "
            "since a run keeps the settings that it was started with"
        )


def _print_trial(study: "StudyConfig", name: str) -> None:
    from tune.study.planned import planned_trial, trial_file

    print(trial_file(study, name, planned_trial(study, name)))  # as it is, for files and pipes


def _look_ahead(study: "StudyConfig", plan: bool, preflight: bool) -> None:
    with frozen_imports():
        quieten_dependencies()
        from tune.driver.interruption import interruptible
        from tune.driver.launch import launch, run_preflight
        from tune.forecast.plan import measure_plan, render, render_unmeasured
        from tune.readiness.cluster import lacking_here
        from tune.readiness.inputs import check_study
        from tune.record.address import tracking_uri

    say = partial(console.print, soft_wrap=True)
    if not preflight and (lacking := lacking_here(study)):
        for block in render_unmeasured(study, check_study(study), lacking):
            say(block)
        return
    with interruptible(say) as interruption, launch(study, say, interruption) as launched:
        if preflight:
            report = run_preflight(study, launched, tracking_uri(study.tracking_uri))
            console.print(report.table())
            report.refuse_problems()
            for line in (report.summary, *report.warnings):
                say(line)
        if plan:
            forecast = measure_plan(study, launched.inputs, launched.nodes)
            for block in render(study, forecast):
                say(block)


def _find_run(storage: Path | None, text: str) -> RunFolder:
    if storage is not None and os.sep in text:
        raise InputError(f"--storage {storage}: {text} is a path; leave --storage out")
    return find_run(storage or _RESULTS, text)


def _resume(folder: RunFolder) -> None:
    from tune.study.recorded import read_recorded

    study, notes = read_recorded(folder)
    if folder.finished:
        from tune.view.complete import complete_lines

        if lines := complete_lines(folder, study.name):
            _say(lines)
            return
    _say(notes)
    _run(study.model_copy(update={"storage": folder.storage}), folder)


def _clean(folder: RunFolder, text: str) -> None:
    """Clean a run that is named; of a study that is named, every finished one."""
    from tune.driver.clean import clean, lines_about
    from tune.driver.interruption import interruptible

    runs = [folder]
    if not text.rstrip(os.sep).endswith(folder.path.name):
        all_runs = list_runs(folder.storage, folder.path.parent.name)
        runs = [run for run in all_runs if run.study_file.is_file()]
    finished = [run for run in runs if run.finished]
    with interruptible(partial(console.print, soft_wrap=True)):
        for run in finished or runs[-1:]:
            _say(lines_about(run, clean(run)))
    if finished:
        unfinished = [str(run.path) for run in runs if not run.finished]
        _say([f"note: {', '.join(unfinished)}: unfinished, left as is"] if unfinished else [])


def _say(lines: list[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _replay(storage: Path | None, target: str) -> None:
    with frozen_imports():
        quieten_dependencies()
        from tune.driver.interruption import interruptible
        from tune.driver.replay import replay

    run, slash, trial = target.rstrip(os.sep).rpartition("/")
    if not slash:
        folder = _find_run(storage, target)
        raise InputError(
            f"--replay {target}: name a trial as well, such as {target}/search-003; the trials "
            f"are the folders in {folder.path / 'trials'}"
        )
    with interruptible(partial(console.print, soft_wrap=True)):
        same = replay(_find_run(storage, run.removesuffix("/trials")), trial, console)
    if not same:
        raise typer.Exit(1)


def _run(study: "StudyConfig", continued: RunFolder | None) -> None:
    _say([f"study {study.name}: checks settings, data, encoder and machines"])
    with frozen_imports():
        quieten_dependencies()
        from tune.driver.drive import drive

    drive(study, continued, console)


def run() -> None:
    """Entry point: a user's mistake ends with a message and exit code 2."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[
            RichHandler(console=plain_console(stderr=True), show_time=False, show_path=False)
        ],
    )
    make_output_last()
    try:
        try:
            app()
        except OSError as error:
            raise InputError.of_file(error) from None
    except InputError as error:
        text = f"error: {without_secrets(str(error))}"
        plain_console(stderr=True).print(text, soft_wrap=True, style="red")
        sys.exit(2)


if __name__ == "__main__":
    run()
