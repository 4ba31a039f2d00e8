import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hybridir import names
from hybridir.data.readers.lareqa import (
    load_lareqa,
    load_lareqa_benchmark,
    load_lareqa_reading,
)
from hybridir.encoder.third_party import folder_digest
from hybridir.errors import InputError
from hybridir.evaluation.reader.fine_tune import Recipe, untrained_reader
from hybridir.evaluation.reader.make import ReaderRequest, make_reader, read_gold, refuse_known
from hybridir.evaluation.reader.model import load_reader, read_answers
from tests.support.reading import write_colours, write_encoder

RECIPE = Recipe(epochs=4, learning_rate=1e-2, batch_size=8)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of both names, and the encoder."""
    path = tmp_path_factory.mktemp("colours")
    write_encoder(path / "encoder")
    write_colours(path, "mlqa-r", questions=60, seed=1)
    return write_colours(path, "xquad-r", questions=20, seed=2)


def request_in(root: Path, folder: Path, **changes: Any) -> ReaderRequest:
    settings: dict[str, Any] = {
        "encoder": str(root / "encoder"),
        "data": "mlqa-r",
        "benchmark": "xquad-r",
        "data_root": root,
        "out": folder / "reader",
        "cache": folder / "cache",
        "recipe": RECIPE,
    }
    return ReaderRequest(**(settings | changes))


@contextmanager
def show_nothing(name: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda step, steps: None


def make(request: ReaderRequest) -> dict[str, Any]:
    return make_reader(request, lambda line: None, show_nothing)


@contextmanager
def interrupt_reading(name: str) -> Iterator[Callable[[int, int], None]]:
    if name != "training":
        raise KeyboardInterrupt
    yield lambda step, steps: None


@contextmanager
def only_reading(name: str) -> Iterator[Callable[[int, int], None]]:
    assert name != "training"
    yield lambda step, steps: None


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A reader's folder and its record; made by two calls, since the first was interrupted."""
    folder = tmp_path_factory.mktemp("made")
    request = request_in(root, folder)
    with pytest.raises(KeyboardInterrupt):
        make_reader(request, lambda line: None, interrupt_reading)
    assert [path.name for path in folder.iterdir()] == ["cache"]
    return folder, make_reader(request, lambda line: None, only_reading)


def test_a_reader_learns_to_answer_and_its_record_says_what_it_reads(
    root: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    folder, record = made
    assert json.loads((folder / "reader" / names.READER_RECORD).read_text("utf-8")) == record
    # Answers of one word: F1 is 1 or 0, as exact match is, by both rules.
    reader = load_reader(folder / "reader")
    for code in ("de", "en"):
        content = json.loads((root / "xquad-r" / f"{code}.json").read_text("utf-8"))
        paragraphs = content["data"][0]["paragraphs"]
        answers = read_answers(
            reader,
            [paragraph["qas"][0]["question"] for paragraph in paragraphs],
            [paragraph["context"] for paragraph in paragraphs],
        )
        right = [
            answer == paragraph["qas"][0]["answers"][0]["text"]
            for answer, paragraph in zip(answers, paragraphs, strict=True)
        ]
        means = record["ceiling"]["languages"][code]
        assert means["pairs"] == 20
        assert [means[name] for name in names.READER_MEASURES] == [sum(right) / 20] * 4
        assert sum(right) >= 18
    untrained = untrained_reader(root / "encoder", seed=0)
    before = read_gold(
        load_lareqa_benchmark("xquad-r", root / "xquad-r"),
        load_lareqa_reading(root / "xquad-r"),
        lambda questions, paragraphs: read_answers(untrained, questions, paragraphs),
    )
    assert before[names.READER_F1] < 0.3


def test_the_record_says_how_the_reader_was_made(
    root: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    folder, record = made
    expected = {
        "encoder": "encoder",
        "encoder_digest": folder_digest(root / "encoder"),
        "data": "mlqa-r",
        "languages": ["de", "en"],
        "pairs": 120,
        "windows": 120,
        "with_answer": 120,
        "epochs": 4,
        "steps": 60,  # 4 * 120 / 8
        "batch_size": 8,
        "learning_rate": 1e-2,
        "seed": 0,
        "precision": "fp32",
        "reader_digest": folder_digest(folder / "reader"),
    }
    assert {name: record[name] for name in expected} == expected
    assert record["ceiling"]["pairs"] == 40
    # No unfinished work is left, and the reader's answers are there for whoever reads next.
    left = {path.name.partition("-")[0] for path in (folder / "cache").iterdir() if path.is_dir()}
    assert left == {"answers"}


def test_a_reader_that_is_there_is_never_replaced(
    root: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    with pytest.raises(InputError, match="is there already"):
        make(request_in(root, made[0]))


def test_what_the_reader_will_be_asked_is_never_trained_on(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)trained on xquad-r .*20 of 20 question ids"):
        make(request_in(root, tmp_path, data="xquad-r"))
    # One paragraph of the benchmark, under another id and with another question.
    shutil.copytree(root / "mlqa-r", tmp_path / "mlqa-r")
    file = tmp_path / "mlqa-r" / "de.json"
    content = json.loads(file.read_text("utf-8"))
    other = json.loads((root / "xquad-r" / "de.json").read_text("utf-8"))
    paragraph = other["data"][0]["paragraphs"][7]
    paragraph["qas"][0] |= {"id": "new", "question": "welche farbe?"}
    content["data"][0]["paragraphs"].append(paragraph)
    file.write_text(json.dumps(content), "utf-8")
    texts = load_lareqa(tmp_path / "mlqa-r")
    benchmark = load_lareqa_benchmark("xquad-r", root / "xquad-r")
    with pytest.raises(InputError, match=r"1 of 40 passages"):
        refuse_known("mlqa-r", texts, benchmark)
    refuse_known("mlqa-r", load_lareqa(tmp_path / "mlqa-r", ["en"]), benchmark)
    assert not (tmp_path / "reader").exists()


def test_an_encoder_for_short_texts_is_refused_by_name(root: Path, tmp_path: Path) -> None:
    short = write_encoder(tmp_path / "short", positions=128)
    with pytest.raises(InputError, match=r"short'.*window_length=384.*at most 128 tokens"):
        make(request_in(root, tmp_path, encoder=str(short)))
    assert not (tmp_path / "reader").exists()


def test_a_recipe_that_cannot_be_trained_with_is_refused_all_at_once(
    root: Path, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=0, learning_rate=-1.0, batch_size=0, seed=-1, precision="fp16")
    with pytest.raises(InputError) as caught:
        make(request_in(root, tmp_path, recipe=recipe))
    for name in ("epochs=0", "learning_rate=-1.0", "batch_size=0", "seed=-1", "precision=fp16"):
        assert name in str(caught.value)
    assert not list(tmp_path.iterdir())
