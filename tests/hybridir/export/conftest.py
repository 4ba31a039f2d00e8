import json
import shutil
from pathlib import Path

import pytest

from hybridir.trial.run import run_trial
from tests.support.tiny import trial

CURVE = """measure,setting,mixing_ratio,mean,low,high,sd_seeds,n_seeds,n_questions
ap,multilingual,0.25,0.2,0.1,0.3,0.01,3,120
ap,multilingual,0.5,0.41,0.38,0.44,0.01,3,120
rank_distance,multilingual,0.5,7.5,7.0,8.0,0.1,3,120
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a study with one confirmed trial, its encoder and a report's table."""
    run = tmp_path_factory.mktemp("results") / "small" / "run-001"
    prefixes = {"query_prefix": "query: ", "passage_prefix": "passage: "}
    config = trial(encoder=prefixes, training={"pairs": 320, "temperature": 0.07})
    folder = run / "trials" / "confirm-a0.5-s0"
    run_trial(config, folder, run.parent / "cache", keep_encoder=True)
    (run / "study.yaml").write_text("name: small\n")
    environment = {"torch": "2.13.0", "machine": "Linux"}
    (run / "environment.json").write_text(json.dumps([{"since": 0, "environment": environment}]))
    (run / "report" / "tables").mkdir(parents=True)
    (run / "report" / "tables" / "curve-synthetic-test.csv").write_text(CURVE)
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` for a test to change."""
    return Path(shutil.copytree(trained, tmp_path / "small" / "run-001"))
