from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybridir import names
from hybridir.data.benchmark import Reading, build_benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark, load_lareqa_reading
from hybridir.errors import InputError
from hybridir.evaluation.reader.f1 import COLUMNS, gold_ranks, reader_table
from hybridir.evaluation.summary import macro_mean
from hybridir.retrieval.ranks import RelevantRanks

# Two sentences a paragraph; the second question has no answer in English.
BENCHMARK = build_benchmark(
    "two",
    queries=[("q1", "de", "wer?"), ("q2", "de", "wo?"), ("q1", "en", "who?")],
    passages=[("d1", "de", ""), ("d2", "de", ""), ("e1", "en", ""), ("e2", "en", "")],
    relevant={"q1": {"d1", "e2"}, "q2": {"d2"}},
)
READING = Reading(
    paragraphs={"d1": "P", "d2": "P", "e1": "R", "e2": "S"},
    answers={
        ("q1", "de"): ("der alte König",),
        ("q2", "de"): ("in Rom", "Rom"),
        ("q1", "en"): ("The old King!", "a king of old"),
    },
)
NOTHING = np.empty((0, 2), np.int32)
# First passages of the German and the English pool, and of both, for each query.
RANKS = RelevantRanks(
    NOTHING, np.array([[0, 2], [1, 3], [1, 3]], np.int32), np.array([0, 3, 3], np.int32)
)
ANSWERS = {
    ("wer?", "P"): "alte König",
    ("wer?", "R"): "old queen",
    ("wo?", "P"): "Rom.",
    ("wo?", "S"): "Rome",
    ("who?", "P"): "the König",
    ("who?", "S"): "Old king",
}


def look_up(questions: Sequence[str], paragraphs: Sequence[str]) -> list[str]:
    """A reader that knows every answer, and refuses repeated pairs."""
    pairs = list(zip(questions, paragraphs, strict=True))
    assert len(set(pairs)) == len(pairs)
    return [ANSWERS[pair] for pair in pairs]


def test_every_query_is_answered_from_the_first_passage_of_every_pool_with_an_answer() -> None:
    table = reader_table(BENCHMARK, READING, RANKS, look_up)
    assert table.columns.tolist() == list(COLUMNS)
    columns = ["setting", "question_id", "query_language", "pool_language", "answer"]
    assert list(table[columns].itertuples(index=False, name=None)) == [
        ("monolingual", "q1", "de", "de", "alte König"),
        ("monolingual", "q2", "de", "de", "Rom."),
        ("monolingual", "q1", "en", "en", "Old king"),
        ("crosslingual", "q1", "de", "en", "old queen"),
        ("crosslingual", "q1", "en", "de", "the König"),
        ("multilingual", "q1", "de", "all", "alte König"),
        ("multilingual", "q2", "de", "all", "Rome"),
        ("multilingual", "q1", "en", "all", "Old king"),
    ]
    assert (table.benchmark == "two").all()


def test_answers_are_held_against_the_gold_answers_in_the_language_of_the_passage() -> None:
    table = reader_table(BENCHMARK, READING, RANKS, look_up)
    assert table.reader_f1.tolist() == pytest.approx(
        [
            1,  # "der" is an article in German
            1,  # "Rom" is the second gold answer
            1,  # "the" and "!" do not count
            1 / 2,  # "old" of 2 and 2 words; with the other gold answer 2 / (2 + 3)
            1 / 2,  # "könig" of "the könig" and of "alte könig"
            1,
            0,  # nothing is right in English
            1,
        ]
    )
    # By SQuAD's rules "der" is a word in German, and "the" is none.
    assert table.reader_f1_squad.tolist() == pytest.approx(
        [2 * 2 / (2 + 3), 1, 1, 1 / 2, 2 / (1 + 3), 2 * 2 / (2 + 3), 0, 1]
    )
    assert table.reader_exact.tolist() == [1, 1, 1, 0, 0, 1, 0, 1]
    assert table.reader_exact_squad.tolist() == [0, 1, 1, 0, 0, 0, 0, 1]


def test_means_are_over_languages_and_pairs() -> None:
    table = reader_table(BENCHMARK, READING, RANKS, look_up)
    exact = {s: macro_mean(table, names.READER_EXACT, s) for s in names.SETTINGS}
    assert exact == pytest.approx(
        {"monolingual": 1, "crosslingual": 0, "multilingual": ((1 + 0) / 2 + 1) / 2}
    )


def test_nothing_is_read_from_a_pool_without_passages() -> None:
    ranks = replace(RANKS, top1_QL=np.array([[0, -1], [1, -1], [1, -1]], np.int32))
    table = reader_table(BENCHMARK, READING, ranks, look_up)
    assert set(table.pool_language) == {"de", "all"}


def test_passages_without_a_paragraph_are_refused() -> None:
    lacking = replace(READING, paragraphs={"d1": "P", "e1": "R", "e2": "S"})
    with pytest.raises(InputError, match=r"1 passages of two have no paragraph, e\.g\. 'd2'"):
        reader_table(BENCHMARK, lacking, RANKS, look_up)


def test_a_perfect_reader_of_perfect_ranks_is_right_about_all_of_mlqa_r(data_root: Path) -> None:
    languages = ["de", "es", "zh"]
    folder = data_root / "mlqa-r"
    benchmark = load_lareqa_benchmark("mlqa-r", folder, languages)
    reading = load_lareqa_reading(folder, languages)
    first_QL = np.full((len(benchmark.queries), len(languages)), -1, np.int32)
    first_QL[benchmark.relevant_queries, benchmark.relevant_languages] = benchmark.relevant
    # Where a question has nothing in a language, any passage may be first.
    ranks = RelevantRanks(NOTHING, np.where(first_QL < 0, 0, first_QL), first_QL.max(axis=1))
    gold = {}
    for query, question_id in enumerate(benchmark.question_ids):
        for passage in first_QL[query]:
            code = benchmark.languages[benchmark.passage_languages[passage]]
            if passage >= 0:
                text = reading.paragraphs[benchmark.passage_ids[passage]]
                gold[benchmark.queries[query], text] = reading.answers[question_id, code][0]
                assert gold[benchmark.queries[query], text] in text
    table = reader_table(
        benchmark, reading, ranks, lambda q, p: [gold[pair] for pair in zip(q, p, strict=True)]
    )
    # All of 512, 500 and 504 questions; in the pool of all, each once more.
    counts = table.setting.value_counts()
    assert counts["monolingual"] == counts["multilingual"] == 1516
    exact = [names.READER_EXACT, names.READER_EXACT_SQUAD, names.READER_F1_SQUAD]
    assert (table[exact] == 1).all(axis=None)
    # One Spanish answer is an article, which MLQA does not count: texts without words share none.
    assert set(table[table.reader_f1 != 1].answer) == {"una"}


def test_a_perfect_retriever_has_a_relevant_passage_first_in_each_pool_that_has_one() -> None:
    ranks = gold_ranks(BENCHMARK)
    # Relevant are d1 and e2 to q1, d2 to q2: passages 0 and 3, and 1. The queries are q1 and q2 in
    # German, and q1 in English.
    assert ranks.top1_QL.tolist() == [[0, 3], [1, -1], [0, 3]]
    assert ranks.top1_Q.tolist() == [0, 1, 3]
