"""Fine-tunes an encoder to a reader, by transformers' own recipe for question answering.

Each window of a pair has two labels: the first and the last token of the answer, or twice its
first token ([CLS]) if it does not hold the whole answer. AdamW, gradients cut at norm 1, and a
learning rate that falls linearly to 0, without warm-up or weight decay.
Own: windows of a batch are padded to the longest of them, since that takes less time; on a CPU
the gradient of a batch is added up over a few windows at once; and questions are cut as they are
for reading.

Source: run_qa.py and the settings of its README for SQuAD,
https://github.com/huggingface/transformers/tree/main/examples/pytorch/question-answering.
"""

import math
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState
from transformers import (
    AutoModelForQuestionAnswering,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from hybridir.data.benchmark import AnsweredQuestion
from hybridir.encoder.backbone import unpacked_attention
from hybridir.encoder.folder_settings import read_folder
from hybridir.encoder.tokenizers import load_pretrained_tokenizer
from hybridir.errors import InputError, TrialError
from hybridir.evaluation.reader.windows import (
    INPUTS,
    LENGTHS,
    Reader,
    ReadingLengths,
    check_lengths,
    cut_windows,
    tokens_of_span,
)
from hybridir.runtime.precision import choose_precision
from hybridir.runtime.seeds import derive_seed

Progress = Callable[[int, int], None]
"""Told how many of all steps are done."""

# Seconds between two checkpoints, which hold three times the weights.
_CHECKPOINT_EVERY = 600.0
_STATE = "trainer_state.json"  # the last file of a checkpoint
# Windows that go through the model at once on a CPU: few, for the sake of memory and of less
# padding. multilingual-e5-small (12 x 384, 118 M weights) has a peak of 4.5 GB by twos, and of
# 5.5 GB by fours.
_ON_CPU = 2


@dataclass(frozen=True)
class Recipe:
    """How a reader is fine-tuned; the defaults are those of run_qa.py's README.

    Attributes:
        epochs: passes over all windows.
        learning_rate: of the first step; it falls linearly to 0.
        batch_size: windows of a step.
        seed: decides the weights of the answer layer, the order of the windows and dropout.
        precision: ``fp32``, ``bf16`` or ``auto``; weights stay fp32.
        lengths: of windows.
    """

    epochs: int = 2
    learning_rate: float = 3e-5
    batch_size: int = 12
    seed: int = 0
    precision: str = "fp32"
    lengths: ReadingLengths = LENGTHS

    def check(self) -> None:
        """Refuse what cannot be trained with.

        Raises:
            InputError: with all that is wrong.
        """
        problems = [
            f"{name}={getattr(self, name)}: expected {least} or more"
            for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0))
            if getattr(self, name) < least
        ]
        if not 0 < self.learning_rate < 1:
            problems.append(f"learning_rate={self.learning_rate}: expected more than 0, below 1")
        if self.precision not in ("fp32", "bf16", "auto"):
            problems.append(f"precision={self.precision}: choose one of fp32, bf16, auto")
        if problems:
            raise InputError.collect("no reader can be trained", problems)


@dataclass(frozen=True)
class Training:
    """What was trained on.

    Attributes:
        windows: number of windows of all pairs.
        with_answer: those that hold the whole answer.
        steps: of the optimizer.
        loss: mean over the steps, those before an interruption included.
        precision: ``fp32`` or ``bf16``.
    """

    windows: int
    with_answer: int
    steps: int
    loss: float
    precision: str


def untrained_reader(folder: Path, seed: int) -> Reader:
    """Load an encoder with an answer layer that is drawn at random.

    Args:
        folder: a local Hugging Face or sentence-transformers folder.
        seed: decides the answer layer. A folder that has one keeps it.

    Raises:
        InputError: if the folder holds no encoder that can be made a reader.
    """
    source = read_folder(folder)
    shown = repr(str(folder))
    tokenizer = load_pretrained_tokenizer(source)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "answer layer"))
            model, loading = AutoModelForQuestionAnswering.from_pretrained(
                source.weights,
                local_files_only=True,
                weights_only=True,
                dtype=torch.float32,
                attn_implementation=None if torch.cuda.is_available() else unpacked_attention(),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
            )
    # A damaged file can make transformers raise any exception.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"encoder {shown} cannot be made a reader: {reason}; choose a Hugging Face folder of "
            "a family that transformers has for question answering, such as BERT or XLM-RoBERTa"
        ) from None
    if model.config.is_encoder_decoder:
        raise InputError(
            f"encoder {shown} cannot be made a reader: model_type {model.config.model_type!r} is "
            "an encoder with a decoder; choose another encoder"
        )
    absent = {*loading["missing_keys"], *(entry[0] for entry in loading["mismatched_keys"])}
    of_encoder = {name for name in absent if name.startswith(f"{model.base_model_prefix}.")}
    if of_encoder:
        raise InputError(
            f"encoder {shown}: {len(of_encoder)} weights of {type(model).__name__} are missing or "
            f"of another shape, e.g. {min(of_encoder)!r}; config.json and the file of the weights "
            "must belong together"
        )
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"encoder {shown}: its tokenizer has {len(tokenizer)} tokens, its weights are for "
            f"{model.config.vocab_size}; they must belong together"
        )
    return Reader(model, tokenizer)


def fine_tune(
    reader: Reader,
    questions: Sequence[AnsweredQuestion],
    recipe: Recipe,
    workspace: Path,
    progress: Progress = lambda step, steps: None,
) -> Training:
    """Train a reader in place; a second call goes on with what an interrupted first call left.

    One seed gives one reader on one kind of machine with one number of threads, interrupted or
    not.

    Args:
        reader: from `untrained_reader`.
        questions: pairs to learn from.
        recipe: a checked one.
        workspace: folder of checkpoints, for this reader, these questions and this recipe alone.
        progress: called before the first and after each step.

    Raises:
        InputError: if lengths do not fit the model, answers are not where they should be, or
            there are several GPUs.
        TrialError: if the loss is not finite.
    """
    if torch.cuda.device_count() > 1:
        raise InputError(
            f"a batch of a reader is for one GPU, and there are {torch.cuda.device_count()}; set "
            "CUDA_VISIBLE_DEVICES=0"
        )
    check_lengths(reader, recipe.lengths)
    rows, with_answer = labelled_windows(reader, questions, recipe.lengths)
    on_cpu = not torch.cuda.is_available()
    at_once = _micro_batch(recipe.batch_size) if on_cpu else recipe.batch_size
    precision = choose_precision(recipe.precision, getattr(reader.model.config, "hidden_size", 0))
    checkpoint = _last_checkpoint(workspace)
    with _own_generators():
        trainer = Trainer(
            model=reader.model,
            args=TrainingArguments(
                output_dir=str(workspace),
                num_train_epochs=recipe.epochs,
                learning_rate=recipe.learning_rate,
                per_device_train_batch_size=at_once,
                gradient_accumulation_steps=recipe.batch_size // at_once,
                seed=derive_seed(recipe.seed, "reader") % 2**32,  # numpy takes no more
                bf16=precision == "bf16",
                use_cpu=on_cpu,
                dataloader_pin_memory=not on_cpu,
                save_strategy="no",  # but when the callback asks for it
                save_total_limit=1,
                logging_steps=1,
                logging_nan_inf_filter=False,
                disable_tqdm=True,
                report_to="none",
            ),
            data_collator=lambda batch: _padded(reader, batch),
            train_dataset=rows,
            callbacks=[_Watch(progress)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    reader.model.eval()
    # Trainer's own mean leaves out what was before an interruption.
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Training(len(rows), with_answer, len(losses), mean(losses), precision)


def labelled_windows(
    reader: Reader, questions: Sequence[AnsweredQuestion], lengths: ReadingLengths
) -> tuple[list[dict[str, Any]], int]:
    """Cut paragraphs into windows, and label the answer's tokens.

    Args:
        reader: decides the tokens.
        questions: pairs to learn from.
        lengths: checked ones.

    Returns:
        For each window those of `INPUTS` that the model takes, ``start_positions`` and
        ``end_positions``; and the number of windows that hold their answer.

    Raises:
        InputError: if an answer is not at its place in its paragraph.
    """
    misplaced = [
        row
        for row in questions
        if row.paragraph[row.start : row.start + len(row.answer)] != row.answer
    ]
    if misplaced:
        first = misplaced[0]
        raise InputError(
            f"{len(misplaced)} answers are not where answer_start says, e.g. that of question "
            f"{first.question_id!r} ({first.language}); a reader would learn other words, so mend "
            "the file, or take these questions away"
        )
    windows = cut_windows(
        reader,
        [row.question for row in questions],
        [row.paragraph for row in questions],
        lengths,
    )
    inputs = [name for name in INPUTS if name in windows]
    rows = []
    with_answer = 0
    for window, pair in enumerate(windows["overflow_to_sample_mapping"]):
        row = {name: windows[name][window] for name in inputs}
        start = questions[pair].start
        span = tokens_of_span(windows, window, start, start + len(questions[pair].answer))
        with_answer += span is not None
        row["start_positions"], row["end_positions"] = span or (_cls(reader, row),) * 2
        rows.append(row)
    return rows, with_answer


def _cls(reader: Reader, row: dict[str, Any]) -> int:
    """The token that stands for no answer."""
    token, tokens = reader.tokenizer.cls_token_id, row["input_ids"]
    return tokens.index(token) if token in tokens else 0


def _padded(reader: Reader, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch as the reader gets it when it reads: padded on the right."""
    return dict(reader.tokenizer.pad(rows, padding_side="right", return_tensors="pt"))


def _micro_batch(batch_size: int) -> int:
    """The largest divisor of a batch that a CPU takes at once."""
    return max(size for size in range(1, _ON_CPU + 1) if batch_size % size == 0)


def _last_checkpoint(workspace: Path) -> Path | None:
    """The last whole checkpoint; others, which a kill left, are removed."""
    whole = []
    for folder in workspace.glob("checkpoint-*"):
        if (folder / _STATE).is_file():
            whole.append(folder)
        else:
            shutil.rmtree(folder)
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


class _Watch(TrainerCallback):
    """Tells of progress, asks for checkpoints by time, and ends a training that diverges."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._saved = time.monotonic()

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **others: object,
    ) -> None:
        """Before the first step, or the first after an interruption."""
        self._progress(state.global_step, state.max_steps)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **others: object,
    ) -> TrainerControl:
        """After each step of the optimizer."""
        self._progress(state.global_step, state.max_steps)
        if time.monotonic() - self._saved >= _CHECKPOINT_EVERY:
            control.should_save = True
        return control

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **others: object,
    ) -> None:
        """After a checkpoint."""
        self._saved = time.monotonic()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **others: object,
    ) -> None:
        """After each step, with its loss.

        Raises:
            TrialError: if the loss is not finite.
        """
        losses = [value for name, value in (logs or {}).items() if name.endswith("loss")]
        if not all(map(math.isfinite, losses)):
            raise TrialError(
                f"step {state.global_step}: the reader's loss is not finite; lower the learning "
                "rate (--learning-rate)"
            )


@contextmanager
def _own_generators() -> Iterator[None]:
    """Give back the global generators, and the precision, that Trainer sets."""
    python, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)  # noqa: NPY002
        AcceleratorState._reset_state(reset_partial_state=True)
