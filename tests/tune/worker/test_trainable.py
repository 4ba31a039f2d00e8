import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybridir.config import (
    DataConfig,
    EncoderConfig,
    TrainDataConfig,
    TrainingConfig,
    TrialConfig,
)
from hybridir.config.data_sources import SyntheticConfig as Synthetic
from hybridir.config.trial import FromScratchConfig
from hybridir.errors import TrialError
from hybridir.runtime.files import atomic_write
from tests.support.tiny import python
from tune.folders import TrialFolder
from tune.outcome import has_failed
from tune.worker.spec import TrialSpec
from tune.worker.trainable import train_trial


def spec(folder: Path, **training: Any) -> TrialSpec:
    config = TrialConfig(
        data=DataConfig(train=TrainDataConfig(synthetic=Synthetic(languages=2, entities=30))),
        encoder=EncoderConfig(
            from_scratch=FromScratchConfig(
                layers=1, hidden_size=16, intermediate_size=16, heads=1, vocabulary=600
            )
        ),
        training=TrainingConfig(**({"pairs": 128} | training)),
    )
    return TrialSpec(
        folder=str(folder / "search-000"),
        cache=str(folder / "cache"),
        config=config.model_dump_json(),
    )


def test_a_spec_is_read_back_from_plain_values(tmp_path: Path) -> None:
    original = spec(tmp_path)
    config = original.as_ray_config()
    assert json.loads(json.dumps(config)) == config
    assert TrialSpec.from_ray_config(config) == original


@pytest.mark.long
def test_pain_07_a_worker_opens_no_database_since_it_loads_neither_mlflow_nor_optuna() -> None:
    loaded = python(
        "import sys, tune.worker.trainable, hybridir.trial.run; "
        "print(sorted({'mlflow', 'optuna', 'sqlalchemy'} & sys.modules.keys()))"
    )
    assert loaded.strip() == "[]"


def test_a_trial_that_diverges_leaves_its_reason_and_ends_without_a_retry(tmp_path: Path) -> None:
    # Cosines divided by 1e-40 are infinite in fp32, and the loss of infinities is no number.
    config = spec(tmp_path, temperature=1e-40).as_ray_config()
    train_trial(config)
    folder = TrialFolder(tmp_path / "search-000")
    failure = folder.read("failure.json")
    assert failure is not None
    assert "step 0: loss nan" in failure["reason"]
    assert has_failed(folder)
    before = sorted(tmp_path.rglob("*"))
    train_trial(config)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unexpected_error_leaves_its_last_lines_and_is_retried_until_the_trial_is_exhausted(
    tmp_path: Path,
) -> None:
    config = replace(spec(tmp_path), config="{", max_failures=1).as_ray_config()
    folder = TrialFolder(tmp_path / "search-000")
    for _ in range(2):
        with pytest.raises(TrialError, match="ValidationError"):
            train_trial(config)
        failure = folder.read("failure.json")
        assert failure is not None
        assert "pydantic_core._pydantic_core.ValidationError" in failure["reason"]
        assert failure["host"] == socket.gethostname()
        assert not has_failed(folder)
        assert len(failure["reason"].splitlines()) <= 12
    train_trial(config)  # ends without an error, so that Ray does not try again
    assert has_failed(folder)
    failure = folder.read("failure.json")
    assert failure is not None
    assert failure["reason"].startswith("interrupted 2 times in a row without a new checkpoint")
    assert "pydantic_core._pydantic_core.ValidationError" in failure["reason"]


def test_what_a_killed_attempt_had_not_finished_writing_is_removed(tmp_path: Path) -> None:
    never_left = atomic_write(tmp_path / "search-000" / "checkpoint.pt")
    half = never_left.__enter__()
    half.write_bytes(b"half")
    train_trial(spec(tmp_path, temperature=1e-40).as_ray_config())
    assert not half.exists()


def test_a_trial_that_has_not_failed_has_no_failure(tmp_path: Path) -> None:
    assert not has_failed(TrialFolder(tmp_path))
