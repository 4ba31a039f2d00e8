"""The figures of one study from raw rankings, by another path than the program's.

The kept encoder embeds each text alone with transformers, rankings are sorted lists, measures are
loops in plain Python. The same figures must stand in the per-query table, in the report's tables,
in the table of scores and in MLflow.
"""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from transformers import AutoModel, AutoTokenizer

from hybridir.data.synthetic.corpus import synthetic_corpus
from tune.folders import RunFolder, TrialFolder

pytestmark = pytest.mark.xdist_group("study")

Key = tuple[str, str, str, str]
"""(setting, question language, pool language, question)."""


@pytest.fixture(scope="module")
def folder(small_study: Any) -> RunFolder:
    return RunFolder(small_study.folder / "results" / "small" / "run-001")


@pytest.fixture(scope="module")
def trial(folder: RunFolder) -> TrialFolder:
    """The trial whose encoder was kept."""
    (kept,) = [trial for trial in folder.trials() if (trial.path / "encoder").is_dir()]
    return kept


def embed(path: Path, texts: list[str], prefix: str, length: int) -> np.ndarray:
    tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path).eval()
    vectors = []
    with torch.inference_mode():
        for text in texts:
            tokens = tokenizer(
                f"{prefix}{text}", truncation=True, max_length=length, return_tensors="pt"
            )
            vector = model(**tokens).last_hidden_state[0].mean(dim=0).double()
            vectors.append((vector / vector.norm()).numpy())
    return np.stack(vectors)


@pytest.fixture(scope="module")
def measured(trial: TrialFolder) -> dict[Key, dict[str, float]]:
    """Measures of every question in every pool, from full rankings."""
    corpus = synthetic_corpus(languages=2, seed=20, entities=30).test
    config = json.loads((trial.path / "config.json").read_text())["encoder"]
    assert config["pooling"] == "mean"
    path = trial.path / "encoder"
    queries = embed(path, list(corpus.queries), config["query_prefix"], config["query_length"])
    passages = embed(
        path, list(corpus.passages), config["passage_prefix"], config["passage_length"]
    )
    scores = queries @ passages.T
    language_of = [corpus.languages[index] for index in corpus.passage_languages]
    results: dict[Key, dict[str, float]] = {}
    for query, question in enumerate(corpus.question_ids):
        first, last = corpus.relevant_offsets[query : query + 2]
        relevant = set(corpus.relevant[first:last].tolist())
        own = corpus.languages[corpus.query_languages[query]]
        ranked = sorted(range(len(passages)), key=lambda index: -scores[query, index])
        for pool in (*corpus.languages, "all"):
            ranking = [i for i in ranked if pool in ("all", language_of[i])]
            ranks = [rank for rank, i in enumerate(ranking, start=1) if i in relevant]
            n_relevant = len(ranks)
            setting = "multilingual" if pool == "all" else "crosslingual"
            setting = "monolingual" if pool == own else setting
            results[setting, own, pool, question] = {
                "ap": fmean(found / rank for found, rank in enumerate(ranks, start=1)),
                "set_f1": sum(rank <= n_relevant for rank in ranks) / n_relevant,
                "rank_distance": max(ranks) - min(ranks),
                "max_at_r": max(ranks),
            }
    return results


def macro(measured: dict[Key, dict[str, float]], measure: str, setting: str) -> float:
    cells: dict[tuple[str, str], list[float]] = {}
    for (of, query, pool, _), values in measured.items():
        if of == setting:
            cells.setdefault((query, pool), []).append(values[measure])
    return fmean(map(fmean, cells.values()))


FIGURES = [
    *((m, s) for m in ("ap", "set_f1") for s in ("monolingual", "crosslingual", "multilingual")),
    *(("rank_distance", "multilingual"), ("max_at_r", "multilingual")),
]


def test_the_per_query_table_has_the_measures_of_the_full_rankings(
    trial: TrialFolder, measured: dict[Key, dict[str, float]]
) -> None:
    table = pd.read_parquet(trial.path / "per_query" / "synthetic-test.parquet")
    assert len(table) == len(measured)
    for row in table.to_dict("records"):
        key = row["setting"], row["query_language"], row["pool_language"], row["question_id"]
        for measure in ("ap", "set_f1"):
            assert row[measure] == pytest.approx(measured[key][measure], abs=1e-12), key
        assert row["worst_rank"] - row["best_rank"] == measured[key]["rank_distance"], key
        assert row["cluster"] == row["question_id"].rpartition("-")[0]


@pytest.mark.parametrize(("measure", "setting"), FIGURES)
def test_report_scores_and_mlflow_have_their_means(
    small_study: Any,
    folder: RunFolder,
    trial: TrialFolder,
    measured: dict[Key, dict[str, float]],
    measure: str,
    setting: str,
) -> None:
    expected = macro(measured, measure, setting)
    ratio = json.loads((trial.path / "config.json").read_text())["batch"]["mixing_ratio"]

    # One seed, so that the mean over seeds is this trial's.
    curve = pd.read_csv(folder.report / "tables" / "curve-synthetic-test.csv")
    at_ratio = curve[(curve["mixing_ratio"] == ratio) & (curve["setting"] == setting)]
    (mean,) = at_ratio["mean"][at_ratio["measure"] == measure]
    assert mean == pytest.approx(expected, rel=1e-9)

    scores = pd.read_parquet(folder.report / "scores.parquet")
    rows = scores[(scores["mixing_ratio"] == ratio) & (scores["setting"] == setting)]
    rows = rows[rows["measure"] == measure]
    cells = rows.groupby(["query_language", "pool_language"], observed=True)["value"].mean()
    assert cells.mean() == pytest.approx(expected, rel=1e-9)

    client = MlflowClient(f"sqlite:///{small_study.folder / 'mlflow.db'}")
    (experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
    (run,) = client.search_runs(
        [experiment.experiment_id], f"tags.`hybridir.trial` = '{trial.name}'"
    )
    name = {"ap": f"map_{setting}", "set_f1": f"set_f1_{setting}"}.get(measure, measure)
    assert run.data.metrics[f"synthetic-test/{name}"] == pytest.approx(expected, rel=1e-9)
