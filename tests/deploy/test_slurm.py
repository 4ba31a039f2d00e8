"""deploy/slurm.sbatch under a real Slurm: a controller, two nodes, munge."""

import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hybridir import names
from tests.deploy.slurm import Slurm, obstacle
from tests.support.tiny import repeatable
from tune.folders import PROGRESS, RunFolder

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "slurm.sbatch"
OBSTACLE = obstacle()

# In the place of a study, where the cluster is what is tested: it shows what Ray and Slurm gave.
INSTEAD = """
import os, sys, time, ray
ray.init(logging_level="ERROR", log_to_driver=False)
while len(nodes := ray.nodes()) < 2:
    time.sleep(0.1)
@ray.remote
def cpus():
    return len(os.sched_getaffinity(0))
for node in sorted(nodes, key=lambda node: node["NodeManagerHostname"]):
    own = "node:" + node["NodeManagerAddress"]
    counts = [int(node["Resources"][kind]) for kind in ("CPU", "GPU")]
    print(own, *counts, ray.get(cpus.options(resources={own: 0.1}).remote()))
print(*sys.argv[1:], os.environ["RAY_ADDRESS"])
"""
# Long enough to be at work still when it is disturbed for the fifth time.
STUDY = """
name: small
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 40960, learning_rate: 3.0e-3}
space: {mixing_ratio: {uniform: [0.0, 1.0]}}
search: {sampler: quasi-random, trials: 3}
resources: {cpu: %d}
"""

slurm_is_here = pytest.mark.skipif(bool(OBSTACLE), reason=OBSTACLE)
pytestmark = pytest.mark.xdist_group("hosts")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with Slurm(tmp_path_factory.mktemp("slurm"), [ROOT]) as running:
        yield running


class Checkout:
    """A folder like a checkout, from which jobs are submitted.

    Args:
        slurm: where to submit.
        name: its name in the folder that the nodes share.
    """

    def __init__(self, slurm: Slurm, name: str) -> None:
        self.slurm = slurm
        self.folder = folder = slurm.folder / name
        folder.mkdir()
        for name in (".venv", "deploy"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "small.yaml").write_text(STUDY % slurm.cpus)  # one trial on each node

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.folder / "results" / "small" / "run-001")

    @property
    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def submit(self, *options: str, arguments: tuple[str, ...] = ("small.yaml",)) -> str:
        """Submit the script, with all CPUs of each node, and return the job's number."""
        cpus = f"--cpus-per-task={self.slurm.cpus}"
        return self.slurm.submit(self.folder, cpus, *options, str(SCRIPT), *arguments)

    def until_state(self, job: str, state: str) -> None:
        """Wait for a state of the job, which must not fail before."""
        self.slurm.until(lambda: self._state(job) == state)

    def until_at_work(self, job: str) -> None:
        """Wait until a trial makes progress in the job, which must not fail before."""
        began = time.time()
        self.slurm.until(
            lambda: (
                self._state(job)
                and any(
                    trial.outcome is None and (trial.path / PROGRESS).stat().st_mtime > began
                    for trial in self.run.trials()
                    if (trial.path / PROGRESS).is_file()
                )
            )
        )

    def _state(self, job: str) -> str:
        state = self.slurm.job(job)["JobState"]
        assert state != "FAILED", self.log
        return state

    def statuses(self) -> set[str]:
        """The statuses of the runs in MLflow's database, but those that the preflight tried."""
        kept = "SELECT status FROM runs WHERE lifecycle_stage = 'active'"
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            return {status for (status,) in database.execute(kept)}

    def figures(self) -> dict[str, tuple[str, dict[str, float]]]:
        """State and figures of each trial."""
        return {
            trial.name: (trial.outcome.state, repeatable(trial.outcome.metrics))
            for trial in self.run.trials()
            if trial.outcome
        }

    def until_clean(self) -> None:
        """Wait until no folder and no process of Ray is left on the nodes."""
        shown = (
            "ls /tmp | grep ray; ps -eo args | grep '[r]ay::\\|[r]aylet\\|[g]cs_server' || true"
        )
        hosts = self.slurm.nodes.values()
        self.slurm.until(lambda: not any(host.run("sh", "-c", shown) for host in hosts))


@pytest.mark.long
@slurm_is_here
def test_a_job_has_a_ray_on_all_its_nodes_and_leaves_nothing(slurm: Slurm) -> None:
    checkout = Checkout(slurm, "instead")
    deploy = checkout.folder / "deploy"
    deploy.unlink()
    deploy.mkdir()
    (deploy / "start_or_resume.py").write_text(INSTEAD)
    job = checkout.submit(arguments=("study.yaml", "--set", "seed=3"))
    checkout.until_state(job, "COMPLETED")
    *_, first, second, last = checkout.log.splitlines()
    n1, n2 = (host.address for host in slurm.nodes.values())
    # One GPU that the job asks for, and CPUs that it not only counts but may use.
    assert [first, second] == [f"node:{node} {slurm.cpus} 1 {slurm.cpus}" for node in (n1, n2)]
    arguments, _, port = last.rpartition(":")
    assert arguments == f"study.yaml --set seed=3 --set resources.nodes=2 {n1}"
    # Ray gives 10002 to 19999 to its workers, Linux those from 32768 to anyone.
    assert 20_000 <= int(port) < 32_768
    checkout.until_clean()


@slurm_is_here
@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        ("192.168.77.", (), "usage: sbatch deploy/slurm.sbatch STUDY.yaml"),
        (
            "10.",
            ("study.yaml",),
            "HYBRIDIR_NETWORK=10.: no address of n1 begins so; it has 192.168.77.11",
        ),
    ],
    ids=["no-study", "no-such-network"],
)
def test_a_mistake_ends_the_job_with_a_message(
    network: str, arguments: tuple[str, ...], message: str, slurm: Slurm
) -> None:
    checkout = Checkout(slurm, f"mistake-{len(arguments)}")
    job = checkout.submit(f"--export=ALL,HYBRIDIR_NETWORK={network}", arguments=arguments)
    slurm.until(lambda: slurm.job(job)["JobState"] == "FAILED")
    assert slurm.job(job)["ExitCode"] == "2:0"
    assert message in checkout.log


@pytest.fixture(scope="module")
def undisturbed(slurm: Slurm) -> Checkout:
    checkout = Checkout(slurm, "undisturbed")
    checkout.until_state(checkout.submit(), "COMPLETED")
    return checkout


@pytest.mark.long
@slurm_is_here
def test_the_log_of_a_successful_job_is_that_of_its_study(undisturbed: Checkout) -> None:
    lines = undisturbed.log.splitlines()
    assert lines[-1].startswith("report: ")
    assert any(line.startswith("preflight: 2 nodes; ") for line in lines)
    assert not [line for line in lines if re.search("ray start|Killed|slurmstepd", line)]
    undisturbed.until_clean()


@dataclass
class Story:
    """A study whose job is ended in every way that Slurm has.

    Attributes:
        checkout: where it ran.
        closed: statuses of MLflow's runs after each disturbance.
    """

    checkout: Checkout
    closed: dict[str, set[str]] = field(default_factory=dict)

    def note(self, disturbance: str, job: str) -> None:
        """Note the runs in MLflow while the job waits to start again, when Ray is gone."""
        slurm = self.checkout.slurm
        slurm.run("scontrol", "hold", job)
        self.closed[disturbance] = self.checkout.statuses()
        self.checkout.until_clean()
        slurm.run("scontrol", "release", job)


@pytest.fixture(scope="module")
def story(slurm: Slurm) -> Story:
    checkout = Checkout(slurm, "disturbed")
    story = Story(checkout)

    # As Slurm does five minutes before the time limit.
    job = checkout.submit()
    checkout.until_at_work(job)
    slurm.run("scancel", "--batch", "--signal=USR1", job)
    checkout.until_state(job, "PENDING")
    story.note("time limit", job)

    # In "graced" a job has time to close before it makes room.
    for partition in ("low", "graced"):
        slurm.run("scontrol", "update", f"JobId={job}", f"Partition={partition}")
        checkout.until_at_work(job)
        two_nodes = ("--partition=high", "--nodes=2", "--exclusive", "--output=/dev/null")
        others = slurm.submit(checkout.folder, *two_nodes, "--wrap=sleep 1000")
        checkout.until_state(others, "RUNNING")
        assert slurm.job(job)["JobState"] == "PENDING"
        story.note(f"preempted in {partition}", job)
        slurm.run("scancel", others)

    checkout.until_at_work(job)
    slurm.nodes["n2"].kill()
    # Slurm would notice by itself, after some time in which the study goes on.
    slurm.run("scontrol", "update", "NodeName=n2", "State=DOWN", "Reason=lost")
    checkout.until_state(job, "PENDING")
    slurm.boot("n2")
    slurm.run("scontrol", "update", "NodeName=n2", "State=RESUME")
    story.note("node lost", job)

    checkout.until_at_work(job)
    slurm.run("scancel", job)
    slurm.until(lambda: not slurm.run("squeue", "--noheader"))
    assert slurm.job(job)["JobState"] == "CANCELLED"
    story.closed["cancelled"] = checkout.statuses()
    checkout.until_clean()

    checkout.until_state(checkout.submit(), "COMPLETED")
    return story


@pytest.mark.long
@slurm_is_here
def test_a_study_has_the_same_figures_however_its_jobs_end(
    story: Story, undisturbed: Checkout
) -> None:
    figures = story.checkout.figures()
    assert [state for state, _ in figures.values()] == [names.COMPLETE] * 3
    assert figures == undisturbed.figures()


@pytest.mark.long
@slurm_is_here
def test_a_job_that_ends_before_its_study_closes_the_runs_in_mlflow(story: Story) -> None:
    assert len(story.closed) == 5
    assert {name for name, statuses in story.closed.items() if "RUNNING" in statuses} == set()
    assert story.checkout.statuses() == {"FINISHED"}


def test_slurm_is_told_to_requeue_and_to_warn_the_script() -> None:
    lines = SCRIPT.read_text().splitlines()
    directives = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert {"--requeue", "--exclusive", "--open-mode=append"} <= set(directives)
    assert "--signal=B:USR1@300" in directives, "B: the script is warned, not its steps"
    # Slurm reads no directive after the first command.
    commands = [n for n, line in enumerate(lines) if line and not line.startswith("#")]
    assert max(n for n, line in enumerate(lines) if line.startswith("#SBATCH")) < commands[0]


def test_shellcheck_finds_nothing() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), SCRIPT], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
