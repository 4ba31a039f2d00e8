"""Effects of a tie, a duplicate, a missing gold sentence and a silent language on figures.

Two questions in German and English, three sentences a language in LAReQA's files; every figure is
worked out by hand. Sentences are ordered by score, equal ones by id, descending, as in trec_eval.
In the order of their ids: Nil (de-0000-0000-000), Rhein (-0000-001), Alpen (-0001-000), then Nile,
Rhine and Alps, whose ids begin with en.
"""

import json
from dataclasses import dataclass
from fractions import Fraction as F
from pathlib import Path

import numpy as np
import pytest

from hybridir import names
from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark
from hybridir.evaluation.language_bias import rank_distance
from hybridir.evaluation.per_query import per_query_table
from hybridir.evaluation.summary import macro_mean, summarise
from hybridir.retrieval import rank_embeddings

# The sentences of each paragraph. One question is asked of each; its first sentence answers it.
PARAGRAPHS = {"de": [["Nil.", "Rhein."], ["Alpen."]], "en": [["Nile.", "Rhine."], ["Alps."]]}
# End of each paragraph, outside of all sentences.
REMAINDER = " ?"
# Equal sentences have equal scores.
SCORES = {
    ("q1", "de"): {"Nil.": 0.9, "Rhein.": 0.5, "Alpen.": 0.1, "Nile.": 0.7, "Rhine.": 0.6},
    ("q2", "de"): {"Rhein.": 0.8, "Alpen.": 0.6, "Nil.": 0.2, "Rhine.": 0.5, "Alps.": 0.4},
    ("q1", "en"): {"Rhine.": 0.7, "Nile.": 0.6, "Alps.": 0.1, "Nil.": 0.5, "Rhein.": 0.3},
    ("q2", "en"): {"Alps.": 0.9, "Nile.": 0.2, "Rhine.": 0.1, "Alpen.": 0.6, "Nil.": 0.4},
}


@dataclass(frozen=True)
class Figures:
    """mAP, MRR and recall@1, each monolingual, cross-lingual and multilingual; rank distance."""

    map: tuple[F | None, ...]
    mrr: tuple[F | None, ...]
    recall: tuple[F | None, ...]
    distance: F | None


# By question     | own language       | the other language | all
# q1 in German    | Nil 1              | Nile 1             | Nil 1, Nile 2
# q2 in German    | Rhein, Alpen 2     | Rhine, Alps 2      | Rhein, Alpen 2, Rhine, Alps 4
# q1 in English   | Rhine, Nile 2      | Nil 1              | Rhine, Nile 2, Nil 3
# q2 in English   | Alps 1             | Alpen 1            | Alps 1, Alpen 2
#
# Monolingual: German (1 + 1/2) / 2 = 3/4, English (1/2 + 1) / 2 = 3/4.
# Cross-lingual: German to English (1 + 1/2) / 2 = 3/4, English to German 1; mean 7/8.
# Of all: AP 1, (1/2 + 2/4) / 2 = 1/2, (1/2 + 2/3) / 2 = 7/12, 1; German 3/4, English 19/24.
# RR of all: 1, 1/2, 1/2, 1. Recall@1 of all, two being relevant: 1/2, 0, 0, 1/2.
# Distance: 2-1, 4-2, 3-2, 2-1; German 3/2, English 1.
BASE = Figures(
    map=(F(3, 4), F(7, 8), F(37, 48)),
    mrr=(F(3, 4), F(7, 8), F(3, 4)),
    recall=(F(1, 2), F(3, 4), F(1, 4)),
    distance=F(5, 4),
)


def lareqa(
    folder: Path,
    paragraphs: dict[str, list[list[str]]] = PARAGRAPHS,
    without_gold: tuple[tuple[str, str], ...] = (),
) -> Benchmark:
    """Write LAReQA's files and load them; an answer without gold is at a paragraph's end."""
    for language, texts in paragraphs.items():
        written = []
        for number, sentences in enumerate(texts, start=1):
            starts = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)]).tolist()
            context = " ".join(sentences) + REMAINDER
            start = len(context) - 1 if (f"q{number}", language) in without_gold else 0
            answer = {"text": context[start], "answer_start": start}
            breaks = [
                [at, at + len(sentence)] for at, sentence in zip(starts, sentences, strict=False)
            ]
            question = {"id": f"q{number}", "question": "?", "answers": [answer]}
            written.append({"context": context, "sentence_breaks": breaks, "qas": [question]})
        content = {"data": [{"paragraphs": written}]}
        (folder / f"{language}.json").write_text(json.dumps(content), "utf-8")
    return load_lareqa_benchmark("small", folder)


def figures(
    benchmark: Benchmark, scores: dict[tuple[str, str], dict[str, float]] = SCORES
) -> Figures:
    """Rank and average as an evaluation does, with vectors that give these scores."""
    scores_of_queries = [
        scores[question, benchmark.languages[code]]
        for question, code in zip(benchmark.question_ids, benchmark.query_languages, strict=True)
    ]
    queries = np.eye(len(scores_of_queries), dtype=np.float32)
    passages = [
        [by_text.get(text, 0.0) for by_text in scores_of_queries] for text in benchmark.passages
    ]
    ranks = rank_embeddings(benchmark, queries, np.array(passages, dtype=np.float32))
    table = per_query_table(benchmark, ranks, set(benchmark.languages))
    summary = summarise(table)
    mean_distance = rank_distance(table)
    distance = None if np.isnan(mean_distance) else F(mean_distance).limit_denominator(1000)
    assert summary.get("small/rank_distance") == (
        None if distance is None else pytest.approx(float(distance))
    )

    def means(measure: str) -> tuple[F | None, ...]:
        values = [macro_mean(table, measure, setting) for setting in names.SETTINGS]
        if measure == names.AP:
            summarised = [summary.get(f"small/map_{setting}") for setting in names.SETTINGS]
            assert summarised == [None if np.isnan(mean) else mean for mean in values]
        exact = [None if np.isnan(mean) else F(mean).limit_denominator(1000) for mean in values]
        assert [float(mean) for mean in exact if mean is not None] == pytest.approx(
            [mean for mean in values if not np.isnan(mean)], abs=1e-12
        )
        return tuple(exact)

    return Figures(means(names.AP), means(names.RR), means(names.RECALL_AT_1), distance)


def test_without_a_change_figures_are_those_worked_out_above(tmp_path: Path) -> None:
    assert figures(lareqa(tmp_path)) == BASE


def test_a_tie_with_a_higher_id_costs_the_gold_sentence_its_rank(tmp_path: Path) -> None:
    # Rhine rises to the .7 of Nile for the German q1. Its id is higher, so Nile goes from 1 to 2
    # in English, and from 2 to 3 in all. Monolingual figures stay.
    # Cross-lingual: German to English (1/2 + 1/2) / 2 = 1/2; mean 3/4. Recall@1 there 0; mean 1/2.
    # Of all: AP of the German q1 (1 + 2/3) / 2 = 5/6; German 2/3, English 19/24 as before.
    # RR and recall@1 of all look at the first gold sentence alone: as before.
    # Distance 3-1; German (2 + 2) / 2 = 2, English 1.
    tied = {**SCORES, ("q1", "de"): {**SCORES["q1", "de"], "Rhine.": 0.7}}
    assert figures(lareqa(tmp_path), tied) == Figures(
        map=(F(3, 4), F(3, 4), F(35, 48)),
        mrr=(F(3, 4), F(3, 4), F(3, 4)),
        recall=(F(1, 2), F(1, 2), F(1, 4)),
        distance=F(3, 2),
    )


def test_a_tie_with_a_lower_id_gives_the_gold_sentence_the_better_rank(tmp_path: Path) -> None:
    # Alps rises to the .5 of Rhine for the German q2. Its id is higher, so it goes from 2 to 1
    # in English, and from 4 to 3 in all.
    # Cross-lingual: German to English (1 + 1) / 2 = 1; mean 1, and so are MRR and recall@1.
    # Of all: AP of the German q2 (1/2 + 2/3) / 2 = 7/12; German (1 + 7/12) / 2 = 19/24.
    # Distance 3-2; German (1 + 1) / 2 = 1, English 1.
    tied = {**SCORES, ("q2", "de"): {**SCORES["q2", "de"], "Alps.": 0.5}}
    assert figures(lareqa(tmp_path), tied) == Figures(
        map=(F(3, 4), F(1), F(19, 24)),
        mrr=(F(3, 4), F(1), F(3, 4)),
        recall=(F(1, 2), F(1), F(1, 4)),
        distance=F(1),
    )


def test_a_copy_of_the_gold_sentence_in_another_paragraph_is_a_wrong_answer(
    tmp_path: Path,
) -> None:
    # Nile stands behind Alps as well: a candidate with the score of the gold sentence, a higher id
    # and no relevance. Ranks of q1: German to English 1 to 2, English 2 to 3;
    # of all: German Nil 1, copy, Nile 3; English Rhine, copy, Nile 3, Nil 4.
    # Monolingual: English (1/3 + 1) / 2 = 2/3; mean (3/4 + 2/3) / 2 = 17/24. Recall@1 as before.
    # Cross-lingual: German to English (1/2 + 1/2) / 2 = 1/2; mean 3/4. Recall@1 (0 + 1) / 2.
    # Of all: AP (1 + 2/3) / 2 = 5/6, 1/2, (1/3 + 2/4) / 2 = 5/12, 1; German 2/3, English 17/24.
    # RR of all: 1, 1/2, 1/3, 1; German 3/4, English 2/3.
    # Distance: 3-1, 4-2, 4-3, 2-1; German 2, English 1.
    paragraphs = {**PARAGRAPHS, "en": [["Nile.", "Rhine."], ["Alps.", "Nile."]]}
    assert figures(lareqa(tmp_path, paragraphs)) == Figures(
        map=(F(17, 24), F(3, 4), F(11, 16)),
        mrr=(F(17, 24), F(3, 4), F(17, 24)),
        recall=(F(1, 2), F(1, 2), F(1, 4)),
        distance=F(3, 2),
    )


def test_a_copy_of_the_gold_sentence_in_its_own_paragraph_is_a_right_answer(
    tmp_path: Path,
) -> None:
    # Nile stands behind Rhine as well, and q1 has two relevant sentences in English, three in all.
    # Ranks of q1: German to English 1 and 2; English Rhine, 2 and 3; of all: German Nil 1, 2, 3;
    # English Rhine, 2, 3, Nil 4.
    # Monolingual: AP of the English q1 (1/2 + 2/3) / 2 = 7/12; English 19/24, German 3/4.
    # Cross-lingual: AP and RR of the German q1 stay 1; its recall@1 is 1/2: mean (1/4 + 1) / 2.
    # Of all: AP 1, 1/2, (1/2 + 2/3 + 3/4) / 3 = 23/36, 1; German 3/4, English 59/72.
    # Recall@1 of all: 1/3, 0, 0, 1/2; German 1/6, English 1/4.
    # Distance: 3-1, 4-2, 4-2, 2-1; German 2, English 3/2.
    paragraphs = {**PARAGRAPHS, "en": [["Nile.", "Rhine.", "Nile."], ["Alps."]]}
    assert figures(lareqa(tmp_path, paragraphs)) == Figures(
        map=(F(37, 48), F(7, 8), F(113, 144)),
        mrr=(F(3, 4), F(7, 8), F(3, 4)),
        recall=(F(1, 2), F(5, 8), F(5, 24)),
        distance=F(7, 4),
    )


def test_a_question_without_a_gold_sentence_is_left_out_in_its_language_alone(
    tmp_path: Path,
) -> None:
    # The answer to the English q2 is in no sentence: the question is not asked in English, and
    # Alps is relevant to nobody, though still a candidate.
    # Monolingual: German 3/4, English 1/2 of q1 alone; mean 5/8. Recall@1 (1/2 + 0) / 2.
    # Cross-lingual: q1 alone in both directions, 1 and 1.
    # Of all: AP 1, 1/2 (Alpen at 2, the only one), 7/12; German 3/4, English 7/12; mean 2/3.
    # RR of all: 1, 1/2, 1/2; (3/4 + 1/2) / 2. Recall@1: 1/2, 0, 0; (1/4 + 0) / 2.
    # Distance: 2-1, none of q2, which has one relevant passage, 3-2; German 1, English 1.
    benchmark = lareqa(tmp_path, without_gold=(("q2", "en"),))
    assert (len(benchmark.queries), len(benchmark.passages)) == (3, 6)
    assert figures(benchmark) == Figures(
        map=(F(5, 8), F(1), F(2, 3)),
        mrr=(F(5, 8), F(1), F(5, 8)),
        recall=(F(1, 4), F(1), F(1, 8)),
        distance=F(1),
    )


def test_a_language_without_a_query_is_no_part_of_any_mean(tmp_path: Path) -> None:
    # Nobody asks in English; its sentences are candidates, and relevant as before.
    # Monolingual: German 3/4 alone. Cross-lingual: German to English 3/4 alone.
    # Recall@1: (1 + 0) / 2 in both.
    # Of all: German 3/4, RR (1 + 1/2) / 2, recall@1 (1/2 + 0) / 2, distance (1 + 2) / 2.
    parallel = lareqa(tmp_path)
    languages = [parallel.languages[code] for code in parallel.passage_languages]
    benchmark = build_benchmark(
        "small",
        [("q1", "de", "?"), ("q2", "de", "?")],
        zip(parallel.passage_ids, languages, parallel.passages, strict=True),
        {
            "q1": {"de-0000-0000-000", "en-0000-0000-000"},
            "q2": {"de-0000-0001-000", "en-0000-0001-000"},
        },
    )
    assert figures(benchmark) == Figures(
        map=(F(3, 4), F(3, 4), F(3, 4)),
        mrr=(F(3, 4), F(3, 4), F(3, 4)),
        recall=(F(1, 2), F(1, 2), F(1, 4)),
        distance=F(3, 2),
    )


def test_a_language_without_a_gold_sentence_has_no_cross_lingual_figure(tmp_path: Path) -> None:
    # As above, and nothing English is relevant: no pair of languages has a question. Of all, Nil
    # is at 1 and Alpen at 2: AP and RR (1 + 1/2) / 2, recall@1 (1 + 0) / 2, no distance.
    benchmark = lareqa(tmp_path, without_gold=(("q1", "en"), ("q2", "en")))
    assert figures(benchmark) == Figures(
        map=(F(3, 4), None, F(3, 4)),
        mrr=(F(3, 4), None, F(3, 4)),
        recall=(F(1, 2), None, F(1, 2)),
        distance=None,
    )
