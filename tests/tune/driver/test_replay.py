import io
import json
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from hybridir import names
from hybridir.config.trial import TrialConfig
from hybridir.errors import InputError, TrialError
from hybridir.trial.run import run_trial
from tests.support.tiny import settings
from tests.support.tiny import trial as tiny_trial
from tests.support.together import GROUP, run_together
from tune.driver.replay import replay
from tune.folders import Outcome, RunFolder
from tune.readiness.inputs import Inputs, record_inputs
from tune.record.environment import environment_at, record_environment
from tune.worker.trial_process import threads

pytestmark = pytest.mark.xdist_group(GROUP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with one trial of each state, run as in a worker."""
    storage = tmp_path_factory.mktemp("replay")
    run = RunFolder(storage / "tiny" / "run-001")
    run.path.mkdir(parents=True)
    base = settings()
    study = {
        "name": "tiny",
        **base.pop("data"),
        **base,
        "space": {"mixing_ratio": {"uniform": [0, 1]}},
        "search": {"trials": 3},
    }
    run.study_file.write_text(yaml.safe_dump(study))
    record_environment(run)
    cache = storage / "cache"
    for number, (state, temperature) in enumerate(
        [(names.COMPLETE, 0.05), (names.PRUNED, 0.05), (names.FAIL, 1e-40)]
    ):
        trial = run.trial(f"search-{number:03d}")
        config = tiny_trial(number, training={"temperature": temperature})
        reports: list[dict[str, float]] = []
        reason = ""
        try:
            with threads(1):
                run_trial(config, trial.path, cache, fidelities=(0.5, 1.0), report=reports.append)
        except TrialError as error:
            reason = str(error)
            trial.write("config.json", config.model_dump(mode="json"))
        # The scheduler stopped the second one after its first report.
        metrics = {} if reason else reports[0 if state == names.PRUNED else -1]
        trial.finalize(Outcome(state, metrics, reason, "node-1"))
    run.trial("search-003").write("config.json", {})
    return run


def replayed(folder: RunFolder, trial: str) -> tuple[bool, str]:
    out = io.StringIO()
    same = replay(folder, trial, Console(file=out, width=200))
    return same, out.getvalue()


@pytest.mark.long
def test_pain_17_a_complete_trial_gives_the_same_figures_to_the_last_digit(
    folder: RunFolder,
) -> None:
    same, text = replayed(folder, "search-000")
    assert same
    assert "metrics are the same to the last digit" in text
    assert "synthetic-test/map_multilingual" in text
    assert not [name for name in names.UNREPEATABLE if name in text]


@pytest.mark.long
def test_a_stopped_trial_is_repeated_up_to_the_share_at_which_it_stopped(
    folder: RunFolder,
) -> None:
    same, text = replayed(folder, "search-001")
    assert same
    assert "dev/map_mean" in text
    assert "synthetic-test" not in text


@pytest.mark.long
def test_a_failed_trial_fails_in_the_same_way(folder: RunFolder) -> None:
    same, text = replayed(folder, "search-002")
    assert same
    assert "fails in the same way" in text
    assert "diverged" in text


@pytest.mark.long
def test_a_differing_figure_is_named_with_possible_causes(folder: RunFolder) -> None:
    trial = folder.trial("search-001")
    original, outcome = folder.environment.read_text(), trial.outcome
    assert outcome is not None
    entries = json.loads(original)
    entries[0]["environment"]["torch"] = "1.0"
    folder.environment.write_text(json.dumps(entries))
    trial.finalize(Outcome(**{**vars(outcome), "metrics": {**outcome.metrics, "train/loss": 9.0}}))
    try:
        same, text = replayed(folder, "search-001")
    finally:
        folder.environment.write_text(original)
        trial.finalize(outcome)
    assert not same
    assert "metrics differ: train/loss\n" in text
    assert "torch: 1.0 then, " in text
    assert "host: node-1 then, " in text


def run_part(config: str, workspace: str, cache: str) -> dict[str, float]:
    """Run one process's share of a trial."""
    settings = TrialConfig.model_validate_json(config)
    return run_trial(settings, Path(workspace), Path(cache)).metrics


@pytest.mark.long
def test_a_trial_of_two_processes_is_replayed_in_two_to_the_last_digit(
    folder: RunFolder, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "tiny" / "run-001")
    study = yaml.safe_load(folder.study_file.read_text())
    run.path.mkdir(parents=True)
    run.study_file.write_text(yaml.safe_dump({**study, "resources": {"processes": 2}}))
    shutil.copytree(folder.path.parent.parent / "cache", tmp_path / "cache")
    trial = run.trial("search-000")
    spec = (tiny_trial().model_dump_json(), str(trial.path), str(tmp_path / "cache"))
    metrics, _ = run_together(2, run_part, *spec)
    trial.finalize(Outcome(names.COMPLETE, metrics))
    same, text = replayed(run, trial.name)
    assert same, text


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "problem"), [("search-009", "does not exist"), ("search-003", "has not ended")]
)
def test_the_error_for_a_trial_that_cannot_be_replayed_lists_those_that_can(
    folder: RunFolder, name: str, problem: str
) -> None:
    with pytest.raises(InputError) as refusal:
        replay(folder, name, Console(file=io.StringIO()))
    assert problem in str(refusal.value)
    assert str(refusal.value).endswith("search-000, search-001, search-002")


def test_a_run_that_is_resumed_elsewhere_has_several_environments(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    record_environment(run)
    record_environment(run)
    (entry,) = json.loads(run.environment.read_text())
    since = entry["since"]
    old = {"since": since - 100, "environment": {"torch": "1.0"}}
    run.environment.write_text(json.dumps([old, entry]))
    assert environment_at(run, since - 50) == {"torch": "1.0"}
    assert environment_at(run, since + 50) == entry["environment"]
    assert environment_at(run, since - 200) == {"torch": "1.0"}  # a clock that was set back
    assert environment_at(RunFolder(tmp_path / "other"), since) == {}
    run.environment.write_text("")
    with pytest.raises(InputError, match=r"is damaged .*; delete it and --resume$"):
        record_environment(run)


def test_a_trial_whose_data_have_changed_is_not_replayed(folder: RunFolder) -> None:
    data = [("train", "another digest", "training")]
    recorded = Inputs(data, 0, 0, {}, "", digests={"train 1": "another digest"})
    record_inputs(recorded, folder)
    try:
        with pytest.raises(InputError, match=r"the synthetic corpus of .*: changed since"):
            replay(folder, "search-000", Console(file=io.StringIO()))
    finally:
        folder.inputs.unlink()
