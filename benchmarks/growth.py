"""How the cost of a trial grows with its training pairs, over a factor of 16.

    python benchmarks/growth.py

Table and budget grow together: each trial tokenises and reads all its pairs and trains on as many.
The encoder is the demo's; nothing is evaluated but the development benchmark, whose size is fixed.
Sizes take turns within a repeat. The exponent is the slope of log seconds over log pairs.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from hybridir.config import TrialConfig
from hybridir.trial import run_trial

FACTORS = (1, 2, 4, 8, 16)


def trial_of(entities: int) -> TrialConfig:
    """A trial on a corpus of so many entities, of 4 facts in 5 languages each."""
    return TrialConfig.model_validate(
        {
            "data": {"train": {"synthetic": {"entities": entities}}, "report_on": []},
            "encoder": {"from_scratch": {"layers": 2, "hidden_size": 128, "vocabulary": 4000}},
            "batch": {"batch_size": 64},
            "training": {"pairs": 20 * entities, "precision": "fp32"},
        }
    )


def seconds(entities: int) -> float:
    """CPU seconds of one trial with nothing prepared."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        run_trial(trial_of(entities), Path(folder) / "trial", Path(folder) / "cache")
        return time.process_time() - start


def exponent(pairs: list[int], taken: list[float]) -> float:
    """Slope of the least squares line through the logarithms."""
    return float(np.polyfit(np.log(pairs), np.log(taken), 1)[0])


def main(
    smallest: Annotated[int, typer.Option(min=30, help="Entities of the smallest corpus.")] = 60,
    repeats: Annotated[int, typer.Option(min=1, help="How often each size is run.")] = 3,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures there.")] = None,
) -> None:
    """Print seconds by size, and the exponent of their growth with its spread."""
    torch.set_num_threads(1)
    sizes = [smallest * factor for factor in FACTORS]
    pairs = [20 * size for size in sizes]
    seconds(smallest)  # compiles and imports
    found = np.array([[seconds(size) for size in sizes] for _ in range(repeats)])
    slopes = sorted(exponent(pairs, list(row)) for row in found)
    for count, column in zip(pairs, found.T, strict=True):
        spread = f"[{min(column):.2f} .. {max(column):.2f}]"
        print(f"{count:7d} pairs: {np.median(column):.2f} s {spread}")
    print(f"exponent {np.median(slopes):.3f} [{slopes[0]:.3f} .. {slopes[-1]:.3f}], n = {repeats}")
    if json_file is not None:
        record = {"name": "growth", "pairs": pairs, "seconds": found.tolist(), "exponents": slopes}
        json_file.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
