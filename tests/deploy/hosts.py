"""Hosts made of namespaces, each with its processes, network, name, home, /tmp and SSH server.

All hosts are inside one more namespace. Its first process reads a pipe from this process and ends
with it; the kernel then kills the rest, so that nothing is left behind however a test ends.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]

_TOOLS = "ip unshare nsenter sshd ssh ssh-keygen rsync make flock setsid uptime".split()
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_NEW = "unshare --net --mount --pid --uts --fork --kill-child --mount-proc sh -c".split()

_LAN = "ip link set lo up && ip link add lan up type bridge && echo ready && cat"

# The first process of a host. Shared folders are moved aside first, since they may be below /tmp.
# A passwd file moves root's home to the same path on each host.
_HOST = """
set -e
hostname "$NAME"
mount -t tmpfs tmpfs /run
mkdir /run/sshd /run/shared
number=0
for folder in "$@"; do
    number=$((number + 1))
    mkdir "/run/shared/$number"
    mount --rbind "$folder" "/run/shared/$number"
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
number=0
for folder in "$@"; do
    number=$((number + 1))
    mkdir -p "$folder"
    mount --rbind "/run/shared/$number" "$folder"
done
mount --bind "$OWN" "$HOME"
for file in passwd shadow hosts; do
    mount --bind "$HOME/etc/$file" "/etc/$file"
done
ip link set lo up
while ! ip link set eth0 up 2> /dev/null; do sleep 0.02; done
ip address add "$ADDRESS/24" dev eth0
exec "$(command -v sshd)" -D -e -f "$HOME/etc/sshd_config"
"""

# Seconds after which a wait has failed, beside other tests on two slow cores.
_LONGEST = 900
_IN_HOME = 'cd && exec "$@"'

_SSHD = """
HostKey {key}
AuthorizedKeysFile {key}.pub
StrictModes no
UsePAM no
UseDNS no
PidFile none
"""


def obstacle() -> str:
    """Why hosts cannot be made on this machine; "" if they can."""
    absent = [tool for tool in _TOOLS if not shutil.which(tool, path=PATH)]
    if absent:
        return f"hosts need {', '.join(absent)}"
    tried = subprocess.run(
        [*_NEW, _LAN],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"PATH": PATH},
    )
    return f"hosts cannot be made here: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass
class Host:
    """One host.

    Attributes:
        name: its host name.
        address: address in the network of all hosts.
        home: home folder of its user, root, as seen from outside.
        init: process id of its first process.
    """

    name: str
    address: str
    home: Path
    init: int

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a command in the host's home."""
        with log.open("wb") as file:
            return subprocess.Popen(
                [*_inside(self.init, "--all"), "sh", "-c", _IN_HOME, "sh", *command],
                env={"PATH": PATH, "HOME": str(_home(self.home)), "TERM": "dumb"},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def run(self, *command: str) -> str:
        """Run a command in the host's home and return its output."""
        log = self.home / "log"
        process = self.start(*command, log=log)
        assert process.wait() == 0, log.read_text()
        return log.read_text()

    def kill(self) -> None:
        """Kill every process of the host, as a power failure does."""
        init = psutil.Process(self.init)
        init.send_signal(signal.SIGKILL)
        psutil.wait_procs([init])


class Network:
    """Makes hosts, and removes them all at its end.

    Args:
        folder: folder for keys and homes.
        shared: further folders that all hosts share, each under its own path.
    """

    def __init__(self, folder: Path, shared: Sequence[Path]) -> None:
        self.key = folder / "key"
        self._folder = folder
        self._shared = [str(folder), *map(str, shared)]
        self._hosts = 0
        self._starters: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", self.key], check=True)
        self.lan = subprocess.Popen(
            [*_NEW, _LAN],
            env={"PATH": PATH},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.lan.stdout
        assert self.lan.stdout.readline() == b"ready\n"
        (self._init,) = psutil.Process(self.lan.pid).children()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.lan.kill()
        self.lan.wait()
        for starter in self._starters:
            starter.wait()

    def add(self, name: str, bashrc: str = "") -> Host:
        """Make another host, with the startup file of its shells."""
        self._hosts += 1
        host = Host(name, f"192.168.77.{9 + self._hosts}", self._folder / name, 0)
        etc = host.home / "etc"
        etc.mkdir(parents=True)
        _home(host.home).mkdir(exist_ok=True)
        (host.home / ".bashrc").write_text(bashrc)
        root = f"root:x:0:0:root:{_home(host.home)}:/bin/bash"
        users = re.sub("^root:.*", root, Path("/etc/passwd").read_text(), flags=re.MULTILINE)
        (etc / "passwd").write_text(users)
        (etc / "shadow").write_text("root:*:::::::\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost\n{host.address} {name}\n")
        (etc / "sshd_config").write_text(_SSHD.format(key=self.key))
        self.boot(host)
        return host

    def boot(self, host: Host) -> None:
        """Start a new or killed host, and wait for its SSH server."""
        log = host.home / "sshd.log"
        log.write_text("")
        with log.open("wb") as errors:
            starter = subprocess.Popen(
                [*_inside(self._init.pid, "--all"), *_NEW, _HOST, "sh", *self._shared],
                env={
                    "PATH": PATH,
                    "HOME": str(_home(host.home)),
                    "OWN": str(host.home),
                    "NAME": host.name,
                    "ADDRESS": host.address,
                },
                stderr=errors,
            )
        self._starters.append(starter)
        # nsenter starts unshare, which starts the first process.
        until(lambda: len(psutil.Process(starter.pid).children(recursive=True)) == 2, starter, log)
        host.init = psutil.Process(starter.pid).children(recursive=True)[1].pid
        plug = f"ip link add port-{host.init} master lan up type veth peer eth0 netns {host.init}"
        subprocess.run(
            [*_inside(self._init.pid, "--net"), *plug.split()], env={"PATH": PATH}, check=True
        )
        until(lambda: "listening" in log.read_text(), starter, log)


def until(condition: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a condition, which must hold before a process that writes a log ends."""
    deadline = time.monotonic() + _LONGEST
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _inside(pid: int, *namespaces: str) -> list[str]:
    return ["nsenter", f"--target={pid}", *namespaces]


def _home(folder: Path) -> Path:
    """Path of a home as seen from its host: the same on all hosts, as Ray expects."""
    return folder.parent / "home"
