"""Whether data and weights are those that were read before."""

import shutil
from pathlib import Path

import pytest

from hybridir.config import TrialConfig
from hybridir.errors import ChangedDataError
from hybridir.trial.identity import changed_inputs, check_inputs, input_digests, weight_folders
from tests.support.reading import write_encoder, write_reader
from tests.support.training_data import write_table


@pytest.fixture
def trial(tmp_path: Path) -> TrialConfig:
    """Training on a table, from the weights of a folder, with the F1 of a reader."""
    table = write_table(tmp_path, questions=200)
    return TrialConfig.model_validate(
        {
            "data": {"train": {"table": {"path": table}}, "report_on": []},
            "encoder": {"path": write_encoder(tmp_path / "encoder")},
            "evaluation": {"reader": {"path": write_reader(tmp_path / "reader")}},
        }
    )


def recorded(trial: TrialConfig) -> dict[str, str]:
    return input_digests(trial.data, weight_folders(trial.encoder, trial.evaluation))


def test_weights_with_a_changed_number_are_named_and_put_back_are_the_same(
    trial: TrialConfig, tmp_path: Path
) -> None:
    before = recorded(trial)
    check_inputs(trial, before)
    weights = tmp_path / "encoder" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    expected = rf"^weights, {weights.parent}: changed since the study began; put the files back$"
    with pytest.raises(ChangedDataError, match=expected):
        check_inputs(trial, before)
    weights.write_bytes(content)
    check_inputs(trial, before)

    reader = tmp_path / "reader"
    (reader / "config.json").write_text((reader / "config.json").read_text() + " ")
    folders = weight_folders(trial.encoder, trial.evaluation)
    assert changed_inputs(trial.data, folders, before) == [f"weights, {reader}"]


def test_files_that_nobody_reads_change_no_weights(trial: TrialConfig, tmp_path: Path) -> None:
    before = recorded(trial)
    for name in (
        *("README.md", "LICENSE.txt", "trainer_state.json", "training_args.bin", ".cache/a.json"),
        *("checkpoint-5/model.safetensors", "onnx/config.json", "eval_results.json"),
    ):
        file = tmp_path / "encoder" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
    check_inputs(trial, before)


@pytest.mark.parametrize("module", ["1_Pooling", "pooler"])
def test_a_module_belongs_to_the_weights_though_its_folder_is_a_link(
    trial: TrialConfig, tmp_path: Path, module: str
) -> None:
    without = recorded(trial)
    (tmp_path / "pooling").mkdir()
    (tmp_path / "pooling" / "config.json").write_text("mean")
    (tmp_path / "encoder" / module).symlink_to(tmp_path / "pooling")
    before = recorded(trial)
    for recorded_before in (without, before):
        (tmp_path / "pooling" / "config.json").write_text("cls")
        with pytest.raises(ChangedDataError, match="weights, "):
            check_inputs(trial, recorded_before)
    (tmp_path / "encoder" / module).unlink()
    shutil.copytree(tmp_path / "pooling", tmp_path / "encoder" / module)
    (tmp_path / "encoder" / module / "config.json").write_text("mean")
    check_inputs(trial, before)


def test_changed_data_and_weights_are_named_together_and_lost_ones_as_lost(
    trial: TrialConfig, tmp_path: Path
) -> None:
    before = recorded(trial)
    table = tmp_path / "table.jsonl"
    table.write_text(table.read_text().replace("en question 7", "en question seven"))
    (tmp_path / "encoder" / "config.json").write_text("{}")
    expected = rf"table\.jsonl; weights, {tmp_path}/encoder: changed .* put the files back"
    with pytest.raises(ChangedDataError, match=expected):
        check_inputs(trial, before)
    table.unlink()
    with pytest.raises(ChangedDataError, match=r"cannot be read any more: .*table\.jsonl"):
        check_inputs(trial, before)


def test_a_record_without_weights_passes_any_and_a_missing_folder_is_another_one(
    trial: TrialConfig, tmp_path: Path
) -> None:
    before = recorded(trial)
    check_inputs(trial, {name: digest for name, digest in before.items() if "weights" not in name})
    shutil.rmtree(tmp_path / "reader")
    with pytest.raises(ChangedDataError, match=r"weights, .*reader: No such file .* stay where"):
        check_inputs(trial, before)
