"""All that sentence-transformers' trainer needs for a training on hybrid batches."""

import os
from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer

from hybridir.batches.plan import check_shards
from hybridir.errors import InputError
from hybridir.integrations.hybrid_batches import HybridBatches, PlanSampler
from hybridir.integrations.sentence_transformers.checks import TrainerChecks
from hybridir.integrations.sentence_transformers.loss import HybridLoss, processes
from hybridir.integrations.sentence_transformers.roles import prompts_of, tasks_of


class HybridTraining:
    """Batches and loss of `hybridir.training.train`, for `SentenceTransformerTrainer`.

    At the first step, dropout aside, the loss is that of `hybridir.training.train`, in one process
    and in several. What would change batches or loss is refused by name before the first step.

    Args:
        model: the model to train.
        batches: the plan and its data set.
        temperature: divides the similarity.
        symmetric: take the mean with the loss of finding the questions.
        mini_batch_size: texts embedded at once, see `HybridLoss`.
        other_loss: train with this loss on these batches. Most losses ignore passage groups, so
            that translations of one passage are negatives of each other; ``label`` is the number
            of a passage group, which is no score.

    Attributes:
        dataset: for ``train_dataset``.
        batch_sampler: for ``SentenceTransformerTrainingArguments(batch_sampler=...)``.
        loss: for ``loss``.
        checks: for ``callbacks``; it refuses what cannot be obeyed.

    Raises:
        InputError: if the model's similarity is neither cosine nor dot product, or another loss is
            none.

    A model of random weights, and a trainer for three steps of eight pairs:

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
    >>> from sentence_transformers import SentenceTransformerTrainingArguments
    >>> from hybridir import load_encoder
    >>> from hybridir.config import BatchConfig, EncoderConfig
    >>> from hybridir.data.synthetic.corpus import synthetic_corpus
    >>> from hybridir.encoder import save_encoder
    >>> from hybridir.integrations.sentence_transformers import HybridBatches, HybridTraining
    >>> table = synthetic_corpus(languages=2, seed=20, entities=20).train
    >>> config = EncoderConfig(from_scratch={"layers": 1, "hidden_size": 32})
    >>> encoder = load_encoder(config, texts=table.passage)
    >>> with TemporaryDirectory() as name:
    ...     save_encoder(encoder.model, encoder.tokenizer, config, Path(name) / "encoder")
    ...     model = SentenceTransformer(name + "/encoder", device="cpu")
    >>> config = BatchConfig(mixing_ratio=0.5, batch_size=8)
    >>> hybrid = HybridTraining(model, HybridBatches(table, config, pairs=24, seed=0))
    >>> arguments = SentenceTransformerTrainingArguments(
    ...     "checkpoints", learning_rate=1e-3, use_cpu=True, **hybrid.arguments
    ... )
    >>> trainer = SentenceTransformerTrainer(model, arguments, **hybrid.parts)
    >>> len(trainer.get_train_dataloader())  # trainer.train() trains
    3
    """

    def __init__(
        self,
        model: SentenceTransformer,
        batches: HybridBatches,
        *,
        temperature: float = 0.05,
        symmetric: bool = False,
        mini_batch_size: int | None = None,
        other_loss: torch.nn.Module | None = None,
    ) -> None:
        if not isinstance(other_loss, torch.nn.Module | None):
            raise InputError(f"other_loss={other_loss!r}: expected the loss, such as Loss(model)")
        self.model, self.batches = model, batches
        self.dataset = batches.dataset
        own = (
            {} if other_loss is not None else {"temperature": temperature, "symmetric": symmetric}
        )
        self.checks = TrainerChecks(model, batches, own)
        self.batch_sampler = TrainerSampler(batches, self.checks)
        self.loss = HybridLoss(
            model,
            temperature=temperature,
            symmetric=symmetric,
            mini_batch_size=mini_batch_size,
            check=self.checks.check_batch,
            batches=batches.plan.config.model_dump(mode="json"),
        )
        self._other_loss = other_loss

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of `SentenceTransformerTrainingArguments` that batches and loss rest on.

        Batch size of a process (or of a GPU, where one process has several), one epoch, the batch
        sampler, the model's prompts and lengths by column, and ``use_cpu`` for several processes
        without GPUs. The number of processes is the launcher's, ``WORLD_SIZE``.

        Raises:
            InputError: if the processes cannot share a batch evenly.
        """
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
        devices = world_size if world_size > 1 else max(1, torch.cuda.device_count())
        batch_size = self.batches.plan.batch_size
        check_shards(batch_size, devices)
        arguments = {
            "batch_sampler": self.batch_sampler,
            "per_device_train_batch_size": batch_size // devices,
            "num_train_epochs": 1,
            # All batches are full; said, sentence-transformers need not warn that it sets this.
            "dataloader_drop_last": True,
            "prompts": prompts_of(self.model) or None,
            "router_mapping": tasks_of(self.model),
        }
        # Unless told, accelerate does not share batches between processes without GPUs.
        alone = world_size == 1 or torch.accelerator.is_available()
        return arguments if alone else {**arguments, "use_cpu": True}

    @property
    def parts(self) -> dict[str, Any]:
        """Arguments of `SentenceTransformerTrainer`: data set, checks and loss."""
        loss = self.loss if self._other_loss is None else self._other_loss
        return {"train_dataset": self.dataset, "callbacks": [self.checks], "loss": loss}


_EVALUATOR = "take LanguagePoolEvaluator as evaluator"


class TrainerSampler:
    """Makes the batch sampler when the trainer asks for one.

    The trainer saves its arguments with each checkpoint; of this one the file has the plan's
    settings alone, neither texts nor weights.

    Args:
        batches: the plan and its data set.
        checks: told before the first batch, and knows whether a training has begun.
    """

    def __init__(self, batches: HybridBatches, checks: TrainerChecks) -> None:
        self._batches, self._checks = batches, checks

    def __call__(self, dataset: Any, batch_size: int, **others: Any) -> PlanSampler:
        """Make the sampler.

        Args:
            dataset: the data set that is trained on.
            batch_size: pairs of a process.
            others: further arguments of the trainer, without effect: the plan has a seed of its
                own, and no batch that is not full.

        Raises:
            InputError: if the data set is not that of the plan, or the processes' batches do not
                make up the plan's.
        """
        plan, world_size = self._batches.plan, processes().world_size
        if self._checks.has_begun:
            raise InputError(f"eval_dataset: the plan has no batches of it; {_EVALUATOR}")
        if dataset is not self._batches.dataset:
            raise InputError(
                "the data set: batch_sampler draws from HybridTraining.dataset alone, as one data "
                "set. Several tables go into one plan, HybridBatches([first, second], ...), not "
                f"into a DatasetDict; for eval_dataset, {_EVALUATOR}"
            )
        check_shards(plan.batch_size, world_size)
        if batch_size * world_size != plan.batch_size:
            raise InputError(
                f"per_device_train_batch_size: {batch_size} pairs in each of {world_size} "
                f"processes are {batch_size * world_size}, but the plan's batches have "
                f"{plan.batch_size}; set per_device_train_batch_size="
                f"{plan.batch_size // world_size}, or BatchConfig(batch_size="
                f"{batch_size * world_size}). auto_find_batch_size cannot be obeyed: it would "
                "take away negatives"
            )
        return _CheckedSampler(self._batches, world_size, self._checks.check_begun)

    def __deepcopy__(self, memo: Any) -> "TrainerSampler":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _SavedSampler, (self._batches.description,)


class _CheckedSampler(PlanSampler):
    """The slices of all processes, one after the other, as accelerate deals them out."""

    def __init__(self, batches: HybridBatches, world_size: int, begin: Callable[[], None]) -> None:
        super().__init__(batches, world_size, range(world_size), 0)
        self._begin = begin

    def __iter__(self) -> Any:
        self._begin()
        return super().__iter__()


class _SavedSampler:
    """What a file of arguments has of a `TrainerSampler`: the settings of its plan."""

    def __init__(self, description: dict[str, object]) -> None:
        self.description = description

    def __call__(self, *arguments: Any, **others: Any) -> PlanSampler:
        raise InputError(
            "batch_sampler: it comes from a file, which has no training data; take that of a "
            "HybridTraining with the same tables, BatchConfig and seed"
        )
