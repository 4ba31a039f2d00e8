from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from hybridir import names
from hybridir.config import TrialConfig
from hybridir.errors import InputError
from hybridir.trial.run import TrialResult, run_trial
from tests.support.reading import ANSWERS, SENTENCES, write_reader, write_xquad_r
from tests.support.tiny import settings

METRICS = {"xquad-r/reader_f1_monolingual", "xquad-r/reader_f1_multilingual"}


def config(folder: Path, retriever: str, **changes: Any) -> TrialConfig:
    root, reader = folder / "data", folder / "reader"
    content = settings(data={"report_on": ["xquad-r"], "data_root": root} | changes)
    evaluation = {"reader": {"path": reader}}
    return TrialConfig.model_validate(
        {**content, "evaluation": evaluation, "retriever": retriever}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    write_xquad_r(folder / "data")
    write_reader(folder / "reader")
    return folder


@pytest.fixture(scope="module")
def lexical(folder: Path) -> TrialResult:
    return run_trial(config(folder, "bm25"), folder / "bm25", folder / "cache")


def test_the_readers_f1_is_a_headline_metric_of_reported_benchmarks(lexical: TrialResult) -> None:
    table = pd.read_parquet(lexical.workspace / "reader" / "xquad-r.parquet")
    assert set(table[names.SETTING]) == {"monolingual", "multilingual"}
    for row in table.to_dict("records"):
        code = "en" if row["answer"] in SENTENCES["en"] else "de"
        assert row["answer"] in SENTENCES[code]
        right = ANSWERS[code][("first", "second").index(row["question_id"])]
        words, gold = (
            {word for word in text.lower().replace(".", "").split() if word != "ein"}  # an article
            for text in (row["answer"], right)
        )
        # No text has a word twice.
        f1 = 2 * len(words & gold) / (len(words) + len(gold))
        assert row["reader_f1"] == pytest.approx(f1), row
    for setting in ("monolingual", "multilingual"):
        rows = table[table[names.SETTING] == setting]
        mean = rows.groupby("query_language", observed=True)["reader_f1"].mean().mean()
        assert lexical.metrics[f"xquad-r/reader_f1_{setting}"] == pytest.approx(mean)
    assert {name for name in lexical.metrics if names.READER_F1 in name} == METRICS


def test_all_trials_share_the_answers(folder: Path, lexical: TrialResult) -> None:
    def files() -> set[Path]:
        return set((folder / "cache").glob("answers-*/*.json"))

    before = files()
    assert before
    floor = run_trial(config(folder, "untrained"), folder / "untrained", folder / "cache")
    # Each language has one paragraph, so no first passage of a pool is new to the reader.
    assert floor.metrics.keys() >= METRICS
    tables = [
        pd.read_parquet(folder / name / "reader" / "xquad-r.parquet")
        for name in ("bm25", "untrained")
    ]
    first, second = (table[table[names.SETTING] == "monolingual"] for table in tables)
    pd.testing.assert_frame_equal(first, second)
    assert len(files() - before) <= 1  # in the pool of all, a paragraph of the other language


def test_a_search_trial_reads_nothing(folder: Path, tmp_path: Path) -> None:
    search = config(folder, "bm25", report_on=[])
    result = run_trial(search, tmp_path / "run", tmp_path / "cache")
    assert not (result.workspace / "reader").exists()
    assert not list((tmp_path / "cache").glob("answers-*"))


def test_a_reader_that_cannot_be_loaded_stops_a_trial_before_its_first_step(
    folder: Path, tmp_path: Path
) -> None:
    wrong = config(folder, "trained").model_dump()
    wrong["evaluation"]["reader"]["path"] = tmp_path
    with pytest.raises(InputError, match=r"config\.json and tokenizer\.json missing there"):
        run_trial(TrialConfig.model_validate(wrong), tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
