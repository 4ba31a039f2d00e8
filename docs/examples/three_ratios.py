"""Three mixing ratios in sentence-transformers' trainer, and what their scores say.

python three_ratios.py ENCODER PAIRS TEST BUDGET LEARNING_RATE

PAIRS and TEST are tables with the columns question_id, language, question and passage.
"""

import subprocess
import sys
from pathlib import Path

import pandas as pd
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments as Arguments

from hybridir.config import BatchConfig
from hybridir.data.readers.table import load_table
from hybridir.data.readers.table_benchmark import load_table_benchmark
from hybridir.integrations import sentence_transformers as integration

encoder, pairs, test, budget, learning_rate = sys.argv[1:]
table = load_table(Path(pairs))
evaluator = integration.LanguagePoolEvaluator(load_table_benchmark("mine", Path(test)))
scores = []
for seed in (0, 1, 2):
    for ratio in (0.0, 0.5, 1.0):
        config = BatchConfig(mixing_ratio=ratio, batch_size=32)
        batches = integration.HybridBatches(table, config, pairs=int(budget), seed=seed)
        model = SentenceTransformer(encoder)
        hybrid = integration.HybridTraining(model, batches, temperature=0.05)
        folder = f"trained/ratio-{ratio}-seed-{seed}"
        own = {"learning_rate": float(learning_rate), "warmup_steps": 0.1, "save_strategy": "no"}
        arguments = Arguments(folder, seed=seed, **own, **hybrid.arguments)
        SentenceTransformerTrainer(model, arguments, **hybrid.parts).train()
        model.save_pretrained(folder)
        print(f"ratio {ratio}, seed {seed}: {evaluator(model)[evaluator.primary_metric]:.4f}")
        scores.append(evaluator.scores(mixing_ratio=ratio, seed=seed))
pd.concat(scores).to_parquet("scores.parquet")
subprocess.run([sys.executable, "-m", "hybridir", "infer", "scores.parquet"], check=True)
