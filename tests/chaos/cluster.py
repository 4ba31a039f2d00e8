"""A Ray cluster of three nodes on this machine, whose nodes die and are replaced one by one.

Each node is a separate `ray start` with its own raylet and workers.
"""

import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tests.chaos.processes import Tree, free_port, launch, listens

_OTHERS = 2
# Many nodes die here, so a dead node is noticed after 3 s instead of 15 s, and a lost head after
# 5 s instead of 60 s.
_PATIENCE = {
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}
_STORE_BYTES = 100_000_000


class Cluster:
    """The cluster; `mend` restarts missing nodes.

    Args:
        folder: folder for its log.
        head_cpus: number of trials that the head takes; each of the other two nodes takes one.
    """

    def __init__(self, folder: Path, head_cpus: int = 0) -> None:
        self._head_cpus = head_cpus
        self._folder = folder
        self._log = folder / "cluster.log"
        # Ray's sockets are in this folder, and their paths must be short.
        self._state = Path(tempfile.mkdtemp(prefix="ray-"))
        self._started = 0
        self._port = free_port()
        self._head: Tree | None = None
        self._nodes: list[Tree] = []
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            **_PATIENCE,
        }

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def size(self) -> int:
        """Number of nodes that take trials."""
        return _OTHERS + bool(self._head_cpus)

    @property
    def nodes(self) -> list[Tree]:
        """The nodes, except the head, that are alive."""
        return [node for node in self._nodes if not node.ended]

    def mend(self) -> None:
        """Start a missing head and missing nodes; nodes join when they are ready."""
        if self._head is None or self._head.ended:
            self.stop()
            self._head = self._start(
                "--head",
                f"--port={self._port}",
                f"--num-cpus={self._head_cpus}",
                "--include-dashboard=false",
            )
            while not listens(self._port):
                assert not self._head.ended, self._log.read_text()
                time.sleep(0.1)
        for node in self._nodes:
            if node.ended:
                node.kill()
        self._nodes = self.nodes
        while len(self._nodes) < _OTHERS:
            self._nodes.append(self._start(f"--address={self.address}", "--num-cpus=1"))

    def trials(self) -> list[psutil.Process]:
        """The processes that run trials at this moment."""
        trees = [*([self._head] if self._head else []), *self.nodes]
        return [process for node in trees for process in node.members() if _runs_a_trial(process)]

    def workers(self) -> dict[str, set[int]]:
        """Ids of all past and present worker processes by node, from the names of Ray's logs."""
        by_node: dict[str, set[int]] = {}
        for log in self._state.glob("*/session_*/logs/worker-*.out"):
            node = log.relative_to(self._state).parts[0]
            by_node.setdefault(node, set()).add(int(log.stem.split("-")[-1]))
        return by_node

    def kill_head(self) -> None:
        """Kill the head with the cluster's state in it; the nodes soon give up."""
        assert self._head is not None
        self._head.kill()

    def stop(self) -> None:
        for tree in [*self._nodes, *([self._head] if self._head else [])]:
            tree.kill()
        self._nodes, self._head = [], None

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self._state, ignore_errors=True)

    def _start(self, *arguments: str) -> Tree:
        self._started += 1
        # Nodes that start together in one folder would use the same file names.
        state = self._state / str(self._started)
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
            *(f"--object-store-memory={_STORE_BYTES}", "--include-log-monitor=false"),
            *(f"--temp-dir={state}", *arguments),
        ]
        return launch(command, self._log, self._folder, self.environment)


def raylets(node: Tree) -> list[psutil.Process]:
    """A node's raylet, if it has started; without it the node's workers end by themselves."""
    return [
        process for process in node.members() if _title(process).split(" ")[0].endswith("/raylet")
    ]


def _runs_a_trial(process: psutil.Process) -> bool:
    # Ray gives its processes titles: "ray::IDLE", "ray::DashboardAgent", "ray::ImplicitFunc.train"
    return _title(process).startswith("ray::ImplicitFunc")


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
