import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

from hybridir.data.benchmark import AnsweredQuestion
from hybridir.data.readers.lareqa import load_lareqa
from hybridir.errors import InputError, TrialError
from hybridir.evaluation.reader import fine_tune as module
from hybridir.evaluation.reader.fine_tune import (
    Recipe,
    fine_tune,
    labelled_windows,
    untrained_reader,
)
from hybridir.evaluation.reader.windows import Reader, ReadingLengths
from tests.support.reading import write_colours, write_encoder

RECIPE = Recipe(epochs=2, learning_rate=1e-3, batch_size=6, seed=3)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[AnsweredQuestion]:
    root = write_colours(tmp_path_factory.mktemp("data"), "mlqa-r", questions=10, seed=1)
    return load_lareqa(root / "mlqa-r").answered()


def are_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_a_seed_gives_one_reader_interrupted_or_not(
    encoder: Path,
    questions: list[AnsweredQuestion],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generators = random.getstate(), str(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    first = untrained_reader(encoder, 3)
    training = fine_tune(first, questions, RECIPE, tmp_path / "whole")
    whole = first.model.state_dict()
    assert random.getstate() == generators[0]
    assert str(np.random.get_state()) == generators[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), generators[2])

    def stop(step: int, steps: int) -> None:
        assert steps == 8  # 2 epochs of 20 windows by 6
        if step == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "_CHECKPOINT_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(untrained_reader(encoder, 3), questions, RECIPE, tmp_path / "two", stop)
    (checkpoint,) = (tmp_path / "two").iterdir()
    assert checkpoint.name == "checkpoint-5"
    # A kill in the midst of the next one.
    (tmp_path / "two" / "checkpoint-6").mkdir()
    steps: list[int] = []
    reader = untrained_reader(encoder, 3)
    second = fine_tune(
        reader, questions, RECIPE, tmp_path / "two", lambda step, _: steps.append(step)
    )
    assert steps == [5, 6, 7, 8]
    assert are_equal(reader.model.state_dict(), whole)
    assert second == training  # its mean loss too
    other = untrained_reader(encoder, 3)
    fine_tune(other, questions, Recipe(2, 1e-3, 6, seed=4), tmp_path / "other")
    assert not are_equal(other.model.state_dict(), whole)


def test_a_training_that_diverges_ends(
    encoder: Path, questions: list[AnsweredQuestion], tmp_path: Path
) -> None:
    reader = untrained_reader(encoder, 0)
    with torch.no_grad():
        reader.model.get_parameter("qa_outputs.bias").fill_(math.nan)
    with pytest.raises(TrialError, match="loss is not finite; lower the learning rate"):
        fine_tune(reader, questions, RECIPE, tmp_path)


WORDS = [f"w{number}" for number in range(30)]


def word_reader() -> Reader:
    """A word is a token; tokens 0 to 3 are special."""
    numbers = {word: n for n, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])}
    words = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = BertConfig(
        vocab_size=len(numbers),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    return Reader(BertForQuestionAnswering(config), tokenizer)


def ask(paragraph: str, answer: str, start: int | None = None) -> AnsweredQuestion:
    at = paragraph.index(answer) if start is None else start
    return AnsweredQuestion("q", "en", "w0 w1", paragraph, answer, at)


def test_labels_are_the_tokens_of_the_answer_or_twice_cls() -> None:
    # Windows of 10 tokens: [CLS] w0 w1 [SEP], five words, [SEP]; each begins 5 - 2 words later.
    paragraph = " ".join(WORDS[2:13])
    lengths = ReadingLengths(10, 2, question_length=4)
    rows, with_answer = labelled_windows(word_reader(), [ask(paragraph, "w6 w7")], lengths)
    first_words = [row["input_ids"][4] - 4 for row in rows]
    assert first_words == [2, 5, 8]
    labels = [(row["start_positions"], row["end_positions"]) for row in rows]
    # w2 to w6 holds half of it; in w5 to w9 it is the second and the third word.
    assert labels == [(0, 0), (5, 6), (0, 0)]
    assert with_answer == 1


def test_an_answer_within_words_takes_the_words_that_it_touches() -> None:
    row = ask("w2 w3, w4", "3")
    rows, _ = labelled_windows(word_reader(), [row], ReadingLengths())
    assert (rows[0]["start_positions"], rows[0]["end_positions"]) == (5, 5)


def test_an_answer_that_is_not_at_its_place_is_refused() -> None:
    rows = [ask("w2 w3", "w3"), ask("w2 w3", "w3", start=0)]
    with pytest.raises(InputError, match=r"1 answers are not where .* 'q' \(en\)"):
        labelled_windows(word_reader(), rows, ReadingLengths())


def test_folders_without_a_usable_encoder_are_refused_by_name(
    encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"config\.json and tokenizer\.json missing"):
        untrained_reader(tmp_path, 0)
    for file in encoder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("a\nb\n")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertJapaneseTokenizer"}')
    with pytest.raises(InputError, match="its tokenizer"):
        untrained_reader(tmp_path, 0)
