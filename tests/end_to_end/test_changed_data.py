"""A study whose training table somebody changes while it runs, and before it goes on."""

import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from hybridir import names
from tests.support.own_table import write_own_table
from tune.folders import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("own table")]

STUDY = """
name: own
train: {table: {path: mine.csv}}
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 2048, learning_rate: 3.0e-3}
confirm: {mixing_ratio: [0.0, 0.5, 1.0], at: {temperature: 0.05, batch_size: 16}, seeds: 1}
resources: {cpu: 2}
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, start_study: Any) -> Any:
    """A study whose table was changed during its first trial."""
    folder = tmp_path_factory.mktemp("changed")
    table = write_own_table(folder).path
    (folder / "mine.before").write_bytes(table.read_bytes())
    (folder / "study.yaml").write_text(STUDY)
    running = start_study(folder, "study.yaml")
    running.until(lambda: list(folder.glob("results/own/run-001/trials/*/progress.json")))
    text = table.read_text(encoding="utf-8")
    table.write_text(text.replace("haus", "Haus"), encoding="utf-8")
    running.finish()
    return running


def run_of(study: Any) -> RunFolder:
    return RunFolder(study.folder / "results" / "own" / "run-001")


def test_a_study_stops_when_its_data_change_and_no_trial_has_failed(stopped: Any) -> None:
    assert stopped.process.returncode == 2, stopped.output
    assert "Traceback" not in stopped.output
    run = run_of(stopped)
    last = stopped.output.splitlines()[-1]
    assert last.startswith(
        f"error: the study stopped; training data, {stopped.folder / 'mine.csv'}: changed since "
        "the study began; put the files back. Then go on with: "
    )
    assert "run_sweep.py --resume own@run-001; or start anew under another name: " in last
    assert last.endswith("run_sweep.py results/own/run-001/study.yaml --set name=own-anew")
    states = [trial.outcome.state for trial in run.trials() if trial.outcome]
    assert states == ["COMPLETE"], "the one that had read its data before"


def test_a_resume_with_other_data_is_refused_and_with_the_same_goes_on(
    stopped: Any, start_study: Any
) -> None:
    folder, run = stopped.folder, run_of(stopped)
    refused = start_study(folder, "--resume", "own")
    assert refused.finish() == 2
    assert f"error: training data, {folder / 'mine.csv'}: changed since" in refused.output
    assert "Traceback" not in refused.output
    (folder / "mine.before").rename(folder / "mine.csv")
    resumed = start_study(folder, "--resume", "own")
    assert resumed.finish() == 0, resumed.output
    assert {trial.outcome.state for trial in run.trials() if trial.outcome} == {"COMPLETE"}
    assert len(run.trials()) == 3


def test_a_finished_study_needs_no_data_though_its_record_was_lost(
    stopped: Any, start_study: Any
) -> None:
    folder: Path = stopped.folder
    (folder / "mine.csv").unlink()
    for arguments in (["--status", "own"], ["--resume", "own"], ["--clean", "own"]):
        ended = start_study(folder, *arguments)
        assert ended.finish() == 0, ended.output
    assert recorded(folder) == {"run-001": {"FINISHED": 4}}
    (folder / "mlflow.db").unlink()
    again = start_study(folder, "--resume", "own")
    assert again.finish() == 0, again.output
    assert "preflight" not in again.output
    assert recorded(folder) == {"run-001": {"FINISHED": 4}}
    assert again.output.splitlines()[-1].endswith("report.html")


def test_the_older_of_two_runs_is_resumed_by_the_command_that_it_printed(
    tmp_path: Path, start_study: Any
) -> None:
    write_own_table(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    trials = tmp_path / "results" / "own" / "run-001" / "trials"
    first = start_study(tmp_path, "study.yaml")
    first.until(lambda: list(trials.glob("*/progress.json")))
    first.process.send_signal(signal.SIGINT)
    assert first.finish() == 130
    option, run = first.output.splitlines()[-1].split()[-2:]
    assert (option, run) == ("--resume", "own@run-001")

    second = start_study(tmp_path, "study.yaml", "--set", "confirm.mixing_ratio=[0.5]")
    note = f"run-001 is unfinished; it is continued with: {sys.executable} "
    second.until(lambda: note in second.output)
    assert second.finish() == 0, second.output
    assert start_study(tmp_path, option, run).finish() == 0
    assert start_study(tmp_path, "--status", "results/own/run-001").finish() == 0
    expected = {"run-001": {"FINISHED": 4}, "run-002": {"FINISHED": 2}}
    assert recorded(tmp_path) == expected

    (tmp_path / "mlflow.db").unlink()
    for name in ("run-001", "run-002"):
        again = start_study(tmp_path, "--resume", f"own@{name}")
        assert again.finish() == 0, again.output
        assert recorded(tmp_path)[name] == expected[name]


def recorded(folder: Path) -> dict[str, dict[str, int]]:
    """In MLflow: run of the study -> status -> number of its runs, the study's own included."""
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    of_run: dict[str, list[str]] = {}
    parents = {run.info.run_id: run for run in runs if names.TAG_FOLDER in run.data.tags}
    for run in runs:
        parent = parents[run.data.tags.get(names.TAG_PARENT, run.info.run_id)]
        name = Path(parent.data.tags[names.TAG_FOLDER]).name
        of_run.setdefault(name, []).append(run.info.status)
    return {name: dict(Counter(statuses)) for name, statuses in of_run.items()}
