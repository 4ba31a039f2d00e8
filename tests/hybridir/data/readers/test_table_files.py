"""Tables as spreadsheets, pandas, Spark and published data sets write them."""

import csv
import gzip
import io
import json
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.readers.table import load_table
from hybridir.errors import InputError
from tests.hybridir.data.readers.test_table import columns, row, write

ROWS = [row("q1", "en"), row("q1", "de", passage="Das."), row("q2", "en", question="Où ?")]
HEADER = "question_id,language,question,passage"


def packed(raw: bytes) -> bytes:
    """Compress without the time, so that tests have the same names in all of their processes."""
    return gzip.compress(raw, mtime=0)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return columns(load_table(write(tmp_path_factory.mktemp("plain") / "table.jsonl", ROWS)))


def separated(delimiter: str, **options: Any) -> str:
    frame = pd.DataFrame(ROWS)
    return str(frame.to_csv(sep=delimiter, index=False, **options))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("table.tsv", separated("\t").encode()),
        ("table.CSV", separated(",").encode()),
        ("TABLE.JSONL", "".join(json.dumps(r) + "\n" for r in ROWS).encode()),
        ("table.json", json.dumps(ROWS, indent=2).encode()),
        ("table.json", pd.DataFrame(ROWS).to_json(orient="records", lines=True).encode()),
        ("table.csv.gz", packed(separated(",").encode())),
        ("table.Tsv.GZ", packed(separated("\t").encode())),
        ("table.jsonl.gz", packed("".join(json.dumps(r) + "\n" for r in ROWS).encode())),
        ("table.csv", separated(",").encode("utf-8-sig")),
        ("table.csv", separated(",").encode("utf-16")),
        ("table.csv", separated(",").encode("utf-16-le")),
        ("table.tsv", separated("\t").encode("utf-16-be")),
        ("table.csv", separated(",").encode("utf-32")),
        ("table.jsonl", "".join(json.dumps(r) + "\n" for r in ROWS).encode("utf-16")),
        ("table.csv", separated(";").encode()),  # a spreadsheet where commas are in numbers
        ("table.csv", ("sep=;\n" + separated(";")).encode()),
        ("table.csv", separated("\t").encode()),
        ("table.csv", separated(",", lineterminator="\r\n").encode()),
        ("table.csv", separated(",", quoting=csv.QUOTE_ALL).encode()),
        # A pandas index, and the empty rows and fields that a spreadsheet leaves behind.
        ("table.csv", str(pd.DataFrame(ROWS).to_csv()).encode()),
        ("table.csv", separated(",").replace("\n", ",,\n").encode() + b",,,,,\n\n,,,,,\n"),
        ("table.csv", separated(",").replace(HEADER, " Question ID , language,Question,passage\t")
         .encode()),
    ],
    ids=str,
)  # fmt: skip
def test_a_table_of_any_tool_is_read(
    tmp_path: Path, expected: dict[str, list[str]], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    assert columns(load_table(tmp_path / name)) == expected


def test_parquet_endings_are_read_in_any_case(
    tmp_path: Path, expected: dict[str, list[str]]
) -> None:
    path = tmp_path / "table.PARQUET"
    pq.write_table(
        pa.Table.from_pylist([{k.title(): v for k, v in r.items()} for r in ROWS]), path
    )
    assert columns(load_table(path)) == expected


QUOTED = [
    row("q1", question='She said "hi", and left\\right.'),
    row("q2", question='"Quoted"', passage='A "b", c'),
    row("q3", passage='ends with "quotes"'),
]


def test_quotes_behind_a_backslash_are_quotes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
    writer.writerows([list(QUOTED[0]), *(list(r.values()) for r in QUOTED)])
    (tmp_path / "table.csv").write_text(text.getvalue(), "utf-8")
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        pairs = load_table(tmp_path / "table.csv")
    assert list(pairs.question) == [r["question"] for r in QUOTED]
    assert list(pairs.passage) == [r["passage"] for r in QUOTED]
    assert "lines with '\"' behind a backslash: 3" in caplog.text


def test_commas_behind_a_backslash_are_commas(tmp_path: Path) -> None:
    rows = [row("q1", question="a, b\\c"), row("q2", passage='two\nlines, "x"')]
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONE, escapechar="\\")
    writer.writerows([list(rows[0]), *(list(r.values()) for r in rows)])
    (tmp_path / "table.csv").write_text(text.getvalue(), "utf-8")
    pairs = load_table(tmp_path / "table.csv")
    assert list(pairs.question) == [r["question"] for r in rows]
    assert list(pairs.passage) == [r["passage"] for r in rows]


def test_backslashes_of_a_plain_table_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", QUOTED)  # quotes doubled
    assert list(load_table(path).question) == [r["question"] for r in QUOTED]
    lone = '"q1","en","C:\\temp\\new \\"x\\"","p"\n'
    (tmp_path / "lone.csv").write_text(f"{HEADER}\n{lone}")
    assert list(load_table(tmp_path / "lone.csv").question) == ['C:\\temp\\new "x"']


def test_quotes_that_are_neither_are_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f'{HEADER}\nq1,en,"To be" or not,p\n')
    with pytest.raises(InputError, match=r"line 2 .*write quotes inside a text twice"):
        load_table(tmp_path / "table.csv")


def test_texts_of_a_tsv_file_may_begin_with_a_quote(tmp_path: Path) -> None:
    lines = [
        "\t".join(HEADER.split(",")),
        'q1\ten\t"To be" is by whom?\tHe.',
        'q2\ten\ta\t5" nail',
    ]
    (tmp_path / "bare.tsv").write_text("\n".join(lines))
    assert list(load_table(tmp_path / "bare.tsv").question) == ['"To be" is by whom?', "a"]
    # One row with a text of two lines, or two rows.
    lines[1:] = ['q1\ten\t"open\tHe.', 'q2\ten\tb"\tc']
    (tmp_path / "bare.tsv").write_text("\n".join(lines))
    with pytest.raises(InputError, match="which gives 1 or 2 rows; save the table as JSONL"):
        load_table(tmp_path / "bare.tsv")
    quoted = write(tmp_path / "quoted.csv", QUOTED)
    frame = pd.read_csv(quoted, keep_default_na=False)
    frame.to_csv(tmp_path / "quoted.tsv", sep="\t", index=False)
    assert list(load_table(tmp_path / "quoted.tsv").question) == [r["question"] for r in QUOTED]


def test_fields_may_be_of_any_length_and_the_limit_of_csv_stays(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    long = "word " * 100_000  # 500,000 characters; the limit is 131,072
    path = write(tmp_path / "table.csv", [row(passage=long)])
    assert list(load_table(path).passage) == [long]
    assert csv.field_size_limit() == before


def test_several_passages_of_a_question_are_one_group_and_repeated_rows_count_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        row("q1", passage="a"),
        row("q1", passage="b"),
        row("q1", passage="a"),
        row("q1", passage="b", passage_group="g"),
        row("q2", passage="c", passage_group="g"),
    ]
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        pairs = load_table(write(tmp_path / "table.jsonl", rows))
    assert list(zip(pairs.question_id, pairs.passage, strict=True)) == [
        ("q1", "a"),
        ("q1", "b"),
        ("q2", "c"),
    ]
    assert len(set(pairs.passage_group)) == 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert "repeated rows left out: 2" in line


def test_pain_30_identical_passages_of_a_language_are_one_group(tmp_path: Path) -> None:
    rows = [
        row(f"q{number}", code, passage=f"{code} paragraph {number % 6}")
        for number in range(40)
        for code in ("de", "en")
    ]
    rows.append(row("q99", "en", passage="de paragraph 0"))  # the same text in another language
    pairs = load_table(write(tmp_path / "table.jsonl", rows))
    groups = dict(zip(pairs.passage, pairs.passage_group, strict=True))
    assert len(set(pairs.passage_group)) == 6 + 1
    for number in range(6):
        assert groups[f"en paragraph {number}"] == pairs.passage_group[2 * number]
    assert pairs.passage_group[-1] == "q99"
    assert pairs.cluster is None


def test_a_group_with_the_name_of_another_question_does_not_join_it(tmp_path: Path) -> None:
    rows = [row("1", passage_group="2"), row("2", passage_group=None)]
    pairs = load_table(write(tmp_path / "table.jsonl", rows))
    assert len(set(pairs.passage_group)) == 2


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([7.0, 8.0], ["7", "8"]),  # numbers of a column in which some are missing
        (["7.0", "8"], ["7", "8"]),
        (["7.0", "v8"], ["7.0", "v8"]),  # versions, perhaps
        ([" 7 ", "8\t"], ["7", "8"]),
        ([2**62, 5], [str(2**62), "5"]),
        ([1.5, 2.5], ["1.5", "2.5"]),
    ],
)
def test_ids_of_common_tools_are_read(
    tmp_path: Path, values: list[object], texts: list[str]
) -> None:
    rows = [row(question_id=value, passage=str(n)) for n, value in enumerate(values)]
    assert list(load_table(write(tmp_path / "table.jsonl", rows)).question_id) == texts


def test_ids_and_texts_of_typed_columns_are_read(tmp_path: Path) -> None:
    uuid = UUID(int=7)
    table = pa.table(
        {
            "question_id": pa.array([Decimal("7.00"), Decimal("8.00")], pa.decimal128(5, 2)),
            "passage_group": pa.array([b"g", b"h"], pa.binary()),
            "cluster": pa.array([1.0, float("nan")]),
            "language": pa.array(["en", "en"]).dictionary_encode(),
            "question": pa.array([b"Who?", "Où ?".encode()], pa.binary()),  # old Spark
            "passage": pa.array([str(uuid), "b"], pa.large_string()),
        }
    )
    pq.write_table(table, tmp_path / "table.parquet")
    pairs = load_table(tmp_path / "table.parquet")
    assert list(pairs.question_id) == ["7", "8"]
    assert list(pairs.question) == ["Who?", "Où ?"]
    assert (list(pairs.passage_group), list(pairs.clusters)) == (["g", "h"], ["1", "h"])


@pytest.mark.parametrize("missing", ["", " ", "nan", "None", "NULL", "<NA>", "\\N"])
def test_words_of_missing_values_are_no_groups(tmp_path: Path, missing: str) -> None:
    rows = [row(f"q{n}", passage_group=missing, cluster=missing) for n in range(2)]
    pairs = load_table(write(tmp_path / "table.csv", rows))
    assert list(pairs.passage_group) == list(pairs.clusters) == ["q0", "q1"]


@pytest.mark.parametrize("text", ["\u200b", "\ufeff \u00a0", "\u3164", "\x00\x1b", "\u2028", "️"])
def test_a_text_without_a_visible_character_is_empty(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "table.jsonl", [row(), row("q2", question=text)])
    with pytest.raises(InputError, match="line 2: empty question"):
        load_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"PK\x03\x04rest", "spreadsheet or ZIP archive; save the sheet as CSV"),
        ("table.csv", packed(b"a"), "compressed; put .gz behind its name"),
        ("table.csv", b"PAR1rest", "let its name end with .parquet"),
        ("table.csv.gz", b"question_id", "breaks off or is damaged"),
        ("table.csv.gz", packed(b"question_id" * 99)[:-12], "breaks off or is damaged"),
        # An end of stream that is damaged behind text that is not UTF-8.
        ("table.csv.gz", packed(b"\x80" * 9)[:-2], "breaks off or is damaged|not UTF-8"),
        ("table.jsonl.gz", packed(b""), "there are no rows"),
        ("table.parquet.gz", b"x", "unknown ending"),
        ("table.csv", "question_id,é".encode("cp1252"), "line 1: not UTF-8 .*CSV UTF-8"),
        ("table.csv", separated(",").encode("utf-16")[:-1], "not UTF-16"),
        ("table.json", b"[1, 2]", "expected an object, found int"),
        ("table.csv", b"question_id;lang;question;passage\n", "no column language; needed"),
        ("table.csv", f"{HEADER}\nq,None,a,b\n".encode(), "no language"),
        pytest.param("table.csv", b"x" * 10**6, r"found 'x{1,40}\.\.\.x+'$", id="a long line"),
        ("table.json", b"[{", "invalid JSON"),
        ("table.csv", b"passage,Passage ,question,question_id,language\n", "more than once"),
        ("table.csv", f"{HEADER}\nq,en,a,b,c\n".encode(), "5 fields, but the header has 4"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_the_remedy(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"(?s){message}"):
        load_table(tmp_path / name)


def test_a_language_that_a_table_lacks_is_an_error_and_no_smaller_table(tmp_path: Path) -> None:
    path = write(tmp_path / "table.jsonl", ROWS)
    with pytest.raises(InputError, match="nothing in fr; languages that are there: de en"):
        load_table(path, ["en", "fr"])


def test_repairs_are_said_in_one_line_with_their_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = (
        " question_id,language,question,passage\n1.0,en,a?,b.\n2.0,en,c?,b.\n,,,\n 1.0,en,a?,b.\n"
    )
    (tmp_path / "table.csv").write_text(text)
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        load_table(tmp_path / "table.csv")
    (line,) = [record.getMessage() for record in caplog.records]
    repairs = line.partition(" was mended: ")[2].split(", ")
    assert repairs == [
        "column names with blanks or capitals: 1",
        "rows without any value left out: 1",
        "ids and codes with blanks around them: 1",
        "whole numbers such as 7.0 in question_id: 3",
        "passage groups joined to another with the same passage: 1",
        "repeated rows left out: 1",
    ]
