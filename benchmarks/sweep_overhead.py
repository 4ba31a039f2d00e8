"""What a study costs beyond its trials.

    python benchmarks/sweep_overhead.py
    python benchmarks/sweep_overhead.py --repeats 3 --json sweep_overhead.json

Ours is the wall time of `run_sweep.py` with 16 trials of the demo's size, from the check of the
data to the report, less that of `run_sweep.py --preflight` for the same study, which starts Python
and Ray, checks, and stops. The peer is the same trials one after the other in one warm process,
divided by the number of workers. Study and bare process take turns. Left in are the imports of the
workers, the probe of the plan, tracking and the report. Clusters are not covered.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).resolve().parent.parent
SWEEP = ROOT / "tune" / "run_sweep.py"
DEMO = ROOT / "tune" / "studies" / "demo.yaml"

Record = dict[str, str | float | int | None]


def settings(folder: Path, trials: int, pairs: int) -> list[str]:
    """Arguments of a study whose trials all run to their end, in a folder of its own."""
    given = {
        "training.pairs": pairs,
        "search.trials": trials,
        "search.sampler": "quasi-random",
        "search.scheduler": "none",
        "confirm": "null",
        "storage": folder / "results",
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
    }
    return [str(DEMO), *(f"--set={key}={value}" for key, value in given.items())]


def wall_seconds(command: list[str]) -> float:
    """Run a command to its end; its output is shown if it fails."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return seconds


def bare_seconds(run: Path) -> float:
    """Run the trials of a study again in one warm process, and return the seconds they took."""
    command = [sys.executable, __file__, "--trials-of", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def run_bare(run: Path) -> float:
    """In this process: warm up with the first trial, then run them all.

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
    """One study and one bare process.

    Returns:
        Seconds of the study, start of Ray apart, and seconds of the bare trials by workers.
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
    pairs: Annotated[int, typer.Option(help="Training pairs a trial; the demo's.")] = 16_000,
    workers: Annotated[int, typer.Option(help="CPUs of this machine, one a trial.")] = 2,
    repeats: Annotated[int, typer.Option(help="Studies, in turn with bare processes.")] = 2,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures there.")] = None,
    trials_of: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Print the ratio of a study's time to that of its bare trials, with its spread."""
    if trials_of:
        print(run_bare(trials_of))
        return
    pairs_of_times = [measure(trials, pairs, workers) for _ in range(repeats)]
    ours, peers = zip(*pairs_of_times, strict=True)
    ratios = sorted(study / bare for study, bare in pairs_of_times)
    print(
        f"{trials} trials of {pairs} pairs, {workers} workers: "
        f"study {statistics.median(ours):.1f} s, "
        f"bare trials / {workers} {statistics.median(peers):.1f} s, "
        f"ratio {statistics.median(ratios):.2f} [{ratios[0]:.2f} .. {ratios[-1]:.2f}], "
        f"n = {repeats}"
    )
    if json_file:
        record: Record = {
            "name": "sweep-overhead",
            "ours": statistics.median(ours),
            "peer": statistics.median(peers),
            "unit": "s",
            "ratio": statistics.median(ratios),
            "floor_share": statistics.median(peers) / statistics.median(ours),
            "ours_mb": None,
            "peer_mb": None,
            "n": repeats,
        }
        json_file.write_text(json.dumps([record], indent=1))


if __name__ == "__main__":
    typer.run(main)
