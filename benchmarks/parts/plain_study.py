"""The study that a user would write without this project; `benchmarks/study.py` runs it.

Ray Tune calls a function that trains by sentence-transformers' trainer, as the documentation of
both shows it; Optuna proposes temperature and batch size, MLflow's callback tracks, and an
`InformationRetrievalEvaluator` for each pair of languages and one for all of them measure, at the
depths that it has by default.
"""

# Ray ships `trial` without names that occur in annotations alone.
from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any


def evaluators(benchmark: dict[str, Any], cached: bool) -> list[Any]:
    """One for the questions of each language in the pool of each language, and one for all.

    Args:
        benchmark: queries and passages as (language, text), and the relevant passages of each
            query, by their places.
        cached: whether a text is encoded once, and not in each of its pools.
    """
    import torch
    from sentence_transformers.sentence_transformer.evaluation import (
        InformationRetrievalEvaluator,
    )

    vectors: dict[str, Any] = {}

    class Cached(InformationRetrievalEvaluator):  # type: ignore[misc]
        """Keeps the vectors of all texts for the other evaluators."""

        def embed_inputs(self, model: Any, sentences: Any, **kwargs: Any) -> Any:
            new = [text for text in dict.fromkeys(sentences) if text not in vectors]
            if new:
                vectors.update(zip(new, super().embed_inputs(model, new, **kwargs), strict=True))
            return torch.stack([vectors[text] for text in sentences])

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
            (Cached if cached else InformationRetrievalEvaluator)(
                queries={key: queries[int(key)][1] for key in found},
                corpus=corpus,
                relevant_docs=found,
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
            learning_rate=config["learning_rate"],
            weight_decay=0.01,
            warmup_steps=0.1,
            use_cpu=True,
            bf16=config["bf16"],
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
    for evaluator in evaluators(benchmark, config["cached"]):
        with torch.autocast("cpu", torch.bfloat16, enabled=config["bf16"]):
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


def main(folder: str, settings: str) -> None:
    """Run the study; prints seconds by stage as JSON: those of trials are sums.

    Args:
        folder: holds the data and the encoder, and gets all results.
        settings: JSON of ``trials, pairs, batch_sizes, learning_rate, bf16, cached``.
    """
    import optuna
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    chosen = json.loads(settings)
    start = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    started = time.perf_counter()
    space = {
        "temperature": tune.loguniform(0.01, 1.0),
        "batch_size": tune.choice(chosen["batch_sizes"]),
        "folder": folder,
        **{name: chosen[name] for name in ("pairs", "learning_rate", "bf16", "cached")},
    }
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=3)
    results = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(metric="map", mode="max", sampler=sampler),
            num_samples=chosen["trials"],
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
    taken = {stage: sum(one[stage] for one in metrics) for stage in ("training", "evaluation")}
    taken |= {"start": started - start, "trials": time.perf_counter() - started}
    print(json.dumps(taken))


if __name__ == "__main__":
    main(*sys.argv[1:])
