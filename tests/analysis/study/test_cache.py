import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.study.arrays import Key, ScoreArray, to_arrays
from analysis.study.cache import read_arrays, trial_arrays, write_arrays
from analysis.study.mlflow import Study


@pytest.fixture
def arrays(table_of: Callable[..., pd.DataFrame]) -> dict[Key, ScoreArray]:
    ragged = table_of(0.5, 1).query("query_language != 'de' or question_id > 'question-03'")
    return to_arrays(ragged)


def same(first: dict[Key, ScoreArray] | None, second: dict[Key, ScoreArray]) -> bool:
    return (
        first is not None
        and first.keys() == second.keys()
        and all(
            first[key][:2] == second[key][:2]
            and np.array_equal(first[key].values, second[key].values, equal_nan=True)
            for key in second
        )
    )


def test_arrays_come_back_to_the_last_bit(tmp_path: Path, arrays: dict[Key, ScoreArray]) -> None:
    assert any(np.isnan(entry.values).any() for entry in arrays.values())
    write_arrays(tmp_path / "folder" / "cache.arrow", "stamp", arrays)
    assert same(read_arrays(tmp_path / "folder" / "cache.arrow", "stamp"), arrays)


def test_a_table_that_changed_makes_the_file_stale(
    tmp_path: Path, arrays: dict[Key, ScoreArray]
) -> None:
    write_arrays(tmp_path / "cache.arrow", "before", arrays)
    assert read_arrays(tmp_path / "cache.arrow", "after") is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_file_counts_as_missing(
    tmp_path: Path, arrays: dict[Key, ScoreArray], share: float
) -> None:
    path = tmp_path / "cache.arrow"
    assert read_arrays(path, "stamp") is None, "a missing file gives nothing either"
    write_arrays(path, "stamp", arrays)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert read_arrays(path, "stamp") is None


def test_the_second_reading_takes_the_cache_and_a_damaged_file_is_replaced(
    study: Study, tmp_path: Path
) -> None:
    study = dataclasses.replace(study, cache_folder=tmp_path)
    run_id = str(study.trials["run_id"].iloc[-1])
    first = trial_arrays(study, run_id, "known")
    assert first is not None
    (path,) = tmp_path.iterdir()
    # Marked, to tell the cache from the table.
    marked = {key: entry._replace(values=entry.values + 1) for key, entry in first.items()}
    stamp = study.stamp(run_id, "known")
    assert stamp is not None
    write_arrays(path, stamp, marked)
    assert same(dict(trial_arrays(study, run_id, "known") or {}), marked)
    path.write_bytes(b"")
    assert same(dict(trial_arrays(study, run_id, "known") or {}), dict(first))
    assert path.stat().st_size > 0


def test_a_trial_without_a_table_has_no_cache(study: Study, tmp_path: Path) -> None:
    study = dataclasses.replace(study, cache_folder=tmp_path)
    assert trial_arrays(study, str(study.trials["run_id"].iloc[0]), "known") is None
    assert not any(tmp_path.iterdir())
