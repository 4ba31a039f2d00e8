"""A training that torchrun starts in several processes; each writes what it saw.

torchrun --nproc-per-node 2 tests/support/train_in_processes.py ENCODER FOLDER SAVE_AT BATCHES LOSS
"""

import json
import os
import sys
from pathlib import Path

import torch

from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.integrations.sentence_transformers import LanguagePoolEvaluator
from tests.support.sentence_trainer import DESCENT, batches, run


def main(encoder: Path, folder: Path, save_at: int, batch: str, loss: str) -> None:
    torch.set_num_threads(1)
    rank = os.environ["RANK"]
    settings, of = json.loads(loss), batches(**json.loads(batch))
    evaluator = LanguagePoolEvaluator(synthetic_corpus(languages=3, seed=20, entities=30).test)
    recorded, hybrid = run(
        encoder,
        of,
        folder / "whole",
        loss=settings,
        evaluator=evaluator,
        save_strategy="steps",
        save_steps=save_at,
        eval_strategy="steps",
        eval_steps=len(of.plan),
        **DESCENT,
    )
    checkpoint = str(folder / "whole" / f"checkpoint-{save_at}")
    again = folder / "again"
    resumed, _ = run(encoder, of, again, resume=checkpoint, loss=settings, **DESCENT)
    torch.save(hybrid.model.state_dict(), folder / f"weights-{rank}.pt")
    evaluation = evaluator.evaluation
    content = {
        "batches": recorded.batches,
        "losses": recorded.losses,
        "resumed_batches": resumed.batches,
        "resumed_losses": resumed.losses,
        "figures": evaluation.summary if evaluation else None,
    }
    (folder / f"rank-{rank}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    model, out, middle, *own = sys.argv[1:]
    main(Path(model), Path(out), int(middle), *own)
