"""A tiny model of sentence-transformers, and trainings of it with its own trainer."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)

from hybridir import load_encoder
from hybridir.batches import BatchPlan
from hybridir.config import BatchConfig, EncoderConfig
from hybridir.data.pairs import Pairs
from hybridir.data.synthetic.corpus import synthetic_corpus
from hybridir.encoder import save_encoder
from hybridir.integrations.sentence_transformers import HybridBatches, HybridTraining

SIZE = {
    "layers": 1,
    "hidden_size": 32,
    "intermediate_size": 64,
    "heads": 2,
    "vocabulary": 600,
}
DESCENT: dict[str, Any] = {"optim": "sgd", "learning_rate": 0.1, "max_grad_norm": 0.0}
"""Arguments for steps that are as long as the gradient."""


def table() -> Pairs:
    return synthetic_corpus(languages=3, seed=20, entities=30).train


def write_encoder(folder: Path, **settings: Any) -> Path:
    """Save an encoder of random weights, without dropout."""
    config = EncoderConfig(
        from_scratch=SIZE,  # type: ignore[arg-type]
        **{"query_length": 64, "passage_length": 64, **settings},
    )
    corpus = synthetic_corpus(languages=3, seed=20, entities=30)
    encoder = load_encoder(config, texts=[*corpus.train.passage, *corpus.train.question])
    save_encoder(encoder.model, encoder.tokenizer, config, folder)
    return folder


def load(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def batches(steps: int, ratio: float = 0.5, batch_size: int = 8, **others: Any) -> HybridBatches:
    """Batches of `table`."""
    config = BatchConfig(mixing_ratio=ratio, batch_size=batch_size, **others)
    return HybridBatches([table()], config, pairs=steps * batch_size, seed=3)


@dataclass
class Recorded:
    """What reached the loss, step by step, and what came of it.

    Attributes:
        batches: texts of the questions, texts of the passages, and passage groups, of a process.
        losses: the loss of each step.
    """

    batches: list[tuple[list[str], list[str], list[int]]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def watch(self, loss: torch.nn.Module, tokenizer: Any) -> None:
        """Record each batch of a loss, in the tokens that it embeds."""

        def texts(features: dict[str, Any]) -> list[str]:
            decoded: list[str] = tokenizer.batch_decode(
                features["input_ids"], skip_special_tokens=True
            )
            return decoded

        def before(module: torch.nn.Module, inputs: Any) -> None:
            (questions, passages), groups = inputs
            self.batches.append((texts(questions), texts(passages), groups.tolist()))

        def after(module: torch.nn.Module, inputs: Any, loss: torch.Tensor) -> None:
            self.losses.append(float(loss.detach()))

        loss.register_forward_pre_hook(before)
        loss.register_forward_hook(after)


def planned(
    of: HybridBatches, tokenizer: Any, start: int = 0, rank: int = 0, world_size: int = 1
) -> list[tuple[list[str], list[str], list[int]]]:
    """The batches of a plan in the form of `Recorded.batches`, from the table's texts."""
    texts = table()

    def as_read(column: Any, rows: Any) -> list[str]:
        tokens = tokenizer([column[row] for row in rows]).input_ids
        decoded: list[str] = tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return decoded

    pairs = len(of.plan) * of.plan.batch_size
    plan = BatchPlan([texts], of.plan.config, pairs=pairs, seed=of.seed)
    slices = (plan[step].shard(rank, world_size) for step in range(start, len(plan)))
    return [
        (
            as_read(texts.question, one.questions),
            as_read(texts.passage, one.passages),
            one.groups.tolist(),
        )
        for one in slices
    ]


def trainer_of(
    hybrid: HybridTraining, folder: Path, parts: dict[str, Any] | None = None, **arguments: Any
) -> SentenceTransformerTrainer:
    """A trainer on a CPU that logs nothing; `parts` and `arguments` replace those of hybrid."""
    settings: dict[str, Any] = {
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "learning_rate": 1e-3,
        **hybrid.arguments,
        **arguments,
    }
    return SentenceTransformerTrainer(
        hybrid.model,
        SentenceTransformerTrainingArguments(str(folder), **settings),
        **{**hybrid.parts, **(parts or {})},
    )


def run(
    encoder: Path,
    of: HybridBatches,
    folder: Path,
    *,
    resume: str | None = None,
    change: Callable[[HybridTraining], None] = lambda hybrid: None,
    loss: dict[str, Any] | None = None,
    evaluator: Any = None,
    **arguments: Any,
) -> tuple[Recorded, HybridTraining]:
    """Train an encoder and record what reaches the loss."""
    torch.manual_seed(random.randrange(2**31))  # batches do not depend on it
    hybrid = HybridTraining(load(encoder), of, **(loss or {}))
    change(hybrid)
    recorded = Recorded()
    recorded.watch(hybrid.loss, hybrid.model.tokenizer)
    trainer = trainer_of(hybrid, folder, {"evaluator": evaluator}, **arguments)
    trainer.train(resume_from_checkpoint=resume)
    return recorded, hybrid
