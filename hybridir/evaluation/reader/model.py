"""Reads an answer out of a paragraph, with any extractive question answering model.

W windows, T tokens of the longest window, K tokens of the longest answer.

Question and paragraph go through the model together. A paragraph that is too long is read in
windows that overlap; the answer is the span with the highest sum of its first token's start logit
and its last token's end logit, over all windows.

Source: Devlin et al. 2019, arXiv 1810.04805, section 4.2. Lengths are those of its run_squad.py,
https://github.com/google-research/bert; the overlap is that of transformers' run_qa.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    BatchEncoding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from hybridir.encoder.packed.packing import cut
from hybridir.errors import InputError, TrialError

# Tokenised at once: enough to sort by length, little enough to bound memory.
_CHUNK = 4096
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
# A span: sum of its logits, its first character and the one behind its last.
Span = tuple[float, int, int]
_NOTHING: Span = (-math.inf, 0, 0)


@dataclass(frozen=True)
class Reader:
    """A model with the tokenizer that goes with it, ready to read."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_reader(source: Path | str, revision: str | None = None) -> Reader:
    """Load a reader; only safetensors are read and no remote code is run.

    Args:
        source: a local Hugging Face folder, or a hub id.
        revision: commit of the hub repository; None for a folder.

    Returns:
        The reader, in fp32, on the GPU if there is one.

    Raises:
        InputError: if there is no usable reader, or some of its weights are not there.
    """
    if isinstance(source, str) and revision is None:
        raise InputError(
            f"reader {source!r}: a hub id needs the commit that pins its weights; "
            "a local folder is given as a path"
        )
    # Without a tokenizer's file transformers would make up one that knows no word.
    lacking = isinstance(source, Path) and [
        name for name in ("config.json", "tokenizer.json") if not (source / name).is_file()
    ]
    if lacking:
        raise InputError(f"reader {str(source)!r}: {' and '.join(lacking)} missing there")
    options = {} if revision is None else {"revision": revision}
    try:
        # What the weights leave out is drawn at random, and refused below.
        with torch.random.fork_rng(devices=[]):
            model, found = AutoModelForQuestionAnswering.from_pretrained(
                source,
                local_files_only=isinstance(source, Path),
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **options,
            )
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, **options)
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"reader {str(source)!r} cannot be loaded: {reason}; give a Hugging Face folder with "
            "config.json, tokenizer.json and model.safetensors, or a hub id with its revision"
        ) from None
    absent = {*found["missing_keys"], *(entry[0] for entry in found["mismatched_keys"])}
    if absent:
        raise InputError(
            f"reader {str(source)!r}: {len(absent)} weights of {type(model).__name__} are missing "
            f"or of another shape, e.g. {min(absent)!r}; it must be trained to answer questions"
        )
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise InputError(
            f"reader {str(source)!r}: its tokenizer must be a fast one with a padding token"
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Reader(model.eval().to(device), tokenizer)


def read_answers(
    reader: Reader,
    questions: Sequence[str],
    paragraphs: Sequence[str],
    *,
    window_length: int = 384,
    overlap: int = 128,
    question_length: int = 64,
    answer_length: int = 30,
    batch_tokens: int = 16384,
) -> list[str]:
    """Read an answer to each question out of the paragraph beside it.

    There is always an answer, also of a reader that learned to give none (SQuAD 2.0).

    Args:
        reader: model and tokenizer.
        questions: P texts.
        paragraphs: P texts.
        window_length: tokens of a question with a window of its paragraph, special ones included.
        overlap: tokens that a window shares with the next one.
        question_length: tokens of a question at most; it is cut behind them.
        answer_length: tokens of an answer at most.
        batch_tokens: tokens that go through the model at once; those of similar windows.

    Returns:
        P texts from the paragraphs; "" out of a paragraph without a token.

    Raises:
        InputError: if the lengths leave no room, or are more than the model takes.
        TrialError: if the model gives NaN.
    """
    _check_lengths(reader, window_length, overlap, question_length, answer_length)
    asked = {text: _cut_question(reader, text, question_length) for text in set(questions)}
    answers: list[str] = []
    for start in range(0, len(questions), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        windows = reader.tokenizer(
            [asked[question] for question in questions[chunk]],
            list(paragraphs[chunk]),
            truncation="only_second",
            max_length=window_length,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=_has_types(reader.model),
        )
        best = [_NOTHING] * len(questions[chunk])
        found = _read_windows(reader, windows, answer_length, batch_tokens)
        for pair, span in zip(windows["overflow_to_sample_mapping"], found, strict=True):
            if span[0] > best[pair][0]:
                best[pair] = span
        answers += [
            paragraph[first:end].strip()
            for paragraph, (_, first, end) in zip(paragraphs[chunk], best, strict=True)
        ]
    return answers


def best_spans(
    starts_WT: Tensor, ends_WT: Tensor, inside_WT: Tensor, answer_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the best span of each window: the highest sum of a start and an end logit.

    Args:
        starts_WT: logits that the answer starts with a token.
        ends_WT: logits that it ends with a token.
        inside_WT: whether a token is of the paragraph; those of a window are adjacent.
        answer_length: K, the most tokens of an answer.

    Returns:
        [W] sums, [W] first and [W] last tokens; of equal sums the span that starts first, then
        the shorter one. The sum is -inf where no token is of the paragraph.
    """
    starts_WT = starts_WT.masked_fill(~inside_WT, -torch.inf)
    ends_WT = ends_WT.masked_fill(~inside_WT, -torch.inf)
    ends_WT = functional.pad(ends_WT, (0, answer_length - 1), value=-torch.inf)
    end_WT, length_WT = ends_WT.unfold(1, answer_length, 1).max(dim=2)
    sum_W, first_W = (starts_WT + end_WT).max(dim=1)
    return sum_W, first_W, first_W + length_WT.gather(1, first_W[:, None])[:, 0]


def _read_windows(
    reader: Reader, windows: BatchEncoding, answer_length: int, batch_tokens: int
) -> list[Span]:
    """The best span of each window, in the order of the windows."""
    tokens = windows["input_ids"]
    found = [_NOTHING] * len(tokens)
    inputs = [name for name in _INPUTS if name in windows]
    lengths = np.array([len(row) for row in tokens], dtype=np.int64)
    for members in cut(lengths, batch_tokens):
        batch = reader.tokenizer.pad(
            {name: [windows[name][row] for row in members] for name in inputs},
            padding_side="right",
            return_tensors="pt",
        ).to(reader.model.device)
        inside_WT = torch.zeros(batch["input_ids"].shape, dtype=torch.bool)
        for place, row in enumerate(members):
            sequence = [part == 1 for part in windows.sequence_ids(row)]
            inside_WT[place, : len(sequence)] = torch.tensor(sequence)
        with torch.inference_mode():
            logits = reader.model(**batch)
        sum_W, first_W, last_W = best_spans(
            logits.start_logits.float(),
            logits.end_logits.float(),
            inside_WT.to(reader.model.device),
            answer_length,
        )
        if sum_W.isnan().any():
            raise TrialError("the reader's logits are NaN: it has diverged in its training")
        spans = zip(members, sum_W.tolist(), first_W.tolist(), last_W.tolist(), strict=True)
        for row, total, first, last in spans:
            offsets = windows["offset_mapping"][row]
            found[row] = (total, offsets[first][0], offsets[last][1])
    return found


def _has_types(model: PreTrainedModel) -> bool:
    """Whether it tells question from paragraph by a type; not every tokenizer knows that."""
    return int(getattr(model.config, "type_vocab_size", 0)) > 1


def _cut_question(reader: Reader, question: str, length: int) -> str:
    encoded = reader.tokenizer(
        question,
        add_special_tokens=False,
        truncation=True,
        max_length=length,
        return_offsets_mapping=True,
    )
    ends = [end for _, end in encoded["offset_mapping"]]
    return question[: max(ends, default=0)]


def _check_lengths(
    reader: Reader, window_length: int, overlap: int, question_length: int, answer_length: int
) -> None:
    problems = []
    limit = min(
        getattr(reader.model.config, "max_position_embeddings", window_length),
        reader.tokenizer.model_max_length,
    )
    if window_length > limit:
        problems.append(f"window_length={window_length}: the reader takes at most {limit} tokens")
    special = reader.tokenizer.num_special_tokens_to_add(pair=True)
    room = window_length - question_length - special
    if not 0 <= overlap < room:
        problems.append(
            f"overlap={overlap}: expected 0 or more and less than the {room} tokens that a window "
            f"of {window_length} has beside a question of {question_length} and {special} others"
        )
    for name, value in (("question_length", question_length), ("answer_length", answer_length)):
        if value < 1:
            problems.append(f"{name}={value}: expected 1 or more")
    if problems:
        raise InputError.collect("no answer can be read", problems)
