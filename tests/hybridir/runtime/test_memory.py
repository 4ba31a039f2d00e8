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


def test_the_peak_counts_allocations_since_the_reset() -> None:
    reset_peak_memory()
    before = peak_memory_mb()
    tensor = torch.ones(FILLED_MB * 250_000)  # 4 bytes each
    after = peak_memory_mb()
    assert after - before > 0.9 * FILLED_MB
    del tensor
    release_memory()
    # The peak stays until the next reset; the kernel's counter is exact to some pages a thread.
    assert peak_memory_mb() > after - 0.05 * FILLED_MB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap is Linux's")
def test_pain_11_a_fragmented_heap_is_returned_to_the_system() -> None:
    # Every second block of 64 KiB is freed. The blocks are too small for mappings of their own, so
    # glibc keeps the holes. A fresh process has a heap without other holes.
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
def test_free_memory_is_shared_among_the_cores_in_use() -> None:
    cores = psutil.cpu_count()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one_core = free_memory_mb()
        torch.set_num_threads(cores)
        all_cores = free_memory_mb()
    finally:
        torch.set_num_threads(before)
    assert 0 < all_cores <= psutil.virtual_memory().total / 1e6
    # Other processes allocate and free memory in between.
    assert one_core * cores == pytest.approx(all_cores, rel=0.3)
