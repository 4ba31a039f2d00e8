"""What a user would take instead: sentence-transformers, as its documentation shows it."""

import tempfile
from typing import Any

from benchmarks.parts.cases import Case
from benchmarks.parts.texts import LONGEST
from benchmarks.parts.turns import WARM_UPS, Meter


def _model(case: Case) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    words = Transformer(str(case.folder), max_seq_length=LONGEST)
    return SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension(), "mean")])


def train_peer(case: Case, meter: Meter) -> None:
    """SentenceTransformerTrainer with MultipleNegativesRankingLoss, or its cached form."""
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
        MultipleNegativesRankingLoss,
    )
    from torch.utils.data import BatchSampler, SequentialSampler
    from transformers import TrainerCallback

    meter.loaded()

    class Beats(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if state.global_step % case.steps == 0:
                meter.beat()

    def in_order(dataset: Any, batch_size: int, **others: Any) -> Any:
        return BatchSampler(SequentialSampler(dataset), batch_size, drop_last=True)

    model = _model(case)
    pairs = len(case.texts) // 2
    data = Dataset.from_dict({"anchor": case.texts[:pairs], "positive": case.texts[pairs:]})
    loss: torch.nn.Module
    if case.mini_batch:
        loss = CachedMultipleNegativesRankingLoss(
            model, scale=20.0, mini_batch_size=case.mini_batch
        )
    else:
        loss = MultipleNegativesRankingLoss(model, scale=20.0)
    with tempfile.TemporaryDirectory() as folder:
        SentenceTransformerTrainer(
            model=model,
            args=SentenceTransformerTrainingArguments(
                output_dir=folder,
                max_steps=case.steps * (WARM_UPS + case.repeats),
                per_device_train_batch_size=case.batch_size,
                learning_rate=1e-5,
                weight_decay=0.01,
                batch_sampler=in_order,
                bf16=case.precision == "bf16",
                use_cpu=not torch.cuda.is_available(),
                report_to=[],
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=data,
            loss=loss,
            callbacks=[Beats()],
        ).train()


def encode_peer(case: Case, meter: Meter) -> None:
    """SentenceTransformer.encode; in half precision with weights of half precision."""
    import sentence_transformers.base.modules  # noqa: F401 - before memory is counted

    meter.loaded()
    model = _model(case)
    if case.precision == "bf16":
        model = model.bfloat16()
    pairs = len(case.texts) // 2
    while True:
        for texts in (case.texts[:pairs], case.texts[pairs:]):
            model.encode(list(texts), show_progress_bar=False)
        meter.beat()
