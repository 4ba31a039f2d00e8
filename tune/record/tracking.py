"""The only writer to MLflow: one thread, for which the study waits at its end alone.

An event merely marks a trial as changed. The thread reads the study's folder and updates MLflow;
while the server is unreachable it retries, and the marks stay.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from hybridir.errors import is_full
from hybridir.runtime.addresses import without_secrets
from hybridir.runtime.files import atomic_write
from tune.folders import RunFolder, TrialFolder
from tune.record.address import Address, record_of
from tune.record.mirror import Mirror

logger = logging.getLogger("hybridir")

# Delay between attempts while the server is unreachable: short at first, without a flood of
# requests in a long outage.
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0
# Wait of an ended study for an unreachable server: a restart of the server takes up to a minute on
# a busy machine (measured).
OUTAGE_SECONDS = 60.0
# An interrupted study waits less, since Slurm and Kubernetes kill 30 s after their signal to stop;
# a resume sends the missing records.
INTERRUPTED_SECONDS = 15.0

_OPENING, _ENCODER, _CLOSING = "opening", "encoder", "closing"


class Tracker:
    """Keeps one study's runs in MLflow up to date with its folder.

    Only `finish` waits for the server, and no method fails because it is unreachable.

    Args:
        address: where the study is tracked, from `tune.record.address.address_of`.
        study: name of the study.
        folder: its run folder. ``mlflow.json`` in it names the parent run, to which a resumed
            study re-attaches, and the trials that MLflow has in full, for ``--status``.
        parameters: settings of the study that deserve a column in the UI.
        data: (name, digest, role) of each data set.
    """

    def __init__(
        self,
        address: Address,
        study: str,
        folder: RunFolder,
        parameters: dict[str, Any],
        data: Iterable[tuple[str, str, str]],
    ) -> None:
        self.uri = address.uri
        self._study = study
        self._folder = folder
        self._mirror = Mirror(self.uri, study, folder, parameters, data, address.run_id)
        self._sent = set(address.sent)
        self._refused: set[str] = set()
        self._outage = ""
        self._closed = False
        self._end: tuple[str, dict[str, str]] | None = None
        self._last_success = time.monotonic()
        self._write_record()
        # Pending work in order, by name. Doing it twice is harmless.
        self._todo: dict[str, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._mark(_OPENING, self._open)
        # A daemon, so that a server that hangs does not keep a study from ending.
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    @property
    def run_id(self) -> str | None:
        """Id of the study's run; None before the first answer of the server."""
        return self._mirror.run_id

    @property
    def view(self) -> str:
        """Page below MLflow's address with the study's charts; "" before it exists."""
        return self._mirror.view

    @property
    def outage(self) -> str:
        """Why the server is unreachable; "" while it is reachable."""
        return self._outage

    def start_trial(self, trial: TrialFolder) -> None:
        """Open the run of a trial that has started, or reopen that of a continued one."""
        self._mark(trial.name, partial(self._update, trial))

    def end_trial(self, trial: TrialFolder) -> None:
        """Bring the run of a trial up to date with the outcome in its folder."""
        self._mark(trial.name, partial(self._update, trial))

    def log_encoder(self, trial: TrialFolder) -> None:
        """Log the encoder of a complete trial."""
        self._mark(_ENCODER, partial(self._mirror.log_encoder, trial))

    def close(self, status: str, tags: dict[str, str]) -> None:
        """Begin what `finish` waits for."""
        self._end = (status, tags)
        with self._changed:
            self._refused.clear()
        self._mark(_CLOSING, partial(self._close, status, tags))
        self._hurry.set()

    def finish(
        self, status: str, tags: dict[str, str], patience: float | None = None
    ) -> list[str]:
        """Send missing records, then close the parent run and those of interrupted trials.

        Waits while the server accepts records, and a bounded time while it is unreachable.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            tags: results for the UI.
            patience: seconds to wait for an unreachable server; by default `OUTAGE_SECONDS`, and
                `INTERRUPTED_SECONDS` in total for a killed study.

        Returns:
            Names of the ended trials whose runs may not be up to date, or the study's name if only
            its end is missing; empty if MLflow has everything.
        """
        interrupted = status == "KILLED"
        if patience is None:
            patience = INTERRUPTED_SECONDS if interrupted else OUTAGE_SECONDS
        if self._end != (status, tags):
            self.close(status, tags)
        begin = time.monotonic()
        with self._changed:
            while self._todo:
                since = begin if interrupted else max(begin, self._last_success)
                if (interrupted or self._outage) and time.monotonic() - since >= patience:
                    break
                self._changed.wait(timeout=0.2)
            ended = {trial.name for trial in self._folder.trials() if trial.outcome}
            behind = sorted(ended - self._sent)
            return behind or ([self._study] if self._todo or self._refused else [])

    def _mark(self, name: str, work: Callable[[], None]) -> None:
        with self._changed:
            self._todo[name] = work
            self._changed.notify_all()

    def _work(self) -> None:
        delay = _FIRST_DELAY
        while True:
            with self._changed:
                while not self._todo:
                    self._changed.wait()
                name, work = next(iter(self._todo.items()))
            if self._attempt(name, work):
                delay = _FIRST_DELAY
            else:
                hurried = self._hurry.wait(delay)
                self._hurry.clear()
                delay = _FIRST_DELAY if hurried else min(2 * delay, _LONGEST_DELAY)

    def _attempt(self, name: str, work: Callable[[], None]) -> bool:
        """Do a piece of work; return whether the server was reachable.

        If the server answers but refuses, its database may be a new one, so every id is looked up
        again; if it refuses a second time, the fault lies in this work, and the rest continues.
        """
        for last in (False, True):
            try:
                work()
                break
            except Exception as error:  # the thread must survive any error of a server
                self._mirror.forget()
                # Somebody may make room, as somebody may start a server again.
                if reason := self._unreachable() or (_first_line(error) if is_full(error) else ""):
                    self._set_outage(reason)
                    return False
                if last:
                    logger.warning("tracking: %s was refused: %s", name, _first_line(error))
                    self._refused.add(name)
        self._set_outage("")  # before the last work is done, after which nobody waits
        with self._changed:
            self._last_success = time.monotonic()
            if self._todo.get(name) is work:  # otherwise it was marked again meanwhile
                del self._todo[name]
            self._changed.notify_all()
        return True

    def _unreachable(self) -> str:
        try:
            self._mirror.ask()
        except Exception as error:
            return _first_line(error)
        return ""

    def _set_outage(self, reason: str) -> None:
        """Warn once that the server is unreachable, and once that it is back."""
        if reason and not self._outage:
            logger.warning(
                "tracking: %s is unreachable; the study continues and sends missing records later "
                "(%s)",
                self.uri,
                reason,
            )
        elif self._outage and not reason:
            logger.warning("tracking: %s is back", self.uri)
        self._outage = reason
        self._write_record()

    def _write_record(self) -> None:
        content = {
            **record_of(self.uri, self._folder),
            "run_id": self.run_id,
            "sent": sorted(self._sent),
            "view": self.view,
            "away": self._outage,
            "closed": self._closed,
        }
        # On a full disk `--status` may lag behind; the thread must not end because of it.
        with suppress(OSError), atomic_write(self._folder.tracking) as unfinished:
            unfinished.write_text(json.dumps(content, indent=1))

    def _open(self) -> None:
        """Mark the trials that an earlier driver could not send or that a lost database lacks."""
        missing = self._mirror.missing()
        ended = {trial.name for trial in self._folder.trials() if trial.outcome}
        self._sent = ended - missing
        for name in sorted(missing - self._refused):
            self._mark(name, partial(self._update, self._folder.trial(name)))

    def _update(self, trial: TrialFolder) -> None:
        outcome = trial.outcome
        self._mirror.update(trial)
        if outcome:
            self._sent.add(trial.name)

    def _close(self, status: str, tags: dict[str, str]) -> None:
        self._open()
        with self._changed:
            if len(self._todo) > 1:  # other work goes first
                del self._todo[_CLOSING]
                self._mark(_CLOSING, partial(self._close, status, tags))
                return
        self._mirror.close(status, tags)
        self._closed = True


def _first_line(error: Exception) -> str:
    return without_secrets((str(error) or type(error).__name__).splitlines()[0])
