from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.study.join import join_runs, load_runs
from analysis.study.mlflow import load_study
from analysis.write import write_report
from hybridir import names
from hybridir.errors import InputError

RATIOS = (0.0, 0.5, 1.0)
TEXT = """name: grown
encoder: {path: /encoder}
confirm: {mixing_ratio: [0.0, 0.5, 1.0], seeds: %d, first_seed: %d}
"""
WriteStudy = Callable[..., str]
MakeTrials = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def uri(recorder: tuple[WriteStudy, MakeTrials], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study in two runs, another one of the same trials in one, and a run that differs."""
    write, trials = recorder
    folder = tmp_path_factory.mktemp("grown")
    write(folder, "whole", trials(RATIOS, [1, 2, 3]), TEXT % (3, 0), "run-001")
    write(folder, "grown", trials(RATIOS, [1, 2]), TEXT % (2, 0), "run-001")
    write(folder, "grown", trials(RATIOS, [3]), TEXT % (1, 2), "run-002")
    return write(
        folder, "grown", trials(RATIOS, [2, 3]), TEXT.replace("/e", "/other/e") % (2, 1), "run-003"
    )


def test_joined_runs_have_the_tables_of_one_run_with_all_seeds(uri: str, tmp_path: Path) -> None:
    for study in ("whole", "grown@run-001,run-002"):
        write_report(study, uri, tmp_path / study[:5])
    tables = [f"{table}-known.csv" for table in ("curve", "hybrid_gain", "optimum", "pair_gains")]
    for table in tables:
        whole, grown = (
            (tmp_path / study / "tables" / table).read_bytes() for study in ("whole", "grown")
        )
        assert whole == grown, table
    page = (tmp_path / "grown" / "report.html").read_text()
    assert "The runs run-001, run-002 are joined" in page
    assert "python analysis/report.py grown@run-001,run-002" in page


def test_joined_runs_keep_every_trial_artifact_and_sum(uri: str) -> None:
    study = load_runs("grown@run-001,run-002", uri)
    assert study.runs == ("run-001", "run-002")
    assert sorted(study.trials[names.SEED].unique()) == [1, 2, 3]
    assert len(study.trials) == 9
    for run_id in study.trials["run_id"]:
        assert study.per_query(str(run_id), "known") is not None
    first, second = (load_runs(f"grown@{run}", uri) for run in ("run-001", "run-002"))
    assert study.run_id == f"{first.run_id}, {second.run_id}"
    assert study.started == min(first.started, second.started)
    assert study.provenance[names.TAG_FOLDER] == "results/grown"
    parts = [replace(run, totals={names.STUDY_SECONDS: 2.5}) for run in (first, second)]
    assert join_runs({"a": parts[0], "b": parts[1]}).totals == {names.STUDY_SECONDS: 5.0}


def test_a_name_alone_is_the_run_begun_last_and_one_run_is_itself(uri: str) -> None:
    assert load_runs("grown", uri).run_id == load_study("grown", uri).run_id
    assert load_runs("grown@run-003", uri).run_id == load_study("grown", uri).run_id
    assert load_runs("grown@run-003", uri).runs == ()


def test_a_run_that_does_not_add_seeds_is_refused_with_all_that_differs(uri: str) -> None:
    with pytest.raises(InputError) as refusal:
        load_runs("grown@run-001,run-003", uri)
    text = str(refusal.value)
    assert "run-003 does not add seeds to run-001" in text
    assert "encoder.path: /encoder there, /other/encoder here" in text
    assert "confirm-a0-s2 and others are in an earlier run" in text
    assert "confirm.seeds" not in text


def test_runs_with_other_points_or_data_are_refused(uri: str) -> None:
    first, second = (load_runs(f"grown@{run}", uri) for run in ("run-001", "run-002"))
    warm = second.trials[names.MIXING_RATIO] == 0.5
    moved = second.trials.assign(temperature=second.trials["temperature"].where(~warm, 0.5))
    with pytest.raises(InputError, match=r"temperature at ratio 0\.5: \['0\.05'\] there, .*0\.5"):
        join_runs({"a": first, "b": replace(second, trials=moved)})
    digests = [{"data set known": f"digest {digest}"} for digest in "xy"]
    old, new = (
        replace(run, provenance=digest)
        for run, digest in zip((first, second), digests, strict=True)
    )
    with pytest.raises(InputError, match="data set known: digest x there, digest y here"):
        join_runs({"a": old, "b": new})


def test_a_search_and_a_baseline_of_both_runs_count_once(uri: str) -> None:
    first, second = (load_runs(f"grown@{run}", uri) for run in ("run-001", "run-002"))

    def with_search(trials: pd.DataFrame, run_id: str) -> pd.DataFrame:
        row = trials.iloc[:1].assign(trial="search-000", phase=names.PHASE_SEARCH, run_id=run_id)
        return pd.concat([trials, row], ignore_index=True)

    joined = join_runs(
        {
            "a": replace(first, trials=with_search(first.trials, "old")),
            "b": replace(second, trials=with_search(second.trials, "new")),
        }
    )
    searched = joined.trials[joined.trials["phase"] == names.PHASE_SEARCH]
    assert searched["run_id"].tolist() == ["old"]
    assert len(joined.trials) == 10


def test_a_run_that_is_none_is_refused_with_those_that_are(uri: str) -> None:
    with pytest.raises(InputError, match="the study has run-001, run-002, run-003, and not run-9"):
        load_runs("grown@run-001,run-9", uri)
    with pytest.raises(InputError, match="no study 'absent'"):
        load_runs("absent@run-001", uri)
