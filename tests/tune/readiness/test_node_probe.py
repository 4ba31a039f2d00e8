from pathlib import Path

import pytest
import torch

from hybridir.config.trial import TrialConfig
from hybridir.data.load import load_training
from tests.support.tiny import settings
from tune.readiness.node_probe import code_digest, gpu_problem, prepare


def test_preparing_a_node_leaves_tokens_of_all_texts_and_tells_the_data_apart(
    tmp_path: Path,
) -> None:
    trial = TrialConfig.model_validate(settings())
    found = prepare(trial.model_dump_json(), str(tmp_path), needs_gpu=False)
    assert found == {"data": (load_training(trial.data).pairs.digest, ""), "gpu": ""}
    assert len(list(tmp_path.glob("tokens-*/manifest.json"))) == 6, "training, dev and test"


def test_data_that_cannot_be_loaded_come_back_as_a_reason(tmp_path: Path) -> None:
    absent = settings(data={"train": {"table": {"path": str(tmp_path / "absent.csv")}}})
    absent["data"]["report_on"] = []
    config = TrialConfig.model_validate(absent).model_dump_json()
    digest, reason = prepare(config, str(tmp_path), needs_gpu=False)["data"]
    assert digest == ""
    assert "absent.csv" in reason


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU that works")
def test_a_gpu_that_is_not_there_is_a_reason_and_no_silent_training_on_the_cpu() -> None:
    assert "install a build for CUDA" in gpu_problem() or "no usable GPU" in gpu_problem()


def test_the_code_is_found_without_an_import_and_a_package_that_is_not_there_is_named() -> None:
    assert code_digest("hybridir") != code_digest("tune")
    with pytest.raises(FileNotFoundError, match="no package absent_package"):
        code_digest("absent_package")
