import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hybridir.errors import InputError
from hybridir.evaluation.reader import stored_answers
from hybridir.evaluation.reader.model import load_reader, read_answers
from hybridir.evaluation.reader.stored_answers import StoredReader
from tests.support.reading import SENTENCES, write_reader

QUESTIONS = [f"{word}?" for word in "one two ein zwei dog hund cats katzen".split()]
PARAGRAPHS = [text * times for times in (1, 3) for text in SENTENCES.values()]
PAIRS = [(question, paragraph) for question in QUESTIONS for paragraph in PARAGRAPHS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reader(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[str]:
    questions, paragraphs = zip(*PAIRS, strict=True)
    answers = read_answers(load_reader(folder), questions, paragraphs)
    assert len(set(answers)) > 3
    return answers


def stored(cache: Path) -> list[dict[str, str]]:
    """The content of every file of answers."""
    return [json.loads(path.read_text()) for path in sorted(cache.glob("answers-*/*.json"))]


def test_answers_are_those_of_the_reader_and_each_pair_is_read_once_by_all_processes(
    folder: Path, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_answers, "STRETCH", 8)
    readers = [StoredReader(folder, tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda reader: reader(*zip(*PAIRS, strict=True)), readers))
    assert answers == [expected] * 4
    files = stored(tmp_path)
    assert [len(file) for file in files] == [8] * (len(PAIRS) // 8)
    assert len({key for file in files for key in file}) == len(PAIRS)
    # Later, with repeated pairs and new ones.
    later = StoredReader(folder, tmp_path)
    assert later([*QUESTIONS[:1] * 2, "neu?"], [PARAGRAPHS[0]] * 3)[:2] == [expected[0]] * 2
    assert sum(map(len, stored(tmp_path))) == len(PAIRS) + 1


def test_what_a_killed_process_or_a_bad_disk_left_is_read_again(
    folder: Path, expected: list[str], tmp_path: Path
) -> None:
    StoredReader(folder, tmp_path)(*zip(*PAIRS, strict=True))
    (path,) = tmp_path.glob("answers-*/*.json")
    path.write_text(path.read_text().replace(json.dumps(expected[0]), '"wrong"'))
    (path.parent / f".{'0' * 24}.json.abc.part").write_text('{"half')
    assert StoredReader(folder, tmp_path)(*zip(*PAIRS, strict=True)) == expected
    assert not list(path.parent.glob(".*.part"))


def test_another_reader_has_answers_of_its_own(
    folder: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = write_reader(tmp_path_factory.mktemp("other"), seed=1)
    for source in (folder, other):
        StoredReader(source, tmp_path)(["one?"], PARAGRAPHS[:1])
    assert len(list(tmp_path.glob("answers-*/"))) == 2
    assert len(stored(tmp_path)) == 2


def test_a_reader_that_cannot_be_loaded_is_refused_each_time(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_bytes((folder / "config.json").read_bytes())
    for _ in range(2):
        with pytest.raises(InputError, match=r"tokenizer\.json missing there"):
            StoredReader(broken, tmp_path / "cache").check()
    StoredReader(folder, tmp_path / "cache").check()
