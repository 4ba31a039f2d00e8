"""End-to-end answer F1: the answers that a reader gives from the paragraph that ranks first.

The reader gets the paragraph of a pool's first-ranked passage and the question in its own
language. Its answer is compared with the gold answers in the language of that passage, by the
rules of SQuAD v1.1 (arXiv 1606.05250) and of MLQA (arXiv 1910.07475), see
`hybridir.evaluation.answer_f1`.
Thai answers are split at white space by both, as by XQuAD's own evaluation.
Applying them to pools of several languages is the project's own.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pandas as pd

from hybridir import names
from hybridir.data import Benchmark
from hybridir.data.benchmark import Reading
from hybridir.errors import InputError
from hybridir.evaluation.answer_f1 import mlqa_words, squad_words, token_f1
from hybridir.retrieval.ranks import RelevantRanks

Read = Callable[[Sequence[str], Sequence[str]], Sequence[str]]
"""Answers each question from the paragraph of the same number."""

COLUMNS = (
    names.BENCHMARK,
    names.SETTING,
    names.QUERY_LANGUAGE,
    names.POOL_LANGUAGE,
    names.QUESTION_ID,
    *names.READER_MEASURES,
    names.ANSWER,
)


def reader_table(
    benchmark: Benchmark,
    reading: Reading,
    ranks: RelevantRanks,
    read: Read,
    settings: Collection[str] = names.SETTINGS,
) -> pd.DataFrame:
    """Let a reader answer every query from the first passage of every pool.

    In a pool of one language a query counts if its question has an answer in that language.
    In the pool of all languages the gold answers are those in the language of the first-ranked
    passage; a question without an answer in that language scores 0.

    Args:
        benchmark: queries and pools.
        reading: paragraphs and gold answers of the same data.
        ranks: from `hybridir.retrieval`; only the first passages count.
        read: for example ``partial(read_answers, load_reader(path))`` of
            `hybridir.evaluation.reader.model`; called once, with distinct pairs of a question and
            a paragraph.
        settings: settings to read in; all by default.

    Returns:
        The columns `COLUMNS`, a row for each query and pool, the settings one after the other:
        the best F1 and the best exact match (0 or 1) over the gold answers, by MLQA's and by
        SQuAD's rules. The pool language is ``"all"`` in the multilingual setting.
        `hybridir.evaluation.summary.macro_mean` gives the means.

    Raises:
        InputError: if a passage of the benchmark has no paragraph.
    """
    missing = [key for key in benchmark.passage_ids if key not in reading.paragraphs]
    if missing:
        raise InputError(
            f"{len(missing)} passages of {benchmark.name} have no paragraph, e.g. {missing[0]!r}; "
            "load both from the same folder, in the same languages"
        )
    rows = [row for row in _rows(benchmark, reading, ranks) if row[0] in settings]
    pairs = [
        (benchmark.queries[query], reading.paragraphs[benchmark.passage_ids[passage]])
        for _, query, _, passage in rows
    ]
    distinct = list(dict.fromkeys(pairs))
    texts = read([question for question, _ in distinct], [text for _, text in distinct])
    answers = dict(zip(distinct, texts, strict=True))
    scored = []
    for (setting, query, pool, passage), pair in zip(rows, pairs, strict=True):
        question_id = benchmark.question_ids[query]
        language = benchmark.languages[benchmark.passage_languages[passage]]
        gold = reading.answers.get((question_id, language), ())
        query_language = benchmark.languages[benchmark.query_languages[query]]
        keys = (benchmark.name, setting, query_language, pool, question_id)
        scored.append((*keys, *_measures(answers[pair], gold, language), answers[pair]))
    table = pd.DataFrame(scored, columns=list(COLUMNS))
    return table.astype(dict.fromkeys(COLUMNS[:5], "category"))


def gold_ranks(benchmark: Benchmark) -> RelevantRanks:
    """Ranks of a perfect retriever: in each pool, a relevant passage is first.

    With them `reader_table` reads the gold paragraphs, which is the ceiling of every retriever in
    the monolingual setting.

    Args:
        benchmark: queries and pools.

    Returns:
        First passages alone, -1 in a pool without a relevant one. The first passage of all pools
        is that of the query's own, where it has one.
    """
    top1_QL = np.full((len(benchmark.queries), len(benchmark.languages)), -1, np.int32)
    top1_QL[benchmark.relevant_queries, benchmark.relevant_languages] = benchmark.relevant
    own_Q = np.take_along_axis(top1_QL, benchmark.query_languages[:, None], axis=1)[:, 0]
    top1_Q = np.where(own_Q >= 0, own_Q, top1_QL.max(axis=1))
    return RelevantRanks(np.empty((0, len(benchmark.languages)), np.int32), top1_QL, top1_Q)


def _rows(
    benchmark: Benchmark, reading: Reading, ranks: RelevantRanks
) -> list[tuple[str, int, str, int]]:
    """(setting, query, pool language, first passage), in the order of the settings."""
    rows = []
    for query, question_id in enumerate(benchmark.question_ids):
        own = benchmark.query_languages[query]
        for language, code in enumerate(benchmark.languages):
            passage = int(ranks.top1_QL[query, language])
            if (question_id, code) in reading.answers and passage >= 0:
                setting = names.MONOLINGUAL if language == own else names.CROSSLINGUAL
                rows.append((setting, query, code, passage))
        first = int(ranks.top1_Q[query])
        rows.append((names.MULTILINGUAL, query, names.ALL_LANGUAGES, first))
    return sorted(rows, key=lambda row: names.SETTINGS.index(row[0]))


def _measures(answer: str, gold: Sequence[str], language: str) -> tuple[float, ...]:
    """The values of `names.READER_MEASURES`."""
    mlqa, squad = mlqa_words(answer, language), squad_words(answer)
    by_mlqa = [mlqa_words(text, language) for text in gold]
    by_squad = [squad_words(text) for text in gold]
    return (
        max((token_f1(mlqa, words) for words in by_mlqa), default=0.0),
        max((token_f1(squad, words) for words in by_squad), default=0.0),
        float(mlqa in by_mlqa),
        float(squad in by_squad),
    )
