from pathlib import Path

import pytest
import torch

from hybridir.config.trial import TrialConfig
from hybridir.data.load import load_training
from tests.support.tiny import settings
from tune.readiness.node_probe import code_digest, gpu_problem, prepare_node


def test_preparing_a_node_caches_tokens_of_all_texts_and_returns_the_digest_of_the_data(
    tmp_path: Path,
) -> None:
    trial = TrialConfig.model_validate(settings())
    state = prepare_node(trial.model_dump_json(), str(tmp_path), needs_gpu=False)
    assert state == {"data": (load_training(trial.data).pairs.digest, ""), "gpu": ""}
    assert len(list(tmp_path.glob("tokens-*/manifest.json"))) == 6, "training, dev and test"


def test_data_that_cannot_be_loaded_are_returned_as_a_reason(tmp_path: Path) -> None:
    absent = settings(data={"train": {"table": {"path": str(tmp_path / "absent.csv")}}})
    absent["data"]["report_on"] = []
    config = TrialConfig.model_validate(absent).model_dump_json()
    digest, reason = prepare_node(config, str(tmp_path), needs_gpu=False)["data"]
    assert digest == ""
    assert "absent.csv" in reason


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU that works")
def test_a_missing_gpu_is_a_problem_instead_of_silent_training_on_the_cpu() -> None:
    assert "install a build for CUDA" in gpu_problem() or "no usable GPU" in gpu_problem()


def test_code_is_located_without_an_import_and_an_absent_package_is_named() -> None:
    assert code_digest("hybridir") != code_digest("tune")
    with pytest.raises(FileNotFoundError, match="no package absent_package"):
        code_digest("absent_package")
