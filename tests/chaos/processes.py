"""Processes that are started, watched and killed together with their descendants."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
_PORTS = iter(range(20_000 + os.getpid() % 10_000, 32_000))


def launch(command: list[str], log: Path, folder: Path, environment: dict[str, str]) -> "Tree":
    """Start a command in a session of its own; both streams go to a file."""
    with log.open("ab") as file:
        return Tree(
            subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )


class Tree:
    """A command and its descendants.

    Args:
        head: the command's process.
    """

    def __init__(self, head: subprocess.Popen[bytes]) -> None:
        self.head = head

    @property
    def ended(self) -> bool:
        return self.head.poll() is not None

    def members(self) -> list[psutil.Process]:
        """The command, if it lives, and its descendants."""
        try:
            process = psutil.Process(self.head.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """SIGKILL all processes at once, before one notices the death of another."""
        members = self.members()
        for member in members:
            send(member, signal.SIGSTOP)
        # Processes started while the first signals went out, and processes that left their parent.
        late = {*self.members(), *members, *_of_session(self.head.pid)}
        for member in late:
            send(member, signal.SIGKILL)
        self.head.wait()
        psutil.wait_procs(late, timeout=30)


def send(process: psutil.Process, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def free_port() -> int:
    """A port on which nothing listens, outside the range from which the system assigns ports.

    Clusters of other tests may take hundreds of the system's ports at any moment.
    """
    for port in _PORTS:  # each is returned once, since its user may listen later
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port is left")


def listens(port: int) -> bool:
    """Whether something answers on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _of_session(session: int) -> list[psutil.Process]:
    members = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                members.append(process)
        except ProcessLookupError:
            continue
    return members
