"""Retrieval benchmarks from a table of the user's own, with more passages from a second one.

The table is that of a training, `hybridir.data.readers.table`: translations of a question share
its id, and a question has a row for each passage that answers it. The pool of a language has the
different passages of both tables in that language.

Relevant for a question, in every language, are

- the passages of all rows with its id;
- passages with a passage group that one of these rows names: translations of such a passage, and
  what must not be its negative in training. Groups that a table does not name join nothing here.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.pairs import Pairs, text_problem
from hybridir.data.readers.table import (
    GROUP,
    TABLE_COLUMNS,
    Texts,
    checked_texts,
    good_rows,
    grouped,
    report_bad_rows,
)
from hybridir.data.readers.table_files import Columns, read_table_file
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting, check_languages

_logger = logging.getLogger("hybridir")

_PASSAGE_COLUMNS = Columns(needed=("language", "passage"), optional=(GROUP,))


def load_table_benchmark(
    name: str,
    path: str | Path,
    passages: str | Path | None = None,
    languages: LanguageSetting | None = None,
    skip_bad: bool = False,
) -> Benchmark:
    """Load questions and their passages, and further passages of the pools.

    Args:
        name: names the scores.
        path: table with the columns of `hybridir.data.readers.table.load_table`.
        passages: table with the columns ``language``, ``passage`` and, if some of them answer
            questions, ``passage_group``.
        languages: those of questions and of passages, see `hybridir.languages.LanguageSetting`;
            all if None.
        skip_bad: drop bad rows and log how many, instead of stopping at them.

    Returns:
        The benchmark. Passage ids count from 0 in the order of the files, with their language in
        front. Clusters are those of `load_table`: the column, or else questions with a common
        passage or passage group.

    Raises:
        InputError: if a file cannot be read, a column is missing, no row is left, or any row is
            bad and `skip_bad` is off.
    """
    choice = check_languages(languages, str(path))
    table = read_table_file(Path(path), TABLE_COLUMNS)
    further = _further_passages(Path(passages), skip_bad) if passages else []
    shown: dict[str, str] = {}

    def names(codes: Iterable[str], source: str) -> dict[str, str]:
        # One spelling in both files; a language that is mapped may be in either.
        shown.update(choice.names([*codes, *(row["language"] for row in further)], source))
        return shown

    named = good_rows(str(path), table, names, skip_bad)
    # Clusters follow from the joined groups, relevance from those that the table names.
    joined = grouped(named, table.mended)
    table.mended.log(str(path))
    clusters = dict(zip(joined.question_id, joined.clusters, strict=True))

    there = [
        *named.language,
        *named.passage_languages,
        *(shown[row["language"]] for row in further),
    ]
    kept = set(choice.keep(dict.fromkeys(there), str(path)))
    pool = _Pool(kept)
    for code, text, group in zip(
        named.passage_languages, named.passage, named.passage_group, strict=True
    ):
        pool.add(code, text, group)
    for row in further:
        pool.add(shown[row["language"]], row["passage"], row.get(GROUP))
    groups = {row[GROUP] for row in further if GROUP in row}
    if groups and groups.isdisjoint(named.passage_group):
        _logger.warning(
            "%s: none of its %d passage groups, such as %r, is one of %s, such as %r, so that "
            "none of its passages answers a question by its group",
            *(passages, len(groups), min(groups), path, min(named.passage_group)),
        )
    relevant = pool.relevant(named)
    queries = [
        (key, code, text) for key, code, text in _queries(named) if relevant[key] and code in kept
    ]
    if not queries:
        raise InputError(
            f"{path}: nothing in these languages can be asked; languages that are there: "
            f"{' '.join(sorted(set(there)))}"
        )
    return build_benchmark(
        name, queries, pool.passages, relevant, clusters=clusters, empty_pools=True
    )


class _Pool:
    """The different passages of some languages, and those of each passage group.

    Args:
        languages: codes of passages to keep.
    """

    def __init__(self, languages: Collection[str]) -> None:
        self._chosen = languages
        self._keys: dict[tuple[str, str], str] = {}
        self._texts: dict[str, tuple[str, str]] = {}
        self._of_group: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, language: str, text: str, group: str | None) -> None:
        """Add a passage, or a further group of one, if its language is chosen."""
        if language not in self._chosen:
            return
        # Blanks at its ends make no other passage.
        same = (language, text.strip())
        key = self._keys.setdefault(same, f"{language}-{len(self._keys):08d}")
        self._texts.setdefault(key, (language, text))
        if group is not None:
            self._of_group[group].add(key)

    @property
    def passages(self) -> list[tuple[str, str, str]]:
        """Id, language and text of each passage."""
        return [(key, language, text) for key, (language, text) in self._texts.items()]

    def relevant(self, rows: Pairs) -> dict[str, set[str]]:
        """Question id -> ids of the passages in the groups of its rows."""
        relevant: defaultdict[str, set[str]] = defaultdict(set)
        for question, group in set(zip(rows.question_id, rows.passage_group, strict=True)):
            relevant[question] |= self._of_group[group]
        return relevant


def _queries(rows: Pairs) -> list[tuple[str, str, str]]:
    """Each question once in each language: its first row there has the text."""
    texts: dict[tuple[str, str], str] = {}
    for key, language, text in zip(rows.question_id, rows.language, rows.question, strict=True):
        texts.setdefault((key, language), text)
    return [(*key, text) for key, text in texts.items()]


def _further_passages(path: Path, skip_bad: bool) -> list[Texts]:
    """Read the good rows of a file of passages.

    Raises:
        InputError: if the file cannot be read, or rows are bad; as `load_table_benchmark`.
    """
    table = read_table_file(path, _PASSAGE_COLUMNS)
    numbers, rows, problems = checked_texts(table.rows, _PASSAGE_COLUMNS, table.mended)
    good = []
    for number, texts in zip(numbers, rows, strict=True):
        problem = text_problem(texts)
        if problem:
            problems.append((number, problem))
        else:
            good.append(texts)
    lines = [f"{table.unit} {number}: {reason}" for number, reason in sorted(problems)]
    report_bad_rows(str(path), lines, len(table.rows), skip_bad)
    table.mended.log(str(path))
    return good
