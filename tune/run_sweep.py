"""Run a study: search, confirmation, report.

    python tune/run_sweep.py                       the embedded study, tune/studies/demo.yaml
    python tune/run_sweep.py STUDY.yaml            another one
    python tune/run_sweep.py STUDY.yaml --plan     what it will take, from a measured probe
    python tune/run_sweep.py --status demo         how far the newest run is
    python tune/run_sweep.py --resume demo         go on after an interruption

Everything is written under results/ and to mlflow.db in the working directory. Not covered yet:
several processes per trial, clusters whose nodes do not share a disk.
"""

import logging
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import typer
from rich.console import Console
from rich.logging import RichHandler

from hybridir import names
from hybridir.errors import InputError
from hybridir.files import replacing
from hybridir.quiet import quieten_dependencies
from tune.folders import RunFolder, latest_run, new_run, runs
from tune.study import DEMO, StudyConfig, load_study

if TYPE_CHECKING:  # MLflow takes 2 s to import, which --status need not spend
    from tune.tracking import Tracker

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
    resume: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with the newest run of a study.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show how far the newest run is.")
    ] = None,
    storage: Annotated[Path, typer.Option(help="Where --resume and --status look.")] = Path(
        "results"
    ),
) -> None:
    """Run a study over (mixing ratio, temperature, batch size): search, confirmation, report."""
    _refuse_mixtures(study, overrides, plan, resume, status)
    if status:
        from tune.status import show_status

        show_status(latest_run(storage, status), console)
    elif resume:
        folder = latest_run(storage, resume)
        settings = load_study(folder.study_file, [])
        _run(settings.model_copy(update={"storage": storage}), folder)
    else:
        settings = load_study(study or DEMO, overrides or [])
        if plan:
            _plan(settings)
        else:
            _run(settings, None)


def _refuse_mixtures(
    study: Path | None,
    overrides: list[str] | None,
    plan: bool,
    resume: str | None,
    status: str | None,
) -> None:
    given = [
        name
        for name, is_given in (
            ("STUDY", study),
            ("--set", overrides),
            ("--plan", plan),
            ("--resume", resume),
            ("--status", status),
        )
        if is_given
    ]
    alone = [name for name in given if name in ("--resume", "--status")]
    if alone and len(given) > 1:
        raise InputError(
            f"{' and '.join(given)} do not go together; {alone[0]} takes a study's name alone, "
            "since a run keeps the settings that it was started with"
        )


def _plan(study: StudyConfig) -> None:
    from tune.cluster import cpu_count
    from tune.plan import check_study, disk_mb, estimate, render

    quieten_dependencies()
    check_study(study)
    workers = max(1, cpu_count() // study.resources.cpu)
    console.print(render(study, estimate(study), workers))
    console.print(f"disk: about {disk_mb(study, workers):.0f} MB", highlight=False)


def _run(study: StudyConfig, continued: RunFolder | None) -> None:
    """Run a study in a new folder, or continue it in its own."""
    import ray

    from tune.cluster import check_resources, start_ray
    from tune.plan import check_study

    quieten_dependencies()
    check_resources(study)
    data = check_study(study)
    start_ray()
    try:
        # Nothing is written before this line.
        folder = continued or new_run(study.storage, study.name)
        with folder.held():
            _introduce(study, folder)
            if not continued:
                with replacing(folder.study_file) as part:
                    part.write_text(_as_yaml(study))
            tracker = _run_phases(study, folder, data)
            _conclude(study, folder, tracker)
    finally:
        ray.shutdown()


def _run_phases(
    study: StudyConfig, folder: RunFolder, data: list[tuple[str, str, str]]
) -> "Tracker":
    """Run what is left of search and confirmation; return what tracked it."""
    from tune.narrator import Narrator
    from tune.phases import Phases, best_of_confirmation
    from tune.tracking import Tracker, tracking_uri

    uri = tracking_uri(study.tracking_uri)
    tracker = Tracker(uri, study.name, folder, _headline_settings(study), data)
    status, tags = "FAILED", {}
    try:
        with Narrator(console) as narrator:
            phases = Phases(study, folder, tracker, narrator)
            at = phases.search() if study.search else {}
            if study.confirm:
                phases.confirm(at if study.confirm.at == "best" else dict(study.confirm.at))
        best = best_of_confirmation(folder)
        if best:
            tracker.log_model(best.path / "encoder")
        _drop_encoders(folder, keep=best.path if best else None)
        status, tags = "FINISHED", {names.TAG_BEST: describe_best(at)}
    except KeyboardInterrupt:
        status = "KILLED"
        console.print(f"interrupted; go on with: {_resume(study)}", soft_wrap=True)
        raise typer.Exit(130) from None
    finally:
        missing = tracker.catch_up()
        closed = tracker.finish(status, tags)
    if missing or not closed:
        raise InputError(
            f"the study is done, but the tracking server {tracker.uri} did not take all of it "
            f"({len(missing)} trials are missing there); nothing is lost: when it is back, "
            f"this sends the rest: {_resume(study)}"
        )
    folder.finish()
    return tracker


def describe_best(parameters: dict[str, float | int | str]) -> str:
    """The best configuration as a tag."""
    from tune.narrator import describe

    return describe(parameters) or "no search"


def _introduce(study: StudyConfig, folder: RunFolder) -> None:
    verb = "continuing" if folder.study_file.is_file() else "starting"
    console.print(f"{verb} study {study.name} in {folder.path}", highlight=False, soft_wrap=True)
    earlier = [run for run in runs(study.storage, study.name) if run.path != folder.path]
    if verb == "starting" and earlier and not earlier[-1].finished:
        console.print(
            f"note: {earlier[-1].path} is unfinished; --resume {study.name} would have gone on "
            "with it",
            highlight=False,
            soft_wrap=True,
        )


def _conclude(study: StudyConfig, folder: RunFolder, tracker: "Tracker") -> None:
    from analysis.report import write_report
    from tune.searcher import best_trial, open_study
    from tune.status import curve_table

    uri = tracker.uri
    best = best_trial(open_study(folder.journal, study.name)) if study.search else None
    if best:
        console.print(f"best configuration: {describe_best(best.params)}", highlight=False)
    if study.confirm:
        console.print(curve_table(folder))
    report = write_report(study.name, uri, folder.report, run_id=tracker.run_id)
    lines = [f"trials:   {folder.path / 'trials'}", f"tracking: {uri}"]
    if uri.startswith("sqlite:///"):
        lines.append(f"          mlflow ui --backend-store-uri {uri}")
    lines += [f"optuna:   {folder.journal}"] if study.search else []
    lines.append(f"report:   {report}")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _drop_encoders(folder: RunFolder, keep: Path | None) -> None:
    for trial in folder.trials():
        if trial.path != keep:
            shutil.rmtree(trial.path / "encoder", ignore_errors=True)


def _headline_settings(study: StudyConfig) -> dict[str, object]:
    search = study.search
    return {
        "training_pairs": study.training.pairs,
        "sampler": search.sampler if search else "none",
        "scheduler": search.scheduler if search else "none",
        "search_trials": search.trials if search else 0,
        "confirm_seeds": study.confirm.seeds if study.confirm else 0,
        "report_on": " ".join(report.name for report in study.report_on),
        names.SEED: study.seed,
    }


def _as_yaml(study: StudyConfig) -> str:
    import yaml

    return yaml.safe_dump(study.model_dump(mode="json", exclude_none=True), sort_keys=False)


def _resume(study: StudyConfig) -> str:
    """The command that goes on with a study."""
    storage = "" if study.storage == Path("results") else f" --storage {study.storage}"
    return f"python {sys.argv[0]} --resume {study.name}{storage}"


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
