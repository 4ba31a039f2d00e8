"""The studies that ship, on miniatures of what they name."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.layouts import hub
from tune.folders import RunFolder
from tune.study import STUDIES, load_study

pytestmark = pytest.mark.xdist_group("real text")

TINY = "{layers: 1, hidden_size: 16, intermediate_size: 16, heads: 2, vocabulary: 1000}"
# In the hub's terms a commit is 40 hexadecimal digits.
COMMIT = 40


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_that_ships_is_legal_and_pins_what_it_fetches(path: Path) -> None:
    local = ["data_root=.", "encoder.path=."] if path.stem == "mlqa_to_xquad" else []
    study = load_study(path, local)
    assert study.name == path.stem
    assert study.confirm is not None
    assert {0.0, 0.5, 1.0} <= set(study.confirm.mixing_ratio)
    if study.encoder.hub:
        assert len(study.encoder.hub.revision) == COMMIT
        int(study.encoder.hub.revision, 16)


def table(path: Path, questions: int) -> Path:
    """SQuAD translate-train in miniature, as `hybridir data prepare` lays it out."""
    rows = [
        {
            "question_id": f"squad-{number}",
            "passage_group": f"paragraph-{number // 2}",
            "language": language,
            "question": f"{language} what is thing {number} made of ?",
            "passage": f"{language} paragraph {number // 2} says what {number} is made of .",
        }
        for language in ("de", "en", "th")
        for number in range(questions)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_the_study_with_mbert_runs_at_miniature_size(
    data_root: Path, start_study: Any, tmp_path: Path
) -> None:
    miracl = hub(tmp_path / "miracl", ["sw", "yo"])
    settings = [
        f"train.table.path={table(tmp_path / 'squad.jsonl', 120)}",
        "dev_share=0.2",
        "report_on=[{name: xquad-r, languages: [en, th]}, {name: mlqa-r, languages: [de, en]}, "
        f"{{name: miracl, folder: {miracl}, split: dev}}]",
        f"data_root={data_root}",
        f"encoder={{from_scratch: {TINY}, query_length: 16, passage_length: 16}}",
        "training.pairs=256",
        "space.batch_size={choice: [8, 16]}",
        "search.trials=2",
        "confirm.mixing_ratio=[0.0, 1.0]",
        "confirm.seeds=1",
        "resources={cpu: 1, gpu: 0}",
    ]
    overrides = [part for setting in settings for part in ("--set", setting)]
    running = start_study(tmp_path, str(STUDIES / "mbert_ratio.yaml"), *overrides)
    assert running.finish() == 0, running.output
    assert running.output.splitlines()[-1].startswith("report: ")
    trials = RunFolder(tmp_path / "results" / "mbert_ratio" / "run-001").trials()
    assert len(trials) == 4
    for trial in trials[:2]:
        outcome = json.loads((trial.path / "outcome.json").read_text())
        assert outcome["state"] == "COMPLETE"
        for benchmark in ("xquad-r", "mlqa-r", "miracl"):
            assert 0 < outcome["metrics"][f"{benchmark}/map_monolingual"] <= 1
        # MIRACL's questions have no translations.
        assert "miracl/map_crosslingual" not in outcome["metrics"]
        assert len(outcome["metrics"]) <= 30
