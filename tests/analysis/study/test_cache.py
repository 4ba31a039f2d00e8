import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.study.arrays import Key, LaidOut, lay_out
from analysis.study.cache import laid_out, read_kept, write_kept
from analysis.study.mlflow import Study


@pytest.fixture
def found(table_of: Callable[..., pd.DataFrame]) -> dict[Key, LaidOut]:
    return lay_out(table_of(0.5, 1).query("query_language != 'de' or question_id > 'question-03'"))


def same(first: dict[Key, LaidOut] | None, second: dict[Key, LaidOut]) -> bool:
    return (
        first is not None
        and first.keys() == second.keys()
        and all(
            first[key][:2] == second[key][:2]
            and np.array_equal(first[key].values, second[key].values, equal_nan=True)
            for key in second
        )
    )


def test_what_was_kept_comes_back_to_the_last_bit(
    tmp_path: Path, found: dict[Key, LaidOut]
) -> None:
    assert any(np.isnan(entry.values).any() for entry in found.values())
    write_kept(tmp_path / "folder" / "kept.arrow", "stamp", found)
    assert same(read_kept(tmp_path / "folder" / "kept.arrow", "stamp"), found)


def test_a_table_that_changed_makes_what_was_kept_stale(
    tmp_path: Path, found: dict[Key, LaidOut]
) -> None:
    write_kept(tmp_path / "kept.arrow", "before", found)
    assert read_kept(tmp_path / "kept.arrow", "after") is None


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_a_damaged_file_counts_as_not_there(
    tmp_path: Path, found: dict[Key, LaidOut], part: float
) -> None:
    path = tmp_path / "kept.arrow"
    assert read_kept(path, "stamp") is None, "nor does one that is not there"
    write_kept(path, "stamp", found)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert read_kept(path, "stamp") is None


def test_second_reading_takes_what_was_kept_and_a_bad_file_is_replaced(
    study: Study, tmp_path: Path
) -> None:
    study = dataclasses.replace(study, kept=tmp_path)
    run_id = str(study.trials["run_id"].iloc[-1])
    first = laid_out(study, run_id, "known")
    assert first is not None
    (path,) = tmp_path.iterdir()
    # Marked, so that it is seen where the second reading comes from.
    marked = {key: entry._replace(values=entry.values + 1) for key, entry in first.items()}
    stamp = study.stamp(run_id, "known")
    assert stamp is not None
    write_kept(path, stamp, marked)
    assert same(dict(laid_out(study, run_id, "known") or {}), marked)
    path.write_bytes(b"")
    assert same(dict(laid_out(study, run_id, "known") or {}), dict(first))
    assert path.stat().st_size > 0


def test_trial_without_a_table_keeps_nothing(study: Study, tmp_path: Path) -> None:
    study = dataclasses.replace(study, kept=tmp_path)
    assert laid_out(study, str(study.trials["run_id"].iloc[0]), "known") is None
    assert not any(tmp_path.iterdir())
