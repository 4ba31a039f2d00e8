"""The development benchmark: held-out questions, and a pool like the reported benchmark's.

Each data set says what it holds out and what is retrieved from; then nothing that any data set
trains on may be left in the pool.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.pairs import Pairs
from hybridir.errors import InputError


@dataclass(frozen=True)
class Development:
    """What one data set gives to development.

    Attributes:
        held_out: the rows of the held-out questions.
        passages: (passage id, language, text) of all passages that are retrieved from.
        relevant: question id -> ids of its relevant passages, for every held-out question.
    """

    held_out: Pairs
    passages: Sequence[tuple[str, str, str]]
    relevant: Mapping[str, set[str]]


def table_development(held_out: Pairs, left_out: Pairs) -> Development:
    """Hold out rows of a table whose passages stand for themselves.

    The pool of a language has the distinct passages of the rows that are not trained on. Relevant
    for a question are the passages of the same question id in every language. This construction
    is the project's own.

    Args:
        held_out: rows of the held-out questions.
        left_out: rows that are neither trained on nor asked for.

    Returns:
        Passage ids count from 0, with their language in front.
    """
    passage_id: dict[tuple[str, str], str] = {}
    relevant: dict[str, set[str]] = {question: set() for question in held_out.question_id}
    for rows in (held_out, left_out):
        for question, language, passage in zip(
            rows.question_id, rows.passage_languages, rows.passage, strict=True
        ):
            key = passage_id.setdefault((language, passage), f"{language}-{len(passage_id):08d}")
            if question in relevant:
                relevant[question].add(key)
    passages = [(key, language, text) for (language, text), key in passage_id.items()]
    return Development(held_out, passages, relevant)


def development_benchmark(
    name: str, developments: Sequence[Development], trained: Iterable[Pairs]
) -> Benchmark:
    """Make one benchmark of what some data sets hold out.

    With several data sets, ids and clusters get the number of their data set in front, as those of
    `hybridir.data.pairs.concatenate` do, and a passage of one data set is relevant wherever a
    passage with its text is in another. A language without passages has no monolingual setting.

    Args:
        name: names the scores.
        developments: one for each data set.
        trained: the tables that are trained on. Their passages are left out of the pool, and so
            are questions that nothing else answers.

    Raises:
        InputError: if no question is left.
    """
    if len(developments) > 1:
        developments = _with_copies(
            [_numbered(each, number) for number, each in enumerate(developments, start=1)]
        )
    trained_on = _trained_on(developments, trained)
    passages = [
        (key, language, text)
        for development in developments
        for key, language, text in development.passages
        if (language, text) not in trained_on
    ]
    retrievable = {key for key, _, _ in passages}
    # A question has a row for each passage that answers it.
    queries: dict[tuple[str, str], str] = {}
    relevant: dict[str, set[str]] = {}
    clusters: dict[str, str] = {}
    for development in developments:
        rows = development.held_out
        for question, language, text, cluster in zip(
            rows.question_id, rows.language, rows.question, rows.clusters, strict=True
        ):
            if answers := development.relevant[question] & retrievable:
                queries.setdefault((question, language), text)
                relevant[question] = answers
                clusters.setdefault(question, cluster)
    if not queries:
        raise InputError(
            "no question is left to tune on: all passages that one data set of the mixture holds "
            "out are trained on in another; leave one of them out, or set tune_on to null"
        )
    rows_of_queries = [(*key, text) for key, text in queries.items()]
    return build_benchmark(
        name, rows_of_queries, passages, relevant, clusters=clusters, empty_pools=True
    )


def _trained_on(
    developments: Iterable[Development], trained: Iterable[Pairs]
) -> set[tuple[str, str]]:
    """The language and text of each passage of the pool that is trained on."""
    # Tables may have millions of rows, and a pool has few: looked up the other way round.
    pool = {
        (language, text)
        for development in developments
        for _, language, text in development.passages
    }
    tables = (zip(table.passage_languages, table.passage, strict=True) for table in trained)
    return {passage for passage in chain.from_iterable(tables) if passage in pool}


def _numbered(development: Development, number: int) -> Development:
    rows = development.held_out
    ids, clusters = (
        [f"{number}/{text}" for text in texts] for texts in (rows.question_id, rows.clusters)
    )
    return Development(
        Pairs(ids, ids, rows.language, rows.question, rows.passage, cluster=clusters),
        [(f"{number}/{key}", language, text) for key, language, text in development.passages],
        {
            f"{number}/{question}": {f"{number}/{key}" for key in keys}
            for question, keys in development.relevant.items()
        },
    )


def _with_copies(developments: Sequence[Development]) -> list[Development]:
    """Make copies of a relevant passage in other data sets relevant as well."""
    text_of: dict[str, tuple[str, str]] = {}
    keys_of: defaultdict[tuple[str, str], dict[int, list[str]]] = defaultdict(dict)
    for number, development in enumerate(developments):
        for key, language, text in development.passages:
            text_of[key] = (language, text)
            keys_of[language, text].setdefault(number, []).append(key)
    return [
        Development(
            development.held_out,
            development.passages,
            {
                question: keys.union(
                    copy
                    for key in keys
                    for other, copies in keys_of[text_of[key]].items()
                    if other != number
                    for copy in copies
                )
                for question, keys in development.relevant.items()
            },
        )
        for number, development in enumerate(developments)
    ]
