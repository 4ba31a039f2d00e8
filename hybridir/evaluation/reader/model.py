"""Reads answers from paragraphs, with any extractive question answering model.

B windows, W tokens of the longest window.

Question and paragraph go through the model together, in windows (see
`hybridir.evaluation.reader.windows`); the answer is the span with the highest sum of its first
token's start logit and its last token's end logit, over all windows.

Source: Devlin et al. 2019, arXiv 1810.04805, section 4.2.
"""

import math
from collections.abc import Sequence
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
)

from hybridir.encoder.packed.packing import split_into_chunks
from hybridir.encoder.third_party import local_folder
from hybridir.errors import InputError, TrialError
from hybridir.evaluation.reader.windows import (
    INPUTS,
    LENGTHS,
    Reader,
    ReadingLengths,
    check_lengths,
    cut_windows,
)

# Questions tokenised at once: enough to sort by length, few enough to bound memory.
_CHUNK = 4096
# A span: sum of its logits, its first character and the character behind its last.
Span = tuple[float, int, int]
_NOTHING: Span = (-math.inf, 0, 0)


def reader_folder(source: str, revision: str | None = None) -> Path:
    """Find the folder of a reader; fetch it if it is on the Hugging Face hub.

    Args:
        source: a folder, or a hub id.
        revision: commit that pins the hub id; None for a folder.

    Raises:
        InputError: if neither a folder nor a hub repository is found.
    """
    if revision is None and not Path(source).is_dir():
        raise InputError(
            f"reader {source!r}: no such folder; a hub id needs the commit that pins its weights "
            "(--reader-revision)"
        )
    return local_folder(source, revision)


def load_reader(source: Path | str, revision: str | None = None) -> Reader:
    """Load a reader, from safetensors alone and without remote code.

    Args:
        source: a local Hugging Face folder, or a hub id.
        revision: commit of the hub repository; None for a folder.

    Returns:
        The reader, in fp32, on the GPU if the machine has one.

    Raises:
        InputError: if the source is no usable reader, or lacks some of its weights.
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
        # Weights that the source lacks are drawn at random here, and refused below.
        with torch.random.fork_rng(devices=[]):
            model, loading = AutoModelForQuestionAnswering.from_pretrained(
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
    absent = {*loading["missing_keys"], *(entry[0] for entry in loading["mismatched_keys"])}
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
    lengths: ReadingLengths = LENGTHS,
    batch_tokens: int = 16384,
) -> list[str]:
    """Answer each question from the paragraph of the same number.

    Every question gets an answer, even from a reader that learned to give none (SQuAD 2.0).

    Args:
        reader: model and tokenizer.
        questions: texts.
        paragraphs: as many texts.
        lengths: limits of windows, questions and answers.
        batch_tokens: tokens that go through the model at once, of windows of similar length.

    Returns:
        As many texts, each from its paragraph; "" from a paragraph without a token.

    Raises:
        InputError: if the lengths leave no room, or exceed the model's.
        TrialError: if the model gives NaN.
    """
    check_lengths(reader, lengths)
    answers: list[str] = []
    for start in range(0, len(questions), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        windows = cut_windows(reader, questions[chunk], paragraphs[chunk], lengths)
        best = [_NOTHING] * len(questions[chunk])
        spans = _read_windows(reader, windows, lengths.answer_length, batch_tokens)
        for pair, span in zip(windows["overflow_to_sample_mapping"], spans, strict=True):
            if span[0] > best[pair][0]:
                best[pair] = span
        answers += [
            paragraph[first:end].strip()
            for paragraph, (_, first, end) in zip(paragraphs[chunk], best, strict=True)
        ]
    return answers


def best_spans(
    starts_BW: Tensor, ends_BW: Tensor, inside_BW: Tensor, answer_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the best span of each window: the highest sum of a start and an end logit.

    Args:
        starts_BW: logits that the answer starts with a token.
        ends_BW: logits that it ends with a token.
        inside_BW: whether a token is of the paragraph; such tokens of a window are adjacent.
        answer_length: tokens of an answer at most.

    Returns:
        [B] sums, [B] first and [B] last tokens; of equal sums the span that starts first, then the
        shorter span. The sum is -inf where no token is of the paragraph.
    """
    starts_BW = starts_BW.masked_fill(~inside_BW, -torch.inf)
    ends_BW = ends_BW.masked_fill(~inside_BW, -torch.inf)
    ends_BW = functional.pad(ends_BW, (0, answer_length - 1), value=-torch.inf)
    end_BW, length_BW = ends_BW.unfold(1, answer_length, 1).max(dim=2)
    sum_B, first_B = (starts_BW + end_BW).max(dim=1)
    return sum_B, first_B, first_B + length_BW.gather(1, first_B[:, None])[:, 0]


def _read_windows(
    reader: Reader, windows: BatchEncoding, answer_length: int, batch_tokens: int
) -> list[Span]:
    """The best span of each window, in the order of the windows."""
    tokens = windows["input_ids"]
    spans = [_NOTHING] * len(tokens)
    inputs = [name for name in INPUTS if name in windows]
    lengths = np.array([len(row) for row in tokens], dtype=np.int64)
    for members in split_into_chunks(lengths, batch_tokens):
        batch = reader.tokenizer.pad(
            {name: [windows[name][row] for row in members] for name in inputs},
            padding_side="right",
            return_tensors="pt",
        ).to(reader.model.device)
        inside_BW = torch.zeros(batch["input_ids"].shape, dtype=torch.bool)
        for position, row in enumerate(members):
            is_paragraph = [text == 1 for text in windows.sequence_ids(row)]
            inside_BW[position, : len(is_paragraph)] = torch.tensor(is_paragraph)
        with torch.inference_mode():
            logits = reader.model(**batch)
        sum_B, first_B, last_B = best_spans(
            logits.start_logits.float(),
            logits.end_logits.float(),
            inside_BW.to(reader.model.device),
            answer_length,
        )
        if sum_B.isnan().any():
            raise TrialError("the reader's logits are NaN: it has diverged in its training")
        best = zip(members, sum_B.tolist(), first_B.tolist(), last_B.tolist(), strict=True)
        for row, total, first, last in best:
            offsets = windows["offset_mapping"][row]
            spans[row] = (total, offsets[first][0], offsets[last][1])
    return spans
