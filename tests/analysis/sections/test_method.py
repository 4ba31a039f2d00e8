import dataclasses
from pathlib import Path

import pytest

from analysis.sections.method import method_rows, setup_rows
from analysis.study.mlflow import DATA_SET, Study
from hybridir import names

TEXT = """
encoder: {path: some/encoder, pooling: mean}
train: {lareqa: {name: mlqa-r, languages: [en, de]}}
report_on: [{name: xquad-r, languages: [en, ru]}]
training: {pairs: 1000, learning_rate: 1.0e-4}
"""


def test_the_study_file_is_written_in_lines(study: Study) -> None:
    rows = dict(setup_rows(dataclasses.replace(study, text=TEXT)))
    learning_rate = "pairs: 1000; learning rate: 0.0001"
    assert rows["training, unless a trial says otherwise"] == learning_rate
    assert rows["encoder"] == "path: some/encoder; pooling: mean"
    assert rows["trained on"] == "lareqa: (name: mlqa-r, languages: en, de)"
    assert rows["reported on"] == "(name: xquad-r, languages: en, ru)"
    # Batches of 64 in all confirmation trials: 1000 / 64 = 15.6.
    assert rows["budget of a trial"] == "1,000 pairs: 16 steps in batches of 64 (1,000 / 64)"
    assert rows["confirmed at"] == "batch size: 64; temperature: 0.05"


def test_settings_that_the_file_lacks_are_left_out(study: Study) -> None:
    assert set(dict(setup_rows(dataclasses.replace(study, text="")))) == {"confirmed at"}


def test_what_was_recorded_has_its_name_in_words_and_a_data_set_its_own(study: Study) -> None:
    provenance = {
        "search_trials": "16",
        names.TAG_VERSIONS: "torch 2.13.0",
        names.TAG_COMMIT: "4d514da",
        names.TAG_RUN: "239779",  # it stands beside the database already
        f"{DATA_SET}my_table": "digest 070b",
        "empty": "",
    }
    bare = dict(method_rows(dataclasses.replace(study, provenance={})))
    rows = dict(method_rows(dataclasses.replace(study, provenance=provenance)))
    assert {term: rows[term] for term in rows.keys() - bare.keys()} == {
        "search trials": "16",
        "versions": "torch 2.13.0",
        "commit": "4d514da",
        "data set my_table": "digest 070b",
    }


def test_the_reports_command_names_its_database_for_any_folder(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, address in (
        ("sqlite:///mlflow.db", f"sqlite:///{tmp_path}/mlflow.db"),
        ("http://host:5000", "http://host:5000"),
    ):
        rows = method_rows(dataclasses.replace(study, tracking_uri=given, runs=("run-001",)))
        expected = f"python analysis/report.py small@run-001 --tracking-uri {address}"
        assert dict(rows)["repeat this report"] == expected
