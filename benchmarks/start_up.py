"""Measures how long the commands take that answer before any work.

    python benchmarks/start_up.py --json start_up.json
    python benchmarks/start_up.py --repeats 5 --checkout ../before      # and another checkout

The commands take turns, each in a process of its own, after one run that fills caches of files.
CPU seconds are those of the process and its children; wall seconds are of use on an idle machine
alone. The first line of a study is that of `make sweep`: settings read and checked, nothing of a
study loaded; the process is ended there.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

ROOT = Path(__file__).resolve().parents[1]
SWEEP = "tune/run_sweep.py"
COMMANDS = {
    "help": ("-m", "hybridir", "--help"),
    "version": ("-m", "hybridir", "--version"),
    "config": ("-m", "hybridir", "config", "training.temperature"),
    "status": (SWEEP, "--status", "demo"),
    "sweep-help": (SWEEP, "--help"),
    "first-line": (SWEEP,),
    "report-help": ("analysis/report.py", "--help"),
}


class Times(NamedTuple):
    """CPU and wall seconds of a command."""

    cpu: float
    wall: float


def measure(checkout: Path, name: str, folder: Path) -> Times:
    """Run a command of a checkout once, to its end or to its first line.

    Args:
        checkout: root of the checkout.
        name: one of `COMMANDS`.
        folder: working directory, with a study's run below ``results/demo``.

    Raises:
        RuntimeError: if the command fails or says nothing.
    """
    first, *rest = COMMANDS[name]
    script = first if first == "-m" else str(checkout / first)
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONUNBUFFERED": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, script, *rest], cwd=folder, env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None, "it is a pipe"
    line = process.stdout.readline()
    stopped = name == "first-line"
    if stopped:
        process.kill()
    else:
        process.stdout.read()
    process.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if not line or (status and not stopped):
        raise RuntimeError(f"{name}: ended with {process.returncode} and {line!r}")
    return Times(usage.ru_utime + usage.ru_stime, wall)


def record_run(folder: Path) -> None:
    """Make the folder of a study's run that has just begun."""
    run = folder / "results" / "demo" / "run-001"
    run.mkdir(parents=True)
    shutil.copy(ROOT / "tune" / "studies" / "demo.yaml", run / "study.yaml")


def summary(values: list[float]) -> str:
    """Write a median with the smallest and the largest value.

    >>> summary([0.3, 0.1, 0.2])
    '0.20 [0.10 .. 0.30]'
    """
    return f"{statistics.median(values):.2f} [{min(values):.2f} .. {max(values):.2f}]"


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each command.")] = 20,
    checkout: Annotated[
        Path | None, typer.Option(help="Another checkout, whose commands take turns with these.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file.")
    ] = None,
) -> None:
    """Print the seconds of each command: median, smallest and largest."""
    checkouts = {"ours": ROOT} | ({"other": checkout.resolve()} if checkout else {})
    times: dict[tuple[str, str], list[Times]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record_run(folder)
        for repeat in range(repeats + 1):
            for command in COMMANDS:
                for label, root in checkouts.items():
                    taken = measure(root, command, folder)
                    if repeat:
                        times.setdefault((command, label), []).append(taken)
    records = []
    for (command, label), runs in times.items():
        cpu, wall = (list(seconds) for seconds in zip(*runs, strict=True))
        print(f"{command} ({label}): CPU {summary(cpu)} s, wall {summary(wall)} s, n = {repeats}")
        figures = {"cpu": statistics.median(cpu), "wall": statistics.median(wall)}
        records.append({"name": command, "checkout": label, "unit": "s", "n": repeats} | figures)
    if json_file is not None:
        json_file.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
