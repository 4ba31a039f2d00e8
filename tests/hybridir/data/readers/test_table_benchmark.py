import logging
from pathlib import Path

import pytest

from hybridir.data.benchmark import Benchmark
from hybridir.data.readers.table_benchmark import load_table_benchmark
from hybridir.errors import InputError

HEADER = "question_id,language,question,passage"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def relevant(benchmark: Benchmark) -> dict[tuple[str, str], set[str]]:
    """(Question id, language) -> texts of the relevant passages."""
    texts: dict[tuple[str, str], set[str]] = {}
    for query, (low, high) in enumerate(
        zip(benchmark.relevant_offsets[:-1], benchmark.relevant_offsets[1:], strict=True)
    ):
        code = benchmark.languages[benchmark.query_languages[query]]
        passages = {benchmark.passages[index] for index in benchmark.relevant[low:high]}
        texts[benchmark.question_ids[query], code] = passages
    return texts


def pools(benchmark: Benchmark) -> dict[str, list[str]]:
    return {
        code: [
            text
            for text, number in zip(benchmark.passages, benchmark.passage_languages, strict=True)
            if benchmark.languages[number] == code
        ]
        for code in benchmark.languages
    }


def test_what_answers_a_question_in_any_language_is_relevant(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        HEADER,
        "q1,en,Who?,Ann.",
        "q1,en,Who?,It was Ann.",  # a second passage of the question
        "q1,de,Wer?,Anna.",
        "q2,en,Where?,Ann.",  # a second question of the passage
        "q3,fr,Quand ?,Hier.",
    )
    benchmark = load_table_benchmark("mine", path)
    assert pools(benchmark) == {"de": ["Anna."], "en": ["Ann.", "It was Ann."], "fr": ["Hier."]}
    assert relevant(benchmark) == {
        ("q1", "de"): {"Ann.", "It was Ann.", "Anna."},
        ("q1", "en"): {"Ann.", "It was Ann.", "Anna."},
        ("q2", "en"): {"Ann."},
        ("q3", "fr"): {"Hier."},
    }
    # q1 and q2 have a passage in common, and so are one cluster.
    clusters = dict(zip(benchmark.question_ids, benchmark.clusters, strict=True))
    assert clusters["q1"] == clusters["q2"] != clusters["q3"]


def test_further_passages_are_in_the_pools_and_answer_by_their_group(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv", f"{HEADER},passage_group", "q1,en,Who?,Ann.,a", "q2,en,Me?,You.,b"
    )
    more = write(
        tmp_path / "more.tsv",
        "language\tpassage\tpassage_group",
        "en\tNobody.\t",
        "en\tAnn.\t",  # in the table already
        "fr\tAnne.\ta",  # a translation of the answer to q1
        "fr\tPersonne.\t",
        "fr\tPersonne.\t",
    )
    benchmark = load_table_benchmark("mine", path, more)
    assert pools(benchmark) == {
        "en": ["Ann.", "You.", "Nobody."],
        "fr": ["Anne.", "Personne."],
    }
    assert relevant(benchmark) == {("q1", "en"): {"Ann.", "Anne."}, ("q2", "en"): {"You."}}
    english = load_table_benchmark("mine", path, more, ["en"])
    assert (english.languages, relevant(english)["q1", "en"]) == (("en",), {"Ann."})


def test_groups_of_further_passages_that_answer_nothing_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "mine.csv", HEADER, "q1,en,Who?,Ann.")
    more = write(tmp_path / "more.csv", "language,passage,passage_group", "fr,Anne.,1", "fr,B.,2")
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        benchmark = load_table_benchmark("mine", path, more)
    assert relevant(benchmark) == {("q1", "en"): {"Ann."}}
    assert "none of its 2 passage groups, such as '1', is one of" in caplog.text


def test_passages_of_one_named_group_are_translations_of_each_other(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mine.csv",
        f"{HEADER},passage_group,cluster",
        "1,en,Who?,Ann.,3.0,x",
        "2,de,Wer?,Anna.,3.0,x",
        "3,de,Wo?,Hier.,,y",
    )
    benchmark = load_table_benchmark("mine", path)
    assert relevant(benchmark)["1", "en"] == relevant(benchmark)["2", "de"] == {"Ann.", "Anna."}
    assert set(benchmark.clusters) == {"x", "y"}


def test_questions_may_have_their_passages_in_another_language_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", f"{HEADER},passage_language", "q1,yo,Ta ni?,Ann.,en")
    benchmark = load_table_benchmark("mine", path)
    assert pools(benchmark) == {"en": ["Ann."], "yo": []}
    assert relevant(benchmark) == {("q1", "yo"): {"Ann."}}


def test_blanks_at_the_end_make_no_other_passage(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", HEADER, "q1,en,Who?,Ann.", "q1,en,Who?,Ann. ")
    benchmark = load_table_benchmark("mine", path)
    assert pools(benchmark) == {"en": ["Ann."]}
    assert relevant(benchmark) == {("q1", "en"): {"Ann."}}


def test_bad_rows_of_both_files_stop_the_work_or_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "mine.csv", HEADER, "q1,en,Who?,Ann.", "q1,en,Which?,Bea.")
    more = write(tmp_path / "more.csv", "language,passage", "x/x,Nobody.", "en,\u200b", "en,Eve.")
    with pytest.raises(InputError, match=r"mine.csv has 1 bad row of 2.*skip_bad: true.*another"):
        load_table_benchmark("mine", path)
    good = write(tmp_path / "good.csv", HEADER, "q1,en,Who?,Ann.")
    with pytest.raises(InputError, match=r"more\.csv has 2 bad rows of 3") as caught:
        load_table_benchmark("mine", good, more)
    assert "line 2: 'x/x' is no language code" in str(caught.value)
    assert "line 3: empty passage" in str(caught.value)
    with caplog.at_level(logging.WARNING, logger="hybridir"):
        benchmark = load_table_benchmark("mine", path, more, skip_bad=True)
    assert pools(benchmark) == {"en": ["Ann.", "Eve."]}
    assert "2 bad rows of 3 dropped" in caplog.text


@pytest.mark.parametrize("languages", [["fr"], ["en", "fr"], []])
def test_languages_that_are_not_there_are_named(tmp_path: Path, languages: list[str]) -> None:
    path = write(tmp_path / "mine.csv", HEADER, "q1,en,Who?,Ann.")
    with pytest.raises(InputError, match="languages that are there: en"):
        load_table_benchmark("mine", path, None, languages)
