import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_text import first_screen, walls
from tune.folders import RunFolder
from tune.study.file import STUDIES

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("real text")]

TINY = "{layers: 1, hidden_size: 16, intermediate_size: 16, heads: 2, vocabulary: 1000}"


def test_the_study_on_real_text_runs_at_miniature_size(
    data_root: Path, start_study: Any, tmp_path: Path
) -> None:
    settings = [
        f"data_root={data_root}",
        f"encoder.from_scratch={TINY}",
        "encoder.query_length=16",
        "encoder.passage_length=16",
        "train.lareqa.languages=[en, de]",
        "report_on=[{name: xquad-r, languages: [en, de]}]",
        "training.pairs=256",
        "confirm.mixing_ratio=[0.0, 1.0]",
        "confirm.seeds=1",
    ]
    overrides = [argument for setting in settings for argument in ("--set", setting)]
    running = start_study(tmp_path, str(STUDIES / "mlqa_to_xquad.yaml"), *overrides)
    assert running.finish() == 0, running.output
    assert running.output.splitlines()[-1].startswith("report: ")
    run = tmp_path / "results" / "mlqa_to_xquad" / "run-001"
    page = (run / "report" / "report.html").read_text()
    assert walls(page) == []
    assert len(first_screen(page).split()) <= 70
    trials = RunFolder(run).trials()
    assert [trial.name for trial in trials] == ["confirm-a0-s0", "confirm-a1-s0"]
    for trial in trials:
        outcome = json.loads((trial.path / "outcome.json").read_text())
        assert outcome["state"] == "COMPLETE"
        for setting in ("monolingual", "crosslingual", "multilingual"):
            assert 0 < outcome["metrics"][f"xquad-r/map_{setting}"] < 1
        assert not any(metric.startswith("dev/") for metric in outcome["metrics"])
