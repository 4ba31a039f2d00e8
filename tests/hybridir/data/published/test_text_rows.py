from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.published.text_rows import parquet_texts, tsv_texts
from hybridir.errors import InputError
from tests.support.miniatures import lines, parquet

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n"))


@given(rows=st.lists(st.tuples(LINE, LINE), max_size=5))
def test_fields_survive_tabs_and_line_feeds(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "table.tsv"
    lines(path, *rows)
    assert list(tsv_texts(path, 2)) == rows


@given(rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_texts_survive_parquet(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "table.parquet"
    parquet(path, [{"a": first, "b": second} for first, second in rows])
    assert list(parquet_texts([path], ["b", "a"])) == [row[::-1] for row in rows]


def test_only_line_feeds_end_a_row(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_bytes("1\tone\u2028\x85\rtwo\r\n2\tb".encode())
    assert list(tsv_texts(path, 2)) == [("1", "one\u2028\x85\rtwo"), ("2", "b")]


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    lines(path, ("3", "three"), ("4",), ("5", "fi", "ve"))
    with pytest.raises(InputError) as caught:
        list(tsv_texts(path, 2))
    heading, *problems = str(caught.value).split("\n")
    assert heading == f"{path} cannot be used:"
    assert problems == [
        "  - line 2: 1 fields, expected 2",
        "  - line 3: 3 fields, expected 2",
    ]


def test_long_lists_of_bad_lines_are_cut_and_say_how_many_more(tmp_path: Path) -> None:
    lines(tmp_path / "table.tsv", *[("x",)] * 23)
    with pytest.raises(InputError, match=r"and 3 more$"):
        list(tsv_texts(tmp_path / "table.tsv", 2))


def test_text_that_is_not_utf_8_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_bytes(b"1\t\xff\n")
    with pytest.raises(InputError, match=r"table.tsv: not UTF-8 text"):
        list(tsv_texts(tmp_path / "table.tsv", 2))


def test_keys_choose_rows_of_several_files_by_the_first_column(tmp_path: Path) -> None:
    for number in range(3):
        rows = [{"id": f"{number}{key}", "text": f"text {number}{key}"} for key in "ab"]
        parquet(tmp_path / f"{number}.parquet", rows)
    chosen = parquet_texts(sorted(tmp_path.iterdir()), ["id", "text"], {"0b", "2a", "9z"})
    assert list(chosen) == [("0b", "text 0b"), ("2a", "text 2a")]


def test_the_first_of_several_names_of_a_column_is_taken(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"id": "1", "_id": "2"}])
    parquet(tmp_path / "b.parquet", [{"id": "3"}])
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    assert list(parquet_texts(paths, ["_id|id"])) == [("2",), ("3",)]


def test_numbers_become_texts_and_null_an_empty_text(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": 7, "b": 0.5, "c": "x"}, {"a": None, "b": None, "c": None}]
    parquet(tmp_path / "a.parquet", rows, a=pa.int64(), b=pa.float32())
    texts = list(parquet_texts([tmp_path / "a.parquet"], ["a", "b", "c"]))
    assert texts == [("7", "0.5", "x"), ("", "", "")]


def test_a_repeated_column_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="column a is there more than once"):
        list(parquet_texts([tmp_path / "a.parquet"], ["a"]))


def test_a_column_of_lists_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", [{"a": ["x", "y"]}], a=pa.list_(pa.string()))
    with pytest.raises(InputError, match=r"a column holds list<.*>, expected text or numbers"):
        list(parquet_texts([tmp_path / "a.parquet"], ["a"]))
