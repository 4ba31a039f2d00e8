"""A study whose training table somebody changes while it runs, and before it goes on."""

import json
from pathlib import Path
from typing import Any

import pytest

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
        "it began; put the data back. Then go on with: "
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


def test_a_finished_study_needs_no_data(stopped: Any, start_study: Any) -> None:
    folder: Path = stopped.folder
    (folder / "mine.csv").unlink()
    for arguments in (["--status", "own"], ["--resume", "own"], ["--clean", "own"]):
        ended = start_study(folder, *arguments)
        assert ended.finish() == 0, ended.output
    recorded = json.loads(run_of(stopped).inputs.read_text())
    assert set(recorded["digests"]) == {"train 1", "dev"}
