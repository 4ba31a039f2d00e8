"""Does a disturbed study have exactly what the undisturbed one has, in all three places?"""

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
    """What is wrong with a study.

    Attributes:
        found: fault and where it is.
    """

    found: list[tuple[Fault, str]] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(fault for fault, _ in self.found)

    def note(self, fault: Fault, what: str, wrong: bool = True) -> bool:
        """Note a fault if there is one."""
        if wrong:
            self.found.append((fault, what))
        return wrong

    def compare(self, where: str, ours: Iterable[str], expected: Iterable[str]) -> list[str]:
        """Note names that are missing, there too often or too many; return those in common."""
        there, wanted = Counter(list(ours)), set(expected)
        for name in sorted(wanted | set(there)):
            self.note("lost", f"{where}: {name}", name not in there)
            self.note("doubled", f"{where}: {name}", there[name] > (name in wanted))
        return sorted(wanted & set(there))


@dataclass(frozen=True)
class Reference:
    """What the undisturbed study has.

    Attributes:
        outcomes: of each trial, ``outcome.json``.
        parameters: of each search trial, by number.
        losses: of each trial, (step, loss) as MLflow has them.
    """

    outcomes: dict[str, dict[str, Any]]
    parameters: dict[int, dict[str, Any]]
    losses: dict[str, list[tuple[int, float]]]


def read_reference(run: RunFolder, name: str, client: MlflowClient) -> Reference:
    """Keep what an undisturbed study has."""
    return Reference(
        _outcomes(run),
        {number: trial.params for number, trial in _proposed(_optuna(run, name)).items()},
        {run.data.tags[names.TAG_TRIAL]: _losses(client, run) for run in _runs(client, name)[1]},
    )


def judge(run: RunFolder | None, name: str, client: MlflowClient, reference: Reference) -> Verdict:
    """Compare a study that was disturbed with the undisturbed one.

    Args:
        run: its folder; None if it never came so far.
        name: its name, in Optuna and MLflow.
        client: of the MLflow server.
        reference: what it should have.
    """
    verdict = Verdict()
    outcomes = _outcomes(run) if run else {}
    for trial in verdict.compare("folder", outcomes, reference.outcomes):
        ours, theirs = outcomes[trial], reference.outcomes[trial]
        same = ours["state"] == theirs["state"] and repeatable(ours["metrics"]) == repeatable(
            theirs["metrics"]
        )
        verdict.note("changed", f"folder: {trial}", not same)
    if run:
        _judge_optuna(verdict, _optuna(run, name), outcomes, reference)
    _judge_mlflow(verdict, client, name, outcomes, reference)
    return verdict


def _judge_optuna(
    verdict: Verdict,
    trials: list[optuna.trial.FrozenTrial],
    outcomes: dict[str, dict[str, Any]],
    reference: Reference,
) -> None:
    for trial in trials:
        running = not trial.state.is_finished()
        verdict.note("left_running", f"optuna: trial {trial.number}", running)
    # A proposal that the kill of the driver cut short has no number, and stays as a failure.
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
        verdict.note("changed", f"optuna: {name}", not same)


def _judge_mlflow(
    verdict: Verdict,
    client: MlflowClient,
    name: str,
    outcomes: dict[str, dict[str, Any]],
    reference: Reference,
) -> None:
    parents, children = _runs(client, name)
    verdict.compare("mlflow", (name for _ in parents), [name])
    for run in [*parents, *children]:
        what = run.data.tags.get(names.TAG_TRIAL, name)
        verdict.note("left_running", f"mlflow: {what}", run.info.status == "RUNNING")
    for run in parents:
        other = run.info.status not in ("FINISHED", "RUNNING")
        verdict.note("changed", f"mlflow: {name} is {run.info.status}", other)
    by_name = {run.data.tags[names.TAG_TRIAL]: run for run in children}
    found = (run.data.tags[names.TAG_TRIAL] for run in children)
    for trial in verdict.compare("mlflow", found, reference.outcomes):
        run, outcome = by_name[trial], outcomes.get(trial, {"state": None, "metrics": {}})
        parent = run.data.tags[names.TAG_PARENT]
        losses = _losses(client, run)
        steps = Counter(step for step, _ in losses)
        verdict.note("doubled", f"mlflow: {trial}, a loss", max(steps.values(), default=1) > 1)
        # The loss is one figure in the folder and a curve in MLflow.
        metrics = {k: v for k, v in outcome["metrics"].items() if k != names.TRAIN_LOSS}
        same = (
            parent in [parent.info.run_id for parent in parents]
            and run.info.status in (_MLFLOW.get(outcome["state"]), "RUNNING")
            and {key: run.data.metrics.get(key) for key in metrics} == metrics
            and sorted(set(losses)) == sorted(set(reference.losses[trial]))
        )
        verdict.note("changed", f"mlflow: {trial}", not same)


def _outcomes(run: RunFolder) -> dict[str, dict[str, Any]]:
    found = sorted((run.path / "trials").glob(f"*/{OUTCOME}"))
    return {path.parent.name: json.loads(path.read_text()) for path in found}


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
    """The study's own runs and those of its trials, wherever they are."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{names.TAG_STUDY}` = '{name}'")
    parents = [run for run in found if run.data.tags[names.TAG_KIND] == names.KIND_STUDY]
    return parents, [run for run in found if run not in parents]


def _losses(client: MlflowClient, run: Run) -> list[tuple[int, float]]:
    history = client.get_metric_history(run.info.run_id, names.TRAIN_LOSS)
    return [(point.step, point.value) for point in history]
