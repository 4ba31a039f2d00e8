"""The overhead of a study beyond its trials.

    python benchmarks/sweep_overhead.py
    python benchmarks/sweep_overhead.py --repeats 3 --json sweep_overhead.json

Ours is the wall time of `run_sweep.py` with 16 trials of the demo's size, from the check of the
data to the report, minus that of `run_sweep.py --preflight` for the same study, which starts
Python and Ray, checks, and stops. The peer runs the same trials one after the other in one warm
process, divided by the number of workers. Studies and bare processes alternate. The overhead
includes the imports of the workers, the probe of the plan, tracking and the report. Not covered:
clusters.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Instead of this script's folder, whose modules would shadow others of the same name.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import json
import statistics
import subprocess
import tempfile
import time
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parents[1]
SWEEP = ROOT / "tune" / "run_sweep.py"
DEMO = ROOT / "tune" / "studies" / "demo.yaml"

Record = dict[str, str | float | int | None]


def settings(folder: Path, trials: int, pairs: int) -> list[str]:
    """Arguments of a study in its own folder, whose trials all complete."""
    overrides = {
        "training.pairs": pairs,
        "search": f"{{sampler: quasi-random, trials: {trials}, objective: dev/map_mean}}",
        "confirm": "null",
        "storage": folder / "results",
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
    }
    return [str(DEMO), *(f"--set={key}={value}" for key, value in overrides.items())]


def wall_seconds(command: list[str]) -> float:
    """Seconds that a command takes; raises an error with its output if it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return seconds


def bare_seconds(run: Path) -> float:
    """Seconds that the trials of a study take when repeated in one warm process."""
    command = [sys.executable, __file__, "--trials-of", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def run_bare(run: Path) -> float:
    """Warm up with the first trial, then time all trials in this process.

    Args:
        run: folder of a study's run.
    """
    import torch

    from hybridir.config import TrialConfig
    from hybridir.trial import run_trial

    torch.set_num_threads(1)
    configs = [
        TrialConfig.model_validate_json(file.read_text())
        for file in sorted(run.glob("trials/*/config.json"))
    ]
    cache = run.parent.parent / "cache"
    start = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number, config in enumerate([configs[0], *configs]):
            if number == 1:
                start = time.perf_counter()
            run_trial(config, Path(folder) / str(number), cache)
    return time.perf_counter() - start


def measure(trials: int, pairs: int, workers: int) -> tuple[float, float]:
    """Time one study and one bare process.

    Returns:
        Seconds of the study without the start of Ray, and seconds of the bare trials divided by
        the number of workers.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = [str(SWEEP), *settings(folder, trials, pairs)]
        start_up = wall_seconds([*arguments, "--preflight"])
        study = wall_seconds(arguments)
        bare = bare_seconds(folder / "results" / "demo" / "run-001")
    return study - start_up, bare / workers


def main(
    trials: Annotated[int, typer.Option(help="Trials of the study.")] = 16,
    pairs: Annotated[int, typer.Option(help="Training pairs per trial.")] = 16_000,
    workers: Annotated[int, typer.Option(help="CPUs of this machine, one per trial.")] = 2,
    repeats: Annotated[
        int, typer.Option(help="Number of studies, each followed by a bare process.")
    ] = 2,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File to write the figures to.")
    ] = None,
    trials_of: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print the ratio of a study's time to that of its bare trials, with minimum and maximum."""
    if trials_of:
        print(run_bare(trials_of))
        return
    times = [measure(trials, pairs, workers) for _ in range(repeats)]
    studies, peers = zip(*times, strict=True)
    ratios = sorted(study / bare for study, bare in times)
    print(
        f"{trials} trials of {pairs} pairs, {workers} workers: "
        f"study {statistics.median(studies):.1f} s, "
        f"bare trials / {workers} {statistics.median(peers):.1f} s, "
        f"ratio {statistics.median(ratios):.2f} [{ratios[0]:.2f} .. {ratios[-1]:.2f}], "
        f"n = {repeats}"
    )
    if json_file:
        record: Record = {
            "name": "sweep-overhead",
            "ours": statistics.median(studies),
            "peer": statistics.median(peers),
            "unit": "s",
            "ratio": statistics.median(ratios),
            "floor_share": statistics.median(peers) / statistics.median(studies),
            "ours_mb": None,
            "peer_mb": None,
            "n": repeats,
        }
        json_file.write_text(json.dumps([record], indent=1))


if __name__ == "__main__":
    typer.run(main)
