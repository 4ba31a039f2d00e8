import subprocess
import sys

import psutil  # type: ignore[import-untyped]
import pytest
import torch

from hybridir.runtime.memory import (
    free_memory_mb,
    peak_memory_mb,
    release_memory,
    reset_peak_memory,
)

FILLED_MB = 400


def test_the_peak_counts_what_was_allocated_since_the_reset() -> None:
    reset_peak_memory()
    before = peak_memory_mb()
    tensor = torch.ones(FILLED_MB * 250_000)  # 4 bytes each
    after = peak_memory_mb()
    assert after - before > 0.9 * FILLED_MB
    del tensor
    release_memory()
    # A peak stays until it is reset; the kernel's counter is exact to some pages a thread.
    assert peak_memory_mb() > after - 0.05 * FILLED_MB


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap is Linux's")
def test_pain_11_memory_full_of_holes_is_given_back() -> None:
    # Every second block of 64 KiB is freed, too small for a mapping of its own: glibc keeps the
    # holes. The process is a fresh one, whose heap nothing else has cut up.
    program = """
import sys
from pathlib import Path
from hybridir.runtime.memory import release_memory
def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
blocks = [bytes(65536) for _ in range(6000)]
full = resident_mb()
blocks = blocks[::2]
release_memory()
print(full - resident_mb())
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert float(printed) > 0.5 * 3000 * 65536 / 1e6


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPU's memory is not shared by cores")
def test_what_is_free_is_shared_by_the_cores_that_compute() -> None:
    cores = psutil.cpu_count()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        of_one = free_memory_mb()
        torch.set_num_threads(cores)
        of_all = free_memory_mb()
    finally:
        torch.set_num_threads(before)
    assert 0 < of_all <= psutil.virtual_memory().total / 1e6
    # Other processes take and give memory in between.
    assert of_one * cores == pytest.approx(of_all, rel=0.3)
