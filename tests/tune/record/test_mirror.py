import getpass
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hybridir import names
from hybridir.errors import InputError
from tests.support.tiny import trial as tiny_trial
from tests.support.tracked import FAILED, OUTCOMES, check_whole, runs, start, statuses
from tune.folders import Outcome, RunFolder
from tune.record.mirror import Mirror

pytestmark = pytest.mark.xdist_group("tracking")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run-001")
    run.path.mkdir()
    run.study_file.write_text("name: small\n")
    return run


def mirror(uri: str, folder: RunFolder, run_id: str | None = None) -> Mirror:
    return Mirror(uri, "small", folder, {"seed": 0}, [("train", "0123", "training")], run_id)


def test_a_trial_is_a_child_run_with_its_figures_state_and_reason(
    uri: str, folder: RunFolder
) -> None:
    writer = mirror(uri, folder)
    trial = start(folder)
    writer.update(trial)
    assert statuses(uri, folder) == ["RUNNING", "RUNNING"]
    trial.finalize(FAILED)
    assert writer.missing() == {trial.name}
    writer.update(trial)
    assert writer.missing() == set()
    writer.close("FINISHED", {})
    check_whole(uri, folder, (FAILED,))


def test_of_two_runs_of_the_same_trial_one_remains(uri: str, folder: RunFolder) -> None:
    trial = start(folder)
    mirror(uri, folder).update(trial)
    parent, child = runs(uri, folder)
    # A frozen server that carries out old requests leaves such runs.
    client = MlflowClient(uri)
    for run in (parent, child):
        tags = {
            key: value
            for key, value in run.data.tags.items()
            if key.startswith("hybridir.") or key == names.TAG_PARENT
        }
        client.create_run(run.info.experiment_id, run.info.start_time, tags)
    trial.finalize(FAILED)
    resumed = mirror(uri, folder, parent.info.run_id)
    resumed.update(trial)
    resumed.close("FINISHED", {})
    check_whole(uri, folder, (FAILED,))
    assert resumed.run_id == parent.info.run_id


def test_sending_a_trial_twice_leaves_no_second_value(uri: str, folder: RunFolder) -> None:
    trial = start(folder)
    (trial.path / "training_log.jsonl").write_text('{"step": 4, "loss": 0.9}\n')
    trial.finalize(Outcome(names.COMPLETE, {"dev/map_mean": 0.5, "train/loss": 0.8}))
    mirror(uri, folder).update(trial)
    client = MlflowClient(uri)
    _, child = runs(uri, folder)
    # As if the driver had been killed before the last of its requests.
    client.update_run(child.info.run_id, status="RUNNING")
    mirror(uri, folder).update(trial)
    for metric, values in (("dev/map_mean", [(0, 0.5)]), ("train/loss", [(4, 0.9)])):
        history = client.get_metric_history(child.info.run_id, metric)
        assert [(entry.step, entry.value) for entry in history] == values
    assert statuses(uri, folder) == ["RUNNING", "FINISHED"]


@pytest.mark.parametrize(
    "content", ["\0", "{", "[4, 0.9]\n", '{"step": 4}\n', '{"step": 4, "loss"']
)
def test_a_damaged_log_of_the_loss_is_named_with_the_remedy(
    content: str, uri: str, folder: RunFolder
) -> None:
    trial = start(folder)
    log = trial.path / "training_log.jsonl"
    log.write_text('{"step": 2, "loss": 1.5}\n' + content)
    trial.finalize(Outcome(names.COMPLETE, {"dev/map_mean": 0.5, "train/loss": 0.8}))
    with pytest.raises(InputError, match=f"{log}: is damaged .*; delete it and --resume"):
        mirror(uri, folder).update(trial)
    log.unlink()
    mirror(uri, folder).update(trial)
    _, child = runs(uri, folder)
    assert child.data.metrics["train/loss"] == 0.8


def test_figures_on_development_data_are_a_curve_over_the_steps(
    uri: str, folder: RunFolder
) -> None:
    trial = start(folder)
    # 128 pairs in batches of 32 are 4 steps.
    config = tiny_trial(batch={"batch_size": 32}, training={"pairs": 128})
    trial.write("config.json", config.model_dump(mode="json"))
    trial.write_development(0.25, {"dev/map_mean": 0.2})
    trial.write_development(0.5, {"dev/map_mean": 0.3})
    figures = {"dev/map_mean": 0.5, "xquad-r/map_mean": 0.4, names.FIDELITY: 1.0}
    trial.finalize(Outcome(names.COMPLETE, figures))
    mirror(uri, folder).update(trial)
    _, child = runs(uri, folder)
    histories = {
        metric: [
            (e.step, e.value)
            for e in MlflowClient(uri).get_metric_history(child.info.run_id, metric)
        ]
        for metric in ("dev/map_mean", "xquad-r/map_mean")
    }
    assert histories == {
        "dev/map_mean": [(1, 0.2), (2, 0.3), (4, 0.5)],
        "xquad-r/map_mean": [(0, 0.4)],
    }
    assert child.data.metrics["dev/map_mean"] == 0.5


def test_a_trial_that_was_interrupted_is_told_from_one_that_was_stopped(
    uri: str, folder: RunFolder
) -> None:
    writer = mirror(uri, folder)
    start(folder, "search-000").finalize(OUTCOMES[2])
    start(folder, "search-001")
    for trial in folder.trials():
        writer.update(trial)
    writer.close("KILLED", {})
    _, *children = runs(uri, folder)
    assert [run.info.status for run in children] == ["KILLED", "KILLED"]
    assert [run.data.tags[names.TAG_STATE] for run in children] == [names.PRUNED, "INTERRUPTED"]


def test_a_new_database_gets_the_whole_study_from_the_folder(
    uri: str, empty: Path, folder: RunFolder, tmp_path: Path
) -> None:
    for number, outcome in enumerate(OUTCOMES):
        start(folder, f"search-{number:03d}").finalize(outcome)
    first = mirror(uri, folder)
    for trial in folder.trials():
        first.update(trial)
    new = f"sqlite:///{shutil.copy(empty, tmp_path)}"
    second = mirror(new, folder, first.run_id)
    assert second.missing() == {trial.name for trial in folder.trials()}
    for trial in folder.trials():
        second.update(trial)
    second.close("FINISHED", {})
    check_whole(new, folder, OUTCOMES)
    (before, *_), (after, *_) = runs(uri, folder), runs(new, folder)
    assert second.run_id == after.info.run_id != before.info.run_id
    assert after.info.start_time == before.info.start_time
    assert after.data.params == before.data.params


def test_no_run_ends_before_it_began_though_the_clock_went_back(
    uri: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(folder, "search-000")  # interrupted
    writer = mirror(uri, folder)
    writer.update(folder.trial("search-000"))
    monkeypatch.setattr("time.time", lambda: 1.0)
    writer.close("KILLED", {})
    for run in runs(uri, folder):
        assert run.info.status == "KILLED"
        assert run.info.end_time == run.info.start_time


def test_the_parent_records_data_versions_and_machine(uri: str, folder: RunFolder) -> None:
    mirror(uri, folder).missing()
    (parent,) = runs(uri, folder)
    assert parent.data.params == {"seed": "0"}
    assert parent.inputs is not None
    (data,) = parent.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("train", "0123")
    assert "torch 2" in parent.data.tags[names.TAG_VERSIONS]
    assert "CPU cores" in parent.data.tags[names.TAG_MACHINE]
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    assert parent.data.tags.get("mlflow.source.git.commit", "") == commit
    assert parent.data.tags["mlflow.source.name"] == sys.argv[0]
    assert parent.data.tags["mlflow.user"] == getpass.getuser()


def test_a_run_is_named_by_its_parameters_and_tagged_by_its_trial(
    uri: str, folder: RunFolder
) -> None:
    writer = mirror(uri, folder)
    for name in ("search-003", "confirm-a0.5-s1"):
        writer.update(start(folder, name))
    parent, *children = runs(uri, folder)
    assert {run.data.tags[names.TAG_TRIAL]: run.info.run_name for run in children} == {
        "search-003": "search-003 alpha=0.5 tau=0.05 batch=64",
        "confirm-a0.5-s1": "confirm alpha=0.5 seed 1",
    }
    # One filter selects the study with all its trials.
    assert {run.data.tags[names.TAG_RUN] for run in (parent, *children)} == {parent.info.run_id}


def test_the_confirmed_curve_is_a_metric_of_the_study_whose_step_is_the_ratio_in_percent(
    uri: str, folder: RunFolder
) -> None:
    for ratio, seed, value in ((0, 0, 0.25), (0, 1, 0.75), (1, 0, 0.5), (1, 1, 0.25)):
        trial = start(folder, f"confirm-a{ratio}-s{seed}")
        config = tiny_trial(seed=seed, batch={"mixing_ratio": ratio})
        trial.write("config.json", config.model_dump(mode="json"))
        trial.finalize(Outcome(names.COMPLETE, {"bench/map_multilingual": value}))
    for _ in range(2):  # the second time as after a kill; nothing is stored twice
        writer = mirror(uri, folder)
        for trial in folder.trials():
            writer.update(trial)
        writer.close("FINISHED", {})
    client = MlflowClient(uri)
    parent = runs(uri, folder)[0].info.run_id
    for metric, expected in (
        ("curve/bench/map_multilingual", {0: 0.5, 100: 0.375}),
        ("first-seed-curve/bench/map_multilingual", {0: 0.25, 100: 0.5}),
    ):
        history = client.get_metric_history(parent, metric)
        assert len(history) == 2
        assert {entry.step: entry.value for entry in history} == expected


def test_notes_and_a_view_with_charts_are_written_and_a_users_own_note_stays(
    uri: str, folder: RunFolder
) -> None:
    writer = mirror(uri, folder)
    writer.missing()
    (parent,) = runs(uri, folder)
    client = MlflowClient(uri)
    experiment = parent.info.experiment_id
    assert "Study **small**" in parent.data.tags["mlflow.note.content"]
    tags = client.get_experiment(experiment).tags
    assert f"mlflow.sharedViewState.{parent.info.run_id}" in tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert writer.view.startswith(f"/#/experiments/{experiment}/runs?viewStateShareKey=")
    client.set_experiment_tag(experiment, "mlflow.note.content", "mine")
    mirror(uri, folder, parent.info.run_id).missing()
    assert client.get_experiment(experiment).tags["mlflow.note.content"] == "mine"


def test_artifacts_are_stored_beside_the_database(uri: str, folder: RunFolder) -> None:
    mirror(uri, folder).missing()
    (parent,) = runs(uri, folder)
    database = Path(uri.removeprefix("sqlite:///"))
    assert parent.info.artifact_uri.startswith((database.parent / "mlartifacts").as_uri())
    assert not (database.parent / "mlruns").exists()


def test_a_baseline_has_its_name_and_its_relevant_parameters_alone(
    uri: str, folder: RunFolder
) -> None:
    writer = mirror(uri, folder)
    trained = start(folder, "baseline-x-x-mono-s0")
    lexical = start(folder, "baseline-bm25-s0")
    lexical.write("config.json", {**(lexical.read("config.json") or {}), "retriever": "bm25"})
    for trial in (trained, lexical):
        writer.update(trial)
    _, second, first = runs(uri, folder)
    assert first.data.params[names.BASELINE] == "x-x-mono"
    assert first.data.params[names.BATCH_SIZE] == "64"
    assert first.data.tags[names.TAG_PHASE] == names.PHASE_BASELINE
    assert second.data.params == {names.BASELINE: "bm25", names.SEED: "3"}


def test_an_encoder_is_logged_with_the_settings_and_figures_of_its_run(
    uri: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = start(folder, "confirm-a0.5-s0")
    (trial.path / "encoder" / "1_Pooling").mkdir(parents=True)
    (trial.path / "encoder" / "config.json").write_text("{}")
    (trial.path / "encoder" / "1_Pooling" / "config.json").write_text("{}")
    trial.finalize(Outcome(names.COMPLETE, {"dev/map_mean": 0.5, "train/loss": 0.8}))
    # The driver is killed before the last request, resumed, and resumed again.
    with monkeypatch.context() as cut:
        cut.setattr(MlflowClient, "finalize_logged_model", _killed)
        with pytest.raises(_Killed):
            mirror(uri, folder).log_encoder(trial)
    for _ in range(2):
        mirror(uri, folder).log_encoder(trial)
    client = MlflowClient(uri)
    parent, child = runs(uri, folder)
    (model,) = client.search_logged_models(
        [parent.info.experiment_id], f"source_run_id = '{child.info.run_id}'"
    )
    assert (model.name, model.status, model.model_type) == ("small", "READY", "bi-encoder")
    assert model.params is not None
    assert model.params == child.data.params
    assert model.metrics is not None
    assert [(metric.key, metric.value) for metric in model.metrics] == [("dev/map_mean", 0.5)]
    assert child.outputs is not None
    assert [output.model_id for output in child.outputs.model_outputs] == [model.model_id]
    artifacts = Path(model.artifact_location.removeprefix("file://"))
    assert (artifacts / "config.json").is_file()
    assert (artifacts / "1_Pooling" / "config.json").is_file()
    assert statuses(uri, folder) == ["RUNNING", "FINISHED"]


class _Killed(Exception):
    pass


def _killed(*_: object) -> None:
    raise _Killed
