"""The studies to disturb, and the command that runs and resumes one."""

import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from tests.chaos.processes import ROOT, Tree, launch
from tune.folders import OUTCOME, RunFolder, list_runs

# Proposals are fixed in all studies, regardless of the trials' values. Trainings take 50, 300 and
# 2,000 steps, below and above the 200 steps between checkpoints.
_COMMON = """
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}, dropout: 0.1}
batch: {batch_size: 32}
training: {pairs: 9600, learning_rate: 3.0e-3, precision: fp32}
resources: {cpu: 1, max_failures: 20}
"""
STUDIES = {
    "best": """
seed: 1
space:
  mixing_ratio: {uniform: [0.0, 1.0]}
  temperature: {loguniform: [0.02, 0.5]}
search: {sampler: quasi-random, trials: 4}
confirm: {mixing_ratio: [0.0, 1.0], at: best, pairs: [1600, 9600], seeds: 1}
""",
    # Some trials have the temperature 1e-40, whose scores are infinite: they fail.
    "failing": """
seed: 5
space:
  mixing_ratio: {uniform: [0.0, 1.0]}
  temperature: {choice: [0.05, 1.0e-40]}
search: {sampler: random, trials: 5}
confirm: {mixing_ratio: [0.0, 0.5, 1.0], at: {temperature: 0.05}, seeds: 1}
""",
    "confirming": """
seed: 9
confirm: {mixing_ratio: [0.0, 1.0], at: {temperature: 0.1}, pairs: [1600, 9600, 64000], seeds: 1}
""",
    "shared": """
seed: 11
confirm: {mixing_ratio: [0.0, 1.0], at: {temperature: 0.1}, pairs: [1600, 9600], seeds: 1}
""",
    "short": """
seed: 3
space:
  mixing_ratio: {uniform: [0.0, 1.0]}
search: {sampler: quasi-random, trials: 3}
confirm: {mixing_ratio: [0.0, 1.0], at: best, seeds: 1}
""",
}
_OVERRIDES = {"short": ["training.pairs=3200"]}
# How often checkpoints are written: every 200 steps or 5 minutes, and every 3 s.
CHECKPOINTS = {"default": [], "often": ["training.checkpoint_minutes=0.05"]}
_SIGNS = ("progress.json", "checkpoint.pt", "result.json", OUTCOME)


class Study:
    """One run of one of the `STUDIES`.

    Args:
        folder: working directory of the study.
        kind: key of `STUDIES`.
        environment: variables with the addresses of Ray and MLflow.
        nodes: number of nodes that the study waits for.
        checkpoints: key of `CHECKPOINTS`.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        environment: dict[str, str],
        nodes: int,
        checkpoints: str = "default",
    ) -> None:
        self.name = folder.name
        self.kind = kind
        self.tracking = environment["MLFLOW_TRACKING_URI"]
        self._folder = folder
        self._environment = environment
        self._process: Tree | None = None
        self._started = 0
        self.drivers = 0
        folder.mkdir(parents=True)
        (folder / "study.yaml").write_text(f"name: {self.name}\n{_COMMON}{STUDIES[kind]}")
        overrides = [
            f"resources.nodes={nodes}",
            *_OVERRIDES.get(kind, []),
            *CHECKPOINTS[checkpoints],
        ]
        self._first = ["study.yaml", *(f"--set={override}" for override in overrides)]

    @property
    def run(self) -> RunFolder | None:
        """Its run folder, once there is one that can be resumed."""
        runs = list_runs(self._folder / "results", self.name)
        resumable = [run for run in runs if run.study_file.exists()]
        return resumable[-1] if resumable else None

    @property
    def log(self) -> str:
        """Output of all its drivers."""
        return (self._folder / "driver.log").read_text()

    @property
    def outcomes(self) -> int:
        """Number of its trials that have ended."""
        return len(list((self.run.path / "trials").glob(f"*/{OUTCOME}"))) if self.run else 0

    @property
    def trains(self) -> bool:
        """Whether it has made progress since its driver started."""
        return self.progress() > self._started

    @property
    def ended(self) -> int | None:
        """Exit code of its driver; None while it runs."""
        return self._process.head.poll() if self._process else None

    def log_line(self, line: str) -> None:
        """Write a line to the log."""
        with (self._folder / "driver.log").open("a") as file:
            file.write(f"--- {datetime.now():%H:%M:%S} {line}\n")

    def start(self) -> None:
        """Start or resume the study, as a user does."""
        arguments = ["--resume", self.name] if self.run else self._first
        command = [sys.executable, str(ROOT / "tune" / "run_sweep.py"), *arguments]
        self.drivers += 1
        self.log_line(f"driver {self.drivers}: {' '.join(arguments)}")
        self._started = time.time_ns()
        self._process = launch(
            command, self._folder / "driver.log", self._folder, self._environment
        )

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def wait(self, seconds: float) -> None:
        """Wait for its driver to end, at most this long."""
        if self._process:
            with suppress(subprocess.TimeoutExpired):
                self._process.head.wait(seconds)

    def progress(self) -> int:
        """Time of the last step that was reported, checkpoint or outcome, in ns since 1970."""
        run = self.run
        if run is None:
            return 0
        trials = (run.path / "trials").glob("*")
        files = (trial / file for trial in trials for file in _SIGNS)
        return max(map(_changed, files), default=0)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
