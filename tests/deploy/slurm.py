"""A Slurm of Debian's packages on hosts made of namespaces: a controller and two nodes.

Each host has processes, a network, a name and a /tmp of its own (`tests.deploy.hosts`), and no
route leads out, so that the daemons are reachable from nowhere else.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.deploy import hosts
from tests.deploy.hosts import Host, Network, until

_DAEMONS = "munged slurmctld slurmd".split()
_NODES = ("n1", "n2")

# Jobs that are put back into the queue wait for as long as a credential holds, by default 120 s; a
# lost node is noticed after 300 s.
_SLURM = """
ClusterName=test
SlurmctldHost=control(192.168.77.10)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=/run/munge,cred_expire=6
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
MpiDefault=none
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=10
SchedulerParameters=sched_interval=1,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeAddr=192.168.77.11 CPUs={cpus} RealMemory=4000 Gres=gpu:1
NodeName=n2 NodeAddr=192.168.77.12 CPUs={cpus} RealMemory=4000 Gres=gpu:1
PartitionName=low Nodes=ALL Default=YES PriorityTier=1
PartitionName=graced Nodes=ALL PriorityTier=1 GraceTime=120
PartitionName=high Nodes=ALL PriorityTier=2
"""
_FILES = {
    "slurm.conf": _SLURM,
    "gres.conf": "NodeName=n1,n2 Name=gpu File=/dev/null\n",
    # The plugin does nothing until a setting asks for it; v2 would want systemd.
    "cgroup.conf": "CgroupPlugin=cgroup/v1\n",
}


def obstacle() -> str:
    """Why Slurm cannot run on this machine; "" if it can."""
    absent = [name for name in _DAEMONS if not shutil.which(name, path=hosts.PATH)]
    if absent:
        return (
            f"Slurm needs {', '.join(absent)}: Debian's slurmctld, slurmd, slurm-client and munge"
        )
    return hosts.obstacle()


class Slurm:
    """A controller, whose host serves to submit jobs as well, and nodes n1 and n2.

    Args:
        folder: folder for all its files, which the hosts share.
        shared: further folders that the hosts share.

    Attributes:
        cpus: CPUs of each node: all that this machine has.
        nodes: the nodes' hosts by name.
    """

    def __init__(self, folder: Path, shared: Sequence[Path]) -> None:
        self.folder = folder
        self._network = Network(folder, shared)
        self.cpus = os.cpu_count() or 1
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        for name, text in _FILES.items():
            (self.folder / name).write_text(text.format(folder=self.folder, cpus=self.cpus))
        for name in ("state", "shared-home"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._network.__enter__()
        try:
            self._control = self._network.add("control")
            self._start(self._control, "slurmctld")
            self.nodes = {name: self._network.add(name) for name in _NODES}
            for host in self.nodes.values():
                self._start(host, "slurmd")
            self.until(
                lambda: self.run("sinfo", "-hp", "low", "-o", "%T %D").split() == ["idle", "2"]
            )
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._network.__exit__(kind, error, trace)
        for daemon in self._daemons:
            daemon.wait()

    def run(self, *command: str) -> str:
        """Run a command on the controller's host, and return its output."""
        return self._control.run(*self._environment(), *command)

    def submit(self, folder: Path, *arguments: str) -> str:
        """Submit a job from a folder, and return its number."""
        change = ("sh", "-c", 'cd "$0" && exec "$@"', str(folder))
        return self.run(*change, "sbatch", "--parsable", *arguments).strip()

    def job(self, number: str) -> dict[str, str]:
        """What Slurm knows of a job, such as its JobState."""
        fields = self.run("scontrol", "--oneliner", "show", "job", number).split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def boot(self, name: str) -> None:
        """Start a node that was killed."""
        self._network.boot(self.nodes[name])
        self._start(self.nodes[name], "slurmd")

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition; fail with what the controller logged where it does not come."""
        until(condition, self._network.lan, self.folder / "slurmctld.log")

    def _start(self, host: Host, daemon: str) -> None:
        munge = (
            f"munged --socket=/run/munge --key-file={self.folder}/munge.key "
            "--pid-file=/run/munge.pid --seed-file=/run/munge.seed --log-file=/run/munge.log"
        )
        command = ("sh", "-c", f"{munge} && exec {daemon} -D")
        log = host.home / f"{daemon}.log"
        self._daemons.append(host.start(*self._environment(), *command, log=log))

    def _environment(self) -> list[str]:
        # Ray's token is in the home, which the nodes of a cluster share. Its workers would give
        # way to the other tests on this machine. Each node has all its cores, so that a thread
        # which waits in a loop would take the core of the thread it waits for.
        home = self.folder / "shared-home"
        return [
            *("env", f"SLURM_CONF={self.folder}/slurm.conf", f"HOME={home}"),
            *("RAY_worker_niceness=0", "OMP_WAIT_POLICY=passive"),
        ]
