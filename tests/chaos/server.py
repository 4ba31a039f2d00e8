"""An MLflow server that is killed, stays down for a while and returns on its port."""

import signal
import sys
import time
from pathlib import Path

from tests.chaos.processes import Tree, free_port, launch, listens, send


class Server:
    """The server of a database file; `mend` restarts it when its outage is over.

    Args:
        folder: folder for the database, the artifacts and the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "server.log"
        self._port = free_port()
        self._process: Tree | None = None
        self._dies_at = self._back_at = 0.0

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def answers(self) -> bool:
        return self._process is not None and not self._dies_at and listens(self._port)

    def kill(self, seconds: float, *, hangs: bool) -> None:
        """Make the server unavailable.

        Args:
            seconds: length of the outage.
            hangs: whether the server first accepts connections without an answer for these
                seconds, and then dies.
        """
        assert self._process is not None
        now = time.monotonic()
        self._back_at = now + seconds
        if hangs:
            for process in self._process.members():
                send(process, signal.SIGSTOP)
            self._dies_at = self._back_at
        else:
            self.stop()

    def mend(self) -> None:
        """Start the server if it is down and its outage is over."""
        now = time.monotonic()
        if self._dies_at and now >= self._dies_at:
            self.stop()
        if self._process is None and now >= self._back_at:
            self._process = launch(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                    *("--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}"),
                    *("--artifacts-destination", str(self._folder / "artifacts")),
                    *("--port", str(self._port)),
                ],
                self._log,
                self._folder,
                {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )

    def wait(self) -> None:
        """Start the server at once and wait until it answers."""
        self._back_at = 0.0
        self._dies_at = min(self._dies_at, time.monotonic())
        self.mend()
        while not self.answers:
            assert self._process and not self._process.ended, self._log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
        self._process, self._dies_at = None, 0.0
