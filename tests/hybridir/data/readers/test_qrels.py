from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.readers.qrels import (
    BadRecords,
    Broken,
    Files,
    Judged,
    read_judged,
    read_records,
)
from hybridir.errors import InputError
from tests.support.layouts import write_text


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


CORPUS = '{"_id": "a", "title": "T", "text": "x"}\n{"_id": 2, "text": "y"}\n'
QUERIES = '{"_id": "q", "text": "?", "title": "of no matter"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq\ta\t1\nq\t2\t0\n"


def read(
    folder: Path,
    corpus: str = CORPUS,
    queries: str = QUERIES,
    qrels: str = QRELS,
    skip_bad: bool = False,
) -> Judged:
    texts = {"corpus.jsonl": corpus, "queries.jsonl": queries, "test.tsv": qrels}
    for name, text in texts.items():
        write_text(folder / name, text)
    passages, questions, judgements = ((folder / name,) for name in texts)
    return read_judged(Files("en", passages, questions, judgements), skip_bad)


def test_only_a_positive_judgement_makes_a_passage_relevant(tmp_path: Path) -> None:
    qrels = QRELS + "q\tnowhere\t0\nnobody\ta\t-1\n"  # what is not relevant need not be there
    judged = read(tmp_path, qrels=qrels)
    assert judged == Judged("en", {"a": "T x", "2": "y"}, {"q": "?"}, {"q": {"a"}})


def test_queries_of_other_splits_are_left_out(tmp_path: Path) -> None:
    judged = read(tmp_path, queries=QUERIES + '{"_id": "r", "text": "!"}\n')
    assert judged.queries == {"q": "?"}


def test_a_title_alone_is_a_passage(tmp_path: Path) -> None:
    passages = read(tmp_path, corpus='{"_id": "a", "title": " T ", "text": ""}\n').passages
    assert passages == {"a": "T"}


def test_every_bad_passage_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    bad = [
        '{"_id": "b", "text": " ", "title": null}',
        '{"_id": "a", "text": "again"}',
        '{"text": "no id"}',
        '{"_id": "c"}',
        '{"_id": "d", "text": 5}',
        '{"_id": " ", "text": "x"}',
        '{"_id": true, "text": "x"}',
        '{"_id": "e", "text": "x", "title": [0]}',
        '{"_id": "f", "text": "\\ud800"}',
        "[]",
        "{",
        "[" * 100_000,
        f'{{"_id": {"9" * 5000}, "text": "x"}}',
    ]
    with pytest.raises(InputError) as caught:
        read(tmp_path, corpus=CORPUS + "\n".join(bad))
    heading, *lines = str(caught.value).split("\n")
    assert heading.endswith(
        "corpus.jsonl has 13 bad records; mend them or set skip_bad to leave them out:"
    )
    expected = [
        "empty text",
        "_id 'a' is already there",
        "no _id",
        "no text",
        "text=5 is no text",
        "empty _id",
        "_id=True is no text",
        "title=[0] is no text",
        "half of a surrogate pair in text",
        "expected an object, found list",
        "invalid JSON (Expecting property name enclosed in double quotes)",
        "invalid JSON (",
        "invalid JSON (",
    ]
    assert len(lines) == len(expected)
    for number, (line, reason) in enumerate(zip(lines, expected, strict=True), start=3):
        assert line.startswith(f"  - line {number}: {reason}")


def test_every_bad_judgement_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    qrels = QRELS + "\n".join(
        ["q\tb\t1", "r\ta\t1", "q\ta\t2", "q\ta", "q\ta\tmuch", "q\ta\tnan", "s\ta\t0", "q\ta\t1"]
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, queries=QUERIES + '{"_id": "s", "text": "!"}\n', qrels=qrels)
    heading, *lines = str(caught.value).split("\n")
    assert "test.tsv has 7 bad records" in heading
    assert lines == [
        "  - line 4: there is no passage 'b'",
        "  - line 5: there is no query 'r'",
        "  - line 6: query 'q' and passage 'a' are judged twice",
        "  - line 7: 2 fields between tabs, not 3",
        "  - line 8: score='much' is no number",
        "  - line 9: score='nan' is no number",
        "  - line 10: query 's' has no relevant passage",
    ]


def test_a_header_without_the_columns_is_refused_whatever_may_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: the header has no query-id and no score"):
        read(tmp_path, qrels="qid\tcorpus-id\tn\nq\ta\t1\n", skip_bad=True)


@pytest.mark.parametrize("qrels", [QRELS.replace("q\ta\t1\n", ""), "", "q"])
def test_a_benchmark_without_relevant_passages_is_refused(tmp_path: Path, qrels: str) -> None:
    with pytest.raises(InputError, match=r"test\.tsv"):
        read(tmp_path, qrels=qrels, skip_bad=True)


def test_where_all_queries_are_of_one_split_each_needs_a_judgement(tmp_path: Path) -> None:
    write_text(tmp_path / "docs.jsonl", '{"docid": "a#0", "title": "T", "text": "x"}\n')
    write_text(tmp_path / "topics.tsv", "q\tWho?\nr\tWhy?\n")
    write_text(tmp_path / "qrels.tsv", "q\tQ0\ta#0\t1\n")
    names = ("docs.jsonl", "topics.tsv", "qrels.tsv")
    docs, topics, qrels = ((tmp_path / name,) for name in names)
    files = Files("en", docs, topics, qrels, one_split=True, trec=True)
    with pytest.raises(InputError, match=r"topics.tsv .*: line 2: query 'r' has no relevant"):
        read_judged(files, skip_bad=False)
    judged = read_judged(files, skip_bad=True)
    assert judged == Judged("en", {"a#0": "T x"}, {"q": "Who?"}, {"q": {"a#0"}})
