import csv
import io
import json
import logging
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridir.data.pairs import COLUMNS, Pairs, is_visible
from hybridir.data.readers.table import load_table
from hybridir.errors import InputError

Row = dict[str, object]


def row(key: str = "q1", language: str = "en", **changes: object) -> Row:
    return {
        "question_id": key,
        "language": language,
        "question": "What?",
        "passage": f"That is {key}.",
        **changes,
    }


def write(path: Path, rows: list[Row]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            delimiter = "\t" if path.suffix == ".tsv" else ","
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return path


def columns(pairs: Pairs) -> dict[str, list[str]]:
    return {column: list(getattr(pairs, column)) for column in COLUMNS}


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_every_format_gives_the_same_table(tmp_path: Path, ending: str) -> None:
    rows = [
        row("q1", passage_group="g", passage='Zwei\nZeilen, "so"', further=1),
        row("q1", "th", passage_group="g", question="อะไร", further=2),
        row("q2", passage_group="h", further=3),
    ]
    path = write(tmp_path / f"table{ending}", rows)
    expected = {column: [r[column] for r in rows] for column in COLUMNS}
    assert columns(load_table(path)) == columns(load_table(str(path))) == expected


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_passage_group_defaults_to_the_question_id(tmp_path: Path, ending: str) -> None:
    pairs = load_table(write(tmp_path / f"table{ending}", [row("q1"), row("q2")]))
    assert list(pairs.passage_group) == ["q1", "q2"]


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_null_passage_group_is_the_question_id(tmp_path: Path, ending: str) -> None:
    rows = [row("q1", passage_group=None), row("q2", passage_group="g")]
    pairs = load_table(write(tmp_path / f"table{ending}", rows))
    assert list(pairs.passage_group) == ["q1", "g"]


def test_whole_numbers_serve_as_ids(tmp_path: Path) -> None:
    rows = [row(question_id=7, passage_group=8)]
    pairs = load_table(write(tmp_path / "table.parquet", rows))
    assert (pairs.question_id[0], pairs.passage_group[0]) == ("7", "8")


def test_languages_choose_rows(tmp_path: Path) -> None:
    rows = [row("q1", code) for code in ("en", "de", "es")]
    pairs = load_table(write(tmp_path / "table.jsonl", rows), ["es", "en"])
    assert list(pairs.language) == ["en", "es"]


BAD_JSONL = "\n".join(
    [
        json.dumps(row("q1")),  # line 1
        "",
        '{"question_id": "q2", ',  # line 3
        "[1, 2]",
        json.dumps(row("q3", passage=" ")),  # line 5
        json.dumps(row("q4", "x/x")),
        json.dumps(row("q1", question="Who?")),  # line 7
        json.dumps(row("q5", question=None)),
        json.dumps(row("q6", passage=3)),  # line 9
        json.dumps(row("q7")),
    ]
)


def test_every_bad_line_of_a_jsonl_file_is_named_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(BAD_JSONL, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_table(path)
    heading, *problems = str(caught.value).split("\n")
    assert "table.jsonl has 7 bad rows of 9" in heading
    assert "skip_bad" in heading
    expected = [
        ("line 3", "invalid JSON"),
        ("line 4", "expected an object, found list"),
        ("line 5", "empty passage"),
        ("line 6", "'x/x' is no language code"),
        ("line 7", "question 'q1' has another text in 'en' already: 'What?'"),
        ("line 8", "no question"),
        ("line 9", "passage=3 is no text"),
    ]
    for problem, (line, reason) in zip(problems, expected, strict=True):
        assert problem.startswith(f"  - {line}: ")
        assert reason in problem


def test_skip_bad_drops_bad_rows_and_logs_how_many(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(BAD_JSONL, encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        pairs = load_table(path, skip_bad=True)
    assert list(pairs.question_id) == ["q1", "q7"]
    assert "7 bad rows of 9 dropped" in caplog.text
    assert "line 7: question 'q1' has another text" in caplog.text


def test_skip_bad_stops_if_no_row_is_left(tmp_path: Path) -> None:
    path = write(tmp_path / "table.jsonl", [row("q1", "x/x")])
    with pytest.raises(InputError, match="1 bad row of 1"):
        load_table(path, skip_bad=True)


def test_csv_lines_are_lines_of_the_file_although_quoted_texts_hold_breaks(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "question_id,language,question,passage\n"  # line 1
        'q1,en,"Two\nlines?",That.\n'  # lines 2 and 3
        "q2,x/x,What?,That.\n"  # line 4
        "\n"
        'q3,en,"\n\n",That.\n'  # lines 6 to 8
        "q4,en,What?\n"  # line 9
        "q5,en,What?,That.\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError) as caught:
        load_table(path)
    problems = str(caught.value).split("\n")[1:]
    assert [problem.split(":")[0] for problem in problems] == [
        "  - line 4",
        "  - line 6",
        "  - line 9",
    ]
    assert "empty question" in problems[1]
    assert "3 fields, but the header has 4" in problems[2]


def test_parquet_rows_are_counted_from_one(tmp_path: Path) -> None:
    path = write(tmp_path / "table.parquet", [row("q1"), row("q2", "x/x"), row("q3", passage="")])
    with pytest.raises(
        InputError, match=r"row 2: 'x/x' is no language code[^\n]*\n  - row 3: empty"
    ):
        load_table(path)


def test_long_lists_of_bad_rows_are_cut_and_say_how_many_more(tmp_path: Path) -> None:
    path = write(tmp_path / "table.jsonl", [row(f"q{n}", "x/x") for n in range(23)])
    with pytest.raises(InputError, match="23 bad rows") as caught:
        load_table(path)
    assert str(caught.value).endswith("  - and 3 more")
    assert len(str(caught.value).split("\n")) == 1 + 20 + 1


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_missing_columns_are_named(tmp_path: Path, ending: str) -> None:
    path = write(
        tmp_path / f"table{ending}", [{"question_id": "q1", "language": "en", "text": "a"}]
    )
    with pytest.raises(InputError, match=r"no column question, passage; .* found .*'text'"):
        load_table(path)


def test_repeated_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("question_id,language,question,passage,passage\nq,en,a,b,c\n", "utf-8")
    with pytest.raises(InputError, match="column passage is there more than once"):
        load_table(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_empty_file_is_reported(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table{ending}"
    path.touch()
    with pytest.raises(InputError, match="the file is empty"):
        load_table(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [("table.jsonl", "\n\n"), ("table.csv", "question_id,language,question,passage\n")],
)
def test_file_without_rows_is_reported(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no rows"):
        load_table(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_text_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path, ending: str) -> None:
    rows = [row("q1"), row("q2", question="Où ?")]
    path = write(tmp_path / f"table{ending}", rows)
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    line = {".jsonl": 2, ".csv": 3}[ending]
    with pytest.raises(InputError, match=f"line {line}: not UTF-8"):
        load_table(path)


def test_broken_csv_is_reported_with_the_line_where_the_row_starts(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('question_id,language,question,passage\nq,en,a,"b\n\n', encoding="utf-8")
    with pytest.raises(InputError, match="invalid CSV in the record of line 2"):
        load_table(path)


def test_broken_parquet_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 but not really")
    with pytest.raises(InputError, match="no readable Parquet file"):
        load_table(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("table.xlsx", "unknown ending '.xlsx'"), ("missing.csv", "there is no such file")],
)
def test_unknown_ending_or_missing_file_is_reported(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        load_table(tmp_path / name)


def test_unknown_language_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'x/x' is no language code"):
        load_table(write(tmp_path / "table.jsonl", [row()]), ["x/x"])


def test_language_without_rows_is_reported_with_the_available_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing in th; languages that are there: en"):
        load_table(write(tmp_path / "table.jsonl", [row()]), ["th"])


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(texts=st.lists(TEXT.filter(is_visible), min_size=1, max_size=5))
def test_texts_survive_unchanged(
    texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    rows = [row(f"q{number}", question=text) for number, text in enumerate(texts)]
    for ending in (".jsonl", ".csv", ".tsv"):
        assert list(load_table(write(folder / f"table{ending}", rows)).question) == texts


@given(breaks=st.lists(st.integers(0, 3), min_size=1, max_size=6), bad=st.integers(min_value=0))
def test_line_of_a_bad_csv_row_is_that_of_its_key(
    breaks: list[int], bad: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bad %= len(breaks)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["question_id", "language", "question", "passage"])
    for number, count in enumerate(breaks):
        language = "x/x" if number == bad else "en"
        writer.writerow([f"key{number}", language, "a" + "\n" * count + "b", "c"])
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    path.write_text(out.getvalue(), encoding="utf-8")
    lines = out.getvalue().split("\n")
    expected = next(n for n, line in enumerate(lines, 1) if line.startswith(f"key{bad},"))
    with pytest.raises(InputError, match=f" line {expected}: 'x/x' is no language code"):
        load_table(path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"question_id": "q", "language": "en", "question": "\\ud800", "passage": "p"}',
         "half of a surrogate pair in question"),
        ("[" * 100_000, "invalid JSON ("),
        (f'{{"question_id": {"9" * 5000}}}', "invalid JSON ("),
    ],
)  # fmt: skip
def test_a_value_that_python_cannot_hold_is_a_bad_row(
    tmp_path: Path, line: str, reason: str
) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError, match=f"line 1: {re.escape(reason)}"):
        load_table(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_passages_may_be_in_another_language_than_their_questions(
    tmp_path: Path, ending: str
) -> None:
    rows = [
        row("q1", "yo", passage_language="en"),
        row("q2", "en", passage_language=""),
        row("q3", "yo", passage_language="de"),
    ]
    path = write(tmp_path / f"table{ending}", rows)
    assert list(load_table(path).passage_languages) == ["en", "en", "de"]
    assert list(load_table(path, ["en", "yo"]).question_id) == ["q1", "q2"]
    path = write(tmp_path / f"bad{ending}", [row(passage_language="x/x")])
    with pytest.raises(InputError, match="'x/x' is no language code"):
        load_table(path)


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_a_column_of_clusters_may_be_missing_or_null_or_numbers(
    tmp_path: Path, ending: str
) -> None:
    rows = [row("q1", passage_group="g"), row("q2", passage_group="h")]
    plain = load_table(write(tmp_path / f"plain{ending}", rows))
    assert (plain.cluster, list(plain.clusters)) == (None, ["g", "h"])
    rows = [{**rows[0], "cluster": 3}, {**rows[1], "cluster": None}]
    clustered = load_table(write(tmp_path / f"clustered{ending}", rows))
    assert list(clustered.clusters) == ["3", "h"]
    assert clustered.digest == plain.digest


def test_clusters_of_two_languages_with_a_common_question_are_one(tmp_path: Path) -> None:
    rows = [
        row("q1", "en", cluster="Moon"),
        row("q1", "de", cluster="Mond"),
        row("q2", "de", cluster="Mond"),
        row("q3", "en", cluster="Sun"),
    ]
    path = write(tmp_path / "table.jsonl", rows)
    assert list(load_table(path).clusters) == ["Mond", "Mond", "Mond", "Sun"]
    assert list(load_table(path, ["en"]).clusters) == ["Mond", "Sun"]


def test_a_cluster_that_is_no_text_is_a_bad_row(tmp_path: Path) -> None:
    rows = [row("q1", cluster=[1]), row("q2", cluster="\u200b")]
    with pytest.raises(InputError) as caught:
        load_table(write(tmp_path / "table.jsonl", rows))
    assert "line 1: cluster=[1] is no text" in str(caught.value)
    assert "line 2: empty cluster" in str(caught.value)
