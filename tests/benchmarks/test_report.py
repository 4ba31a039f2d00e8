import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from analysis.study.arrays import KEYS
from analysis.study.mlflow import load_study
from analysis.study.scores import collect_scores
from hybridir import names

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "report.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("report_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.long
def test_every_trial_of_the_recorded_study_has_a_full_table(
    script: ModuleType, tmp_path: Path
) -> None:
    uri = script.record_study(tmp_path, trials=10, questions=12)
    study = load_study(script.STUDY, uri)
    assert len(study.trials) == 10
    tables = {}
    for run_id, ratio in zip(
        study.trials["run_id"], study.trials[names.MIXING_RATIO], strict=True
    ):
        table = study.per_query(run_id, "random")
        assert table is not None
        assert len(table) == 12 * (11 + 110 + 11)
        tables[ratio] = table
    scores = collect_scores((ratio, 0, table) for ratio, table in tables.items())
    # With one passage per language, PEER has no information and is left out; of random scores no
    # question has all passages first; there is no reader.
    constant = {(measure, names.MULTILINGUAL) for measure in (names.PEER, names.COMPLETE_AT_R)}
    reader = {(names.READER_F1, setting) for setting in names.SETTINGS}
    assert set(scores) == set(KEYS) - constant - reader
