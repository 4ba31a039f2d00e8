"""Compares a disturbed study with an undisturbed one: folder, Optuna's journal and MLflow."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import optuna
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from hybridir import names
from tests.support.tiny import repeatable
from tune.folders import OUTCOME, RunFolder
from tune.searching.searcher import own_number

Fault = Literal["lost", "changed", "doubled", "left_running"]
FAULTS: tuple[Fault, ...] = ("lost", "changed", "doubled", "left_running")

_MLFLOW = {names.COMPLETE: "FINISHED", names.PRUNED: "KILLED", names.FAIL: "FAILED"}


@dataclass
class Verdict:
    """Faults of a study.

    Attributes:
        faults: kind and subject of each fault.
    """

    faults: list[tuple[Fault, str]] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault for fault, _ in self.faults)

    def add(self, fault: Fault, subject: str, wrong: bool = True) -> None:
        """Add a fault, if it exists."""
        if wrong:
            self.faults.append((fault, subject))

    def compare(self, source: str, actual: Iterable[str], expected: Iterable[str]) -> list[str]:
        """Add names that are lost, doubled or unexpected; return the names in common."""
        counts, required = Counter(list(actual)), set(expected)
        for name in sorted(required | set(counts)):
            self.add("lost", f"{source}: {name}", name not in counts)
            self.add("doubled", f"{source}: {name}", counts[name] > (name in required))
        return sorted(required & set(counts))


@dataclass(frozen=True)
class Reference:
    """Results of the undisturbed study.

    Attributes:
        outcomes: ``outcome.json`` by trial.
        parameters: parameters of search trials by number.
        losses: (step, loss) in MLflow by trial.
    """

    outcomes: dict[str, dict[str, Any]]
    parameters: dict[int, dict[str, Any]]
    losses: dict[str, list[tuple[int, float]]]


def read_reference(run: RunFolder, name: str, client: MlflowClient) -> Reference:
    """Read the results of an undisturbed study."""
    return Reference(
        _outcomes(run),
        {number: trial.params for number, trial in _proposed(_optuna(run, name)).items()},
        {run.data.tags[names.TAG_TRIAL]: _losses(client, run) for run in _runs(client, name)[1]},
    )


def compare_study(
    run: RunFolder | None, name: str, client: MlflowClient, reference: Reference
) -> Verdict:
    """Compare a disturbed study with the undisturbed one.

    Args:
        run: its run folder; None if the study has none.
        name: its name in Optuna and MLflow.
        client: client of the MLflow server.
        reference: results of the undisturbed study.
    """
    verdict = Verdict()
    outcomes = _outcomes(run) if run else {}
    for trial in verdict.compare("folder", outcomes, reference.outcomes):
        outcome, expected = outcomes[trial], reference.outcomes[trial]
        same = outcome["state"] == expected["state"] and (
            repeatable(outcome["metrics"]) == repeatable(expected["metrics"])
        )
        verdict.add("changed", f"folder: {trial}", not same)
    if run:
        _compare_optuna(verdict, _optuna(run, name), outcomes, reference)
    _compare_mlflow(verdict, client, name, outcomes, reference)
    return verdict


def _compare_optuna(
    verdict: Verdict,
    trials: list[optuna.trial.FrozenTrial],
    outcomes: dict[str, dict[str, Any]],
    reference: Reference,
) -> None:
    for trial in trials:
        running = not trial.state.is_finished()
        verdict.add("left_running", f"optuna: trial {trial.number}", running)
    # A proposal that a kill of the driver interrupted has no number, and remains as a failure.
    numbered = [number for trial in trials if (number := own_number(trial)) is not None]
    verdict.compare("optuna", map(_name, numbered), map(_name, reference.parameters))
    proposed = _proposed(trials)
    for number in set(proposed) & set(reference.parameters):
        name, trial = _name(number), proposed[number]
        outcome = outcomes.get(name, {"state": None, "metrics": {}})
        value = outcome["metrics"].get(f"{names.DEV}/map_mean")
        same = (
            (trial.state.name == outcome["state"] or not trial.state.is_finished())
            and (trial.value == value or trial.state.name != names.COMPLETE)
            and trial.params == reference.parameters[number]
        )
        verdict.add("changed", f"optuna: {name}", not same)


def _compare_mlflow(
    verdict: Verdict,
    client: MlflowClient,
    name: str,
    outcomes: dict[str, dict[str, Any]],
    reference: Reference,
) -> None:
    parents, children = _runs(client, name)
    verdict.compare("mlflow", (name for _ in parents), [name])
    for run in [*parents, *children]:
        subject = run.data.tags.get(names.TAG_TRIAL, name)
        verdict.add("left_running", f"mlflow: {subject}", run.info.status == "RUNNING")
    for run in parents:
        unexpected = run.info.status not in ("FINISHED", "RUNNING")
        verdict.add("changed", f"mlflow: {name} is {run.info.status}", unexpected)
    by_name = {run.data.tags[names.TAG_TRIAL]: run for run in children}
    trials = (run.data.tags[names.TAG_TRIAL] for run in children)
    for trial in verdict.compare("mlflow", trials, reference.outcomes):
        run, outcome = by_name[trial], outcomes.get(trial, {"state": None, "metrics": {}})
        parent = run.data.tags[names.TAG_PARENT]
        losses = _losses(client, run)
        steps = Counter(step for step, _ in losses)
        verdict.add("doubled", f"mlflow: {trial}, a loss", max(steps.values(), default=1) > 1)
        # The loss is one figure in the folder and a curve in MLflow.
        metrics = {k: v for k, v in outcome["metrics"].items() if k != names.TRAIN_LOSS}
        same = (
            parent in [parent.info.run_id for parent in parents]
            and run.info.status in (_MLFLOW.get(outcome["state"]), "RUNNING")
            and {key: run.data.metrics.get(key) for key in metrics} == metrics
            and sorted(set(losses)) == sorted(set(reference.losses[trial]))
        )
        verdict.add("changed", f"mlflow: {trial}", not same)


def _outcomes(run: RunFolder) -> dict[str, dict[str, Any]]:
    files = sorted((run.path / "trials").glob(f"*/{OUTCOME}"))
    return {path.parent.name: json.loads(path.read_text()) for path in files}


def _optuna(run: RunFolder, name: str) -> list[optuna.trial.FrozenTrial]:
    if not run.journal.is_file():
        return []
    storage = JournalStorage(JournalFileBackend(str(run.journal)))
    return optuna.load_study(study_name=name, storage=storage).trials


def _proposed(trials: list[optuna.trial.FrozenTrial]) -> dict[int, optuna.trial.FrozenTrial]:
    return {number: trial for trial in trials if (number := own_number(trial)) is not None}


def _name(number: int) -> str:
    return f"{names.PHASE_SEARCH}-{number:03d}"


def _runs(client: MlflowClient, name: str) -> tuple[list[Run], list[Run]]:
    """The study's own runs and those of its trials, in any experiment."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`{names.TAG_STUDY}` = '{name}'")
    parents = [run for run in runs if run.data.tags[names.TAG_KIND] == names.KIND_STUDY]
    return parents, [run for run in runs if run not in parents]


def _losses(client: MlflowClient, run: Run) -> list[tuple[int, float]]:
    history = client.get_metric_history(run.info.run_id, names.TRAIN_LOSS)
    return [(point.step, point.value) for point in history]
