from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridir.data.readers.qrels import Judgement, read_judgements
from hybridir.data.readers.rows import UnknownForm
from tests.support.layouts import write_text

EXPECTED = [Judgement("q1", "p1", 1), Judgement("q1", "p 2", 0), Judgement("7", "p3", 2)]
ROWS = [("q1", "p1", "1"), ("q1", "p 2", "0"), ("7", "p3", "2")]


def lines(*rows: tuple[str, ...], between: str = "\t", end: str = "\n") -> str:
    return "".join(between.join(row) + end for row in rows)


def judgements(path: Path) -> list[Judgement | str]:
    return [row for _, row in read_judgements(path)]


@pytest.mark.parametrize(
    "text",
    [
        lines(("query-id", "corpus-id", "score"), *ROWS),  # BEIR
        lines(*ROWS),  # without the header
        lines(*((q, "Q0", p, s) for q, p, s in ROWS)),  # trec_eval, MIRACL
        lines(*((q, "0", p, s) for q, p, s in ROWS), end="\t \r\n"),
        lines(("query_id", "doc_id", "relevance", "iteration"), *((*r, "0") for r in ROWS)),
        lines(("# query_id", "iteration", "doc_id", "rel"), *((r[0], "0", *r[1:]) for r in ROWS)),
        lines(("Query-ID ", " Corpus-ID", "Score"), *ROWS),
        "\ufeff" + lines(("query-id", "corpus-id", "score"), *ROWS) + "\n \n",
        lines(("score", "corpus-id", "query-id"), *(row[::-1] for row in ROWS)),
        lines(*((q, p, f"{s}.0") for q, p, s in ROWS)),
    ],
)
@pytest.mark.parametrize("name", ["test.tsv", "TEST.TXT", "qrels", "a.tsv.gz"])
def test_pain_33_every_published_form_is_read(tmp_path: Path, text: str, name: str) -> None:
    write_text(tmp_path / name, text)
    assert judgements(tmp_path / name) == EXPECTED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "q1 0 p1 1\nq1   Q0\tp2 0\n7 0 p3 2\n"),
        ("a.tsv", "query-id corpus-id score\nq1 p1 1\nq1 p2 0\n7 p3 2"),
        ("a.csv", 'query-id,corpus-id,score\nq1,p1,1\nq1,"p2",0\n7,p3,2\n'),
    ],
)
def test_columns_between_blanks_or_commas_are_read(tmp_path: Path, name: str, text: str) -> None:
    write_text(tmp_path / name, text)
    expected = [row._replace(passage=row.passage.replace(" ", "")) for row in EXPECTED]
    assert judgements(tmp_path / name) == expected


def test_rows_of_jsonl_and_parquet_are_read_with_ids_that_are_numbers(tmp_path: Path) -> None:
    rows = [{"query-id": 1, "corpus-id": 2.0, "score": 1}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    write_text(tmp_path / "a.jsonl", '{"qid": 1, "docid": "2", "label": 1.0}\n')
    for name in ("a.parquet", "a.jsonl"):
        assert judgements(tmp_path / name) == [Judgement("1", "2", 1)]


def test_judgements_without_a_grade_are_1_as_those_of_nanobeir(tmp_path: Path) -> None:
    pq.write_table(pa.table({"query-id": ["q"], "corpus-id": ["p"]}), tmp_path / "a.parquet")
    write_text(tmp_path / "a.tsv", "query-id\tcorpus-id\nq\tp\n")
    for name in ("a.parquet", "a.tsv"):
        assert judgements(tmp_path / name) == [Judgement("q", "p", 1)]


def test_quotes_that_beirs_writer_put_around_an_id_are_none_of_it(tmp_path: Path) -> None:
    # csv.writer(file, delimiter="\t") writes the id <dbpedia:"Weird_Al"> of DBpedia-Entity so.
    write_text(tmp_path / "a.tsv", 'q\t"<dbpedia:""Weird_Al"">"\t1\n')
    assert judgements(tmp_path / "a.tsv") == [Judgement("q", '<dbpedia:"Weird_Al">', 1)]


def test_a_bad_judgement_is_named_with_its_line(tmp_path: Path) -> None:
    bad = ["q\ta", "q\ta\tmuch", "q\ta\tnan", "q\ta\t0.5", "\ta\t1", f"q\ta\t{'9' * 20}"]
    write_text(tmp_path / "a.tsv", lines(*ROWS) + "\n".join(bad))
    rows = list(read_judgements(tmp_path / "a.tsv"))[3:]
    assert rows == [
        (4, "2 fields, not 3"),
        (5, "score='much' is no number"),
        (6, "score='nan' is no number"),
        (7, "score='0.5' is no whole number, as trec_eval's are"),
        (8, "empty query-id"),
        (9, f"score='{'9' * 20}' is no whole number, as trec_eval's are"),
    ]


@pytest.mark.parametrize("text", ["query\tn\nq\t1\n", "q\ta\n", "q", '{"q1": {"p1": 1}}\n'])
def test_a_file_of_another_form_is_told_which_forms_are_read(tmp_path: Path, text: str) -> None:
    write_text(tmp_path / "a.tsv", text)
    ((number, reason),) = read_judgements(tmp_path / "a.tsv")
    assert number == 1
    assert isinstance(reason, UnknownForm)
    assert "expected a header with query-id, corpus-id and score" in reason


def test_a_parquet_file_without_its_columns_is_told_so(tmp_path: Path) -> None:
    pq.write_table(pa.table({"query-id": ["q1"]}), tmp_path / "a.parquet")
    ((_, reason),) = read_judgements(tmp_path / "a.parquet")
    assert str(reason).startswith("no judgement in 'query-id'; expected a header")
