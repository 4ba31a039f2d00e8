"""Numbers of the report, computed again from the Parquet files on disk.

Only the report itself comes from `analysis`: here, files are found through SQLite, read with
pyarrow, and averaged row by row in plain Python.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import urlparse

import pandas as pd
import pyarrow.parquet as pq
import pytest

Row = dict[str, Any]
# measure, setting, mixing ratio of ten numbers of the curve
TEN = (
    *(("ap", setting, ratio) for setting in ("monolingual", "crosslingual") for ratio in (0, 1)),
    *(("ap", "multilingual", ratio) for ratio in (0, 0.5, 1)),
    ("rank_distance", "multilingual", 1),
    ("rank_distance_seen", "multilingual", 0.5),
    ("top1_own_language", "multilingual", 0),
)


@pytest.fixture(scope="module")
def trials(tracking_uri: str) -> dict[tuple[float, int], list[Row]]:
    """Rows of the per-query tables of the study ``small``, by mixing ratio and seed."""
    rows_by_trial = {}
    with sqlite3.connect(urlparse(tracking_uri).path) as database:
        parents = database.execute(
            "SELECT t.run_uuid FROM tags t JOIN tags k ON t.run_uuid = k.run_uuid WHERE "
            "t.key = 'hybridir.study' AND t.value = 'small' AND k.key = 'hybridir.kind' "
            "AND k.value = 'study'"
        ).fetchall()
        runs = database.execute(
            "SELECT r.run_uuid, r.artifact_uri FROM runs r JOIN tags t ON r.run_uuid = t.run_uuid "
            "WHERE t.key = 'mlflow.parentRunId' AND t.value = ?",
            parents[0],
        ).fetchall()
        for run, folder in runs:
            path = Path(urlparse(folder).path) / "per_query" / "known.parquet"
            if path.is_file():
                params = dict(
                    database.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,))
                )
                key = float(params["mixing_ratio"]), int(params["seed"])
                rows_by_trial[key] = pq.read_table(path).to_pylist()
    database.close()
    return rows_by_trial


def value_of(row: Row, measure: str) -> float:
    if measure == "rank_distance":
        return float(row["worst_rank"] - row["best_rank"])
    if measure == "rank_distance_seen":
        return float(row["worst_rank_seen"] - row["best_rank_seen"])
    if measure == "top1_own_language":
        return float(row["top1_language"] == row["query_language"])
    return float(row[measure])


def macro_mean(rows: list[Row], measure: str, setting: str) -> float:
    cells = defaultdict(list)
    for row in rows:
        if row["setting"] == setting:
            cells[row["query_language"], row["pool_language"]].append(value_of(row, measure))
    return fmean(map(fmean, cells.values()))


def seeds(trials: dict[tuple[float, int], list[Row]], ratio: float) -> Iterator[list[Row]]:
    return (rows for (of, _), rows in trials.items() if of == ratio)


@pytest.mark.parametrize(("measure", "setting", "ratio"), TEN)
def test_a_number_of_the_curve_comes_from_the_tables(
    report: Path,
    trials: dict[tuple[float, int], list[Row]],
    measure: str,
    setting: str,
    ratio: float,
) -> None:
    curve = pd.read_csv(report.parent / "tables" / "curve-known.csv")
    (mean,) = curve[
        (curve["measure"] == measure)
        & (curve["setting"] == setting)
        & (curve["mixing_ratio"] == ratio)
    ]["mean"]
    expected = fmean(macro_mean(rows, measure, setting) for rows in seeds(trials, ratio))
    assert mean == pytest.approx(expected, rel=1e-9)


def test_gains_and_language_pairs_come_from_the_tables(
    report: Path, trials: dict[tuple[float, int], list[Row]]
) -> None:
    pool = {
        ratio: fmean(macro_mean(rows, "ap", "multilingual") for rows in seeds(trials, ratio))
        for ratio in (0, 0.5, 1)
    }
    gains = pd.read_csv(report.parent / "tables" / "hybrid_gain-known.csv")
    rows = gains[(gains["measure"] == "ap") & (gains["setting"] == "multilingual")]
    differences = rows.set_index("pure")["difference"]
    assert differences[0.0] == pytest.approx(pool[0.5] - pool[0])
    assert differences[1.0] == pytest.approx(pool[0.5] - pool[1])
    pairs = pd.read_csv(report.parent / "tables" / "language_pairs-known.csv")
    pair = pairs[
        (pairs["mixing_ratio"] == 1)
        & (pairs["query_language"] == "de")
        & (pairs["pool_language"] == "en")
    ]
    scored = [
        row["ap"]
        for of_seed in seeds(trials, 1)
        for row in of_seed
        if (row["query_language"], row["pool_language"]) == ("de", "en")
    ]
    assert pair["map"].item() == pytest.approx(fmean(scored))
