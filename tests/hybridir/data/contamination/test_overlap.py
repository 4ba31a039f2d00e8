import random
from dataclasses import replace
from pathlib import Path

import pytest

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.contamination.overlap import Overlap, find_overlaps
from hybridir.data.pairs import Pairs
from hybridir.data.readers.lareqa import load_lareqa_benchmark, load_lareqa_pairs

SENTENCE = "one two three four five six seven eight nine ten eleven"  # 11 words: 4 n-grams of 8


def pairs_of(questions: list[str], passages: list[str]) -> Pairs:
    ids = [f"t{row}" for row in range(len(questions))]
    return Pairs(ids, ids, ["en"] * len(ids), questions, passages)


def benchmark_of(question: str, passage: str) -> Benchmark:
    return build_benchmark("small", [("q", "en", question)], [("p", "en", passage)], {"q": {"p"}})


def summary(overlaps: tuple[Overlap, ...]) -> list[tuple[str, str, int]]:
    return [(overlap.kind, overlap.match, overlap.count) for overlap in overlaps]


@pytest.mark.parametrize(
    ("passage", "expected"),
    [
        (f"before it {SENTENCE} and behind", [("passages", "8-grams", 1)]),
        # 3 of 4 n-grams: .75
        (SENTENCE.replace("eleven", "twelve"), [("passages", "8-grams", 1)]),
        # 2 of 4 n-grams: .5
        (SENTENCE.replace("ten eleven", "11 12"), []),
        (SENTENCE.upper().replace(" ", ", "), [("passages", "same words", 1)]),
    ],
)
def test_share_of_known_ngrams_decides(passage: str, expected: list[tuple[str, str, int]]) -> None:
    trained = pairs_of(["unlike"], [passage])
    assert summary(find_overlaps(trained, [benchmark_of("alone?", SENTENCE)])) == expected


def test_passages_that_tuning_retrieves_from_count_by_their_ngrams_alone() -> None:
    trained, pool = pairs_of(["unlike"], ["other"]), [SENTENCE, "citation needed"]
    long, short = benchmark_of("alone?", SENTENCE), benchmark_of("alone?", "[citation needed]")
    assert summary(find_overlaps(trained, [long], pool)) == [("passages", "8-grams", 1)]
    assert find_overlaps(trained, [short], pool) == ()
    assert find_overlaps(trained, [long, short]) == ()


def test_ngrams_may_come_from_several_texts() -> None:
    halves = [SENTENCE.removesuffix(" eleven"), SENTENCE.removeprefix("one ")]  # 3 and 3 n-grams
    trained = pairs_of(["unlike", "other"], halves)
    overlaps = find_overlaps(trained, [benchmark_of("alone?", SENTENCE)])
    assert summary(overlaps) == [("passages", "8-grams", 1)]


def test_questions_are_compared_with_questions_and_passages_with_passages() -> None:
    crossed = pairs_of([SENTENCE], ["who is it?"])
    assert find_overlaps(crossed, [benchmark_of("who is it?", SENTENCE)]) == ()


def test_english_passages_of_questions_in_another_language_are_compared_as_well() -> None:
    trained = replace(pairs_of(["unlike"], [SENTENCE]), language=["yo"], passage_language=["en"])
    overlaps = find_overlaps(trained, [benchmark_of("alone?", SENTENCE)])
    assert summary(overlaps) == [("passages", "same words", 1)]


def test_short_texts_count_if_they_are_equal_and_wordless_ones_never() -> None:
    trained = pairs_of(["WHO?"], ["..."])
    overlaps = find_overlaps(trained, [benchmark_of("who", "!")])
    assert summary(overlaps) == [("questions", "same words", 1)]
    assert str(overlaps[0]) == "small: 1 of 1 questions (same words), e.g. 'who'"


def test_of_a_large_collection_the_relevant_passages_alone_are_compared() -> None:
    extra = [(f"p{number}", "en", f"text {number}") for number in range(10)]
    trained = pairs_of(["unlike"] * 2, ["text 0", "answer"])
    for unanswering, expected in (
        (extra[:9], [("passages", "same words", 2)]),
        (extra, [("relevant passages", "same words", 1)]),
    ):
        benchmark = build_benchmark(
            "small", [("q", "en", "who?")], [("p", "en", "answer"), *unanswering], {"q": {"p"}}
        )
        # 1 relevant of 10 is a tenth, 1 of 11 is less.
        assert summary(find_overlaps(trained, [benchmark])) == expected


def test_overlaps_name_their_benchmark() -> None:
    trained = pairs_of(["who?"], ["unlike"])
    first, second = benchmark_of("what?", "a"), benchmark_of("who?", "b")
    (overlap,) = find_overlaps(trained, [first, replace(second, name="second")])
    assert (overlap.benchmark, overlap.kind) == ("second", "questions")
    assert find_overlaps(trained, []) == ()


def test_ids_that_users_chose_count_unless_they_name_other_questions() -> None:
    benchmark = benchmark_of("Where does the Nile end?", "In a delta.")

    def found(question: str, language: str = "en") -> list[tuple[str, str, int]]:
        trained = Pairs(["q"], ["q"], [language], [question], ["unlike"])
        assert summary(find_overlaps(trained, [benchmark])) == [("question ids", "same id", 1)]
        return summary(find_overlaps(trained, [benchmark], chosen_ids=["small"]))

    assert found("Who painted it?") == []
    # Another translation of the question, and a language in which nothing can be compared.
    assert found("Where is the end of the Nile?") == [("question ids", "same id", 1)]
    assert found("Wer hat es gemalt?", "de") == [("question ids", "same id", 1)]


@pytest.mark.slow
def test_planted_questions_are_found_in_a_large_table(data_root: Path) -> None:
    benchmark = load_lareqa_benchmark("xquad-r", data_root / "xquad-r")
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnop", k=rng.randint(2, 9))) for _ in range(5000)]
    questions = [" ".join(rng.choices(words, k=9)) + "?" for _ in range(100_000)]
    planted = rng.sample(range(len(benchmark.queries)), 10)
    for row, query in zip(rng.sample(range(100_000), 10), planted, strict=True):
        changed = benchmark.queries[query].lower().rstrip("?؟？")
        questions[row] = " - ".join(changed.split(" ")) + " !"
    overlaps = find_overlaps(pairs_of(questions, questions), [benchmark])
    # 10 questions, and those of the benchmark with the same words as one of them.
    distinct = {benchmark.queries[query] for query in planted}
    expected = sum(text in distinct for text in benchmark.queries)
    assert summary(overlaps) == [("questions", "same words", expected)]


@pytest.mark.long
def test_mlqa_r_and_xquad_r_share_two_short_hindi_sentences_and_nothing_that_is_trained_on(
    data_root: Path,
) -> None:
    xquad = load_lareqa_benchmark("xquad-r", data_root / "xquad-r")
    assert find_overlaps(load_lareqa_pairs(data_root / "mlqa-r"), [xquad]) == ()
    mlqa = load_lareqa_benchmark("mlqa-r", data_root / "mlqa-r")
    assert find_overlaps(load_lareqa_pairs(data_root / "xquad-r"), [mlqa]) == ()
    everything = pairs_of([""] * len(mlqa.passages), list(mlqa.passages))
    overlaps = find_overlaps(everything, [xquad])
    assert summary(overlaps) == [("passages", "same words", 2)]
    assert set(overlaps[0].examples) == {"ए.", "[उद्धरण वांछित]"}
