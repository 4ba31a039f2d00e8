import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.readers.texts import PASSAGES, QUERIES, TextFiles
from hybridir.errors import InputError
from tests.support.layouts import jsonl, write_text


def read(path: Path, names: tuple[str, ...] = PASSAGES, skip_bad: bool = False) -> TextFiles:
    files = TextFiles(names, skip_bad)
    files.read(path)
    return files


@pytest.mark.parametrize(
    "row",
    [
        {"_id": "a", "title": "T", "text": "x", "metadata": {"url": "u"}},  # BEIR
        {"id": "a", "title": "T", "text": "x"},  # MTEB
        {"docid": "a", "title": "T", "text": "x"},  # MIRACL
        {"doc_id": "a", "text": "x", "title": "T"},  # ir_datasets
        {"id": "a", "contents": "T x"},  # Pyserini
        {"_id": " a ", "title": " T", "text": "x "},
        {"_id": None, "id": "a", "title": None, "text": "T x"},
        {"_id": "a", "title": "T x", "text": None},
        {"_id": "a", "title": "T x", "text": " "},
        {"_id": "a", "title": "", "text": "T x"},
    ],
)
def test_every_published_form_of_a_passage_is_its_title_and_text(
    tmp_path: Path, row: dict[str, object]
) -> None:
    write_text(tmp_path / "corpus.jsonl", jsonl([row]))
    assert read(tmp_path / "corpus.jsonl").texts == {"a": "T x"}
    # The string that BEIR's `extract_corpus_sentences` gives to an encoder, blanks apart.
    if all(isinstance(row.get(key), str) for key in ("title", "text")):
        assert f"{row['title']} {row['text']}".split() == ["T", "x"]


@pytest.mark.parametrize("row", [{"_id": "a", "text": ""}, {"_id": "a", "text": None}])
def test_a_passage_may_have_no_text(tmp_path: Path, row: dict[str, object]) -> None:
    write_text(tmp_path / "corpus.jsonl", jsonl([row]))
    assert read(tmp_path / "corpus.jsonl").texts == {"a": ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("queries.tsv", "7\tWho?\tAnd why?\nb\t \n"),
        ("queries.tsv", "query_id\ttext\n7\tWho?\tAnd why?\nb\t \n"),
        ("queries.jsonl", '{"qid": 7, "query": "Who?\\tAnd why?"}\n{"_id": "b", "text": null}\n'),
    ],
)
def test_queries_are_read_in_every_form_and_have_no_title(
    tmp_path: Path, name: str, text: str
) -> None:
    write_text(tmp_path / name, text)
    assert read(tmp_path / name, QUERIES).texts == {"7": "Who?\tAnd why?", "b": ""}


def test_an_instruction_comes_after_its_query_as_in_mteb(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"_id": "a", "text": "Who?", "instruction": "Find people."},
        {"_id": "b", "text": "Why?", "instruction": None},
    ]
    write_text(tmp_path / "queries.jsonl", jsonl(rows))
    expected = {"a": "Who? Find people.", "b": "Why?"}
    assert read(tmp_path / "queries.jsonl", QUERIES).texts == expected


def test_ids_that_are_numbers_are_written_as_such(tmp_path: Path) -> None:
    rows = [{"_id": 12.0, "text": "x"}, {"_id": 2.0**60, "text": "y"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").texts == {"12": "x", str(2**60): "y"}


def test_equal_rows_count_once_and_of_others_the_last_where_bad_ones_are_skipped(
    tmp_path: Path,
) -> None:
    rows = [{"_id": "a", "text": text} for text in ("x", "x", "y")]
    write_text(tmp_path / "a.jsonl", jsonl([dict(row) for row in rows]))
    with pytest.raises(InputError, match="line 3: _id 'a' is already there, with another text"):
        read(tmp_path / "a.jsonl")
    files = read(tmp_path / "a.jsonl", skip_bad=True)
    by_beir = {row["_id"]: row["text"] for row in map(json.loads, (tmp_path / "a.jsonl").open())}
    assert (files.texts, files.repeated, files.bad) == (by_beir, 1, 1)


def test_every_bad_row_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    bad = [
        '{"text": "no id"}',
        '{"_id": "c"}',
        '{"_id": "d", "text": 5}',
        '{"_id": " ", "text": "x"}',
        '{"_id": true, "text": "x"}',
        '{"_id": 1.5, "text": "x"}',
        '{"_id": "e", "text": "x", "title": [0]}',
        '{"_id": "f", "text": "\\ud800"}',
        "[]",
        "{",
        "[" * 100_000,
        f'{{"_id": {"9" * 5000}, "text": "x"}}',
    ]
    write_text(tmp_path / "corpus.jsonl", '{"_id": "a", "text": "x"}\n' + "\n".join(bad))
    with pytest.raises(InputError) as caught:
        read(tmp_path / "corpus.jsonl")
    heading, *lines = str(caught.value).split("\n")
    assert heading.endswith(
        "corpus.jsonl has 12 bad records; mend them, or set skip_bad: true to leave them out:"
    )
    expected = [
        "no _id",
        "no text among its keys '_id'",
        "text=5 is no text",
        "empty _id",
        "_id=True is no text",
        "_id=1.5 is no text",
        "title=[0] is no text",
        "half of a surrogate pair in text",
        "expected an object, found list",
        "invalid JSON (Expecting property name enclosed in double quotes, column 2)",
        "invalid JSON (",
        "invalid JSON (",
    ]
    assert len(lines) == len(expected)
    for number, (line, reason) in enumerate(zip(lines, expected, strict=True), start=2):
        assert line.startswith(f"  - line {number}: {reason}")
    assert read(tmp_path / "corpus.jsonl", skip_bad=True).bad == 12


@pytest.mark.parametrize("raw", [b"no tab", "a\tü".encode("latin-1"), "a\tü".encode("utf-16")])
def test_a_text_file_of_another_form_is_refused_with_the_remedy(
    tmp_path: Path, raw: bytes
) -> None:
    (tmp_path / "queries.tsv").write_bytes(raw)
    with pytest.raises(
        InputError, match=r"expected an id, a tab and a text|save the file as UTF-8"
    ):
        read(tmp_path / "queries.tsv", QUERIES, skip_bad=True)
