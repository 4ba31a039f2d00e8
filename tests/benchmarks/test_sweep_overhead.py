import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.tiny import trial
from tune.study.file import read_study_file

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sweep_overhead.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep_overhead", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_study_has_the_requested_number_of_trials_with_the_whole_budget(
    script: ModuleType, tmp_path: Path
) -> None:
    file, *overrides = script.settings(tmp_path, 16, 16_000)
    study = read_study_file(Path(file), [item.removeprefix("--set=") for item in overrides])
    assert study.search is not None
    assert (study.search.trials, study.search.scheduler) == (16, "none")
    assert study.training.pairs == 16_000
    assert study.confirm is None
    assert study.storage == tmp_path / "results"


@pytest.mark.long
def test_the_bare_process_runs_every_trial_of_the_study(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "results" / "demo" / "run-001"
    for number in range(2):
        folder = run / "trials" / f"search-{number:03d}"
        folder.mkdir(parents=True)
        settings = trial(training={"pairs": 32}).model_dump(mode="json")
        (folder / "config.json").write_text(json.dumps(settings))
    script.main(trials_of=run)
    assert float(capsys.readouterr().out) > 0
    assert list((tmp_path / "results" / "cache").glob("tokens-*/manifest.json"))
