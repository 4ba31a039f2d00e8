"""What `benchmarks/training.py` measures of this project."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from benchmarks.parts.cases import Case
from benchmarks.parts.texts import LONGEST
from benchmarks.parts.turns import WARM_UPS, Meter
from hybridir.batches import Batch, BatchKind, BatchPlan
from hybridir.config import BatchConfig, TrainingConfig
from hybridir.data import Pairs
from hybridir.encoder import BiEncoder
from hybridir.encoder.backbone import load_backbone
from hybridir.encoder.packed.cpu import OneDnnLinear
from hybridir.encoder.token_table import TokenTable, prepare_tokens
from hybridir.retrieval.encode import encode
from hybridir.runtime.precision import accelerator
from hybridir.training import LoopState, train

# Side of the matrices whose product tells the machine's rate, and how often it is tried.
_SIDE = 2048
_TRIES = 8


class InOrder(BatchPlan):
    """Batches of rows one after the other, the same ones that the peer takes."""

    def __init__(self, pairs: int, batch_size: int, steps: int) -> None:
        rows = Pairs(
            question_id=[str(row) for row in range(pairs)],
            passage_group=[str(row) for row in range(pairs)],
            language=["en"] * pairs,
            question=[""] * pairs,
            passage=[""] * pairs,
        )
        super().__init__(
            [rows],
            BatchConfig(batch_size=batch_size, mixing_ratio=1),
            pairs=batch_size * steps,
            seed=0,
        )
        self._rows = pairs

    def __getitem__(self, step: int) -> Batch:
        rows = np.arange(step * self.batch_size, (step + 1) * self.batch_size) % self._rows
        return Batch(step, BatchKind.MONOLINGUAL, rows, rows, rows)


def _tokens(case: Case) -> tuple[BiEncoder, TokenTable, TokenTable]:
    tokenizer = AutoTokenizer.from_pretrained(case.folder)
    pairs = len(case.texts) // 2
    with tempfile.TemporaryDirectory() as cache:
        questions, passages = (
            prepare_tokens(texts, tokenizer, prefix="", max_length=LONGEST, cache=Path(cache))
            for texts in (case.texts[:pairs], case.texts[pairs:])
        )
    dropout = 0.1 if case.name.endswith("dropout0.1") else 0.0
    backbone = load_backbone(case.folder, dropout=dropout, pooling="mean")
    return BiEncoder.wrap(backbone, "mean", pad_token=0), questions, passages


def train_ours(case: Case, meter: Meter, *, compiled: bool = False) -> None:
    """The training loop as a trial runs it."""
    meter.loaded()
    encoder, questions, passages = _tokens(case)

    def on_step(state: LoopState) -> None:
        if state.step % case.steps == 0:
            meter.beat()

    steps = case.steps * (WARM_UPS + case.repeats)
    chunk_tokens: Literal["auto"] | int = case.chunk_tokens or 2**40
    if case.chunk_tokens is None:
        chunk_tokens = "auto"
    config = TrainingConfig(
        temperature=0.05,
        learning_rate=1e-5,
        weight_decay=0.01,
        betas=(0.9, 0.999),
        warmup=0.0,
        chunk_tokens=chunk_tokens,
        compile=compiled,
        checkpoint_share=1e-9,  # none
    )
    with accelerator(case.precision) as accelerate, tempfile.TemporaryDirectory() as folder:
        train(
            config,
            accelerate,
            encoder,
            questions,
            passages,
            InOrder(len(questions), case.batch_size, steps),
            seed=0,
            checkpoint=Path(folder) / "checkpoint.pt",
            fingerprint="",
            on_step=on_step,
        )


def train_ours_compiled(case: Case, meter: Meter) -> None:
    """The same with fused layers."""
    train_ours(case, meter, compiled=True)


def encode_ours(case: Case, meter: Meter) -> None:
    """All texts embedded, as an evaluation does it."""
    meter.loaded()
    encoder, questions, passages = _tokens(case)
    encoder.eval()
    with accelerator(case.precision) as accelerate:
        accelerate.prepare_model(encoder, evaluation_mode=True)
        while True:
            for table in (questions, passages):
                encode(encoder, table, batch_tokens=8192)
            meter.beat()


def matrix_rate(precision: str, side: int = _SIDE) -> float:
    """The machine's operations a second in a product of two square matrices by torch's `@`."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    return _rate(torch.matmul, kind, side)


def onednn_rate() -> float | None:
    """The same in fp32 by oneDNN on a CPU; None on a GPU."""
    if torch.cuda.is_available():
        return None
    layer = OneDnnLinear(nn.Linear(_SIDE, _SIDE, bias=False))

    def product(first: Tensor, second: Tensor) -> Tensor:
        layer.weight.data = second
        multiplied: Tensor = layer(first)
        return multiplied

    with torch.no_grad():
        return _rate(product, torch.float32, _SIDE)


def _rate(product: Callable[[Tensor, Tensor], Tensor], kind: torch.dtype, side: int) -> float:
    """Operations a second in a product of two square matrices; the best of some."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    first, second = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    best = 0.0
    for _ in range(_TRIES):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        product(first, second)
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2.0 * side**3 / (time.perf_counter() - start))
    return best
