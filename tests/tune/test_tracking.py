from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from hybridir import names
from hybridir.config import DataConfig, EncoderConfig, FromScratchConfig, TrainConfig, TrialConfig
from hybridir.config import SyntheticConfig as Synthetic
from tune.folders import Outcome, RunFolder, TrialFolder
from tune.tracking import Tracker, tracking_uri

CONFIG = TrialConfig(
    data=DataConfig(train=TrainConfig(synthetic=Synthetic())),
    encoder=EncoderConfig(from_scratch=FromScratchConfig()),
    seed=3,
)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database in a folder that is not there yet; one for all tests, since it takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'new' / 'folder' / 'mlflow.db'}"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run-001")
    run.path.mkdir()
    run.study_file.write_text("name: small\n")
    return run


def track(uri: str, folder: RunFolder) -> Tracker:
    return Tracker(uri, "small", folder, {"seed": 0}, [("train", "0123", "training")])


def start(folder: RunFolder, name: str = "search-000") -> TrialFolder:
    trial = folder.trial(name)
    trial.write("config.json", CONFIG.model_dump(mode="json"))
    return trial


def runs(uri: str, folder: RunFolder) -> list[Run]:
    """The runs of one folder's study, the parent first."""
    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [r for r in found if r.data.tags.get("hybridir.folder") == str(folder.path)]
    children = [r for r in found if r.data.tags.get(names.TAG_PARENT) == parent.info.run_id]
    return [parent, *children]


def test_a_trial_is_a_child_run_with_its_figures_state_and_reason(
    uri: str, folder: RunFolder
) -> None:
    tracker = track(uri, folder)
    trial = start(folder)
    tracker.start_trial(trial, CONFIG)
    assert [run.info.status for run in runs(uri, folder)] == ["RUNNING", "RUNNING"]
    trial.settle(Outcome(names.FAIL, {"train/loss": 0.5}, "loss nan", "node-1"))
    tracker.end_trial(trial)
    _, child = runs(uri, folder)
    assert child.info.status == "FAILED"
    assert child.data.metrics == {"train/loss": 0.5}
    assert child.data.tags[names.TAG_STATE] == names.FAIL
    assert child.data.tags[names.TAG_REASON] == "loss nan"
    assert child.data.tags[names.TAG_HOST] == "node-1"
    assert child.data.params["seed"] == "3"


def test_a_study_that_is_gone_on_with_finds_its_runs_by_trial(uri: str, folder: RunFolder) -> None:
    first = track(uri, folder)
    trial = start(folder)
    first.start_trial(trial, CONFIG)
    # The driver is killed here. Another working directory would name another database.
    second = track("sqlite:////nowhere/else.db", folder)
    assert second.uri == uri
    second.start_trial(trial, CONFIG)
    trial.settle(Outcome(names.COMPLETE, {"dev/map_mean": 0.5, "fidelity": 1.0}))
    second.end_trial(trial)
    assert second.finish("FINISHED", {"hybridir.best": "alpha=0.5"})
    parent, *children = runs(uri, folder)
    assert [child.info.status for child in children] == ["FINISHED"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["hybridir.best"] == "alpha=0.5"


def test_sending_a_trial_twice_leaves_no_second_value(uri: str, folder: RunFolder) -> None:
    tracker = track(uri, folder)
    trial = start(folder)
    (trial.path / "training_log.jsonl").write_text('{"step": 4, "loss": 0.9}\n')
    trial.settle(Outcome(names.COMPLETE, {"dev/map_mean": 0.5, "train/loss": 0.8}))
    tracker.end_trial(trial)
    tracker.end_trial(trial)
    _, child = runs(uri, folder)
    client = MlflowClient(uri)
    for metric, values in (("dev/map_mean", [(0, 0.5)]), ("train/loss", [(4, 0.9)])):
        history = client.get_metric_history(child.info.run_id, metric)
        assert [(entry.step, entry.value) for entry in history] == values


def test_catching_up_sends_what_ended_and_was_not_sent(uri: str, folder: RunFolder) -> None:
    tracker = track(uri, folder)
    ended, started = start(folder, "search-000"), start(folder, "search-001")
    tracker.start_trial(started, CONFIG)
    for trial in (ended, started):
        trial.settle(Outcome(names.PRUNED, {"dev/map_mean": 0.1, "fidelity": 0.5}))
    assert tracker.catch_up() == []
    _, *children = runs(uri, folder)
    assert [child.info.status for child in children] == ["KILLED", "KILLED"]
    assert {child.data.tags[names.TAG_STATE] for child in children} == {names.PRUNED}


def test_a_trial_that_was_cut_off_is_closed_and_opened_again(uri: str, folder: RunFolder) -> None:
    tracker = track(uri, folder)
    trial = start(folder)
    tracker.start_trial(trial, CONFIG)
    tracker.finish("KILLED", {})
    assert [run.info.status for run in runs(uri, folder)] == ["KILLED", "KILLED"]
    resumed = track(uri, folder)
    resumed.start_trial(trial, CONFIG)
    assert [run.info.status for run in runs(uri, folder)] == ["RUNNING", "RUNNING"]
    # A pruned trial's run is KILLED as well, yet this one is not up to date.
    tracker.finish("KILLED", {})
    trial.settle(Outcome(names.PRUNED, {"dev/map_mean": 0.1, "fidelity": 0.5}))
    assert track(uri, folder).catch_up() == []
    assert runs(uri, folder)[1].data.tags[names.TAG_STATE] == names.PRUNED


def test_the_parent_says_what_was_trained_on(uri: str, folder: RunFolder) -> None:
    track(uri, folder)
    (parent,) = runs(uri, folder)
    assert parent.data.params == {"seed": "0"}
    assert parent.inputs is not None
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("train", "0123")


def test_artifacts_lie_beside_the_database(uri: str, folder: RunFolder) -> None:
    track(uri, folder)
    (parent,) = runs(uri, folder)
    database = Path(uri.removeprefix("sqlite:///"))
    assert parent.info.artifact_uri.startswith((database.parent / "mlartifacts").as_uri())
    assert not (database.parent / "mlruns").exists()


def test_the_study_s_address_goes_before_the_environment_s_and_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri("http://mine:1") == "http://mine:1"
    assert tracking_uri(None) == "http://server:5000"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking_uri(None) == f"sqlite:///{tmp_path / 'mlflow.db'}"
