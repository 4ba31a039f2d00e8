"""Whether data are those that were read before."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from hybridir.config.trial import DataConfig
from hybridir.data import load_training
from hybridir.data.identity import changed_data, data_digests
from tests.support.own_table import write_own_table
from tests.support.training_data import config, write_table


@pytest.fixture
def mine(tmp_path: Path) -> DataConfig:
    """Training on a mixture of two tables, reporting on a third."""
    sources: list[dict[str, Any]] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sources.append({"table": {"path": write_table(tmp_path / name, about=name)}})
    table = write_own_table(tmp_path)
    report = {"name": "mine", "table": {"path": table.path, "passages": table.more}}
    return config({"mix": sources}, dev_share=0.2, report_on=[report])


def replace_in(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def test_data_that_nobody_changed_are_the_same_for_every_trial_of_a_study(
    mine: DataConfig, tmp_path: Path
) -> None:
    recorded = data_digests(mine)
    assert list(recorded) == ["train 1", "train 2", "dev", "mine"]
    of_search = mine.model_copy(update={"report_on": ()})
    of_a_part = DataConfig.model_validate(
        {**mine.model_dump(), "data_part": {"number": 1, "of": 2}}
    )
    for trial in (mine, of_search, of_a_part):
        assert changed_data(trial, recorded) == []
    # Read anew, with the same content.
    table = tmp_path / "two" / "table.jsonl"
    lines = [json.loads(line) for line in table.read_text().splitlines()]
    table.write_text("\n".join(json.dumps(line, indent=None) + " " for line in lines))
    os.utime(tmp_path / "mine.csv")
    assert changed_data(mine, recorded) == []


def test_each_data_set_that_was_changed_is_named_with_its_file(
    mine: DataConfig, tmp_path: Path
) -> None:
    recorded = data_digests(mine)
    table = tmp_path / "two" / "table.jsonl"
    replace_in(table, "en question 3", "en question three")
    assert changed_data(mine, recorded) == [f"training data, {table}"]
    with (tmp_path / "more.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["en", "A passage more.", ""])
    benchmark = f"benchmark mine, {tmp_path / 'mine.csv'} and {tmp_path / 'more.csv'}"
    assert changed_data(mine, recorded) == [f"training data, {table}", benchmark]


def test_a_changed_row_that_is_held_out_is_a_change_of_the_development_data(
    mine: DataConfig, tmp_path: Path
) -> None:
    recorded = data_digests(mine)
    dev = load_training(mine).dev
    assert dev is not None
    text = next(query for query in dev.queries if query.startswith("en"))
    for name in ("one", "two"):
        replace_in(tmp_path / name / "table.jsonl", f'"{text}"', f'"{text} then"')
    places = " and ".join(str(tmp_path / name / "table.jsonl") for name in ("one", "two"))
    (changed,) = changed_data(mine, recorded)
    assert changed == f"development data, held out of {places}"


def test_clusters_of_a_benchmark_count_though_they_change_no_score(tmp_path: Path) -> None:
    path = write_own_table(tmp_path).path
    rows = list(csv.reader(path.open(encoding="utf-8", newline="")))

    def write(cluster: str) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            for number, row in enumerate(rows):
                csv.writer(file).writerow([*row, cluster if number else "cluster"])

    write("a")
    data = config(
        {"synthetic": {"languages": 2, "entities": 30}},
        report_on=[{"name": "mine", "table": {"path": path}}],
    )
    recorded = data_digests(data)
    write("b")
    assert changed_data(data, recorded) == [f"benchmark mine, {path}"]


def test_an_older_record_that_lacks_a_data_set_passes_it(mine: DataConfig) -> None:
    assert changed_data(mine, {}) == []
