"""What sentence-transformers' trainer was told that batches and loss cannot obey, by name."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sentence_transformers import SentenceTransformer
from transformers import TrainerCallback

from hybridir.errors import InputError
from hybridir.integrations.hybrid_batches import PASSAGE, QUESTION, HybridBatches, PlanSampler
from hybridir.integrations.sentence_transformers.loss import processes
from hybridir.integrations.sentence_transformers.roles import prompts_of, tasks_of

# Of trainer_state.json.
_KEY = "HybridTraining"


class TrainerChecks(TrainerCallback):
    """Refuses what would change batches or loss, before the first step.

    Args:
        model: the model that is trained.
        batches: the plan and its data set.
        loss: settings of the loss; empty if any loss is allowed.
    """

    def __init__(
        self, model: SentenceTransformer, batches: HybridBatches, loss: Mapping[str, object]
    ) -> None:
        self._model, self._batches, self._loss = model, batches, loss
        self._has_begun = self._had_loss = False

    @property
    def has_begun(self) -> bool:
        """Whether a training is under way."""
        return self._has_begun

    def check_begun(self) -> None:
        """Refuse a training that nothing checks.

        Raises:
            InputError: if the trainer has not called `on_train_begin`.
        """
        if not self._has_begun:
            raise InputError(
                "callbacks: HybridTraining.checks is missing, so that nothing checks the "
                "trainer's arguments; pass **hybrid.parts to the trainer, or "
                "callbacks=[hybrid.checks]"
            )

    def check_batch(self, pairs: int) -> None:
        """Look at the batch that reached the loss.

        Args:
            pairs: of all processes.

        Raises:
            InputError: if that is not the plan's batch.
        """
        self.check_begun()
        self._had_loss = True
        if pairs != self._batches.plan.batch_size:
            raise InputError(
                f"the batch: {pairs} pairs in all processes reach the loss, but the plan's "
                f"batches have {self._batches.plan.batch_size}; pass **hybrid.arguments to "
                "SentenceTransformerTrainingArguments"
            )

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        model: Any = None,
        train_dataloader: Any = None,
        **others: Any,
    ) -> None:
        """Check the arguments, the data loader and the checkpoint.

        Raises:
            InputError: with everything that cannot be obeyed.
        """
        problems = [
            *self._of_arguments(args),
            *self._of_budget(args),
            *self._of_roles(args),
            *self._of_loader(train_dataloader),
            *self._of_model(model),
            *self._of_checkpoint(state),
        ]
        if problems:
            raise InputError.collect("the training cannot draw the plan's batches", problems)
        self._has_begun, self._had_loss = True, not self._loss
        state.stateful_callbacks[_KEY] = self._description

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Refuse another loss, after its first step.

        Raises:
            InputError: if the loss of this training was not called.
        """
        if not self._had_loss:
            raise InputError(
                "loss: another loss than HybridTraining.loss beside its batches, so that "
                "negatives are not gathered over processes and passages of one passage group are "
                "negatives; "
                "pass loss=hybrid.loss, or HybridTraining(..., other_loss=LOSS) if that is meant"
            )

    def on_train_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Let the next training be checked anew."""
        self._has_begun = False

    @property
    def _description(self) -> dict[str, Any]:
        """In the form of the trainer's other callbacks."""
        return {"args": {}, "attributes": {**self._batches.description, **self._loss}}

    def _of_arguments(self, args: Any) -> Iterator[str]:
        if args.gradient_accumulation_steps > 1:
            yield (
                f"gradient_accumulation_steps={args.gradient_accumulation_steps}: accumulated "
                "batches are no negatives of each other, and each step would take several of the "
                "plan; set it to 1. For less memory, HybridTraining(..., mini_batch_size=32) has "
                "the whole batch's loss"
            )
        loader = args.accelerator_config
        if loader.split_batches:
            yield (
                "accelerator_config.split_batches: the batch sampler yields each process's slice "
                "already; leave it out"
            )
        if loader.dispatch_batches:
            yield (
                "accelerator_config.dispatch_batches: each process draws its own slice; leave it "
                "out"
            )
        if args.ignore_data_skip:
            yield (
                "ignore_data_skip: a resumed training would begin with the plan's first batches "
                "again; leave it out"
            )

    def _of_budget(self, args: Any) -> Iterator[str]:
        plan = self._batches.plan
        epochs = math.ceil(args.num_train_epochs * len(plan))
        steps = args.max_steps if args.max_steps > 0 else epochs
        if steps > len(plan):
            asked = (
                f"max_steps={args.max_steps}"
                if args.max_steps > 0
                else f"num_train_epochs={args.num_train_epochs:g}"
            )
            pairs = steps * plan.batch_size
            yield (
                f"{asked}: asks for {steps} steps, but the plan has {len(plan)}, which are one "
                f"epoch; set num_train_epochs=1, or HybridBatches(..., pairs={pairs})"
            )

    def _of_roles(self, args: Any) -> Iterator[str]:
        """Prompts and lengths: those of `encode_query` and `encode_document` are trained with."""
        prompts = {column: _prompt(args.prompts, column) for column in (QUESTION, PASSAGE)}
        if {column: text for column, text in prompts.items() if text} != prompts_of(self._model):
            own = prompts_of(self._model) or None
            yield (
                f"prompts={args.prompts!r}: the model's own by column are {own!r}, which "
                "encode_query and encode_document use; set these, or change model.prompts"
            )
        tasks = tasks_of(self._model)
        if tasks and args.router_mapping != tasks:
            yield (
                f"router_mapping={args.router_mapping!r}: the model cuts or routes questions and "
                f"passages otherwise; set router_mapping={tasks!r}"
            )

    def _of_loader(self, loader: Any) -> Iterator[str]:
        if getattr(loader, "dataset", None) is not self._batches.dataset:
            yield (
                "train_dataset: is not HybridTraining.dataset (or part of several); pass "
                "train_dataset=hybrid.dataset. Several tables go into one plan, "
                "HybridBatches([first, second], ...)"
            )
            return
        sampler: Any = loader.batch_sampler
        shares = 1
        while hasattr(sampler, "batch_sampler"):  # accelerate's, around it
            shares *= getattr(sampler, "num_processes", 1)
            sampler = sampler.batch_sampler
        if not (isinstance(sampler, PlanSampler) and sampler.batches is self._batches):
            yield "batch_sampler: is not HybridTraining.batch_sampler; pass **hybrid.arguments"
        elif shares != processes().world_size:
            yield (
                f"use_cpu: {processes().world_size} processes were started, but accelerate deals "
                f"batches out to {shares}; without GPUs it must be told, use_cpu=True"
            )

    def _of_model(self, model: Any) -> Iterator[str]:
        if model is not self._model:
            yield (
                "model: is not the one of this HybridTraining, whose loss embeds the texts; make "
                "a HybridTraining of each model, and pass the model instead of model_init"
            )

    def _of_checkpoint(self, state: Any) -> Iterator[str]:
        before = state.stateful_callbacks.get(_KEY)
        if before is None:
            if state.global_step > 0:
                yield (
                    "resume_from_checkpoint: the checkpoint is of a training without "
                    "HybridTraining; begin anew, in another output_dir"
                )
            return
        now = self._description["attributes"]
        for name, value in before["attributes"].items():
            if name in now and not _same(value, now[name]):
                shown = (
                    "other training data"
                    if name == "tables"
                    else f"{name}={value!r}, now it is {now[name]!r}"
                )
                yield (
                    f"resume_from_checkpoint: the checkpoint was trained with {shown}; go on "
                    "with the same, or begin anew, in another output_dir"
                )


def _prompt(prompts: Any, column: str) -> str:
    """The prompt of a column, as the trainer's collator looks it up."""
    if isinstance(prompts, dict):
        return str(prompts.get(column) or "")
    return str(prompts or "")


def _same(before: object, now: object) -> bool:
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=1e-12)
    return before == now
