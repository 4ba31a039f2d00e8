from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.records import BadRecords, Broken, read_records
from hybridir.errors import InputError
from tests.data.layouts import write_text


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_lines_are_counted_with_the_empty_ones(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    write_text(path, '\ufeff{"a": 1}\r\n\n{"a": "one\u2028line"}')
    assert list(read_records(path, ["a"])) == [(1, {"a": 1}), (3, {"a": "one\u2028line"})]


def test_tables_are_read_by_their_header_or_by_given_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    write_text(path, "x\ty\n1\t2\n3\n4\t5\t6\n")
    assert list(read_records(path, ["y"])) == [
        (2, {"x": "1", "y": "2"}),
        (3, "1 fields between tabs, not 2"),
        (4, "3 fields between tabs, not 2"),
    ]
    records = list(read_records(path, ["y"], columns=["x", "y"]))
    assert records[0] == (1, {"x": "x", "y": "y"})
    assert records[3] == (4, {"x": "4", "y": "5\t6"})


def test_rows_of_a_parquet_file_are_counted_across_its_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(25_000))}), path, row_group_size=7000)
    assert list(read_records(path, ["a"])) == [(n + 1, {"a": n}) for n in range(25_000)]


def test_what_cannot_be_read_says_so_where_it_ends(tmp_path: Path) -> None:
    for name, raw, place, reason in (
        ("a.jsonl", b'{"a": 1}\n\xff\n{"a": 2}\n', 2, "not UTF-8 text"),
        ("a.tsv", b"", 0, ""),
        ("a.jsonl.gz", b"no gzip", 1, "the compressed file breaks off or is damaged (Not a gz"),
        ("a.parquet", b"", 1, "the Parquet file breaks off or is damaged (Parquet file size is 0"),
        ("gone.jsonl", None, 1, "the file cannot be read (No such file"),
        ("gone.parquet", None, 1, "the Parquet file breaks off or is damaged ([Errno 2] Failed"),
    ):
        if raw is not None:
            (tmp_path / name).write_bytes(raw)
        records = list(read_records(tmp_path / name, ["a"]))
        if not reason:
            assert records == []
            continue
        found, said = records[-1]
        assert found == place
        assert isinstance(said, Broken)
        assert said.startswith(reason)


def test_a_long_list_is_cut_and_begins_with_what_broke_the_file(tmp_path: Path) -> None:
    bad = BadRecords(tmp_path / "a.parquet")
    for place in range(30):
        bad.add(place + 1, "empty")
    bad.add(31, Broken("broken"))
    with pytest.raises(InputError) as caught:
        bad.settle(skip_bad=True)
    lines = str(caught.value).split("\n")
    assert lines[0].endswith("a.parquet has 31 bad records; fetch the file again:")
    assert lines[1:3] == ["  - row 31: broken", "  - row 1: empty"]
    assert lines[20:] == ["  - row 19: empty", "  - and 11 more"]


def test_nothing_bad_is_no_error(tmp_path: Path) -> None:
    BadRecords(tmp_path / "a.tsv").settle(skip_bad=False)
