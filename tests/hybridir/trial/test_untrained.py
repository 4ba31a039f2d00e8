"""Trials without a training step."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridir import names
from hybridir.config.trial import TrialConfig
from hybridir.data.load import load_benchmarks
from hybridir.evaluation.evaluate import evaluate
from hybridir.retrieval import bm25_scorer
from hybridir.trial.metrics import headline_metrics
from hybridir.trial.run import RESULT, TrialResult, run_trial
from tests.support.tiny import settings, trial


def untrained(retriever: str, seed: int = 0) -> TrialConfig:
    return TrialConfig.model_validate({**settings(), "retriever": retriever, "seed": seed})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def floor(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    workspace = tmp_path_factory.mktemp("runs") / "floor"
    reported: list[dict[str, float]] = []
    result = run_trial(untrained("untrained"), workspace, cache, report=reported.append)
    assert reported == [result.metrics]
    return result


@pytest.fixture(scope="module")
def lexical(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialResult:
    workspace = tmp_path_factory.mktemp("runs") / "lexical"
    return run_trial(untrained("bm25"), workspace, cache)


def test_it_leaves_tables_like_a_trained_trial_and_no_training_log(floor: TrialResult) -> None:
    written = {path.relative_to(floor.workspace).as_posix() for path in floor.workspace.rglob("*")}
    assert {
        "config.json", RESULT, "per_query/dev.parquet", "per_query/synthetic-test.parquet",
        "language_pairs/synthetic-test.csv", "rank_correlation/synthetic-test.csv",
    } <= written  # fmt: skip
    assert names.ARTIFACT_TRAINING_LOG not in written
    assert not [name for name in floor.metrics if name.startswith("train/")]
    assert floor.metrics[names.FIDELITY] == 1.0
    assert json.loads((floor.workspace / RESULT).read_text()) == floor.metrics


def test_bm25_is_evaluated_as_by_the_library(lexical: TrialResult) -> None:
    config = untrained("bm25")
    (benchmark,) = load_benchmarks(config.data)
    summary = evaluate(bm25_scorer(benchmark), benchmark).summary
    expected = headline_metrics(summary, benchmark.name, n_reported=1)
    for name, value in expected.items():
        if "seen" not in name:
            assert lexical.metrics[name] == pytest.approx(value, abs=1e-12), name


def test_the_untrained_encoder_is_the_one_that_training_begins_from(
    floor: TrialResult, cache: Path, tmp_path: Path
) -> None:
    # A step too small to change a weight in fp32.
    still = trial(training={"pairs": 64, "learning_rate": 1e-30, "weight_decay": 0.0})
    run_trial(still, tmp_path / "still", cache)
    first, second = (
        pd.read_parquet(folder / "per_query" / "synthetic-test.parquet")
        for folder in (floor.workspace, tmp_path / "still")
    )
    pd.testing.assert_frame_equal(first, second)


def test_weights_of_another_seed_are_another_floor(
    floor: TrialResult, cache: Path, tmp_path: Path
) -> None:
    reseeded = run_trial(untrained("untrained", seed=1), tmp_path / "other", cache)
    name = names.mean_metric("synthetic-test", names.AP, names.MULTILINGUAL)
    assert reseeded.metrics[name] != floor.metrics[name]


def test_the_questions_are_those_of_the_encoder(floor: TrialResult, lexical: TrialResult) -> None:
    tables = [
        pd.read_parquet(result.workspace / "per_query" / "synthetic-test.parquet")
        for result in (floor, lexical)
    ]
    keys = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.QUESTION_ID]
    pd.testing.assert_frame_equal(tables[0][keys], tables[1][keys])
    assert np.isfinite(tables[1][names.AP]).all()


def test_a_finished_trial_is_not_repeated(lexical: TrialResult, cache: Path) -> None:
    before = (lexical.workspace / RESULT).stat().st_mtime_ns
    assert run_trial(untrained("bm25"), lexical.workspace, cache).metrics == lexical.metrics
    assert (lexical.workspace / RESULT).stat().st_mtime_ns == before
