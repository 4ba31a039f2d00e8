from pathlib import Path

import pytest
import torch

from hybridir.runtime.precision import choose_precision


def test_auto_precision_is_bf16_for_wide_encoders_where_the_hardware_has_it() -> None:
    assert choose_precision("bf16", 8) == "bf16"
    assert choose_precision("fp32", 4096) == "fp32"
    assert choose_precision("auto", 255) == "fp32"
    flags = Path("/proc/cpuinfo")
    if torch.cuda.is_available() or not flags.is_file():
        pytest.skip("only Linux without a GPU lists the features of its processor")
    listed = flags.read_text().split()
    native = "avx512_bf16" in listed or "amx_bf16" in listed
    assert choose_precision("auto", 256) == ("bf16" if native else "fp32")
