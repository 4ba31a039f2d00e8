from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from hybridir.config import TrialConfig
from hybridir.errors import TrialError
from hybridir.runtime.files import has_no_room
from hybridir.trial.identity import input_digests
from tests.support.disks import small_disk
from tests.support.training_data import write_table
from tests.tune.worker.test_trainable import spec
from tune.folders import TrialFolder
from tune.worker.trainable import train_trial
from tune.worker.trial_process import run_in_process


def test_a_complete_trial_has_no_failure(tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    assert run_in_process(spec(tmp_path), reports.append) is None
    assert [metrics["fidelity"] for metrics in reports] == [1.0]


def test_a_trial_sets_its_own_number_of_threads_and_restores_the_previous_one(
    tmp_path: Path,
) -> None:
    counts: list[int] = []
    before = torch.get_num_threads()
    trial = replace(spec(tmp_path), cpu=before + 1)
    assert run_in_process(trial, lambda metrics: counts.append(torch.get_num_threads())) is None
    assert counts == [before + 1]
    assert torch.get_num_threads() == before


def test_pain_11_a_trial_out_of_memory_fails_for_good_with_its_peak_and_poisons_its_process(
    tmp_path: Path,
) -> None:
    # Raised where a trial reports, since this machine may have no GPU whose memory could run out.
    def report(metrics: dict[str, float]) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has")

    failure = run_in_process(spec(tmp_path), report)
    assert failure is not None
    assert failure.reason.startswith("out of GPU memory at ")
    assert failure.reason.endswith(" MB: CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert failure.final
    assert failure.poisoned


def test_a_full_disk_ends_no_trial_but_says_that_somebody_must_make_room(tmp_path: Path) -> None:
    trial = spec(tmp_path, checkpoint_every=1)
    with small_disk(tmp_path / "search-000", "size=200k") as disk:
        failure = run_in_process(trial, lambda metrics: None)
        assert failure is not None
        assert failure.full
        assert not failure.final
        assert not failure.poisoned
        assert f"no room left on the disk of {tmp_path}" in failure.reason
        # Not even the reason fits: the driver then looks itself.
        with pytest.raises(OSError), (disk / "other").open("wb") as other:
            other.write(bytes(2**20))
        assert has_no_room(disk)
        assert not has_no_room(tmp_path)
        with pytest.raises((TrialError, OSError), match=r"no room left|No space left"):
            train_trial(trial.as_ray_config())
        assert TrialFolder(disk).outcome is None
    assert run_in_process(trial, lambda metrics: None) is None, "with room it runs"


def test_data_that_have_changed_end_no_trial_but_say_what_to_put_back(tmp_path: Path) -> None:
    table = write_table(tmp_path, questions=200)
    config = TrialConfig.model_validate_json(spec(tmp_path).config)
    train = config.data.model_validate({"train": {"table": {"path": table}}, "report_on": []})
    config = config.model_copy(update={"data": train})
    trial = replace(
        spec(tmp_path), config=config.model_dump_json(), data=input_digests(config.data, [])
    )
    before = table.read_text()
    table.write_text(before.replace("en question 7", "en question seven"))
    failure = run_in_process(trial, lambda metrics: None)
    assert failure is not None
    assert (failure.changed, failure.final, failure.poisoned) == (True, False, False)
    reason = f"training data, {table}: changed since the study began; put the files back"
    assert failure.reason == reason
    with pytest.raises(TrialError, match="put the files back"):
        train_trial(trial.as_ray_config())
    assert TrialFolder(Path(trial.folder)).outcome is None
    table.unlink()
    failure = run_in_process(trial, lambda metrics: None)
    assert failure is not None
    assert failure.changed
    table.write_text(before)
    assert run_in_process(trial, lambda metrics: None) is None
