"""A question with a stretch of its paragraph: what goes through a reader at once.

A long paragraph is cut into windows that overlap, each behind the whole question.

Source: Devlin et al. 2019, arXiv 1810.04805, section 4.2. Lengths are those of its run_squad.py,
https://github.com/google-research/bert; the overlap is that of transformers' run_qa.py,
https://github.com/huggingface/transformers/tree/main/examples/pytorch/question-answering.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from hybridir.encoder.backbone import most_tokens
from hybridir.errors import InputError

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What a model takes of a window; not all models take token types."""


@dataclass(frozen=True)
class Reader:
    """A question answering model and its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True)
class ReadingLengths:
    """Limits in tokens.

    Attributes:
        window_length: of a question with a window of its paragraph, special tokens included.
        overlap: shared by a window and the next.
        question_length: of a question at most; the rest is cut off.
        answer_length: of an answer at most.
    """

    window_length: int = 384
    overlap: int = 128
    question_length: int = 64
    answer_length: int = 30


LENGTHS = ReadingLengths()
"""Those of every reader, in training and when it reads."""


def check_lengths(reader: Reader, lengths: ReadingLengths) -> None:
    """Refuse lengths that leave no room, or exceed the model's.

    Raises:
        InputError: with all that is wrong.
    """
    problems = []
    window_length, question_length = lengths.window_length, lengths.question_length
    limit = min(most_tokens(reader.model) or window_length, reader.tokenizer.model_max_length)
    if window_length > limit:
        problems.append(f"window_length={window_length}: the reader takes at most {limit} tokens")
    special = reader.tokenizer.num_special_tokens_to_add(pair=True)
    room = window_length - question_length - special
    if not 0 <= lengths.overlap < room:
        problems.append(
            f"overlap={lengths.overlap}: expected 0 or more and less than the {room} tokens that "
            f"a window of {window_length} has beside a question of {question_length} and "
            f"{special} special ones"
        )
    for name in ("question_length", "answer_length"):
        if (value := getattr(lengths, name)) < 1:
            problems.append(f"{name}={value}: expected 1 or more")
    if problems:
        raise InputError.collect("no answer can be read", problems)


def cut_windows(
    reader: Reader, questions: Sequence[str], paragraphs: Sequence[str], lengths: ReadingLengths
) -> BatchEncoding:
    """Cut each question's paragraph into windows.

    Args:
        reader: its tokenizer splits texts; its model decides whether tokens have types.
        questions: texts.
        paragraphs: as many texts.
        lengths: checked ones, see `check_lengths`.

    Returns:
        The windows of all pairs, one after the other: those of `INPUTS` that the model takes,
        ``offset_mapping`` (characters of each token) and ``overflow_to_sample_mapping`` (number
        of the window's pair).
    """
    shortened = {
        text: _cut_question(reader, text, lengths.question_length) for text in set(questions)
    }
    windows: BatchEncoding = reader.tokenizer(
        [shortened[question] for question in questions],
        list(paragraphs),
        truncation="only_second",
        max_length=lengths.window_length,
        stride=lengths.overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_token_type_ids=_has_types(reader.model),
    )
    return windows


def tokens_of_span(
    windows: BatchEncoding, window: int, start: int, end: int
) -> tuple[int, int] | None:
    """Find the tokens of a stretch of the paragraph in a window.

    Args:
        windows: from `cut_windows`.
        window: number of the window.
        start: first character, counted in the whole paragraph.
        end: character behind the last.

    Returns:
        First and last token that share a character with the stretch; None if the window does not
        hold the whole stretch, or has no token of it.
    """
    offsets = windows["offset_mapping"][window]
    inside = [token for token, text in enumerate(windows.sequence_ids(window)) if text == 1]
    if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < end:
        return None
    shared = [token for token in inside if offsets[token][0] < end and offsets[token][1] > start]
    return (shared[0], shared[-1]) if shared else None


def _has_types(model: PreTrainedModel) -> bool:
    """Whether the model distinguishes question and paragraph by a token type."""
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
