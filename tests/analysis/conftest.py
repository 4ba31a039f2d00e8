"""Studies recorded in a real MLflow database, with known scores.

The AP of a question is `BASE[setting][ratio] + SEED_EFFECT[seed] + QUESTION_EFFECT[question]`. The
last two sum to zero, so a ratio's mean is its base and a trial's mean base plus seed effect.
"""

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from analysis.study.arrays import Key
from analysis.study.mlflow import Study, load_study
from analysis.study.scores import collect_scores
from analysis.tables.confirmed import curve_table
from analysis.write import write_report
from hybridir import names
from hybridir.inference import Replicates, replicate
from hybridir.inference.scores import Scores
from tests.support.databases import empty_database

LANGUAGES = ("en", "de", "es")
RATIOS = (0.0, 0.5, 1.0)
SEEDS = (1, 2, 3)
QUESTIONS = tuple(f"question-{number:02d}" for number in range(12))
BASE = {
    names.MONOLINGUAL: {0.0: 0.60, 0.5: 0.70, 1.0: 0.75},
    names.CROSSLINGUAL: {0.0: 0.50, 0.5: 0.48, 1.0: 0.20},
    names.MULTILINGUAL: {0.0: 0.40, 0.5: 0.45, 1.0: 0.30},
}
SEED_EFFECT = {1: -0.01, 2: 0.0, 3: 0.01}
QUESTION_EFFECT = dict(zip(QUESTIONS, [-0.05, 0.05] * 6, strict=True))
RANK_DISTANCE = {0.0: 10, 0.5: 20, 1.0: 200}
STUDY_TEXT = """name: small
search: {trials: 4, objective: dev/map_mean}
confirm: {mixing_ratio: [0.0, 0.5, 1.0], seeds: 3}
note: "</script><script>throw new Error('a study file must not end the script')</script>"
"""

# Baselines with trials of their own, and the ratio whose scores each of them has.
BORROWED = {"untrained": 1.0, "bm25": 0.0, "x-x": 0.5}
HELD_TEXT = """name: held
baselines: [untrained, bm25, x-x, x-x-mono, x-y, hybrid]
confirm: {mixing_ratio: [0.0, 0.5, 1.0], seeds: 3}
"""

Trial = dict[str, Any]


def per_query_table(ratio: float, seed: int, benchmark: str = "known") -> pd.DataFrame:
    """Make the per-query table of a trial, as an evaluation does."""
    rows = []
    for query, pool in itertools.product(LANGUAGES, (*LANGUAGES, names.ALL_LANGUAGES)):
        setting = names.MULTILINGUAL if pool == names.ALL_LANGUAGES else names.CROSSLINGUAL
        setting = names.MONOLINGUAL if query == pool else setting
        several = setting == names.MULTILINGUAL
        for number, question in enumerate(QUESTIONS):
            value = BASE[setting][ratio] + SEED_EFFECT[seed] + QUESTION_EFFECT[question]
            # at ratio r the first 6 + 6 r of 12 questions have a first hit in their own language
            own = number < 6 + 6 * ratio
            neighbour = LANGUAGES[LANGUAGES.index(query) - 1]
            rows.append(
                {
                    names.BENCHMARK: benchmark,
                    names.SETTING: setting,
                    names.QUERY_LANGUAGE: query,
                    names.POOL_LANGUAGE: pool,
                    names.QUESTION_ID: question,
                    names.AP: value,
                    names.BEST_RANK: 1,
                    names.WORST_RANK: 1 + (RANK_DISTANCE[ratio] if several else 0),
                    names.BEST_RANK_SEEN: 1 if several else None,
                    names.WORST_RANK_SEEN: 1 + RANK_DISTANCE[ratio] // 2 if several else None,
                    names.TOP1_LANGUAGE: (query if own else neighbour) if several else None,
                }
            )
    table = pd.DataFrame(rows)
    ranks = {names.BEST_RANK_SEEN: "Int32", names.WORST_RANK_SEEN: "Int32"}
    return table.astype(dict.fromkeys((names.SETTING,), "category") | ranks)


def search_trials() -> list[Trial]:
    """Four search trials: two complete, one pruned, one failed."""
    trials = []
    states = (names.COMPLETE, names.PRUNED, names.COMPLETE, names.FAIL)
    for number, state in enumerate(states):
        metrics = {} if state == names.FAIL else {"dev/map_mean": 0.3 + 0.1 * number}
        trials.append(
            {
                "name": f"search-{number:03d}",
                "phase": names.PHASE_SEARCH,
                "state": state,
                "reason": "loss is not finite at step 3" if state == names.FAIL else "",
                "params": _params(0.2 * number, 1, batch_size=16 * 2**number),
                "metrics": metrics | {names.TRAIN_SECONDS: 10.0, names.EVALUATION_SECONDS: 2.0},
            }
        )
    return trials


def confirm_trials(
    ratios: Iterable[float] = RATIOS, seeds: Iterable[int] = SEEDS, benchmark: str = "known"
) -> list[Trial]:
    """One complete trial per ratio and seed, with its per-query table."""
    trials = []
    for ratio, seed in itertools.product(ratios, seeds):
        metrics = {
            names.mean_metric(benchmark, names.AP, setting): BASE[setting][ratio]
            + SEED_EFFECT[seed]
            for setting in names.SETTINGS
        }
        timing = {
            names.TRAIN_SECONDS: 20.0 + seed,
            names.EVALUATION_SECONDS: 4.0,
            names.TRAIN_PAIRS_PER_SECOND: 1000.0 + 10 * seed,
            names.PEAK_MEMORY_MB: 500.0 + seed,
            names.FIDELITY: 1.0,
        }
        trials.append(
            {
                "name": f"confirm-a{ratio:g}-s{seed}",
                "phase": names.PHASE_CONFIRM,
                "state": names.COMPLETE,
                "params": _params(ratio, seed),
                "metrics": metrics | timing,
                "tables": {benchmark: per_query_table(ratio, seed, benchmark)},
            }
        )
    return trials


def baseline_trials() -> list[Trial]:
    """One trial of each baseline without training, a trial per seed of the trained one."""
    trials = []
    for name, ratio in BORROWED.items():
        for index, seed in enumerate(SEEDS if name == "x-x" else SEEDS[:1]):
            (trial,) = confirm_trials([ratio], [seed])
            trial["name"] = f"baseline-{name}-s{index}"
            trial["phase"] = names.PHASE_BASELINE
            trial["params"] = {names.SEED: seed, names.BASELINE: name}
            trials.append(trial)
    return trials


def _params(ratio: float, seed: int, batch_size: int = 64) -> dict[str, Any]:
    return {
        names.MIXING_RATIO: ratio,
        names.TEMPERATURE: 0.05,
        names.BATCH_SIZE: batch_size,
        names.SEED: seed,
    }


def record(
    folder: Path, study: str, trials: list[Trial], text: str = STUDY_TEXT, run: str = ""
) -> str:
    """Write a run of a study to `folder/mlflow.db` and return its tracking URI."""
    database = folder / "mlflow.db"
    if not database.exists():
        empty_database(folder)
    uri = f"sqlite:///{database}"
    client = MlflowClient(uri)
    existing = client.get_experiment_by_name("hybridir")
    experiment = (
        existing.experiment_id
        if existing
        else client.create_experiment("hybridir", (folder / "artifacts").as_uri())
    )
    tags = {names.TAG_STUDY: study, names.TAG_KIND: names.KIND_STUDY}
    if run:
        tags[names.TAG_FOLDER] = f"results/{study}/{run}"
    parent = client.create_run(experiment, tags=tags).info.run_id
    client.log_text(parent, text, names.ARTIFACT_STUDY)
    for trial in trials:
        tags = {
            names.TAG_PARENT: parent,
            names.TAG_STUDY: study,
            names.TAG_KIND: names.KIND_TRIAL,
            names.TAG_TRIAL: trial["name"],
            names.TAG_PHASE: trial["phase"],
            names.TAG_STATE: trial["state"],
            names.TAG_REASON: trial.get("reason", ""),
            names.TAG_HOST: "somewhere",
        }
        run = client.create_run(experiment, tags=tags).info.run_id
        params = [Param(key, str(value)) for key, value in trial["params"].items()]
        metrics = [Metric(key, value, 0, 0) for key, value in trial["metrics"].items()]
        client.log_batch(run, metrics, params)
        for benchmark, table in trial.get("tables", {}).items():
            path = folder / f"{benchmark}.parquet"
            table.to_parquet(path)
            client.log_artifact(run, str(path), names.ARTIFACT_PER_QUERY)
            path.unlink()
        client.set_terminated(run)
    client.set_terminated(parent)
    return uri


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the studies ``unconfirmed`` (search alone), ``alone`` (baselines alone),
    ``held`` (confirmation and baselines) and ``small`` (search and confirmation), in order."""
    folder = tmp_path_factory.mktemp("mlflow")
    record(folder, "unconfirmed", search_trials())
    record(folder, "alone", baseline_trials(), HELD_TEXT)
    record(folder, "held", [*confirm_trials(), *baseline_trials()], HELD_TEXT)
    return record(folder, "small", [*search_trials(), *confirm_trials()])


@pytest.fixture(scope="session")
def study(tracking_uri: str) -> Study:
    return load_study("small", tracking_uri)


@pytest.fixture(scope="session")
def report(tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the study ``small``, its files beside it."""
    return write_report("small", tracking_uri, tmp_path_factory.mktemp("report"), log=False)


@pytest.fixture(scope="session")
def scores() -> dict[Key, Scores]:
    trials = itertools.product(RATIOS, SEEDS)
    return collect_scores((ratio, seed, per_query_table(ratio, seed)) for ratio, seed in trials)


@pytest.fixture(scope="session")
def smooth(scores: dict[Key, Scores]) -> dict[Key, Scores]:
    """mAP at five ratios, about the parabolas through the three of `scores`: a fit holds."""
    at = np.linspace(0, 1, 5)
    parabolas = np.vander(at, 3) @ np.linalg.inv(np.vander(RATIOS, 3))
    noise = np.random.default_rng(6)
    smoothed = {}
    for key, measured in scores.items():
        if key[0] == names.AP:
            values = np.tensordot(parabolas, measured.values, axes=1)
            values = values + noise.normal(0, 0.01, values.shape)
            smoothed[key] = replace(measured, ratios=tuple(at), values=values)
    return smoothed


@pytest.fixture(scope="session")
def replicates(scores: dict[Key, Scores]) -> dict[Key, Replicates]:
    generator = np.random.default_rng(5)
    return {key: replicate(measured, generator, 200) for key, measured in scores.items()}


@pytest.fixture(scope="session")
def curve(scores: dict[Key, Scores], replicates: dict[Key, Replicates]) -> pd.DataFrame:
    return curve_table(scores, replicates)


@pytest.fixture
def table_of() -> Callable[..., pd.DataFrame]:
    """Make the per-query table of (ratio, seed)."""
    return per_query_table


@pytest.fixture
def write_study() -> Callable[..., str]:
    """Record a study from (folder, name, trials, text, run)."""
    return record


@pytest.fixture
def make_trials() -> Callable[..., list[Trial]]:
    """Make confirmation trials from (ratios, seeds, benchmark)."""
    return confirm_trials


@pytest.fixture(scope="session")
def recorder() -> tuple[Callable[..., str], Callable[..., list[Trial]]]:
    """`write_study` and `make_trials`, for fixtures of a wider scope."""
    return record, confirm_trials
