"""A table of scores with known gains, and the answer of `hybridir infer` to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from hybridir.cli.main import app

RATIOS = (0.0, 0.5, 1.0)
N_CLUSTERS, SIZE = 36, 3


def scores(
    n_seeds: int = 3, study: str = "mine", gain: float = 0.05, seed: int = 0
) -> pd.DataFrame:
    """Two question languages in the pool of all, and one of them in its own."""
    generator = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(N_CLUSTERS), SIZE)
    rows = []
    for setting, query, pool in (
        ("multilingual", "en", "all"),
        ("multilingual", "de", "all"),
        ("monolingual", "en", "en"),
    ):
        shared = generator.normal(0, 0.05, N_CLUSTERS)[cluster]
        for ratio in RATIOS:
            own = generator.normal(0, 0.02, N_CLUSTERS)[cluster]
            for number in range(n_seeds):
                noise = generator.normal(0, 0.02, len(cluster)) + generator.normal(0, 0.005)
                value = 0.5 + shared + own + noise + gain * (ratio == 0.5)
                rows.append(
                    pd.DataFrame(
                        {
                            "study": study,
                            "mixing_ratio": ratio,
                            "seed": number,
                            "question_id": [f"q{index}" for index in range(len(cluster))],
                            "cluster": [f"article {index}" for index in cluster],
                            "setting": setting,
                            "query_language": query,
                            "pool_language": pool,
                            "value": value,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def run(table: pd.DataFrame, folder: Path, *options: str) -> dict[str, Any]:
    path, figures = folder / "scores.parquet", folder / "answer.json"
    table.to_parquet(path)
    done = CliRunner().invoke(app, ["infer", str(path), "--json", str(figures), *options])
    assert done.exit_code == 0, done.output
    result: dict[str, Any] = json.loads(figures.read_text())
    return result


def select(rows: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in values.items())]
    return row
