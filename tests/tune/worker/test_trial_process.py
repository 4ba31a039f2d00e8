from pathlib import Path
from typing import NoReturn

import torch

from tests.tune.worker.test_trainable import spec
from tune.worker.trial_process import run_here


def test_a_trial_that_goes_to_its_end_has_no_failure(tmp_path: Path) -> None:
    reports: list[dict[str, float]] = []
    assert run_here(spec(tmp_path)["trial"], reports.append) is None
    assert [metrics["fidelity"] for metrics in reports] == [1.0]


def test_a_trial_computes_with_its_own_number_of_threads_and_gives_it_back(tmp_path: Path) -> None:
    seen: list[int] = []
    before = torch.get_num_threads()
    trial = {**spec(tmp_path)["trial"], "cpu": before + 1}
    assert run_here(trial, lambda metrics: seen.append(torch.get_num_threads())) is None
    assert seen == [before + 1]
    assert torch.get_num_threads() == before


def test_pain_11_a_trial_out_of_memory_fails_for_good_with_its_peak_and_wears_its_process_out(
    tmp_path: Path,
) -> None:
    # Raised where a trial reports, since this machine may have no GPU whose memory could run out.
    def report(metrics: dict[str, float]) -> NoReturn:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has")

    failure = run_here(spec(tmp_path)["trial"], report)
    assert failure is not None
    assert failure.reason.startswith("out of GPU memory at ")
    assert failure.reason.endswith(" MB: CUDA out of memory. Tried to allocate 2.00 GiB.")
    assert failure.final
    assert failure.worn
