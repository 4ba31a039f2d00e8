import json
import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import QuestionAnsweringModelOutput

from hybridir.errors import InputError, TrialError
from hybridir.evaluation.reader.model import best_spans, load_reader, read_answers
from hybridir.evaluation.reader.windows import Reader, ReadingLengths

WORDS = [f"w{number}" for number in range(40)]
SPECIAL = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
LONGEST = 40
SHORT = ReadingLengths(window_length=20, overlap=2, question_length=8)


def config(layers: int = 1) -> BertConfig:
    return BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=LONGEST,
        initializer_range=1.0,  # so that logits differ
    )


def tokenizer() -> PreTrainedTokenizerFast:
    numbers = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    word_level = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    word_level.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    word_level.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=word_level, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader with random weights, as it would be published."""
    path = tmp_path_factory.mktemp("reader")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForQuestionAnswering(config()).save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def reader(folder: Path) -> Reader:
    return load_reader(folder)


def slowly(reader: Reader, question: str, paragraph: str, lengths: ReadingLengths) -> str:
    """One window after the other, one span after the other."""
    number = {word: 4 + index for index, word in enumerate(WORDS)}
    question_words = question.split()[: lengths.question_length]
    head = [1, *(number.get(word, 3) for word in question_words), 2]
    words = list(re.finditer(r"\S+", paragraph))
    room = lengths.window_length - len(head) - 1
    best, answer, start = -math.inf, "", 0
    while True:
        inside = words[start : start + room]
        tokens = [*head, *(number.get(word[0], 3) for word in inside), 2]
        kinds = [0] * len(head) + [1] * (len(inside) + 1)
        with torch.no_grad():
            logits = reader.model(
                input_ids=torch.tensor([tokens]), token_type_ids=torch.tensor([kinds])
            )
        starts, ends = logits.start_logits[0, len(head) :], logits.end_logits[0, len(head) :]
        for first in range(len(inside)):
            for last in range(first, min(first + lengths.answer_length, len(inside))):
                total = float(starts[first] + ends[last])
                if total > best + 1e-5:  # batches differ in the last bits
                    best = total
                    answer = paragraph[inside[first].start() : inside[last].end()]
        if start + room >= len(words):
            return answer
        start += room - lengths.overlap


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window", "overlap", "question_length", "longest"),
    [(24, 5, 6, 4), (40, 0, 30, 8), (12, 3, 4, 1), (13, 6, 3, 30)],
)
def test_answers_are_those_of_reading_window_by_window(
    reader: Reader, window: int, overlap: int, question_length: int, longest: int
) -> None:
    draw = torch.Generator().manual_seed(window)

    def text(length: int) -> str:
        return " ".join(WORDS[n] for n in torch.randint(40, (length,), generator=draw))

    questions = [text(1 + n % 9) for n in range(24)]
    paragraphs = [text(1 + 5 * n) for n in range(24)]
    paragraphs[3] = f"  unknown, {WORDS[0]}\n{paragraphs[3]} "
    answers = read_answers(
        reader,
        questions,
        paragraphs,
        ReadingLengths(window, overlap, question_length, longest),
        batch_tokens=200,
    )
    assert answers == [
        slowly(
            reader, question, paragraph, ReadingLengths(window, overlap, question_length, longest)
        )
        for question, paragraph in zip(questions, paragraphs, strict=True)
    ]
    assert len(set(answers)) > 10
    assert max(len(answer.split()) for answer in answers) <= longest


def spans(
    starts: list[list[float]], ends: list[list[float]], inside: list[str], longest: int
) -> list[tuple[float, int, int]]:
    """Windows of logits; `inside` marks tokens of the paragraph by x."""
    best = best_spans(
        torch.tensor(starts, dtype=torch.float32),
        torch.tensor(ends, dtype=torch.float32),
        torch.tensor([[mark == "x" for mark in row] for row in inside]),
        longest,
    )
    return list(zip(*(column.tolist() for column in best), strict=True))


def test_a_span_ends_where_it_starts_or_behind() -> None:
    # The highest end, 9, lies before the highest start, 8; behind the start the end is 2 at most.
    assert spans([[1, 1, 8, 1]], [[0, 9, 1, 2]], ["xxxx"], 4) == [(10, 0, 1)]
    # 1 + 9 = 10 from token 0 or 1: the one that starts first counts. With one token alone:
    assert spans([[1, 1, 8, 1]], [[0, 9, 1, 2]], ["xxxx"], 1) == [(10, 1, 1)]


def test_a_span_is_no_longer_than_allowed() -> None:
    for longest, expected in ((1, (5.0, 0, 0)), (2, (5.0, 0, 0)), (3, (9.0, 0, 2))):
        assert spans([[5, 0, 0]], [[0, 0, 4]], ["xxx"], longest) == [expected]


def test_tokens_of_the_question_are_never_part_of_an_answer() -> None:
    assert spans([[99, 1, 2, 99]], [[99, 3, 1, 99]], [".xx."], 4) == [(4.0, 1, 1)]


def test_a_window_without_a_token_of_the_paragraph_has_no_span() -> None:
    best = spans([[1, 2], [1, 2]], [[1, 2], [1, 2]], ["..", "x."], 2)
    assert best == [(-math.inf, best[0][1], best[0][2]), (2.0, 0, 0)]


@given(st.data())
def test_the_best_span_is_the_one_that_trying_all_finds(data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 7))
    logits = st.lists(st.integers(-3, 3).map(float), min_size=length, max_size=length)
    starts, ends = data.draw(logits), data.draw(logits)
    low = data.draw(st.integers(0, length - 1))
    high = data.draw(st.integers(low + 1, length))
    longest = data.draw(st.integers(1, 9))
    marks = "." * low + "x" * (high - low) + "." * (length - high)
    tried = [
        (-starts[first] - ends[last], first, last)
        for first in range(low, high)
        for last in range(first, min(high, first + longest))
    ]
    total, first, last = min(tried)
    assert spans([starts], [ends], [marks], longest) == [(-total, first, last)]


class ByWord(PreTrainedModel):
    """A model whose logits depend on the word alone, and are set by hand."""

    def __init__(self, starts: dict[str, float], ends: dict[str, float]) -> None:
        super().__init__(config())
        self.logits = torch.nn.Parameter(torch.zeros(2, len(SPECIAL) + len(WORDS)))
        for row, values in enumerate((starts, ends)):
            for word, value in values.items():
                self.logits.data[row, len(SPECIAL) + WORDS.index(word)] = value

    def forward(self, input_ids: Tensor, **inputs: Tensor) -> QuestionAnsweringModelOutput:
        return QuestionAnsweringModelOutput(
            start_logits=self.logits[0, input_ids], end_logits=self.logits[1, input_ids]
        )


def by_hand(model: ByWord, paragraph: str, overlap: int) -> str:
    """Windows of six words: 10 tokens less the question and three special ones."""
    lengths = ReadingLengths(10, overlap, question_length=1, answer_length=3)
    return read_answers(Reader(model, tokenizer()), ["w0"], [paragraph], lengths)[0]


def test_an_answer_across_the_border_of_two_windows_is_found_where_they_overlap() -> None:
    model = ByWord({"w6": 5}, {"w8": 4})
    paragraph = " ".join(WORDS[1:13])  # without overlap: w1 to w6 and w7 to w12
    assert by_hand(model, paragraph, overlap=2) == "w6 w7 w8"  # the second begins with w5
    assert by_hand(model, paragraph, overlap=0) == "w6"  # 5 + 0; w8 in the second is 0 + 4


def test_the_best_window_gives_the_answer_and_the_first_of_equal_ones() -> None:
    model = ByWord({"w3": 1, "w20": 2}, {"w3": 1, "w20": 2})
    filler = " ".join(["w1"] * 5)
    assert by_hand(model, f"w3 {filler} w20 {filler}", overlap=0) == "w20"
    assert by_hand(model, f"w20 {filler} w20, {filler}", overlap=0) == "w20"
    assert by_hand(model, f"{filler} w20 w3 {filler}", overlap=0) == "w20"


def test_a_paragraph_without_a_token_gives_no_answer(reader: Reader) -> None:
    answers = read_answers(reader, ["w1", "w2"], ["  \n", "w3"], SHORT)
    assert answers == ["", "w3"]
    assert read_answers(reader, [], [], SHORT) == []


def test_lengths_that_leave_no_room_are_refused_all_at_once(reader: Reader) -> None:
    with pytest.raises(InputError) as caught:
        read_answers(reader, ["w1"], ["w2"], ReadingLengths(41, 30, 10, 0))
    message = str(caught.value)
    assert "window_length=41: the reader takes at most 40 tokens" in message
    assert "less than the 28 tokens" in message  # 41 - 10 - 3
    assert "answer_length=0: expected 1 or more" in message


def test_a_diverged_reader_is_refused(folder: Path) -> None:
    broken = load_reader(folder)
    with torch.no_grad():
        broken.model.get_parameter("qa_outputs.bias").fill_(math.nan)
    with pytest.raises(TrialError, match="logits are NaN"):
        read_answers(broken, ["w1"], ["w2"], SHORT)


def test_a_folder_without_a_reader_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json and tokenizer\.json missing"):
        load_reader(tmp_path)


def test_a_hub_id_without_a_commit_is_refused() -> None:
    with pytest.raises(InputError, match="needs the commit that pins its weights"):
        load_reader("deepset/xlm-roberta-base-squad2")


def test_weights_that_were_not_trained_to_answer_are_refused(tmp_path: Path) -> None:
    BertModel(config()).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"2 weights .* 'qa_outputs\.bias'; it must be trained"):
        load_reader(tmp_path)


def test_weights_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text())
    settings["intermediate_size"] = 8
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match="missing or of another shape"):
        load_reader(tmp_path)


def test_pickled_weights_are_not_read(folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(load_reader(folder).model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_reader(tmp_path)


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "config.json").read_text())
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForQuestionAnswering": "own.OwnModel"}
    settings |= {"auto_map": own, "model_type": "own"}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "own.py").write_text("raise SystemExit('it was run')")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_reader(tmp_path)
