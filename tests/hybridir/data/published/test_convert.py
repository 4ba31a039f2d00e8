from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hybridir.data.pairs import COLUMNS, Pairs, row_problems
from hybridir.data.published.convert import (
    READERS,
    AnsweredQuestions,
    answered_pairs,
    generated_pairs,
    squad_pairs,
)
from hybridir.data.published.download import collect
from hybridir.errors import InputError
from tests.support.miniatures import MINIATURES, parquet, write


def rows(pairs: Pairs) -> list[tuple[str, ...]]:
    return list(zip(*(getattr(pairs, column) for column in COLUMNS), strict=True))


def read(name: str, root: Path) -> Pairs:
    declaration, languages = write(name, root)
    return READERS[declaration.layout](collect(declaration, languages, root).files)


def test_squad_pairs_have_paragraphs_as_passages_and_group_their_translations() -> None:
    pairs = squad_pairs(
        {
            "en": [("a", "One.", "a?"), ("b", "One.", "b?"), ("c", "Two.", "c?")],
            "de": [("b", "Eins.", "b auf Deutsch?"), ("c", "Zwei.", "c auf Deutsch?")],
        }
    )
    assert rows(pairs) == [
        ("a", "a", "en", "a?", "One."),
        ("b", "a", "en", "b?", "One."),
        ("c", "c", "en", "c?", "Two."),
        ("b", "a", "de", "b auf Deutsch?", "Eins."),
        ("c", "c", "de", "c auf Deutsch?", "Zwei."),
    ]


def test_answered_pairs_take_the_first_passage_and_group_by_all_of_them() -> None:
    answered = AnsweredQuestions(
        [("1", "x"), ("1", "y"), ("2", "y"), ("3", "z")],
        {"1": "one?", "2": "two?", "3": "three?"},
        {"x": "X", "y": "Y", "z": "Z"},
    )
    assert rows(answered_pairs({"en": answered}, parallel=True)) == [
        ("1", "1", "en", "one?", "X"),
        ("2", "1", "en", "two?", "Y"),
        ("3", "3", "en", "three?", "Z"),
    ]


def test_equal_ids_of_two_languages_are_translations_only_in_parallel_data() -> None:
    by_language = {
        code: AnsweredQuestions([("1", "x")], {"1": "?"}, {"x": code}) for code in ("de", "en")
    }
    together = answered_pairs(by_language, parallel=True)
    assert (list(together.question_id), list(together.passage_group)) == (["1", "1"], ["1", "1"])
    apart = answered_pairs(by_language, parallel=False)
    assert list(apart.question_id) == list(apart.passage_group) == ["de-1", "en-1"]


def test_judgements_of_missing_texts_are_counted_with_examples() -> None:
    answered = AnsweredQuestions([(str(n), f"p{n}") for n in range(5)], {"0": "?"}, {"p0": "."})
    with pytest.raises(InputError) as caught:
        answered_pairs({"te": answered}, parallel=False)
    assert "te: files do not belong together" in str(caught.value)
    assert "4 of 5 questions are missing, e.g. '1', '2', '3'" in str(caught.value)
    assert "4 of 5 passages are missing, e.g. 'p1', 'p2', 'p3'" in str(caught.value)


def test_generated_questions_on_one_passage_share_its_group_and_it_begins_with_its_title() -> None:
    records = [("0", "q0", "T", "text"), ("1", "q1", "T", "text"), ("2", "q2", "", "other")]
    assert rows(generated_pairs({"yo": records})) == [
        ("yo-0", "yo-0", "yo", "q0", "T text"),
        ("yo-1", "yo-0", "yo", "q1", "T text"),
        ("yo-2", "yo-2", "yo", "q2", "other"),
    ]


def test_a_repeated_id_is_a_further_question() -> None:
    records = [("7", "one?", "", "P"), ("7", "two?", "", "P"), ("8", "three?", "", "Q")]
    pairs = generated_pairs({"de": records, "yo": records[:1]})
    assert list(pairs.question_id) == ["de-7", "de-7/2", "de-8", "yo-7"]
    assert list(pairs.question)[:2] == ["one?", "two?"]
    assert pairs.passage_group[0] == pairs.passage_group[1]


def test_a_title_without_a_text_is_no_passage() -> None:
    assert list(generated_pairs({"yo": [("0", "q", "T", " ")]}).passage) == [""]


@pytest.mark.parametrize("name", MINIATURES)
def test_every_miniature_becomes_usable_rows(name: str, tmp_path: Path) -> None:
    pairs = read(name, tmp_path)
    assert len(pairs)
    assert row_problems(pairs) == []
    assert tuple(sorted(set(pairs.language))) == MINIATURES[name][1]


def test_squad_files_share_ids_over_languages_and_repositories(tmp_path: Path) -> None:
    pairs = read("squad", tmp_path)
    by_language = {code: list(pairs.in_languages([code]).question_id) for code in pairs.languages}
    ids = ["56be0", "56be1", "56be2", "56be3"]
    assert by_language == {"de": ids[:3], "en": ids, "zh": ids}
    assert set(zip(pairs.question_id, pairs.passage_group, strict=True)) == {
        ("56be0", "56be0"),
        ("56be1", "56be0"),
        ("56be2", "56be2"),
        ("56be3", "56be2"),
    }
    assert pairs.passage[0] == "de paragraph 0. Ü"


def test_mmarco_files_give_each_question_its_first_passage_in_every_language(
    tmp_path: Path,
) -> None:
    assert rows(read("mmarco", tmp_path)) == [
        ("3", "3", "de", "german query 3", "german passage 30"),
        ("4", "3", "de", "german query 4", "german passage 31"),
        ("5", "5", "de", "german query 5", "german passage 50"),
        ("3", "3", "en", "english query 3", "english passage 30"),
        ("4", "3", "en", "english query 4", "english passage 31"),
        ("5", "5", "en", "english query 5", "english passage 50"),
    ]


def test_mr_tydi_files_give_judged_passages_with_titles_and_ids_of_their_language(
    tmp_path: Path,
) -> None:
    assert rows(read("mr-tydi", tmp_path))[:3] == [
        ("ar-1", "ar-1", "ar", "arabic question 1", "Title 11#0 arabic text 11#0"),
        ("ar-2", "ar-1", "ar", "arabic question 2", "Title 11#0 arabic text 11#0"),
        ("te-1", "te-1", "te", "telugu question 1", "Title 11#0 telugu text 11#0"),
    ]


def test_mkqa_files_have_another_code_for_chinese_and_another_id_column(tmp_path: Path) -> None:
    pairs = read("mkqa", tmp_path)
    assert list(pairs.question_id) == ["ko-1", "ko-2", "zh-1", "zh-2"]
    assert pairs.question[2] == "zh_cn question 1"


@pytest.mark.parametrize(
    ("name", "file", "row", "message"),
    [
        ("squad", "de/xquad_xtreme-translate_train.parquet", {"id": "a", "question": "?"},
         "no column context; found id, question"),
        ("swim-ir", "de/train-00000-of-00001.parquet", {"id": "a", "query": "?"},
         "no column _id; found id, query"),
        ("mkqa", "ko-queries/train-00000-of-00001.parquet", {"key": "1", "text": "?"},
         "no column _id or id; found key, text"),
    ],
)  # fmt: skip
def test_a_missing_column_is_named_with_the_file_and_its_columns(
    name: str, file: str, row: dict[str, str], message: str, tmp_path: Path
) -> None:
    declaration, languages = write(name, tmp_path)
    parquet(tmp_path / file, [row])
    with pytest.raises(InputError, match=f"{file}: {message}"):
        READERS[declaration.layout](collect(declaration, languages, tmp_path).files)


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    declaration, languages = write("swim-ir", tmp_path)
    row = {"_id": "1", "query": ["a", "b"], "title": "", "text": "."}
    parquet(tmp_path / "de/train-00000-of-00001.parquet", [row], query=pa.list_(pa.string()))
    with pytest.raises(InputError, match=r"a column holds list<.*>, expected text or numbers"):
        READERS[declaration.layout](collect(declaration, languages, tmp_path).files)


def test_ids_may_be_numbers_and_texts_null(tmp_path: Path) -> None:
    declaration, _ = write("swim-ir", tmp_path)
    records: list[dict[str, Any]] = [
        {"_id": 7, "query": "?", "title": None, "text": "."},
        {"_id": 8, "query": None, "title": "T", "text": "."},
    ]
    parquet(tmp_path / "de/train-00000-of-00001.parquet", records, _id=pa.int64())
    pairs = READERS[declaration.layout](collect(declaration, ["de"], tmp_path).files)
    assert rows(pairs) == [("de-7", "de-7", "de", "?", "."), ("de-8", "de-8", "de", "", "T .")]
