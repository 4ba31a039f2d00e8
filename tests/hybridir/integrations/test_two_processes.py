"""The same training in two processes of torchrun, gradients and negatives through gloo."""

import json
import random
import subprocess
import sys
from os import environ
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.integrations.sentence_transformers import LanguagePoolEvaluator
from tests.support.sentence_trainer import DESCENT, batches, load, planned, run, write_encoder
from tests.support.tiny import ROOT

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("model") / "encoder")


def torchrun(
    encoder: Path, folder: Path, save_at: int, batch: dict[str, Any], loss: dict[str, Any]
) -> list[Any]:
    """Train in two processes; what each of them saw."""
    program = "tests/support/train_in_processes.py"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", program),
            *(str(encoder), str(folder), str(save_at), json.dumps(batch), json.dumps(loss)),
        ],
        cwd=ROOT,
        env={**environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


def as_read(slices: list[Any]) -> list[list[Any]]:
    """In the form of JSON, which has no tuples."""
    return [list(one) for one in slices]


def test_two_processes_draw_the_plans_batches_for_500_steps_and_after_a_resume(
    encoder: Path, tmp_path: Path
) -> None:
    steps, step = 500, random.randrange(1, 500)
    ranks = torchrun(encoder, tmp_path, step, {"steps": steps}, {})
    of = batches(steps)
    alone, hybrid = run(encoder, of, tmp_path / "alone", **DESCENT)
    for rank, seen in enumerate(ranks):
        expected = as_read(planned(of, hybrid.model.tokenizer, rank=rank, world_size=2))
        assert seen["batches"] == expected
        assert seen["resumed_batches"] == expected[step:], f"resumed at step {step}"
        # Rounding grows with every step of such a length, so that later losses are other ones.
        np.testing.assert_allclose(seen["losses"][:30], alone.losses[:30], rtol=1e-4)
        np.testing.assert_allclose(seen["resumed_losses"], seen["losses"][step:], rtol=1e-4)
    assert ranks[0]["losses"] == pytest.approx(ranks[1]["losses"], 1e-6)


def test_two_processes_take_the_steps_of_one(encoder: Path, tmp_path: Path) -> None:
    # Plain gradient descent: Adam would hide a gradient of another size.
    loss = {"symmetric": True, "mini_batch_size": 30}
    # More pairs than passage groups, so that some are masked, in the other process as well.
    batch: dict[str, Any] = {"steps": 6, "batch_size": 160, "kind": "x-x"}
    ranks = torchrun(encoder, tmp_path, 3, batch, loss)
    evaluator = LanguagePoolEvaluator(synthetic_corpus(languages=3, seed=20, entities=30).test)
    before = load(encoder).state_dict()
    alone, hybrid = run(encoder, batches(**batch), tmp_path / "alone", loss=loss, **DESCENT)
    moved = 0.0
    for rank, seen in enumerate(ranks):
        np.testing.assert_allclose(seen["losses"], alone.losses, rtol=1e-5)
        weights = torch.load(tmp_path / f"weights-{rank}.pt")
        for name, weight in hybrid.model.state_dict().items():
            torch.testing.assert_close(weights[name], weight, atol=1e-5, rtol=1e-4)
            moved = max(moved, float((weight - before[name]).abs().max()))
    assert moved > 1e-2
    evaluator(hybrid.model)
    assert evaluator.evaluation is not None
    assert ranks[0]["figures"] == pytest.approx(evaluator.evaluation.summary, rel=1e-2, abs=5e-3)
    assert ranks[1]["figures"] is None, "rank 0 alone evaluates"
