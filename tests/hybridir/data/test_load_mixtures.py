"""Training on several data sets at once."""

from pathlib import Path
from typing import Any

import pytest

from hybridir.batches.plan import BatchKind, BatchPlan
from hybridir.config.trial import BatchConfig
from hybridir.data import load_training
from hybridir.data.pairs import concatenate
from hybridir.errors import InputError
from tests.support.training_data import config, write_benchmark, write_table


def write_mixture(folder: Path) -> list[dict[str, Any]]:
    """Two tables with the same ids and different passages.

    60 rows in two languages, and 20 in English.
    """
    sources = []
    for name, questions, languages in (("large", 40, ("de", "en")), ("small", 20, ("en",))):
        (folder / name).mkdir()
        sources.append({"table": {"path": write_table(folder / name, questions, languages, name)}})
    return sources


def test_data_sets_of_a_mixture_have_one_spelling_of_each_language(tmp_path: Path) -> None:
    sources = []
    for name, languages in (("first", ("DE", "eng")), ("second", ("en_US", "en", "deu"))):
        (tmp_path / name).mkdir()
        path = write_table(tmp_path / name, 40, languages, name)
        sources.append({"table": {"path": path, "languages": {languages[0]: languages[0]}}})
    data = load_training(config({"mix": sources}, dev_share=0.2))
    assert [table.languages for table in data.tables] == [("DE", "eng"), ("DE", "en-US", "eng")]
    assert data.seen_languages == ("DE", "en-US", "eng")
    assert data.dev is not None
    assert data.dev.languages == ("DE", "en-US", "eng")


def test_each_data_set_of_a_mixture_is_dealt_out_by_itself(tmp_path: Path) -> None:
    train = {"mix": [{**source} for source in write_mixture(tmp_path)]}
    half = load_training(config(train, tune_on=None, data_part={"number": 1, "of": 2}))
    # 20 groups of the large table and 10 of the small one, two questions each.
    assert [len(set(table.passage_group)) for table in half.tables] == [10, 5]
    assert len(half.pairs) == sum(map(len, half.tables))


def test_a_mixture_keeps_its_tables_apart_and_holds_out_groups_of_each(tmp_path: Path) -> None:
    data = load_training(config({"mix": write_mixture(tmp_path)}, dev_share=0.2))
    # A fifth of 20 and of 10 groups of two questions.
    large, small = data.tables
    assert len(set(large.passage_group)) == 20 - 4
    assert len(set(small.passage_group)) == 10 - 2
    assert len(small) == 20 - 2 * 2
    assert data.pairs.digest == concatenate([large, small]).digest
    assert data.seen_languages == ("de", "en")
    assert data.dev is not None
    held_out = set(data.dev.question_ids)
    assert len([key for key in held_out if key.startswith("1/")]) == 4 * 2
    assert len([key for key in held_out if key.startswith("2/")]) == 2 * 2
    assert not held_out & set(data.pairs.question_id)
    assert len(data.dev.queries) + len(data.pairs) == 60 + 20


def test_batches_of_a_mixture_have_rows_of_the_joined_table(tmp_path: Path) -> None:
    data = load_training(config({"mix": write_mixture(tmp_path)}, tune_on=None))
    plan = BatchPlan(data.tables, BatchConfig(batch_size=6), pairs=600, seed=1)
    for step in range(len(plan)):
        batch = plan[step]
        for question, passage in zip(batch.questions, batch.passages, strict=True):
            assert data.pairs.question_id[question] == data.pairs.question_id[passage]
            crosses = data.pairs.language[question] != data.pairs.language[passage]
            assert crosses == (batch.kind is BatchKind.CROSSLINGUAL)
        assert len({data.pairs.question_id[row][0] for row in batch.questions}) == 1


def test_a_changed_table_of_a_mixture_is_read_anew(tmp_path: Path) -> None:
    settings = config({"mix": write_mixture(tmp_path)}, tune_on=None)
    first = load_training(settings)
    assert load_training(settings) is first
    write_table(tmp_path / "small", 10, ("en",), "small")
    assert len(load_training(settings).tables[1]) == 10


def test_shared_questions_name_the_data_set_of_a_mixture_that_has_none(tmp_path: Path) -> None:
    settings = config({"mix": write_mixture(tmp_path), "questions": "shared"})
    with pytest.raises(InputError, match=r"in two languages \(data set 2 of the mixture\)"):
        load_training(settings)


def test_a_benchmark_that_shares_ids_with_one_data_set_of_a_mixture_is_refused(
    tmp_path: Path,
) -> None:
    write_benchmark(tmp_path, "xquad-r", "q7")
    settings = config({"mix": write_mixture(tmp_path)}, report_on=["xquad-r"], data_root=tmp_path)
    with pytest.raises(InputError, match=r"xquad-r: 1 of 1 question ids \(same id\), e\.g\. 'q7'"):
        load_training(settings)


def test_mlqa_r_can_be_mixed_with_a_table(data_root: Path, tmp_path: Path) -> None:
    mix = [{"lareqa": {"name": "mlqa-r"}}, {"table": {"path": write_table(tmp_path)}}]
    data = load_training(config({"mix": mix}, tune_on=None, data_root=data_root))
    assert [len(table) for table in data.tables] == [4199, 60]


def test_a_mixture_holds_out_paragraphs_and_rows(data_root: Path, tmp_path: Path) -> None:
    table = {"table": {"path": write_table(tmp_path)}}
    mlqa = {"lareqa": {"name": "mlqa-r", "languages": ["en"]}}
    data = load_training(config({"mix": [mlqa, table]}, data_root=data_root))
    alone = load_training(config(mlqa, data_root=data_root)).dev
    assert data.dev is not None
    assert alone is not None
    of_mlqa = [key for key in data.dev.passage_ids if key.startswith("1/")]
    assert of_mlqa == [f"1/{key}" for key in alone.passage_ids]
    # 2 of 20 passages, in both languages or in English.
    assert len(data.dev.passage_ids) - len(of_mlqa) in (2, 3, 4)
    clusters = {f"1/{cluster}" for cluster in alone.clusters}
    assert {cluster for cluster in data.dev.clusters if cluster[:2] == "1/"} == clusters
