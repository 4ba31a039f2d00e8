from pathlib import Path

import pytest

from hybridir.data.readers.qrels import LanguageData, LanguageFiles, read_language
from hybridir.errors import InputError
from tests.support.layouts import write_text

CORPUS = '{"_id": "a", "title": "T", "text": "x"}\n{"_id": 2, "text": "y"}\n'
QUERIES = '{"_id": "q", "text": "?", "title": "ignored"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq\ta\t1\nq\t2\t0\n"


def read(
    folder: Path,
    corpus: str = CORPUS,
    queries: str = QUERIES,
    qrels: str = QRELS,
    skip_bad: bool = False,
) -> LanguageData:
    texts = {"corpus.jsonl": corpus, "queries.jsonl": queries, "test.tsv": qrels}
    for name, text in texts.items():
        write_text(folder / name, text)
    passages, questions, judgements = ((folder / name,) for name in texts)
    return read_language(LanguageFiles("en", passages, questions, judgements), skip_bad)


def test_only_a_positive_judgement_makes_a_passage_relevant(tmp_path: Path) -> None:
    qrels = QRELS + "q\tnowhere\t0\nnobody\ta\t-1\n"  # may be missing
    data = read(tmp_path, qrels=qrels)
    assert data == LanguageData("en", {"a": "T x", "2": "y"}, {"q": "?"}, {"q": {"a"}})


def test_queries_of_other_splits_are_left_out(tmp_path: Path) -> None:
    data = read(tmp_path, queries=QUERIES + '{"_id": "r", "text": "!"}\n')
    assert data.queries == {"q": "?"}


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
        "invalid JSON (Expecting property name enclosed in double quotes, column 2)",
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


def test_a_header_without_the_columns_is_refused_even_with_skip_bad(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 1: the header has no query-id and no score"):
        read(tmp_path, qrels="qid\tcorpus-id\tn\nq\ta\t1\n", skip_bad=True)


@pytest.mark.parametrize("qrels", [QRELS.replace("q\ta\t1\n", ""), "", "q"])
def test_a_benchmark_without_relevant_passages_is_refused(tmp_path: Path, qrels: str) -> None:
    with pytest.raises(InputError, match=r"test\.tsv"):
        read(tmp_path, qrels=qrels, skip_bad=True)


def test_queries_of_one_split_each_need_a_judgement(tmp_path: Path) -> None:
    write_text(tmp_path / "docs.jsonl", '{"docid": "a#0", "title": "T", "text": "x"}\n')
    write_text(tmp_path / "topics.tsv", "q\tWho?\nr\tWhy?\n")
    write_text(tmp_path / "qrels.tsv", "q\tQ0\ta#0\t1\n")
    names = ("docs.jsonl", "topics.tsv", "qrels.tsv")
    docs, topics, qrels = ((tmp_path / name,) for name in names)
    files = LanguageFiles("en", docs, topics, qrels, one_split=True, trec=True)
    with pytest.raises(InputError, match=r"topics.tsv .*: line 2: query 'r' has no relevant"):
        read_language(files, skip_bad=False)
    data = read_language(files, skip_bad=True)
    assert data == LanguageData("en", {"a#0": "T x"}, {"q": "Who?"}, {"q": {"a#0"}})
