"""The study that a user would write without this project; `benchmarks/study.py` runs it.

Ray Tune calls a function that trains by sentence-transformers' trainer, as the documentation of
both shows it; Optuna proposes temperature and batch size, MLflow's callback tracks, and an
`InformationRetrievalEvaluator` for each pair of languages and one for all of them measure.
"""

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any


def evaluators(benchmark: dict[str, Any]) -> list[Any]:
    """One for the questions of each language in the pool of each language, and one for all.

    Args:
        benchmark: queries and passages as (language, text), and the relevant passages of each
            query, by their places.
    """
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )

    queries, passages = benchmark["queries"], benchmark["passages"]
    languages = sorted({language for language, _ in passages})
    cells = [(asked, pool) for asked in languages for pool in languages]
    made = []
    for asked, pool in [*cells, (None, None)]:
        corpus = {str(n): text for n, (code, text) in enumerate(passages) if pool in (None, code)}
        found = {
            str(n): {str(p) for p in benchmark["relevant"][n] if str(p) in corpus}
            for n, (code, _) in enumerate(queries)
            if asked in (None, code)
        }
        made.append(
            InformationRetrievalEvaluator(
                queries={key: queries[int(key)][1] for key in found},
                corpus=corpus,
                relevant_docs=found,
                map_at_k=[len(corpus)],
                name=f"{asked}-{pool}",
                write_csv=False,
            )
        )
    return made


def trial(config: dict[str, Any]) -> None:
    """Train and evaluate once; reports the mean of all mAPs, and seconds."""
    import torch
    from datasets import Dataset
    from ray import tune
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    torch.set_num_threads(1)
    folder = Path(config["folder"])
    pairs = json.loads((folder / "pairs.json").read_text())
    model = SentenceTransformer(str(folder / "encoder"), device="cpu")
    start = time.perf_counter()
    SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(Path.cwd() / "checkpoints"),
            max_steps=config["pairs"] // config["batch_size"],
            per_device_train_batch_size=config["batch_size"],
            learning_rate=3e-3,
            weight_decay=0.01,
            warmup_steps=0.1,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(pairs),
        loss=MultipleNegativesRankingLoss(model, scale=1 / config["temperature"]),
    ).train()
    trained = time.perf_counter()
    benchmark = json.loads((folder / "benchmark.json").read_text())
    scores = []
    for evaluator in evaluators(benchmark):
        figures = evaluator(model)
        scores += [value for name, value in figures.items() if "_map@" in name]
    done = time.perf_counter()
    tune.report(
        {
            "map": sum(scores) / len(scores),
            "training": trained - start,
            "evaluation": done - trained,
        }
    )


def main(folder: str, trials: str, pairs: str) -> None:
    """Run the study; prints the seconds of all trials by stage as JSON."""
    import optuna
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    space = {
        "temperature": tune.loguniform(0.01, 1.0),
        "batch_size": tune.choice([64, 128]),
        "folder": folder,
        "pairs": int(pairs),
    }
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=3)
    results = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="map", mode="max", sampler=sampler),
            num_samples=int(trials),
            metric="map",
            mode="max",
        ),
        run_config=tune.RunConfig(
            storage_path=f"{folder}/results",
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(
                    tracking_uri=f"sqlite:///{folder}/plain.db", experiment_name="plain"
                )
            ],
        ),
    ).fit()
    if results.errors:
        raise results.errors[0]
    metrics = [results[n].metrics or {} for n in range(len(results))]
    stages = ("training", "evaluation")
    print(json.dumps({stage: sum(result[stage] for result in metrics) for stage in stages}))


if __name__ == "__main__":
    main(*sys.argv[1:])
