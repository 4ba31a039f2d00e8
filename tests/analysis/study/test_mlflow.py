import dataclasses
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.study.mlflow import Study, load_study
from hybridir import names
from hybridir.errors import InputError


def test_parameters_and_metrics_become_columns_with_numbers(study: Study) -> None:
    row = study.trials.set_index("trial").loc["confirm-a0.5-s3"]
    assert row[names.MIXING_RATIO] == 0.5
    assert row[names.SEED] == 3
    assert row["known/map_multilingual"] == pytest.approx(0.45 + 0.01)
    assert {names.MIXING_RATIO, names.TEMPERATURE} <= set(study.parameters)
    assert "dev/map_mean" in study.metrics


def test_trials_keep_phase_state_and_reason(study: Study) -> None:
    trials = study.trials.set_index("trial")
    assert trials["state"].value_counts().to_dict() == {
        names.COMPLETE: 11,
        names.PRUNED: 1,
        names.FAIL: 1,
    }
    assert trials.loc["search-003", "reason"] == "loss is not finite at step 3"
    assert trials.index[0] == "search-000", "the search comes first"


def test_per_query_table_comes_back_as_it_was_written(
    study: Study, table_of: Callable[..., pd.DataFrame]
) -> None:
    run_id = study.trials.set_index("trial").loc["confirm-a0-s2", "run_id"]
    table = study.per_query(str(run_id), "known")
    assert table is not None
    pd.testing.assert_frame_equal(table, table_of(0.0, 2))


def test_only_the_chosen_columns_are_read(study: Study) -> None:
    run_id = str(study.trials["run_id"].iloc[-1])
    table = study.per_query(run_id, "known", [names.AP, names.PEER, names.SETTING])
    assert table is not None
    assert set(table) == {names.AP, names.SETTING}


def test_artifacts_in_a_folder_of_this_machine_are_read_in_place(study: Study) -> None:
    run_id = str(study.trials["run_id"].iloc[-1])
    path = study.local_artifact(run_id, "per_query/known.parquet")
    assert path is not None
    assert path.is_file()
    assert study.local_artifact(run_id, "per_query/absent.parquet") is None


def test_artifacts_of_a_server_are_fetched_and_stamped_by_size(
    study: Study, table_of: Callable[..., pd.DataFrame]
) -> None:
    # A root that is no folder of this machine sends everything through MLflow.
    run_id = str(study.trials.set_index("trial").loc["confirm-a0-s2", "run_id"])
    elsewhere = dataclasses.replace(study, artifacts={run_id: "mlflow-artifacts:/somewhere"})
    assert elsewhere.local_artifact(run_id, "per_query/known.parquet") is None
    table = elsewhere.per_query(run_id, "known")
    assert table is not None
    pd.testing.assert_frame_equal(table, table_of(0.0, 2))
    local = study.local_artifact(run_id, "per_query/known.parquet")
    assert local is not None
    assert (elsewhere.stamp(run_id, "known") or "").startswith(f"{local.stat().st_size} bytes, ")
    assert elsewhere.stamp(run_id, "absent") is None


def test_trial_without_a_table_gives_none(study: Study) -> None:
    assert study.per_query(str(study.trials["run_id"].iloc[0]), "known") is None


def test_without_a_name_the_study_that_began_last_is_read(tracking_uri: str) -> None:
    assert load_study(None, tracking_uri).name == "small"


def test_study_file_is_read_back(study: Study) -> None:
    assert study.text.startswith("name: small\n")


def test_languages_that_the_study_file_names_are_taken(study: Study) -> None:
    text = "train: {lareqa: {name: mlqa-r, languages: [en, de]}}"
    assert dataclasses.replace(study, text=text).training_languages() == frozenset({"en", "de"})


def test_else_the_languages_of_the_development_benchmark_are(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    uri = write_study(tmp_path, "tuned", make_trials([0.5], [1], names.DEV))
    assert load_study("tuned", uri).training_languages() == frozenset({"en", "de", "es"})


def test_a_study_with_neither_has_no_known_languages(study: Study) -> None:
    text = "train: {mix: [{table: {path: a, languages: [en]}}, {hub: {id: b}}]}"
    assert dataclasses.replace(study, text=text).training_languages() is None


def test_of_two_studies_of_one_name_the_newest_counts(
    tmp_path: Path, write_study: Callable[..., str], make_trials: Callable[..., list[Any]]
) -> None:
    write_study(tmp_path, "twice", make_trials([0.0, 0.5], [1]))
    uri = write_study(tmp_path, "twice", make_trials([0.5], [2]))
    assert load_study("twice", uri).trials["trial"].tolist() == ["confirm-a0.5-s2"]


def test_unknown_study_is_refused_with_the_names_of_existing_ones(tracking_uri: str) -> None:
    with pytest.raises(InputError, match=r"no study 'absent'.*small, unconfirmed"):
        load_study("absent", tracking_uri)


def test_missing_database_is_refused_and_not_created(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "mlflow.db"
    with pytest.raises(InputError, match=r"no MLflow database at .*run a study first"):
        load_study("small", f"sqlite:///{path}")
    assert not path.parent.exists()


def test_default_database_is_mlflow_db_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match=str(tmp_path / "mlflow.db")):
        load_study(None)
    assert list(tmp_path.iterdir()) == []


def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE something (value INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="holds no MLflow runs"):
        load_study("small", f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("not a database, but longer than the header of one, which has 100 bytes" * 3)
    with pytest.raises(InputError, match="is not an SQLite database"):
        load_study("small", f"sqlite:///{path}")
