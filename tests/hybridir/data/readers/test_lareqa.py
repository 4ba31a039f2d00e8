import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hybridir.data.readers.lareqa import (
    load_lareqa,
    load_lareqa_benchmark,
    load_lareqa_pairs,
    load_lareqa_reading,
)
from hybridir.errors import InputError

# Counts as published with the data sets: language -> (questions, candidates).
PUBLISHED = {
    "xquad-r": {
        "ar": (1190, 1222),
        "de": (1190, 1276),
        "el": (1190, 1234),
        "en": (1190, 1180),
        "es": (1190, 1215),
        "hi": (1190, 1244),
        "ru": (1190, 1219),
        "th": (1190, 852),
        "tr": (1190, 1167),
        "vi": (1190, 1209),
        "zh": (1190, 1196),
    },
    "mlqa-r": {
        "ar": (517, 2545),
        "de": (512, 2362),
        "en": (1148, 6264),
        "es": (500, 1787),
        "hi": (507, 2426),
        "vi": (511, 2828),
        "zh": (504, 2322),
    },
}


@pytest.mark.parametrize(("name", "candidates"), [("xquad-r", 13_014), ("mlqa-r", 20_534)])
def test_published_counts_are_reproduced_for_every_language(
    data_root: Path, name: str, candidates: int
) -> None:
    benchmark = load_lareqa_benchmark(name, data_root / name)
    questions = np.bincount(benchmark.query_languages)
    pools = np.diff(benchmark.pool_offsets)
    counts = dict(zip(benchmark.languages, zip(questions, pools, strict=True), strict=True))
    assert counts == PUBLISHED[name]
    assert len(benchmark.passages) == candidates


def test_english_questions_of_xquad_r_share_787_gold_sentences(data_root: Path) -> None:
    benchmark = load_lareqa_benchmark("xquad-r", data_root / "xquad-r", ["en"])
    assert len(benchmark.queries) == 1190
    assert len(set(benchmark.relevant.tolist())) == 787


def test_every_xquad_r_question_has_one_relevant_passage_in_each_language(data_root: Path) -> None:
    benchmark = load_lareqa_benchmark("xquad-r", data_root / "xquad-r")
    assert set(np.diff(benchmark.relevant_offsets)) == {11}


@pytest.mark.parametrize(
    ("languages", "monolingual", "cross_lingual"),
    [(None, 4199, 11_548), (["en", "de", "es", "vi"], 2671, 4180)],
)
def test_pairs_of_mlqa_r_number_as_reported(
    data_root: Path, languages: list[str] | None, monolingual: int, cross_lingual: int
) -> None:
    pairs = load_lareqa_pairs(data_root / "mlqa-r", languages)
    translations = Counter(pairs.question_id).values()
    assert len(pairs) == monolingual
    assert sum(count * (count - 1) for count in translations) == cross_lingual


def test_training_and_evaluation_sets_share_no_question(data_root: Path) -> None:
    mlqa = load_lareqa_pairs(data_root / "mlqa-r", ["en"])
    xquad = load_lareqa_pairs(data_root / "xquad-r", ["en"])
    assert not set(mlqa.question_id) & set(xquad.question_id)


@pytest.mark.slow
def test_passage_groups_are_the_components_that_scipy_finds(data_root: Path) -> None:
    # Rows are joined where they share their question id, or passage and paragraph in a language.
    # A passage is told by its language and text here; no article of XQuAD-R repeats another's.
    pairs = load_lareqa_pairs(data_root / "xquad-r")
    names = [*pairs.question_id, *map("\t".join, zip(pairs.language, pairs.passage, strict=True))]
    _, node = np.unique(names, return_inverse=True)
    ends = node[: len(pairs)], node[len(pairs) :]
    size = node.max() + 1
    graph = coo_array((np.ones(len(pairs)), ends), shape=(size, size))
    count, label = connected_components(graph, directed=False)
    row_label = label[ends[0]]
    assert len(set(pairs.passage_group)) == count
    assert len(set(zip(pairs.passage_group, row_label, strict=True))) == count


@pytest.mark.parametrize(("name", "articles"), [("xquad-r", 48), ("mlqa-r", 520)])
@pytest.mark.slow
def test_clusters_are_the_articles_that_questions_connect(
    data_root: Path, name: str, articles: int
) -> None:
    """XQuAD has 48 articles; MLQA-R's 520 English ones have all its questions."""
    benchmark = load_lareqa_benchmark(name, data_root / name)
    asked = set(zip(benchmark.question_ids, benchmark.query_languages.tolist(), strict=True))
    rows = []  # a question, and its article in one language
    for number, code in enumerate(benchmark.languages):
        top = json.loads((data_root / name / f"{code}.json").read_text("utf-8"))
        for a, article in enumerate(top["data"]):
            ids = [qa["id"] for paragraph in article["paragraphs"] for qa in paragraph["qas"]]
            rows += [(key, f"{code} {a}") for key in ids if (key, number) in asked]
    node = {text: position for position, text in enumerate({text for row in rows for text in row})}
    ends = ([node[row[0]] for row in rows], [node[row[1]] for row in rows])
    graph = coo_array((np.ones(len(rows)), ends), shape=(len(node), len(node)))
    count, label = connected_components(graph, directed=False)
    assert benchmark.n_clusters == count == articles
    components = {label[node[key]] for key in benchmark.question_ids}
    pairs_of_labels = {
        (cluster, label[node[key]])
        for key, cluster in zip(benchmark.question_ids, benchmark.clusters, strict=True)
    }
    assert len(pairs_of_labels) == len(components) == articles
    pairs = load_lareqa_pairs(data_root / name)
    assert dict(zip(pairs.question_id, pairs.clusters, strict=True)) == dict(
        zip(benchmark.question_ids, benchmark.clusters, strict=True)
    )


def test_paragraphs_of_xquad_r_are_its_split_groups(data_root: Path) -> None:
    pairs = load_lareqa_pairs(data_root / "xquad-r")
    assert len(set(pairs.split_groups)) == 240  # as published with XQuAD
    groups = set(zip(pairs.passage_group, pairs.split_groups, strict=True))
    assert len(groups) == len(set(pairs.passage_group)), "a passage group lies in one of them"


Paragraph = dict[str, Any]


def paragraph(*sentences: str, questions: dict[str, tuple[int, str]]) -> Paragraph:
    """Sentences with a space between them; questions: id -> (offset, answer)."""
    breaks, start = [], 0
    for sentence in sentences:
        breaks.append([start, start + len(sentence)])
        start += len(sentence) + 1
    return {
        "context": " ".join(sentences),
        "sentence_breaks": breaks,
        "qas": [
            {
                "id": key,
                "question": f"What is {key}?",
                "answers": [{"answer_start": offset, "text": text}],
            }
            for key, (offset, text) in questions.items()
        ],
    }


def write(folder: Path, language: str, *paragraphs: Paragraph) -> Path:
    path = folder / f"{language}.json"
    path.write_text(json.dumps({"data": [{"paragraphs": list(paragraphs)}]}), encoding="utf-8")
    return path


def test_gold_is_the_sentence_that_holds_the_first_character_of_the_answer(
    tmp_path: Path,
) -> None:
    # "ab cd." is [0, 6), the blank at 6 belongs to none, "ef gh." is [7, 13).
    questions = {
        "first": (0, "ab"),
        "across": (3, "cd. ef"),
        "blank": (6, " ef"),
        "last": (10, "gh"),
    }
    write(tmp_path, "en", paragraph("ab cd.", "ef gh.", questions=questions))
    pairs = load_lareqa_pairs(tmp_path)
    assert dict(zip(pairs.question_id, pairs.passage, strict=True)) == {
        "first": "ab cd.",
        "across": "ab cd.",
        "last": "ef gh.",
    }


def test_offsets_count_code_points(tmp_path: Path) -> None:
    # The emoji is one code point, though two UTF-16 units and four bytes.
    write(tmp_path, "en", paragraph("😀 a.", "b c.", questions={"q": (5, "b")}))
    assert list(load_lareqa_pairs(tmp_path).passage) == ["b c."]


def test_identical_sentences_stay_candidates_and_are_relevant_within_their_paragraph_only(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        "en",
        paragraph("yes.", "no.", "yes.", questions={"q": (0, "yes")}),
        paragraph("yes.", questions={}),
    )
    benchmark = load_lareqa_benchmark("tiny", tmp_path)
    assert list(benchmark.passages) == ["yes.", "no.", "yes.", "yes."]
    assert [benchmark.passage_ids[index] for index in benchmark.relevant] == [
        "en-0000-0000-000",
        "en-0000-0000-002",
    ]


def test_a_sentence_may_be_followed_by_its_paragraph(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph("a b.", "c d.", questions={"q": (5, "c")}))
    write(tmp_path, "de", paragraph("e f.", questions={"q": (0, "e")}))
    pairs = load_lareqa_pairs(tmp_path, with_paragraph=True)
    assert list(pairs.passage) == ["e f. e f.", "c d. a b. c d."]
    benchmark = load_lareqa_benchmark("tiny", tmp_path, with_paragraph=True)
    assert list(benchmark.passages) == ["e f. e f.", "a b. a b. c d.", "c d. a b. c d."]
    plain = load_lareqa_benchmark("tiny", tmp_path)
    assert list(benchmark.passage_ids) == list(plain.passage_ids)
    assert benchmark.relevant.tolist() == plain.relevant.tolist() == [0, 2, 0, 2]


def test_relevant_are_the_gold_sentences_of_all_languages_loaded(tmp_path: Path) -> None:
    for language in ("de", "en", "es"):
        write(tmp_path, language, paragraph("a.", "b.", questions={"q": (3, "b")}))
    benchmark = load_lareqa_benchmark("tiny", tmp_path, ["en", "de"])
    assert benchmark.languages == ("de", "en")
    assert benchmark.relevant.tolist() == [1, 3, 1, 3]


def test_questions_are_grouped_through_sentences_of_other_languages(tmp_path: Path) -> None:
    # q1 and q2 share a sentence in English, q2 and q3 in German; q4 stands alone.
    english = {"q1": (0, "a"), "q2": (0, "a"), "q3": (3, "b"), "q4": (6, "c")}
    german = {"q1": (0, "a"), "q2": (3, "b"), "q3": (3, "b"), "q4": (6, "c")}
    write(tmp_path, "en", paragraph("a.", "b.", "c.", questions=english))
    write(tmp_path, "de", paragraph("a.", "b.", "c.", questions=german))
    pairs = load_lareqa_pairs(tmp_path)
    groups = dict(zip(pairs.question_id, pairs.passage_group, strict=True))
    assert groups == {"q1": "q1", "q2": "q1", "q3": "q1", "q4": "q4"}


def write_articles(folder: Path) -> None:
    """German q1 and English q1 join two articles of other numbers; q3 stands alone."""
    one = paragraph("a.", "b.", "a.", questions={"q1": (0, "a"), "q2": (3, "b")})
    german = [
        {"title": " Der\tMond ", "paragraphs": [paragraph("c.", "d.", questions={"q1": (0, "c")})]}
    ]
    english = [
        {"paragraphs": [paragraph("e.", questions={"q3": (0, "e")})]},
        {"title": "The Moon", "paragraphs": [one, paragraph("f.", "g.", questions={})]},
    ]
    for code, articles in (("de", german), ("en", english)):
        (folder / f"{code}.json").write_text(json.dumps({"data": articles}), "utf-8")


def test_a_cluster_is_named_by_its_article_in_the_first_language(tmp_path: Path) -> None:
    write_articles(tmp_path)
    benchmark = load_lareqa_benchmark("tiny", tmp_path)
    assert dict(zip(benchmark.question_ids, benchmark.clusters, strict=True)) == {
        "q1": "de-0000 Der Mond",
        "q2": "de-0000 Der Mond",
        "q3": "en-0000",
    }
    assert list(load_lareqa_benchmark("tiny", tmp_path, ["en"]).clusters) == [
        "en-0000",
        "en-0001 The Moon",
        "en-0001 The Moon",
    ]


@pytest.mark.parametrize("title", [7, "half \ud800"])
def test_a_title_that_is_no_text_is_reported(tmp_path: Path, title: object) -> None:
    article = {"title": title, "paragraphs": []}
    (tmp_path / "en.json").write_text(json.dumps({"data": [article]}), "utf-8")
    with pytest.raises(InputError, match=r"data\[0\]: .*'title'"):
        load_lareqa_benchmark("tiny", tmp_path)


@pytest.mark.parametrize("with_paragraph", [False, True])
def test_development_retrieves_from_all_sentences_of_the_held_out_paragraphs(
    tmp_path: Path, with_paragraph: bool
) -> None:
    write_articles(tmp_path)
    texts = load_lareqa(tmp_path)
    pairs = texts.pairs(with_paragraph)
    # German q1, English q3, q1 and q2. The paragraphs of q1 and q2 are one group.
    assert list(pairs.split_groups) == ["de-0000-0000", "en-0000-0000", *["de-0000-0000"] * 2]
    development = texts.development(pairs.select([0, 2, 3]), with_paragraph)
    german, english = (" c. d.", " a. b. a.") if with_paragraph else ("", "")
    assert list(development.passages) == [
        ("de-0000-0000-000", "de", f"c.{german}"),
        ("de-0000-0000-001", "de", f"d.{german}"),
        ("en-0001-0000-000", "en", f"a.{english}"),
        ("en-0001-0000-001", "en", f"b.{english}"),
        ("en-0001-0000-002", "en", f"a.{english}"),  # a twin of the first
    ]
    assert development.relevant == {
        "q1": {"de-0000-0000-000", "en-0001-0000-000", "en-0001-0000-002"},
        "q2": {"en-0001-0000-001"},
    }


def test_reading_has_the_paragraph_of_each_passage_and_all_answers(tmp_path: Path) -> None:
    english = paragraph("ab cd.", "ef gh.", questions={"q": (7, "ef"), "none": (6, " ")})
    english["qas"][0]["answers"].append({"answer_start": 7, "text": "ef gh"})
    write(tmp_path, "en", english, paragraph("ij.", questions={}))
    write(tmp_path, "de", paragraph("kl.", questions={"q": (0, "kl")}))
    reading = load_lareqa_reading(tmp_path)
    assert reading.paragraphs == {
        "de-0000-0000-000": "kl.",
        "en-0000-0000-000": "ab cd. ef gh.",
        "en-0000-0000-001": "ab cd. ef gh.",
        "en-0000-0001-000": "ij.",
    }
    # "none" has its answer in no sentence and is no question of the benchmark.
    assert reading.answers == {("q", "en"): ("ef", "ef gh"), ("q", "de"): ("kl",)}


def test_xquad_r_has_a_paragraph_for_each_passage_and_an_answer_for_each_question(
    data_root: Path,
) -> None:
    benchmark = load_lareqa_benchmark("xquad-r", data_root / "xquad-r", ["en", "th"])
    reading = load_lareqa_reading(data_root / "xquad-r", ["en", "th"])
    for key, text in zip(benchmark.passage_ids, benchmark.passages, strict=True):
        assert text in reading.paragraphs[key]
    assert len(set(reading.paragraphs.values())) == 2 * 240  # as published with XQuAD
    assert len(reading.answers) == 2 * 1190
    assert all(len(answers) == 1 and answers[0] for answers in reading.answers.values())


def test_a_further_answer_without_a_text_is_reported(tmp_path: Path) -> None:
    broken = paragraph("ab.", questions={"q": (0, "ab")})
    broken["qas"][0]["answers"].append({"answer_start": 0})
    write(tmp_path, "en", broken)
    with pytest.raises(InputError, match=r"qas\[0\]\.answers\[1\]: the key 'text' is missing"):
        load_lareqa_reading(tmp_path)


def test_truncated_json_is_reported_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "en.json"
    path.write_text('{"data":\n [{"paragraphs":\n [{"context": "a', encoding="utf-8")
    with pytest.raises(InputError, match=r"en\.json, line 3, column 15: invalid JSON"):
        load_lareqa_pairs(tmp_path)


def test_empty_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text(" \n", encoding="utf-8")
    with pytest.raises(InputError, match=r"en\.json: the file is empty"):
        load_lareqa_pairs(tmp_path)


def test_text_that_is_not_utf_8_is_reported(tmp_path: Path) -> None:
    (tmp_path / "de.json").write_bytes('{"data": "ä"}'.encode("latin-1"))
    with pytest.raises(InputError, match=r"de\.json: not UTF-8 text \(byte 10\)"):
        load_lareqa_pairs(tmp_path)


@pytest.mark.parametrize(("offset", "answer"), [(-1, "a"), (14, "a"), (12, "..")])
def test_answer_offset_outside_its_context_is_reported_with_its_place(
    tmp_path: Path, offset: int, answer: str
) -> None:
    # The context "ab cd. ef gh." has 13 characters.
    questions = {"good": (0, "ab"), "bad": (offset, answer)}
    write(tmp_path, "en", paragraph("ab cd.", "ef gh.", questions=questions))
    with pytest.raises(InputError) as caught:
        load_lareqa_benchmark("tiny", tmp_path)
    message = str(caught.value)
    assert "en.json" in message
    assert "data[0].paragraphs[0].qas[1]" in message
    assert "'bad'" in message
    assert f"answer_start={offset}" in message
    assert "13 characters" in message


def test_all_unusable_records_of_a_file_are_named_in_one_message(tmp_path: Path) -> None:
    bad_offset = paragraph("a.", questions={"q1": (9, "a")})
    no_context: Paragraph = {"qas": [], "sentence_breaks": []}
    no_id = paragraph("a.", questions={"q2": (0, "a")})
    del no_id["qas"][0]["id"]
    bad_break = paragraph("a.", questions={"q3": (0, "a")})
    bad_break["sentence_breaks"] = [[0, 3]]
    twice = paragraph("a.", questions={"q1": (0, "a")})
    empty = paragraph("a.", questions={"q4": (0, "a")})
    empty["qas"][0]["question"] = ""
    half = paragraph("\ud800.", questions={})
    write(tmp_path, "en", bad_offset, no_context, no_id, bad_break, twice, empty, half)
    with pytest.raises(InputError) as caught:
        load_lareqa_pairs(tmp_path)
    lines = str(caught.value).split("\n")[1:]
    assert len(lines) == 7
    for line, (location, reason) in zip(
        lines,
        [
            ("paragraphs[0].qas[0]", "outside the context"),
            ("paragraphs[1]", "'context' is missing"),
            ("paragraphs[2].qas[0]", "'id' is missing"),
            ("paragraphs[3].sentence_breaks[0]", "[0, 3]"),
            ("paragraphs[4].qas[0]", "'q1' is already there"),
            ("paragraphs[5].qas[0]", "must not be empty"),
            ("paragraphs[6]", "half of a surrogate pair in 'context'"),
        ],
        strict=True,
    ):
        assert location in line
        assert reason in line


def test_long_lists_of_problems_are_cut_and_say_how_many_more(tmp_path: Path) -> None:
    questions = {f"q{number}": (99, "a") for number in range(25)}
    write(tmp_path, "en", paragraph("a.", questions=questions))
    with pytest.raises(InputError, match="and 5 more"):
        load_lareqa_pairs(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "expected an object, found list"),
        ("{}", "'data' is missing"),
        ('{"data": {}}', "'data' should be list, found dict"),
        ('{"data": []}', "no question"),
        ("[" * 100_000, "invalid JSON"),
        ("9" * 5000, "invalid JSON"),
    ],
)
def test_json_of_another_shape_is_reported(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "en.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        load_lareqa_pairs(tmp_path)


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        load_lareqa_pairs(tmp_path / "nowhere")


def test_folder_without_files_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no <language>\.json file"):
        load_lareqa_pairs(tmp_path)


def test_missing_language_is_reported_with_the_available_ones(tmp_path: Path) -> None:
    for language in ("de", "en"):
        write(tmp_path, language, paragraph("a.", questions={"q": (0, "a")}))
    with pytest.raises(InputError, match="nothing in el, th; languages that are there: de en"):
        load_lareqa_pairs(tmp_path, ["th", "en", "el"])


def test_unknown_language_code_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph("a.", questions={"q": (0, "a")}))
    with pytest.raises(InputError, match="'x/x' is no language code"):
        load_lareqa_pairs(tmp_path, ["en", "x/x"])


def test_an_empty_list_of_languages_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "en", paragraph("a.", questions={"q": (0, "a")}))
    with pytest.raises(InputError, match="an empty list of languages"):
        load_lareqa_pairs(tmp_path, [])
