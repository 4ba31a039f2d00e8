"""The reader of hub tables, on a local folder laid out like a hub repository."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.pairs import Pairs
from hybridir.data.readers.hub import load_hub_table
from hybridir.errors import InputError

RENAMED = {"question_id": "id", "question": "query"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two languages, three rows, two columns under other names and an unused one."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    columns = {
        "id": ["a", "a", "b"],
        "language": ["en", "de", "en"],
        "query": ["Who?", "Wer?", "Where?"],
        "passage": ["She.", "Sie.", "There."],
        "score": [1.0, 0.5, 0.2],
    }
    folder = tmp_path / "repository"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return folder


def load(folder: Path, columns: dict[str, str], languages: list[str] | None = None) -> Pairs:
    return load_hub_table(str(folder), "main", None, "train", columns, languages, False)


def test_columns_under_other_names_are_mapped(repository: Path) -> None:
    pairs = load(repository, RENAMED)
    assert list(pairs.question) == ["Who?", "Wer?", "Where?"]
    assert list(pairs.question_id) == list(pairs.passage_group) == ["a", "a", "b"]


def test_languages_are_chosen(repository: Path) -> None:
    assert list(load(repository, RENAMED, ["de"]).question) == ["Wer?"]


def test_a_missing_column_is_named_with_the_available_ones(repository: Path) -> None:
    with pytest.raises(InputError, match=r"no column id2.*found id, language, query"):
        load(repository, {**RENAMED, "question_id": "id2"})


def test_a_mapping_of_an_unknown_column_is_refused(repository: Path) -> None:
    with pytest.raises(InputError, match="columns names answer"):
        load(repository, {**RENAMED, "answer": "score"})


def test_missing_data_are_one_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded"):
        load(tmp_path / "nothing", {})


def test_a_text_that_is_not_utf_8_is_one_message(tmp_path: Path) -> None:
    columns = {name: ["a"] for name in ("question_id", "language", "question")}
    broken = pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")
    )
    pq.write_table(pa.table({**columns, "passage": broken}), tmp_path / "train.parquet")
    with pytest.raises(InputError, match="not UTF-8"):
        load(tmp_path, {})


def test_a_date_that_python_has_not_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = pa.table(
        {
            "question_id": pa.array([2**31 - 1], pa.int32()).cast(pa.date32()),
            **{name: ["en"] for name in ("language", "question", "passage", "passage_group")},
        }
    )
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(rows, folder / "table.parquet")
    with pytest.raises(InputError, match="a value cannot be read"):
        load_hub_table(str(folder), "main", None, "train", {}, None, False)
