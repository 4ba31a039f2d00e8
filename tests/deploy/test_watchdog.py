"""A worker of cluster.yaml ends itself without Ray: its first commands under a real systemd."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import yaml

from tests.deploy.hosts import PATH, obstacle, until

ROOT = Path(__file__).resolve().parents[2]
CLUSTER: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
WORKER = CLUSTER["available_node_types"]["worker"]["node_config"]

# A machine that shares nothing with this one but the files, of which it sees copies: what is
# written lands in memory. It boots nothing by itself.
MACHINE = """
set -e
ip link set lo up
mount -t tmpfs tmpfs "$0"
mkdir "$0/changes" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/changes,workdir=$0/work" "$0/root"
cd "$0/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/shm
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
printf '[Unit]\\nDefaultDependencies=no\\n' > etc/systemd/system/nothing.target
exec chroot . env -i PATH="$PATH" container=other /lib/systemd/systemd --unit=nothing.target
"""
# Control groups outlive the machine.
CLEAN = """
mount -t cgroup -o none,name=systemd cgroup /mnt
find /mnt/init.scope /mnt/system.slice -depth -type d -exec rmdir {} +
"""
NEW = "unshare --net --mount --pid --uts --cgroup --ipc --fork --kill-child=KILL sh -c".split()
OBSTACLE = obstacle() or ("" if shutil.which("systemd-run") else "a machine needs systemd")

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("hosts"),
    pytest.mark.skipif(bool(OBSTACLE), reason=OBSTACLE),
]


class Machine:
    """The machine.

    Args:
        folder: a folder for its log and its files.
    """

    def __init__(self, folder: Path) -> None:
        root = folder / "machine"
        root.mkdir()
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*NEW, MACHINE, str(root)],
                env={"PATH": PATH},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.until(lambda: self._is_up())

    def run(self, *command: str) -> str:
        """Run a command on the machine, and return what it prints."""
        (init,) = psutil.Process(self.process.pid).children()
        inside = ["nsenter", f"--target={init.pid}", "--all", "--root", "--wd"]
        done = subprocess.run(
            [*inside, *command], env={"PATH": PATH, "HOME": "/tmp"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition while the machine runs."""
        until(condition, self.process, self._log)

    def _is_up(self) -> bool:
        try:
            return "nothing.target" in self.run("systemctl", "list-units", "--no-pager")
        except (AssertionError, ValueError):
            return False


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.process.kill()  # and with it all others
    machine.process.wait()
    subprocess.run(["unshare", "--mount", "--cgroup", "sh", "-c", CLEAN], capture_output=True)


def test_a_worker_shuts_itself_down_when_its_raylet_has_been_away(machine: Machine) -> None:
    assert WORKER["InstanceInitiatedShutdownBehavior"] == "terminate"
    script = WORKER["UserData"]
    assert script.count("1min") == 2
    assert script.count("-ge 15 ]") == 1
    ray = Path(sys.executable).with_name("ray")
    machine.run(
        "systemd-run", "--unit=ray", str(ray), "start", "--head", "--block", "--num-cpus=1"
    )
    machine.until(lambda: machine.run("sh", "-c", "pgrep -x raylet || true"))
    machine.run("bash", "-c", script.replace("1min", "1s"))

    # It has looked, and found Ray.
    looked = ("systemctl", "show", "--value", "--property=ExecMainExitTimestampMonotonic")
    machine.until(lambda: machine.run(*looked, "without-ray.service").strip() != "0")
    assert "minutes-without-ray" not in machine.run("ls", "/run")

    machine.run("systemctl", "kill", "--signal=KILL", "ray")
    machine.until(lambda: "minutes-without-ray" in machine.run("ls", "/run"))
    machine.process.wait(timeout=900)
