import json
import re
from pathlib import Path

import numpy as np
import pytest

from hybridir import names
from hybridir.batches import BatchPlan
from hybridir.config import BatchConfig, BenchmarkConfig, validate
from hybridir.data.benchmark import build_benchmark
from hybridir.data.load import load_benchmark
from hybridir.data.readers.lareqa import load_lareqa_benchmark
from hybridir.data.readers.table import load_table
from hybridir.errors import InputError
from hybridir.evaluation.answer_f1 import has_words
from hybridir.evaluation.evaluate import evaluate
from hybridir.languages import (
    LanguageChoice,
    LanguageSetting,
    code_problem,
    find_english,
    is_standard,
    name_of,
    script_of,
    tag_of,
)
from hybridir.retrieval import bm25_scorer

# ISO 639, ISO 15924 and the names that the data sets use.
KNOWN = """
ar Arabic Arab | bn Bengali Beng | de German Latn | el Greek Grek | en English Latn
es Spanish Latn | fa Persian Arab | fi Finnish Latn | fr French Latn | hi Hindi Deva
id Indonesian Latn | it Italian Latn | ja Japanese Jpan | ko Korean Kore | nl Dutch Latn
pt Portuguese Latn | ru Russian Cyrl | sw Swahili Latn | te Telugu Telu | th Thai Thai
tr Turkish Latn | vi Vietnamese Latn | yo Yoruba Latn | zh Chinese Hans | pl Polish Latn
qa Alna Latn | qb Berik Latn | qc Chonu Grek | qd Dalme Latn | qe Ekhoi Latn
"""


@pytest.mark.parametrize("entry", re.split(r"[|\n]", KNOWN.strip()))
def test_names_and_scripts_of_the_published_languages(entry: str) -> None:
    code, name, script = entry.split()
    assert (tag_of(code), name_of(code), script_of(code)) == (code, name, script)


@pytest.mark.parametrize(
    ("tag", "spellings"),
    [
        ("en", "en EN En eng ENG eng_Latn en-Latn"),
        ("en-US", "en-US en_US EN-us eng_US"),
        ("he", "he iw heb"),  # iw until 1989
        ("id", "id in ind"),
        ("de", "de ger deu"),  # ISO 639-2 has two codes of German
        ("pt-BR", "pt-BR pt_br por-BR"),
        ("zh", "zh zho chi"),
        ("zh-Hans", "zh-Hans zho_Hans zh-hans"),
        ("zh-CN", "zh-CN zh_CN"),
        ("label-1", "label-1 LABEL_1"),
    ],
)
def test_pain_31_spellings_of_one_tag_are_one_language(tag: str, spellings: str) -> None:
    assert {tag_of(code) for code in spellings.split()} == {tag}


def test_regions_and_scripts_are_languages_of_their_own() -> None:
    codes = "pt pt-BR pt-PT zh zh-Hans zh-Hant zh-CN zh-TW sr sr-Latn no nb nn".split()
    assert len({tag_of(code) for code in codes}) == len(codes)


def test_nothing_is_claimed_of_a_code_that_no_standard_knows() -> None:
    assert not any(map(is_standard, ("xx", "qa", "domain-7", "english")))
    assert [name_of("domain-7"), script_of("domain-7"), script_of("all-IN")] == [
        "domain-7",
        None,
        None,  # Allar is written in Malayalam's script, which the library does not know
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "letters, digits and hyphens"),
        (" en", "such as 'en'"),
        ("en_US.UTF-8", "such as 'en-US'"),
        ("a/b", "such as 'a-b'"),
        ("../x", "letters, digits and hyphens"),
        ("língua", "letters, digits and hyphens"),
        ("en--us", "such as 'en-us'"),
        ("a" * 36, "has 36 letters, 35 are the most"),
        ("all", "names the pool of all languages"),
        ("ALL", "names the pool of all languages"),
    ],
)
def test_a_code_that_cannot_name_a_file_is_refused_with_a_legal_one(
    code: str, message: str
) -> None:
    assert message in (code_problem(code) or "")


def test_english_is_found_in_any_spelling_but_not_among_several_variants() -> None:
    assert find_english(["de", "eng"]) == 1
    assert find_english(["en-AU", "en-GB"]) is None


def test_words_are_told_by_script() -> None:
    without = "th ja km lo my bo yue lzh shn zh-Hant zh ja-Latn".split()
    assert [code for code in without if has_words(code)] == ["zh-Hant", "zh", "ja-Latn"]


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        (None, {"PT": 2, "pt-BR": 1, "en": 1}),
        ({"pt_BR": "por"}, {"PT": 3, "en": 1}),
        (["por"], {"PT": 2}),
        (["EN", {"pt-br": "pt"}], {"PT": 3, "en": 1}),
        ([{"pt-BR": "brazil"}], {"brazil": 1}),
        ({"pt": "pt-BR", "pt-BR": "pt"}, {"pt-BR": 2, "pt": 1, "en": 1}),
    ],
)
def test_a_table_has_one_language_a_tag_as_spelled_first(
    setting: LanguageSetting | None, shown: dict[str, int], tmp_path: Path
) -> None:
    lines = ["question_id,language,question,passage"]
    lines += [f"q{n},{code},Q{n},P{n}" for n, code in enumerate(("PT", "pt-BR", "en", "por"))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines))
    pairs = load_table(path, setting)
    assert {code: pairs.language.count(code) for code in pairs.languages} == shown


def test_one_question_in_two_spellings_of_a_language_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("question_id,language,question,passage\nq,en,Q,P\nq,eng,Q2,P2\n")
    with pytest.raises(InputError, match="line 3: question 'q' has another text in 'en' already"):
        load_table(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (["en", "enn"], "nothing in enn; languages that are there: en"),
        ({"pt-BR": "pt"}, "nothing in pt-BR; languages that are there: en"),
        ([{"en": "all"}], "'all' names the pool of all languages"),
        ([{"en": "a"}, {"EN": "b"}], "en is mapped to two codes"),
    ],
)
def test_a_choice_that_cannot_be_obeyed_is_refused(
    setting: LanguageSetting, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("question_id,language,question,passage\nq,en,Q,P\n")
    with pytest.raises(InputError, match=re.escape(message)):
        load_table(path, setting)


def test_files_of_a_folder_keep_their_code_in_ids_and_show_another(tmp_path: Path) -> None:
    text = "One sentence."
    for code in ("EN", "pt-BR"):
        question = {
            "id": "q",
            "question": f"What in {code}?",
            "answers": [{"text": "One", "answer_start": 0}],
        }
        paragraph = {"context": text, "sentence_breaks": [[0, len(text)]], "qas": [question]}
        content = {"data": [{"title": "t", "paragraphs": [paragraph]}]}
        (tmp_path / f"{code}.json").write_text(json.dumps(content))
    (tmp_path / "._EN.json").write_bytes(b"\0")  # as macOS leaves beside files
    benchmark = load_lareqa_benchmark("b", tmp_path, ["eng", {"pt_BR": "pt"}])
    assert benchmark.languages == ("EN", "pt")
    assert benchmark.passage_ids == ["EN-0000-0000-000", "pt-BR-0000-0000-000"]


@pytest.mark.slow  # compiles
def test_figures_are_those_of_the_usual_spelling() -> None:
    """English, seen languages and words are told by tag, whatever the spelling."""

    def table(de: str, en: str, seen: str) -> list[list[object]]:
        queries = [(f"q{n}", code, f"word{n}") for n in range(3) for code in (de, en)]
        passages = [
            (f"{code.lower()[:2]}-{n}", code, f"the word{n} die x{n % 2}")
            for n in range(3)
            for code in (de, en)
        ]
        relevant = {f"q{n}": {f"de-{n}", f"en-{n}"} for n in range(3)}
        benchmark = build_benchmark("b", queries, passages, relevant)
        frame = evaluate(
            bm25_scorer(benchmark), benchmark, seen_languages=[seen, "de"]
        ).table.drop(columns=[names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.TOP1_LANGUAGE])
        assert frame[names.ENGLISH_FIRST].notna().any()
        assert frame[names.BEST_RANK_SEEN].notna().any()
        return [list(row) for row in frame.astype("str").to_numpy()]

    assert table("deu", "eng", "EN") == table("de", "en", "en")


def test_english_batches_are_drawn_in_any_spelling_of_english(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"q{n},{code},Q{n},P{n}" for n in range(8) for code in ("de", "EN_us")]
    path.write_text("\n".join(["question_id,language,question,passage", *rows]))
    pairs = load_table(path)
    plan = BatchPlan([pairs], BatchConfig(kind="en-en", batch_size=4), pairs=8, seed=0)
    drawn = np.concatenate([plan[step].questions for step in range(len(plan))])
    assert {pairs.language[row] for row in drawn} == {"EN-us"}


def test_a_folder_in_one_language_takes_any_code(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "title": "", "text": "Tak."}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "Tak?"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    report = validate(
        BenchmarkConfig, {"name": "mine", "folder": tmp_path, "language": "pol_PL"}, "here"
    )
    assert load_benchmark(report, None).languages == ("pol-PL",)


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        ([False], "quote the word, such as 'no'"),
        ({True: "en"}, "quote the word, such as 'no'"),
        (["en", 12], "12 is no text; quote it: '12'"),
        ([None], "quote the word: 'null'"),
        ("en", "is no list of codes"),
        (["en/us"], "letters, digits and hyphens"),
    ],
)
def test_what_yaml_takes_for_something_else_is_explained(languages: object, message: str) -> None:
    settings = {"name": "xquad-r", "languages": languages}
    with pytest.raises(InputError, match=re.escape(message)):
        validate(BenchmarkConfig, settings, "study.yaml")


def test_a_choice_reads_as_on_the_command_line_and_survives_json() -> None:
    settings = {"name": "xquad-r", "languages": ["de", {"pt-BR": "pt"}]}
    report = BenchmarkConfig.model_validate(settings)
    assert str(LanguageChoice(report.languages)) == "de,pt-BR=pt"
    assert BenchmarkConfig.model_validate_json(report.model_dump_json()) == report
