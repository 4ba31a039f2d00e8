"""A study that trains on a table, and reports on another one of the user's own."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.own_table import embed, figures, macro, write_own_table
from tune.folders import RunFolder

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("own table")]

STUDY = """
name: own
train: {table: {path: training/mine.csv}}
report_on: [{name: mine, table: {path: mine.csv, passages: more.csv}}]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 256, learning_rate: 3.0e-3}
confirm: {mixing_ratio: [0.0, 1.0], at: {temperature: 0.05, batch_size: 16}, seeds: 1}
resources: {cpu: 1}
"""
FIGURES = [
    *((m, s) for m in ("map", "set_f1") for s in ("monolingual", "crosslingual", "multilingual")),
    *((m, "multilingual") for m in ("rank_distance", "max_at_r", "top1_own_language")),
]


def test_a_study_reports_on_a_table_of_ones_own(start_study: Any, tmp_path: Path) -> None:
    table = write_own_table(tmp_path)
    (tmp_path / "training").mkdir()
    write_own_table(tmp_path / "training", seed=2, prefix="t")
    (tmp_path / "study.yaml").write_text(STUDY)
    running = start_study(tmp_path, "study.yaml")
    assert running.finish() == 0, running.output

    folder = RunFolder(tmp_path / "results" / "own" / "run-001")
    (trial,) = [trial for trial in folder.trials() if (trial.path / "encoder").is_dir()]
    settings = json.loads((trial.path / "config.json").read_text())
    config, path = settings["encoder"], trial.path / "encoder"
    expected = figures(
        table,
        lambda texts: embed(path, texts, config["query_prefix"], config["query_length"]),
        lambda texts: embed(path, texts, config["passage_prefix"], config["passage_length"]),
    )
    metrics = json.loads((trial.path / "outcome.json").read_text())["metrics"]
    curve = pd.read_csv(folder.report / "tables" / "curve-mine.csv")
    curve = curve[curve["mixing_ratio"] == settings["batch"]["mixing_ratio"]]
    for measure, setting in FIGURES:
        mean = macro(expected, measure, setting)
        name = f"{measure}_{setting}" if measure in ("map", "set_f1") else measure
        assert metrics[f"mine/{name}"] == pytest.approx(mean, rel=1e-9), measure
        column = {"map": "ap"}.get(measure, measure)
        rows = curve[(curve["measure"] == column) & (curve["setting"] == setting)]
        assert rows["mean"].tolist() == pytest.approx([mean], rel=1e-9), measure
