"""Passages, queries and relevance judgements of one language, from files that are checked.

A bad row is reported with its file and place, all of one file in one message, or left out and
logged. What published evaluation takes as it is, such as a passage without text, is taken too.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hybridir.data.readers.qrels import BadRow, read_judgements
from hybridir.data.readers.rows import BadRows
from hybridir.data.readers.texts import PASSAGES, QUERIES, TextFiles

# Query -> passage -> grade.
Grades = dict[str, dict[str, int]]


@dataclass(frozen=True)
class LanguageFiles:
    """The files of one language.

    Attributes:
        language: its code.
        corpus: files of passages.
        queries: files of queries, of one split or of all.
        qrels: files of judgements.
    """

    language: str
    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: tuple[Path, ...]


@dataclass(frozen=True)
class LanguageTexts:
    """The texts of one language.

    Attributes:
        passages: id -> text, its title before it; "" without either.
        queries: id -> text; "" without one.
        counts: names of `hybridir.data.judgements.NOTES` -> how often.
    """

    passages: dict[str, str]
    queries: dict[str, str]
    counts: Mapping[str, int] = field(default_factory=dict)


def read_texts(files: LanguageFiles, skip_bad: bool) -> LanguageTexts:
    """Read the passages and queries of one language.

    Args:
        files: its files.
        skip_bad: leave bad rows out, and log them.

    Raises:
        InputError: if a file cannot be read to its end, or a row is bad and `skip_bad` is off.
    """
    passages, queries = TextFiles(PASSAGES, skip_bad), TextFiles(QUERIES, skip_bad)
    for texts, paths in ((passages, files.corpus), (queries, files.queries)):
        for path in paths:
            texts.read(path)
    counts = {
        "repeated_passages": passages.repeated,
        "repeated_queries": queries.repeated,
        "bad_records": passages.bad + queries.bad,
    }
    return LanguageTexts(passages.texts, queries.texts, counts)


def read_grades(
    files: LanguageFiles, queries: Container[str], skip_bad: bool
) -> tuple[Grades, Mapping[str, int]]:
    """Read the judgements of one language.

    Args:
        files: its files.
        queries: ids of the queries that can be asked; only these have grades in the result.
        skip_bad: leave bad rows out, and log them; the last of two grades counts then, as in
            BEIR's reader.

    Returns:
        The grades, and names of `hybridir.data.judgements.NOTES` -> how often.

    Raises:
        InputError: if a file cannot be read to its end, or a row is bad and `skip_bad` is off:
            malformed, with another grade than before, or positive for a query that is not there.
    """
    grades: Grades = {}
    repeated = bad_rows = 0
    for path in files.qrels:
        bad = BadRows(path)
        for number, row in read_judgements(path):
            try:
                if isinstance(row, str):
                    raise BadRow(row)
                query, passage, grade = row
                if query not in queries:
                    if grade > 0:
                        raise BadRow(f"there is no query {query!r}")
                    continue
                of_query = grades.setdefault(query, {})
                before = of_query.get(passage)
                of_query[passage] = grade
                repeated += before == grade
                if before not in (None, grade):
                    raise BadRow(
                        f"query {query!r} and passage {passage!r} are judged twice: {before} and "
                        f"{grade}"
                    )
            except BadRow as error:
                bad.add(number, error.reason)
        bad_rows += bad.report(skip_bad)
    return grades, {"repeated_judgements": repeated, "bad_records": bad_rows}
