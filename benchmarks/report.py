"""Measures the report of a study of 500 trials, each with a full per-query table.

    python benchmarks/report.py --json report.json      # 800 MB of disk below --folder
    python benchmarks/report.py --trials 20 --questions 100

Records a study in an SQLite database in the layout of `tune.record.mirror`: tables of XQuAD-R's
size (11 languages, 1190 questions on 48 articles, 157,080 rows), ten mixing ratios, several seeds.
Random embeddings are scored once per ratio; every trial has these scores with the questions in
another order. Then the command runs twice, as a user would run it: without a cache, and with the
cache of the first run. Wall and CPU seconds and peak memory are those of the command. The exit
code is 1 beyond a limit.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from benchmarks.evaluation import QUESTIONS, random_embeddings, synthetic_benchmark
from hybridir import names
from hybridir.data import Benchmark
from hybridir.evaluation.per_query import per_query_table, write_per_query
from hybridir.evaluation.summary import summarise
from hybridir.retrieval import rank_embeddings

REPOSITORY = Path(__file__).parents[1]
STUDY = "large"
RATIOS = 10
ARTICLES = 48  # of XQuAD
DIMENSIONS = 64
NOISE = 2.0  # share of a query's own random vector; grows with the distance from ratio .5
SEEN = ("en", "de", "es")
LIMIT_SECONDS, LIMIT_MB = 30.0, 2048.0

Record = dict[str, float]


def scored(benchmark: Benchmark, noise: float) -> pd.DataFrame:
    """Score queries that point to their relevant passages, blurred by the noise."""
    queries, passages = random_embeddings(benchmark, DIMENSIONS)
    targets = np.zeros_like(queries)
    np.add.at(targets, benchmark.relevant_queries, passages[benchmark.relevant])
    length = np.linalg.norm(targets, axis=1, keepdims=True)
    queries = targets / np.maximum(length, 1e-6) + noise * queries
    return per_query_table(benchmark, rank_embeddings(benchmark, queries, passages), SEEN)


def record_study(folder: Path, trials: int, questions: int) -> str:
    """Record a study of confirmation trials and return its tracking URI."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment(names.EXPERIMENT, (folder / "artifacts").as_uri())
    tags = {names.TAG_STUDY: STUDY, names.TAG_KIND: names.KIND_STUDY}
    parent = client.create_run(experiment, tags=tags).info.run_id
    client.log_text(parent, f"name: {STUDY}\n", names.ARTIFACT_STUDY)
    benchmark = synthetic_benchmark(questions)
    generator = np.random.default_rng(0)
    path = folder / f"{benchmark.name}.parquet"
    for ratio in np.linspace(0, 1, RATIOS).tolist():
        table = scored(benchmark, NOISE + abs(ratio - 0.5))
        ids = table[names.QUESTION_ID].cat.categories
        article_of = {one: f"article {at * ARTICLES // len(ids)}" for at, one in enumerate(ids)}
        for seed in range(-(-trials // RATIOS)):
            tags = {
                names.TAG_PARENT: parent,
                names.TAG_STUDY: STUDY,
                names.TAG_KIND: names.KIND_TRIAL,
                names.TAG_TRIAL: f"confirm-a{ratio:.3f}-s{seed}",
                names.TAG_PHASE: names.PHASE_CONFIRM,
                names.TAG_STATE: names.COMPLETE,
            }
            run = client.create_run(experiment, tags=tags).info.run_id
            settings = {
                names.MIXING_RATIO: ratio,
                names.SEED: seed,
                names.BATCH_SIZE: 64,
                names.TEMPERATURE: 0.05,
            }
            figures = summarise(table) | {names.FIDELITY: 1.0, names.TRAIN_SECONDS: 100.0}
            client.log_batch(
                run,
                metrics=[Metric(key, value, 0, 0) for key, value in figures.items()],
                params=[Param(key, str(value)) for key, value in settings.items()],
            )
            order = table[names.QUESTION_ID].cat.rename_categories(
                generator.permutation(ids).tolist()
            )
            articles = order.map(article_of).astype("category")
            columns = {names.QUESTION_ID: order, names.CLUSTER: articles}
            write_per_query(table.assign(**columns), path)
            client.log_artifact(run, str(path), names.ARTIFACT_PER_QUERY)
            client.set_terminated(run)
    path.unlink()
    client.set_terminated(parent)
    return uri


def measure_command(uri: str, out: Path) -> Record:
    """Run the command once and return its times and its peak memory."""
    script = str(REPOSITORY / "analysis" / "report.py")
    command = [sys.executable, script, STUDY, "--tracking-uri", uri, "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen([*command, "--no-log"], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"the report ended with status {os.waitstatus_to_exitcode(status)}")
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def main(
    trials: Annotated[int, typer.Option(min=RATIOS, help="Confirmation trials.")] = 500,
    questions: Annotated[int, typer.Option(min=12, help="Questions per language.")] = QUESTIONS,
    folder: Annotated[Path | None, typer.Option(help="Folder of the recorded study.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Print the seconds and the memory of a first and a second report."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        root = Path(temporary).resolve()
        uri = record_study(root, trials, questions)
        tables = list(root.rglob("*.parquet"))
        size = sum(table.stat().st_size for table in tables) / 1e6
        print(f"{len(tables)} trials, {size:.0f} MB of tables")
        records = {run: measure_command(uri, root / "out") for run in ("first", "next")}
        cached = sum(file.stat().st_size for file in (root / "out").rglob("*.arrow")) / 1e6
    for run, record in records.items():
        print(f"{run}: " + ", ".join(f"{key} {value:.1f}" for key, value in record.items()))
    print(f"cached for the next: {cached:.0f} MB")
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=2) + "\n")
    slow = any(record["seconds"] > LIMIT_SECONDS for record in records.values())
    if slow or any(record["peak_mb"] > LIMIT_MB for record in records.values()):
        print(f"limits: {LIMIT_SECONDS:.0f} s, {LIMIT_MB:.0f} MB")
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
