from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.readers.rows import BadRows, BrokenFile, read_rows
from hybridir.errors import InputError
from tests.support.layouts import write_text


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_line_numbers_count_empty_lines(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    write_text(path, '\ufeff{"a": 1}\r\n\n{"a": "one\u2028line"}')
    assert list(read_rows(path)) == [(1, {"a": 1}), (3, {"a": "one\u2028line"})]


def test_rows_of_a_parquet_file_are_counted_across_its_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(25_000))}), path, row_group_size=7000)
    assert list(read_rows(path)) == [(n + 1, {"a": n}) for n in range(25_000)]


def test_the_last_row_of_a_broken_file_is_the_reason(tmp_path: Path) -> None:
    for name, raw, last_row, beginning in (
        ("a.jsonl", b'{"a": 1}\n\xff\n{"a": 2}\n', 2, "not UTF-8 text; save the file as UTF-8"),
        ("a.jsonl", b"", 0, ""),
        ("a.jsonl.gz", b"no gzip", 1, "the compressed file breaks off or is damaged (Not a gz"),
        ("a.parquet", b"", 1, "the Parquet file breaks off or is damaged (Parquet file size is 0"),
        ("gone.jsonl", None, 1, "the file cannot be read (No such file"),
        ("gone.parquet", None, 1, "the Parquet file breaks off or is damaged ([Errno 2] Failed"),
    ):
        if raw is not None:
            (tmp_path / name).write_bytes(raw)
        rows = list(read_rows(tmp_path / name))
        if not beginning:
            assert rows == []
            continue
        number, reason = rows[-1]
        assert number == last_row
        assert isinstance(reason, BrokenFile)
        assert reason.startswith(beginning)


def test_a_long_list_is_cut_and_begins_with_the_reason_why_the_file_broke(tmp_path: Path) -> None:
    bad = BadRows(tmp_path / "a.parquet")
    for number in range(1, 31):
        bad.add(number, "empty")
    bad.add(31, BrokenFile("broken"))
    with pytest.raises(InputError) as caught:
        bad.report(skip_bad=True)
    lines = str(caught.value).split("\n")
    assert lines[0].endswith("a.parquet has 31 bad records; fetch the file again:")
    assert lines[1:3] == ["  - row 31: broken", "  - row 1: empty"]
    assert lines[20:] == ["  - row 19: empty", "  - and 11 more"]


def test_no_bad_row_is_no_error(tmp_path: Path) -> None:
    BadRows(tmp_path / "a.tsv").report(skip_bad=False)
