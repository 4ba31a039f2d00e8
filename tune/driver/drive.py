"""Runs a study from its start to its report."""

import shutil
from contextlib import ExitStack
from functools import partial

import optuna
import typer
from rich.console import Console
from rich.table import Table

from analysis.write import write_report
from hybridir import names
from hybridir.errors import INTERRUPTED, ChangedDataError, InputError, cause_of, is_full
from hybridir.runtime.commands import tool
from hybridir.runtime.files import has_no_room
from tune.driver.checkpoints import save_progress
from tune.driver.encoders import best_of_confirmation, drop_beaten_encoders
from tune.driver.interruption import Interruption, interruptible, reserve
from tune.driver.launch import launch, prepare_tracking, run_preflight
from tune.driver.phases import PhaseRunner, best_of_search
from tune.folders import RunFolder, list_runs, new_run, search_trial
from tune.forecast.estimate import Plan
from tune.forecast.plan import measure_plan, read_plan, write_plan
from tune.readiness.cluster import on_cluster
from tune.readiness.inputs import (
    Inputs,
    input_paths,
    record_inputs,
    recorded_inputs,
    start_anew,
)
from tune.readiness.nodes import concurrent_trials
from tune.readiness.tracking_probe import driver_problem
from tune.record.accounting import record_start
from tune.record.address import Address, address_of, tracking_uri
from tune.record.environment import record_environment
from tune.record.tracking import Tracker
from tune.searching.searcher import (
    best_point,
    best_trial,
    open_study,
    own_number,
    pareto_front,
)
from tune.searching.warm_start import ORIGIN
from tune.space.parameters import describe
from tune.space.settings import SearchConfig
from tune.study.confirmation import ConfirmConfig
from tune.study.file import StudyConfig
from tune.study.recorded import record_older, record_settings
from tune.view.narrator import Narrator, time_span
from tune.view.status import development_note, reported_curve_table
from tune.view.terminal import end_output
from tune.view.watching import resume_command, unfinished_note, watch_lines


def drive(study: StudyConfig, continued: RunFolder | None, console: Console) -> None:
    """Run a study in a new folder, or continue it in its own.

    Args:
        study: the settings.
        continued: folder of the run to continue; None starts a new run.
        console: console to print to.

    Raises:
        InputError: if the study cannot run; nothing is written in this case. Also if the tracking
            server did not accept the whole study; a resume sends the rest.
        SystemExit: with `INTERRUPTED`, after Ctrl-C or SIGTERM before the first trial or after
            the last one.
        typer.Exit: the same, in between.
    """
    earlier = {run.path for run in list_runs(study.storage, study.name)}

    def again() -> str:
        begun = [
            run
            for run in list_runs(study.storage, study.name)
            if run.path not in earlier and run.study_file.is_file()
        ]
        folder = continued or next(iter(begun), None)
        return f"; go on with: {resume_command(folder)}" if folder else "; nothing has begun"

    with interruptible(partial(say, console), again) as interruption, ExitStack() as stack:
        _drive(study, continued, console, interruption, stack)


def say(console: Console, text: str) -> None:
    """Print a line without markup or wrapping."""
    console.print(text, soft_wrap=True)


def _drive(
    study: StudyConfig,
    continued: RunFolder | None,
    console: Console,
    interruption: Interruption,
    stack: ExitStack,
) -> None:
    configured = tracking_uri(study.tracking_uri)
    address = address_of(continued, configured) if continued else Address(configured)
    if continued:
        stack.enter_context(continued.lock())
        continued.check_writable()
        if note := address.note(continued):
            say(console, note)
            if paths := input_paths(study):
                say(console, f"note: it reads the same files as before: {', '.join(paths)}")
    # A complete study whose record in MLflow was lost needs neither data nor nodes.
    done = recorded_inputs(continued) if continued and continued.finished else None
    inputs, concurrent, plan = (
        (done, 0, None)
        if done
        else _make_ready(study, continued, address, console, interruption, stack)
    )
    # Nothing is written before this line.
    prepare_tracking(address.uri)
    folder = continued or new_run(study.storage, study.name)
    if not continued:
        stack.enter_context(folder.lock())
    _introduce(study, folder, console)
    record_inputs(inputs, folder)
    if continued:
        record_older(study, folder)
    else:
        record_settings(study, folder)
    if plan:
        write_plan(plan, folder)
        span = time_span(*plan.seconds)
        say(console, f"plan: {span} with {plan.at_a_time} trials at a time")
    record_start(folder)
    record_environment(folder)
    settings = _recorded_settings(study, inputs)
    tracker = Tracker(address, study.name, folder, settings, inputs.data)
    _run_phases(study, folder, inputs, tracker, concurrent, console, interruption)
    _conclude(study, folder, tracker, console)
    # Last: what is finished is not gone on with.
    folder.finish()


def _make_ready(
    study: StudyConfig,
    continued: RunFolder | None,
    address: Address,
    console: Console,
    interruption: Interruption,
    stack: ExitStack,
) -> tuple[Inputs, int, Plan | None]:
    """Check the data, the nodes and the tracking of trials that are to run; writes nothing.

    Returns:
        The data, the number of trials at a time, and the plan.
    """
    launched = stack.enter_context(launch(study, partial(say, console), interruption, continued))
    plan = read_plan(continued) if continued else None
    preflight = run_preflight(study, launched, address.uri, continued)
    if continued:
        preflight = preflight.without_tracking()
    preflight.refuse_problems()
    say(console, preflight.summary)
    for warning in preflight.warnings:
        say(console, f"warning: {warning}")
    if not continued:
        plan = measure_plan(study, launched.inputs, launched.nodes)
        preflight.refuse_shortage(plan.needs)
    # 0 on a cluster, which may grow, so that no fixed number is right.
    concurrent = 0 if on_cluster() else concurrent_trials(launched.nodes, study.resources)
    return launched.inputs, concurrent, plan


def _introduce(study: StudyConfig, folder: RunFolder, console: Console) -> None:
    verb = "continuing" if folder.study_file.is_file() else "starting"
    console.print(f"{verb} study {study.name} in {folder.path}", soft_wrap=True)
    earlier = [run for run in list_runs(study.storage, study.name) if run.path != folder.path]
    if verb == "starting" and earlier and (note := unfinished_note(earlier[-1])):
        say(console, note)
    ratios = study.confirm.mixing_ratio if study.confirm else ()
    if ratios and len({0 < ratio < 1 for ratio in ratios}) == 1:
        kind = "ratio between 0 and 1" if {0.0, 1.0} & set(ratios) else "pure ratio, 0 or 1"
        console.print(
            f"note: confirm.mixing_ratio has no {kind}, so that hybrid batches are not tested "
            "against a pure strategy",
            soft_wrap=True,
        )


def _run_phases(
    study: StudyConfig,
    folder: RunFolder,
    inputs: Inputs,
    tracker: Tracker,
    concurrent: int,
    console: Console,
    interruption: Interruption,
) -> None:
    """Run the trials that remain of all phases, and close the study's run."""
    status, tags = "FAILED", {}
    search = study.search is not None
    for line in watch_lines(folder, tracker.uri, tracker.view, search=search):
        say(console, line)
    resume = resume_command(folder)
    narrator = Narrator(console)
    with reserve(folder.path) as give_back:

        def close(reason: str) -> None:
            narrator.stop()
            say(console, f"interrupted: {reason}; resume with: {resume}")
            end_output()  # since Ray has more to say
            give_back()
            tracker.close("KILLED", {})
            save_progress(folder, lambda line: None)
            tracker.finish("KILLED", {})

        before, interruption.close = interruption.close, close
        try:
            with interruption.working(), narrator:
                phases = PhaseRunner(study, folder, inputs, tracker, narrator, concurrent)
                best_parameters = phases.search() if study.search else {}
                if study.confirm:
                    phases.confirm(best_parameters)
                if study.baselines:
                    phases.baselines(best_parameters)
            best = best_of_confirmation(folder)
            if best:
                tracker.log_encoder(best)
            drop_beaten_encoders(folder)
            shutil.rmtree(folder.ray, ignore_errors=True)  # a study goes on from its folder
            status, tags = "FINISHED", {names.TAG_BEST: describe(best_parameters) or "no search"}
        except (KeyboardInterrupt, SystemExit):  # the latter is Ray's answer to SIGTERM
            status = "KILLED"
            tracker.close(status, tags)
            save_progress(folder, partial(say, console))
            say(console, f"interrupted; resume with: {resume}")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            changed = cause_of(error, ChangedDataError)
            if changed or isinstance(error, InputError):
                status = "KILLED"
                save_progress(folder, partial(say, console))
                anew = f"; or {start_anew(folder)}" if changed else ""
                raise InputError(
                    f"the study stopped; {changed or error}. Then go on with: {resume}{anew}"
                ) from None
            if not (is_full(error) or has_no_room(folder.path)):
                raise
            status = "KILLED"
            raise InputError(
                f"the study stopped, since a disk is full (df -h and df -i show which; it writes "
                f"to {folder.path.resolve()}); nothing is lost: free some space, then go on with: "
                f"{resume}"
            ) from None
        finally:
            with interruption.closing():
                give_back()
                missing = tracker.finish(status, tags)
            interruption.close = before  # the study's run is closed
    if missing:
        raise InputError(_incomplete(tracker, len(missing), resume))


def _incomplete(tracker: Tracker, runs: int, resume: str) -> str:
    """Why the tracking of a complete study is incomplete, and what to do."""
    problem = driver_problem(tracker.uri)
    if problem.text and not problem.passes:
        return (
            f"the study is complete, but its tracking cannot be written to ({runs} runs are "
            f"incomplete); nothing is lost: {problem.text}; then send the rest with: {resume}"
        )
    return (
        f"the study is complete, but the tracking server {tracker.uri} did not accept all of "
        f"it ({runs} runs are incomplete); nothing is lost: once the server is back, send the "
        f"rest with: {resume}"
    )


def _recorded_settings(study: StudyConfig, inputs: Inputs) -> dict[str, object]:
    settings = {**_headline_settings(study), names.CONTAMINATION: inputs.contamination}
    return settings | {
        f"{names.JUDGEMENTS}{name}": notes for name, notes in inputs.judgements.items()
    }


def _headline_settings(study: StudyConfig) -> dict[str, object]:
    search, confirm = study.search, study.confirm
    crossed = confirm.levels if confirm else {}
    return {
        "training_pairs": study.training.pairs,
        "sampler": search.sampler if search else "none",
        "scheduler": search.scheduler if search else "none",
        names.SEARCHED: " ".join(study.space) or "none",
        "search_trials": search.trials if search else 0,
        names.SEARCH_SEEDS: search.seeds if search else 0,
        "confirm_seeds": confirm.seeds if confirm else 0,
        "confirm_data_parts": (confirm and confirm.data_parts) or 1,
        names.CONFIRM_AT: _at(confirm) if confirm else "none",
        names.CONFIRM_LEVELS: " ".join(
            f"{name}={','.join(map(names.level_text, values))}" for name, values in crossed.items()
        )
        or "none",
        names.PRIMARY: ", ".join(map(str, study.primary)),
        "baselines": " ".join(study.baselines) or "none",
        names.REPORT_ON: " ".join(report.name for report in study.report_on),
        names.SEED: study.seed,
    }


def _at(confirm: ConfirmConfig) -> str:
    if isinstance(confirm.at, str):
        return confirm.at
    return "listed_per_ratio" if confirm.per_ratio else "listed"


def _conclude(study: StudyConfig, folder: RunFolder, tracker: Tracker, console: Console) -> None:
    if study.search:
        _print_best(open_study(folder.journal, study.name), study.search, console)
    report = write_report(study.name, tracker.uri, folder.report, run_id=tracker.run_id)
    if curve := reported_curve_table(folder):
        console.print(curve)
    search = study.search is not None
    lines = [
        f"trials:   {folder.path / 'trials'}",
        *watch_lines(folder, tracker.uri, tracker.view, search=search),
    ]
    if best_of_confirmation(folder):
        lines.append(
            f"encoder:  {tool('hybridir', 'export', str(folder.path), '--out', 'FOLDER')}"
        )
    if note := development_note(study):
        lines.append(f"note:     {note}")
    lines.append(f"report:   {report}")
    for line in lines:
        console.print(line, soft_wrap=True)


def _print_best(search: optuna.Study, settings: SearchConfig, console: Console) -> None:
    if point := best_point(search, settings.seeds) if settings.seeds > 1 else None:
        console.print(f"{best_of_search(settings)}: {describe(point[0])}")
    elif best := best_trial(search):
        console.print(f"{best_of_search(settings)}: {describe(best.params)}")
    objectives = settings.objectives
    if len(objectives) > 1:
        title = "Pareto front: no other trial is better in all objectives"
        table = Table(title=title, title_justify="left")
        for column in ("trial", *objectives, "parameters"):
            table.add_column(column)
        for trial in pareto_front(search):
            number = own_number(trial)
            name = trial.user_attrs[ORIGIN] if number is None else search_trial(number)
            values = [f"{value:.4f}" for value in trial.values]
            table.add_row(name, *values, describe(trial.params))
        console.print(table)
