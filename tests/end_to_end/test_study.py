import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from hybridir import names
from tests.support.tiny import ROOT
from tune.folders import RunFolder, TrialFolder
from tune.forecast.plan import read_plan
from tune.record.address import Address
from tune.record.tracking import Tracker
from tune.searching.searcher import open_study

pytestmark = pytest.mark.xdist_group("study")

TRIALS = [*(f"search-{number:03d}" for number in range(4)), "confirm-a0-s0", "confirm-a0.5-s0"]
STATUS = {names.COMPLETE: "FINISHED", names.PRUNED: "KILLED", names.FAIL: "FAILED"}


@pytest.fixture(scope="module")
def folder(small_study: Any) -> RunFolder:
    return RunFolder(small_study.folder / "results" / "small" / "run-001")


@pytest.fixture(scope="module")
def client(small_study: Any) -> MlflowClient:
    return MlflowClient(f"sqlite:///{small_study.folder / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> list[Run]:
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def children(runs: list[Run]) -> dict[str, Run]:
    children = [run for run in runs if names.TAG_PARENT in run.data.tags]
    assert len(children) == len(TRIALS)
    return {run.data.tags[names.TAG_TRIAL]: run for run in children}


@pytest.fixture(scope="module")
def optuna_trials(folder: RunFolder) -> list[optuna.trial.FrozenTrial]:
    return open_study(folder.journal, "small").trials


def test_the_output_ends_with_best_configuration_curve_database_and_report(
    small_study: Any, folder: RunFolder
) -> None:
    lines = small_study.output.splitlines()
    best = next(
        index for index, line in enumerate(lines) if line.startswith("best trial of the search")
    )
    curve = next(index for index, line in enumerate(lines) if "Confirmed curve" in line)
    # The commands to watch the study are printed before the first trial and at the end.
    started, database = [i for i, line in enumerate(lines) if line.startswith("tracking:")]
    assert started < next(i for i, line in enumerate(lines) if line.startswith("search: 4"))
    assert best < curve < database < len(lines) - 1
    assert str(small_study.folder / "mlflow.db") in lines[database]
    label, report = lines[-1].split()
    assert label == "report:"
    assert (small_study.folder / report).read_text().lstrip().startswith("<!")
    assert (small_study.folder / report).resolve() == (folder.report / "report.html").resolve()


def test_only_lines_about_the_study_are_printed(small_study: Any) -> None:
    # No banner, no warning of a dependency, and for the failed trial a line without a traceback.
    assert "Traceback" not in small_study.output
    first_words = {line.split()[0].rstrip(":") for line in small_study.output.splitlines() if line}
    prose = {word for word in first_words if re.fullmatch(r"[a-zA-Z]\S*", word)}
    assert prose <= {
        *TRIALS, "study", "preflight", "starting", "plan", "search", "confirm", "best",
        "Confirmed", "trials", "tracking", "mlflow", "charts", "status", "encoder", "report",
    }  # fmt: skip


def test_the_study_has_trials_of_all_three_states(folder: RunFolder) -> None:
    states = {trial.name: _outcome(trial)["state"] for trial in folder.trials()}
    assert sorted(states) == sorted(TRIALS)
    # Temperatures 0.05, 1e-40, 0.05, 10, by the study's seed.
    assert states["search-000"] == names.COMPLETE
    assert states["search-001"] == names.FAIL
    assert states["search-003"] == names.PRUNED
    assert states["confirm-a0-s0"] == states["confirm-a0.5-s0"] == names.COMPLETE


def test_optuna_has_the_states_and_values_of_the_folders(
    folder: RunFolder, optuna_trials: list[optuna.trial.FrozenTrial]
) -> None:
    assert len(optuna_trials) == 4
    for trial in optuna_trials:
        outcome = _outcome(folder.trial(f"search-{trial.number:03d}"))
        objective = outcome["metrics"].get("dev/map_mean")
        assert trial.state.name == outcome["state"]
        if trial.state.name == names.COMPLETE:
            assert trial.value == objective
            assert list(trial.intermediate_values) == [50, 100]
        elif trial.state.name == names.PRUNED:
            assert trial.intermediate_values == {50: objective}
            assert outcome["metrics"]["fidelity"] == 0.5
        else:
            assert trial.value is None
            assert trial.intermediate_values == {}


def test_a_stopped_trial_was_below_the_median_of_earlier_trials(
    optuna_trials: list[optuna.trial.FrozenTrial],
) -> None:
    before: list[float] = []
    for trial in optuna_trials:
        if 50 not in trial.intermediate_values:
            continue
        value = trial.intermediate_values[50]
        middle = sorted(before)[len(before) // 2] if len(before) % 2 else sum(before[:2]) / 2
        assert (trial.state.name == names.PRUNED) == (bool(before) and value < middle)
        before.append(value)
    assert len(before) == 3


def test_the_best_configuration_is_that_of_the_best_complete_trial(
    small_study: Any, optuna_trials: list[optuna.trial.FrozenTrial]
) -> None:
    complete = {t.number: t.value for t in optuna_trials if t.state.name == names.COMPLETE}
    best = max(complete, key=lambda number: complete[number] or 0)
    lines = small_study.output.splitlines()
    after_search, at_end = [line for line in lines if line.startswith("best trial of the search")]
    assert f"trial {best:03d})" in after_search
    assert f"{complete[best]:.4f}" in after_search
    assert after_search.startswith(at_end)  # printed again beside the curve


def test_pain_08_mlflow_holds_one_parent_and_one_child_a_trial(
    runs: list[Run], children: dict[str, Run]
) -> None:
    parents = [run for run in runs if names.TAG_PARENT not in run.data.tags]
    assert len(parents) == 1
    assert sorted(children) == sorted(TRIALS)
    assert {run.data.tags[names.TAG_PARENT] for run in children.values()} == {
        parents[0].info.run_id
    }
    assert parents[0].info.status == "FINISHED"


def test_the_status_in_mlflow_agrees_with_the_folder(
    folder: RunFolder, children: dict[str, Run]
) -> None:
    for name, run in children.items():
        outcome = _outcome(folder.trial(name))
        assert run.info.status == STATUS[outcome["state"]]
        assert run.data.tags[names.TAG_STATE] == outcome["state"]
        assert run.data.tags[names.TAG_HOST] == socket.gethostname()
        metrics = {key: value for key, value in run.data.metrics.items() if "loss" not in key}
        expected = {key: val for key, val in outcome["metrics"].items() if "loss" not in key}
        assert metrics == expected


def test_pain_24_a_failure_has_its_reason_as_a_tag(children: dict[str, Run]) -> None:
    assert "loss nan" in children["search-001"].data.tags[names.TAG_REASON]
    assert names.TAG_REASON not in children["search-000"].data.tags


def test_pain_09_metrics_are_few_and_all_from_the_vocabulary(children: dict[str, Run]) -> None:
    settings = [
        names.mean_metric("B", measure, setting)
        for measure in names.MEASURES
        for setting in (*names.SETTINGS, "mean")
    ]
    biases = [names.bias_metric("B", measure) for measure in names.BIAS_MEASURES]
    of_benchmarks = [*settings, *biases]
    legal = {
        names.FIDELITY, names.TRAIN_LOSS, names.TRAIN_SECONDS, names.TRAIN_PAIRS_PER_SECOND,
        names.TRAIN_MONOLINGUAL_SHARE, names.TRAIN_NEGATIVES, names.EVALUATION_SECONDS,
        names.PEAK_MEMORY_MB,
        *(name.replace("B/", "dev/") for name in of_benchmarks),
        *(name.replace("B/", "synthetic-test/") for name in of_benchmarks),
    }  # fmt: skip
    for run in children.values():
        assert run.data.metrics.keys() <= legal
        assert len(run.data.metrics) <= 45


def test_search_trials_are_never_evaluated_on_reported_benchmarks(
    children: dict[str, Run],
) -> None:
    for name, run in children.items():
        reported = any(metric.startswith("synthetic-test/") for metric in run.data.metrics)
        assert reported == name.startswith("confirm")


def test_parameters_are_numbers_under_their_names(children: dict[str, Run]) -> None:
    for run in children.values():
        for name in (names.MIXING_RATIO, names.TEMPERATURE, names.BATCH_SIZE, names.SEED, "pairs"):
            float(run.data.params[name])
    assert children["confirm-a0.5-s0"].data.params[names.MIXING_RATIO] == "0.5"
    assert children["search-001"].data.params[names.TEMPERATURE] == "1e-40"


def test_complete_trials_have_their_per_query_tables_in_mlflow(
    client: MlflowClient, children: dict[str, Run]
) -> None:
    tables = client.list_artifacts(children["confirm-a0-s0"].info.run_id, "per_query")
    assert [Path(table.path).name for table in tables] == ["dev.parquet", "synthetic-test.parquet"]


def test_the_kept_encoder_is_a_model_in_mlflow(
    folder: RunFolder, client: MlflowClient, children: dict[str, Run]
) -> None:
    (encoder,) = folder.path.glob("trials/*/encoder")
    run = children[encoder.parent.name]
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.status, model.source_run_id) == ("small", "READY", run.info.run_id)
    files = {path.name for path in encoder.iterdir()}
    assert {
        Path(file.path).name for file in client.list_logged_model_artifacts(model.model_id)
    } == files


def test_a_study_leaves_results_and_the_database_and_no_mlruns(small_study: Any) -> None:
    files = {path.name for path in small_study.folder.iterdir()}
    database = {"mlflow.db", ".mlflow.db.lock", "mlartifacts"}
    assert files == {"small.yaml", "log-0", "results", *database}


def test_no_checkpoint_is_left_and_one_encoder(folder: RunFolder) -> None:
    assert list(folder.path.rglob("checkpoint.pt")) == []
    (encoder,) = folder.path.glob("trials/*/encoder")
    assert encoder.parent.name.startswith("confirm")


def test_the_resumption_of_a_finished_study_changes_nothing_and_says_so(
    small_study: Any, folder: RunFolder
) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        files = [path for path in small_study.folder.rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    command = [sys.executable, str(ROOT / "tune" / "run_sweep.py"), "--resume", "small"]
    ended = subprocess.run(command, cwd=small_study.folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert f"with {len(TRIALS)} trials; nothing was changed" in ended.stdout
    assert state() == before


def test_scores_are_kept_once(folder: RunFolder, children: dict[str, Run]) -> None:
    for name in ("confirm-a0-s0", "confirm-a0.5-s0"):
        artifacts = Path(children[name].info.artifact_uri.removeprefix("file://"))
        for table in (folder.trial(name).path / "per_query").iterdir():
            assert table.samefile(artifacts / "per_query" / table.name)


def _outcome(trial: TrialFolder) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((trial.path / "outcome.json").read_text())
    return content


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def late_server(small_study: Any, free_port: int) -> Iterator[Any]:
    """A function that starts a bare MLflow server in the study's working directory."""
    started: list[subprocess.Popen[bytes]] = []

    def serve() -> None:
        address = ["--host", "127.0.0.1", "--port", str(free_port), "--workers", "1"]
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *address],
            cwd=small_study.folder,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(process)
        while True:
            assert process.poll() is None, "the server has ended"
            try:
                socket.create_connection(("127.0.0.1", free_port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)

    yield serve
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


@pytest.mark.long
def test_a_server_that_starts_late_shows_the_study_and_receives_missing_records(
    folder: RunFolder, late_server: Any, free_port: int, tmp_path: Path
) -> None:
    # A copy of the study's folder that has never been tracked.
    copy = RunFolder(tmp_path / "run-001")
    for trial in folder.trials():
        for file in ("config.json", "outcome.json"):
            copy.trial(trial.name).write(file, json.loads((trial.path / file).read_text()))
    copy.study_file.write_text(folder.study_file.read_text())
    address = f"http://127.0.0.1:{free_port}"

    tracker = Tracker(Address(address), "late", copy, {"seed": 5}, [("train", "0123", "training")])
    tracker.end_trial(copy.trial("search-000"))
    assert tracker.finish("FINISHED", {}, patience=0) == sorted(TRIALS)

    late_server()
    assert tracker.finish("FINISHED", {}) == []
    client = MlflowClient(address)
    try:
        (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    except MlflowException as error:  # pragma: no cover
        raise AssertionError("the server does not answer") from error
    tracked = client.search_runs([experiment.experiment_id])
    for study in ("small", "late"):
        runs = [run for run in tracked if run.data.tags[names.TAG_STUDY] == study]
        (parent,) = [run for run in runs if names.TAG_PARENT not in run.data.tags]
        statuses = {
            run.data.tags[names.TAG_TRIAL]: run.info.status
            for run in runs
            if run.data.tags.get(names.TAG_PARENT) == parent.info.run_id
        }
        assert parent.info.status == "FINISHED"
        assert statuses == {
            trial.name: STATUS[_outcome(trial)["state"]] for trial in folder.trials()
        }
    assert not (folder.path.parents[2] / "mlruns").exists()


def test_the_study_takes_the_disk_that_its_plan_says(small_study: Any, folder: RunFolder) -> None:
    plan = read_plan(folder)
    assert plan is not None
    kept = megabytes(folder.path)
    # The report of a small study takes less than is planned for any.
    assert plan.kept_mb - plan.report_mb < kept < plan.kept_mb
    tracking = megabytes(small_study.folder / "mlartifacts")
    tracking += (small_study.folder / "mlflow.db").stat().st_size / 1e6
    assert tracking < plan.tracking_mb


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
