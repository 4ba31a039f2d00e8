"""deploy/onprem.yaml starts Ray on real SSH hosts, one of which fails and returns."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import yaml

from hybridir import names
from tests.deploy.hosts import Host, Network, obstacle, until
from tune.folders import PROGRESS, RunFolder, TrialFolder

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy" / "onprem.yaml"
OBSTACLE = obstacle()
RAY = str(ROOT / ".venv" / "bin" / "ray")

STUDY = """
name: small
train: {synthetic: {languages: 2, seed: 20, entities: 30}}
report_on: [synthetic-test]
encoder: {from_scratch: {layers: 1, hidden_size: 32, intermediate_size: 64, heads: 2,
                         vocabulary: 600}}
training: {pairs: 6144, learning_rate: 3.0e-3, checkpoint_every: 64}
batch: {batch_size: 16}
space: {mixing_ratio: {uniform: [0.0, 1.0]}}
search: {sampler: random, trials: 3}
resources: {nodes: 3}
storage: %s
"""

# Startup file of the hosts' shells. One CPU per host, so that three trials run on three hosts, and
# shorter timeouts than Ray's defaults, which suit thousands of nodes.
BASHRC = """
export RAY_OVERRIDE_RESOURCES='{"CPU": 1}'
export AUTOSCALER_UPDATE_INTERVAL_S=1 AUTOSCALER_HEARTBEAT_TIMEOUT_S=5
export RAY_health_check_period_ms=500 RAY_health_check_timeout_ms=2000
export RAY_gcs_rpc_server_reconnect_timeout_s=3 RAY_worker_niceness=0
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("hosts"),
    pytest.mark.skipif(bool(OBSTACLE), reason=OBSTACLE),
]


@dataclass
class Story:
    """History of the cluster.

    Attributes:
        lost: host that was killed in the middle of a trial, and joined again after its restart.
        broken: name of this trial.
        trials: all trials at the end.
        output: output of the study's command.
        processes: number of Ray's processes before `ray down`.
        left: processes that survived `ray down`.
    """

    lost: Host
    broken: str
    trials: list[TrialFolder]
    output: str
    processes: int
    left: list[psutil.Process]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if subprocess.run(["make", "--question", ".venv/.stamp-study"], cwd=ROOT).returncode:
        pytest.skip("the hosts cannot install what .venv lacks: call make test")
    folder = tmp_path_factory.mktemp("hosts")
    run = RunFolder(folder / "results" / "small" / "run-001")
    study = folder / "small.yaml"
    study.write_text(STUDY % (folder / "results"))
    with Network(folder, [ROOT]) as network:
        laptop = network.add("laptop")
        cluster = [network.add(name, BASHRC) for name in ("head", "worker-1", "worker-2")]
        (laptop.home / "onprem.yaml").write_text(_for_hosts(cluster, network.key))
        laptop.run(RAY, "up", "onprem.yaml", "-y", "--no-config-cache")

        log = laptop.home / "study.log"
        submit = (RAY, "submit", "onprem.yaml", str(ROOT / "deploy" / "run_study.py"), "--")
        running = laptop.start(*submit, str(study), log=log)
        until(lambda: _at_work(run, cluster[1:]), running, log)
        lost, broken = _at_work(run, cluster[1:])[0]
        lost.kill()
        network.boot(lost)
        assert running.wait() == 0, log.read_text()

        # Usually true at once, since the host returned during the study.
        until(lambda: _nodes(laptop) == len(cluster), network.lan, log)
        processes = [process for host in cluster for process in _ray_on(host)]
        laptop.run(RAY, "down", "onprem.yaml", "-y")
        _, left = psutil.wait_procs(processes, timeout=90)
        yield Story(lost, broken, run.trials(), log.read_text(), len(processes), left)


def test_trials_run_on_every_host_of_the_file(story: Story) -> None:
    ended = {trial.outcome.host for trial in story.trials if trial.outcome}
    assert ended | {story.lost.name} == {"head", "worker-1", "worker-2"}, story.output


def test_no_trial_is_lost_with_a_host_which_joins_again(story: Story) -> None:
    states = {trial.name: trial.outcome.state for trial in story.trials if trial.outcome}
    assert story.broken in states
    assert list(states.values()) == [names.COMPLETE] * 3, story.output


def test_the_study_is_tracked_by_the_server_on_the_head(story: Story) -> None:
    assert "tracking: http://127.0.0.1:5000" in story.output


def test_ray_down_ends_the_nodes_on_all_hosts(story: Story) -> None:
    assert story.processes == 4  # one per host, and the head's control store
    assert story.left == []


def test_the_file_is_one_that_ray_accepts() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(yaml.safe_load(FILE.read_text())))


def _for_hosts(cluster: list[Host], key: Path) -> str:
    """The file with the addresses of these hosts."""
    text = FILE.read_text()
    for example, value in {
        "192.168.1.10": cluster[0].address,
        "192.168.1.11": cluster[1].address,
        "192.168.1.12": cluster[2].address,
        "researcher": "root",
        "~/.ssh/id_ed25519": str(key),
        "/shared/hybridir": shlex.quote(str(ROOT)),
    }.items():
        assert example in text
        text = text.replace(example, value)
    return text


def _at_work(run: RunFolder, hosts: list[Host]) -> list[tuple[Host, str]]:
    """The hosts that are training, with their trials."""
    return [
        (host, trial.name)
        for trial in run.trials()
        if trial.outcome is None and (progress := trial.read(PROGRESS))
        for host in hosts
        if host.name == progress["host"] and progress["step"] < progress["steps"]
    ]


def _nodes(laptop: Host) -> int:
    """Number of nodes that Ray reports."""
    status = laptop.run(RAY, "exec", "onprem.yaml", "ray status")
    match = re.search(r"(\d+) local\.cluster\.node", status)
    return int(match[1]) if match else 0


def _ray_on(host: Host) -> list[psutil.Process]:
    """The processes that make a host a node; Ray's agents and log readers outlive them briefly."""
    return [
        process
        for process in psutil.Process(host.init).children(recursive=True)
        if process.name() in ("raylet", "gcs_server")
    ]
