"""One real study, run once for all tests here, and helpers to run, stop and read others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

ROOT = Path(__file__).resolve().parents[2]

# One trial at a time, so that two runs have their trials in the same order. Of the four proposals
# of seed 5 one has the temperature 1e-40, whose scores are infinite, and a later one has 10, which
# trains next to nothing: the search has at least one failed and one stopped trial.
STUDY = """
name: small
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 1024, learning_rate: 3.0e-3}
space:
  mixing_ratio: {uniform: [0.4, 0.6]}
  temperature: {choice: [0.05, 10.0, 1.0e-40]}
search: {sampler: random, trials: 4, scheduler: asha}
confirm: {mixing_ratio: [0.0, 0.5], at: {temperature: 0.05, batch_size: 16}, seeds: 1}
resources: {cpu: %d}
seed: 5
"""


@dataclass
class Running:
    """A study command in a process of its own.

    Attributes:
        process: the driver, leader of a process group.
        folder: working directory of the driver.
        log: file with both output streams.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text()

    def finish(self) -> int:
        return self.process.wait(timeout=1800)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, which must hold before the command ends."""
        while not condition():
            assert self.process.poll() is None, self.output
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the driver and all its descendants, Ray's processes included, without warning."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        for member in family:
            if member.is_running():
                member.kill()
        psutil.wait_procs(family, timeout=60)
        self.process.wait()


def start(folder: Path, *arguments: str, **environment: str) -> Running:
    """Start ``run_sweep.py`` in a working directory."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"log-{len(list(folder.glob('log-*')))}"
    inherited = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "tune" / "run_sweep.py"), *arguments],
            cwd=folder,
            env={**inherited, "OMP_NUM_THREADS": "1", **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Children of a shell's background job ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    return Running(process, folder, log)


@pytest.fixture(scope="session")
def start_study() -> Any:
    return start


@pytest.fixture(scope="session")
def study_text() -> str:
    return STUDY % len(os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory, study_text: str) -> Running:
    """The study, run to its end from a working directory outside the checkout."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "small.yaml").write_text(study_text)
    running = start(folder, "small.yaml")
    assert running.finish() == 0, running.output
    return running
