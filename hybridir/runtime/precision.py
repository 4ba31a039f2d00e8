"""Floating-point precision of training and encoding.

fp32 means full fp32: TF32, which would round products to 10 bits, stays off.
bf16 is faster, and keeps weights, similarities and loss in fp32.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState


@contextmanager
def accelerator(precision: str) -> Iterator[Accelerator]:
    """Make an Accelerator for one trial and reset its process-wide state afterwards.

    Without the reset the next trial in this process could not choose another precision.

    Args:
        precision: ``fp32`` or ``bf16`` (autocast; weights stay fp32).
    """
    try:
        yield Accelerator(
            mixed_precision="bf16" if precision == "bf16" else "no",
            # The only way to tell accelerate of several processes without GPUs.
            cpu=dist.is_initialized() and not torch.cuda.is_available(),
        )
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


@contextmanager
def fixed_order_of_sums() -> Iterator[None]:
    """Let torch's own kernels add numbers on a GPU in the same order in every run.

    Those of `hybridir.encoder.packed.gpu` do so anyway. The switch is not free: a product of two
    matrices took 50 to 180 microseconds to start instead of 13 (torch 2.11, H100).

    Source: https://docs.pytorch.org/docs/stable/notes/randomness.html
    """
    if not torch.cuda.is_available():
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at the first product
    before = torch.are_deterministic_algorithms_enabled()
    # Memory that is written anyway need not be filled before.
    settings: Any = torch.utils.deterministic
    filled, settings.fill_uninitialized_memory = settings.fill_uninitialized_memory, False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = filled


def choose_precision(precision: str, hidden_size: int) -> str:
    """Resolve ``auto``: bf16 where the hardware supports it and the encoder gains from it.

    With bf16 a step of a 6 x 384 encoder took 1.5 s instead of 2.3 s (measured on an avx512_bf16
    core); a 2 x 128 encoder gained nothing. The threshold of 256 is an assumption.

    Args:
        precision: ``fp32``, ``bf16`` or ``auto``.
        hidden_size: width of the encoder.

    Returns:
        ``fp32`` or ``bf16``.
    """
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = torch.cpu.get_capabilities()
        native = bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return "bf16" if native and hidden_size >= 256 else "fp32"
