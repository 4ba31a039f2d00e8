"""A plan's batches as rows of a data set, for any data loader."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from torch.utils.data import DataLoader

from hybridir.config import BatchConfig
from hybridir.data.pairs import Pairs
from hybridir.errors import InputError
from hybridir.integrations.hybrid_batches import HybridBatches
from tests.support.tiny import crossing, parallel, python

TABLES = [
    parallel(12, "en de fr"),
    crossing(12, "en de", "fr", prefix="c"),
    parallel(9, "en pl", prefix="p"),
]


def batches(**settings: Any) -> HybridBatches:
    config = BatchConfig(**{"mixing_ratio": 0.5, "batch_size": 6, **settings})
    return HybridBatches(TABLES, config, pairs=180, seed=4)


@pytest.mark.parametrize(
    "settings",
    [{}, {"mixing_ratio": 0.0}, {"mixing_ratio": 1.0}, {"kind": "x-x"}, {"kind": "en-en"}],
)
def test_rows_have_the_texts_and_groups_of_the_plan(settings: dict[str, Any]) -> None:
    of = batches(**settings)
    questions = [text for table in TABLES for text in table.question]
    passages = [text for table in TABLES for text in table.passage]
    loader = DataLoader(of.dataset, batch_sampler=of.sampler(), collate_fn=list)
    assert len(loader) == len(of.plan) == 30
    for step, rows in enumerate(loader):
        batch = of.plan[step]
        assert [row["question"] for row in rows] == [questions[n] for n in batch.questions]
        assert [row["passage"] for row in rows] == [passages[n] for n in batch.passages]
        assert [row["label"] for row in rows] == batch.groups.tolist()


def test_a_row_for_each_pair_that_a_batch_may_have() -> None:
    """36 and 18 rows in one language; 6 ordered pairs of 3 languages, 2 of 2; 12 that cross."""
    of = batches()
    assert len(of.dataset) == 36 + 18 + 12 * 6 + 9 * 2 + 12
    rows = pd.DataFrame(of.dataset[:])
    assert not rows.duplicated().any()
    assert rows["label"].nunique() == 12 + 12 + 9


def test_slices_of_processes_make_up_the_batches() -> None:
    of = batches()
    whole = list(of.sampler())
    parts = [list(of.sampler(world_size=3, rank=rank)) for rank in range(3)]
    assert [[*a, *b, *c] for a, b, c in zip(*parts, strict=True)] == whole
    in_turn = of.sampler(world_size=3)
    assert len(in_turn) == 90 and in_turn.batch_size == 2
    assert list(in_turn) == [part for slices in zip(*parts, strict=True) for part in slices]
    resumed = of.sampler(world_size=3, rank=1, start=11)
    assert len(resumed) == 19
    assert list(resumed) == parts[1][11:]
    assert list(of.sampler(start=30)) == []


def test_the_data_set_is_the_same_for_every_ratio_and_seed() -> None:
    config = BatchConfig(mixing_ratio=0.0, batch_size=4)
    other = HybridBatches(TABLES, config, pairs=8, seed=9)
    assert other.dataset[:] == batches().dataset[:]


def test_one_table_needs_no_list() -> None:
    config = BatchConfig(batch_size=4)
    alone, listed = (
        HybridBatches(tables, config, pairs=40, seed=0) for tables in (TABLES[0], TABLES[:1])
    )
    for step in range(10):
        rows = (alone.rows_of(alone.plan[step]), listed.rows_of(listed.plan[step]))
        np.testing.assert_array_equal(*rows)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([Dataset.from_dict({"question": ["a"]})], "tables: Dataset given; legal are hybridir"),
        (Dataset.from_dict({"question": ["a"]}), "tables: Dataset given; legal are hybridir"),
        (pd.DataFrame({"question": ["a"], "language": ["en"]}), "tables: DataFrame given; legal"),
        ([TABLES[0], pd.DataFrame()], "tables: DataFrame given"),
        ([], "there are no training pairs"),
    ],
)
def test_other_tables_are_refused(tables: list[Pairs], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HybridBatches(tables, BatchConfig(batch_size=4), pairs=8, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"world_size": 0}, "world_size=0: expected a whole number, 1 or more"),
        ({"world_size": 4}, "batch_size=6 cannot be shared by 4 processes"),
        ({"world_size": 2, "rank": 2}, "rank=2: 2 processes have ranks below 2"),
        ({"start": 31}, "start=31: the plan has steps 0 to 29"),
        ({"start": -1}, "start=-1"),
    ],
)
def test_slices_that_do_not_exist_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        batches().sampler(**arguments)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"pairs": 0}, "pairs=0: expected a whole number, 1 or more"),
        ({"pairs": 80.5}, "pairs=80.5: expected"),
        ({"seed": None}, "seed=None: expected a whole number, 0 or more"),
        ({"seed": -1}, "seed=-1: expected"),
        ({"seed": True}, "seed=True: expected"),
    ],
)
def test_numbers_that_make_no_plan_are_refused(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        HybridBatches(TABLES, BatchConfig(batch_size=4), **{"pairs": 8, "seed": 0, **numbers})


@pytest.mark.slow
def test_batches_need_no_sentence_transformers_and_its_absence_is_named() -> None:
    code = """
import sys
sys.modules["sentence_transformers"] = None
import hybridir.integrations.hybrid_batches
try:
    import hybridir.integrations.sentence_transformers
except ImportError as error:
    print(error)
"""
    assert "pip install 'hybridir[sentence-transformers]'" in python(code)
