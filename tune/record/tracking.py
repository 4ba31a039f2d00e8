"""The only writer to MLflow: one thread, which nobody waits for before the study's end.

An event merely marks what has changed. The thread reads the study's folder and brings MLflow to
it; while the server is away it tries again and again, and everything stays marked.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hybridir.runtime.files import replacing
from tune.folders import RunFolder, TrialFolder
from tune.record.mirror import Mirror

logger = logging.getLogger("hybridir")

# Between two attempts while the server is away: soon after a short break, without a flood of
# requests in a long one.
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0
# How long the end of a study waits for a server that is away: a restart of it takes up to a
# minute on a busy machine (measured).
AWAY_SECONDS = 60.0
# An interrupted study waits less, since Slurm and Kubernetes kill 30 s after they ask to stop;
# what is missing is sent when it is gone on with.
INTERRUPTED_SECONDS = 15.0

_OPENING, _ENCODER, _CLOSING = "opening", "encoder", "closing"


def tracking_uri(given: str | None) -> str:
    """Where runs are kept: as given, else MLFLOW_TRACKING_URI, else mlflow.db in this folder."""
    default = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    return given or os.environ.get("MLFLOW_TRACKING_URI") or default


class Tracker:
    """Keeps one study's runs in step with its folder.

    Nothing but `finish` waits for the server, and nothing fails because it is away.

    Args:
        uri: MLflow tracking URI; a folder that has been tracked already keeps its own.
        study: name of the study.
        folder: its folder. ``mlflow.json`` there names the parent run, so that resuming
            re-attaches, and the trials that MLflow has in full, for ``--status``.
        parameters: settings of the study that are worth a column in the UI.
        data: (name, digest, role) of each data set.
    """

    def __init__(
        self,
        uri: str,
        study: str,
        folder: RunFolder,
        parameters: dict[str, Any],
        data: Iterable[tuple[str, str, str]],
    ) -> None:
        known = json.loads(folder.tracking.read_text()) if folder.tracking.is_file() else {}
        self.uri = str(known.get("uri", uri))
        self._study = study
        self._folder = folder
        self._mirror = Mirror(self.uri, study, folder, parameters, data, known.get("run_id"))
        self._sent = set(known.get("sent", []))
        self._refused: set[str] = set()
        self._away = ""
        self._good = time.monotonic()
        self._note()
        # What is to be done, in order. All of it may be done twice.
        self._todo: dict[str, Callable[[], None]] = {}
        self._changed = threading.Condition()
        self._hurry = threading.Event()
        self._mark(_OPENING, self._open)
        # A daemon, so that a server that hangs does not keep a study from ending.
        threading.Thread(target=self._work, name="tracking", daemon=True).start()

    @property
    def run_id(self) -> str | None:
        """Id of the study's run; None as long as the server could not be reached."""
        return self._mirror.run_id

    @property
    def view(self) -> str:
        """Page below MLflow's address with the study's charts; empty until it is there."""
        return self._mirror.view

    @property
    def away(self) -> str:
        """Why the server cannot be reached; empty while it can."""
        return self._away

    def start_trial(self, trial: TrialFolder) -> None:
        """A trial has begun, or goes on: it gets its run, or keeps the one that it has."""
        self._mark(trial.name, partial(self._bring, trial))

    def end_trial(self, trial: TrialFolder) -> None:
        """A trial has ended in its folder: its run is brought to that."""
        self._mark(trial.name, partial(self._bring, trial))

    def log_encoder(self, trial: TrialFolder) -> None:
        """Keep the encoder of a trial that is complete."""
        self._mark(_ENCODER, partial(self._mirror.log_encoder, trial))

    def finish(
        self, status: str, tags: dict[str, str], patience: float | None = None
    ) -> list[str]:
        """Send what is missing, then close the parent run and those of trials that were cut off.

        Waits while the server takes something, and a bounded time while it is away.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            tags: what came out, for the UI.
            patience: seconds to wait for a server that is away; by default `AWAY_SECONDS`, and
                `INTERRUPTED_SECONDS` in all for a killed study.

        Returns:
            Names of the trials that have ended and whose runs may not be up to date, or the
            study's own if only its end is missing; empty if MLflow has everything.
        """
        interrupted = status == "KILLED"
        if patience is None:
            patience = INTERRUPTED_SECONDS if interrupted else AWAY_SECONDS
        with self._changed:
            self._refused.clear()
        self._mark(_CLOSING, partial(self._close, status, tags))
        self._hurry.set()
        begin = time.monotonic()
        with self._changed:
            while self._todo:
                since = begin if interrupted else max(begin, self._good)
                if (interrupted or self._away) and time.monotonic() - since >= patience:
                    break
                self._changed.wait(timeout=0.2)
            ended = {trial.name for trial in self._folder.trials() if trial.outcome}
            behind = sorted(ended - self._sent)
            return behind or ([self._study] if self._todo or self._refused else [])

    def _mark(self, what: str, work: Callable[[], None]) -> None:
        with self._changed:
            self._todo[what] = work
            self._changed.notify_all()

    def _work(self) -> None:
        delay = _FIRST_DELAY
        while True:
            with self._changed:
                while not self._todo:
                    self._changed.wait()
                what, work = next(iter(self._todo.items()))
            if self._attempt(what, work):
                delay = _FIRST_DELAY
            else:
                hurried = self._hurry.wait(delay)
                self._hurry.clear()
                delay = _FIRST_DELAY if hurried else min(2 * delay, _LONGEST_DELAY)

    def _attempt(self, what: str, work: Callable[[], None]) -> bool:
        """Do one thing, unless the server is away.

        If it answers and yet refuses, what it knew may be gone with its database, so that all is
        looked up anew; if it refuses again, the fault lies in the thing and the others go on.
        """
        for last in (False, True):
            try:
                work()
                break
            except Exception as error:  # the thread must outlive whatever a server does
                self._mirror.forget()
                if reason := self._unreachable():
                    self._tell(reason)
                    return False
                if last:
                    logger.warning("tracking: %s was refused: %s", what, _first_line(error))
                    self._refused.add(what)
        with self._changed:
            self._good = time.monotonic()
            if self._todo.get(what) is work:  # else it was marked again meanwhile
                del self._todo[what]
            self._changed.notify_all()
        self._tell("")
        return True

    def _unreachable(self) -> str:
        try:
            self._mirror.ask()
        except Exception as error:
            return _first_line(error)
        return ""

    def _tell(self, away: str) -> None:
        """Say once that the server is away, and once that it is back."""
        if away and not self._away:
            logger.warning(
                "tracking: %s is away; the study goes on and what is missing there is sent later "
                "(%s)",
                self.uri,
                away,
            )
        elif self._away and not away:
            logger.warning("tracking: %s is back", self.uri)
        self._away = away
        self._note()

    def _note(self) -> None:
        content = {
            "uri": self.uri,
            "run_id": self.run_id,
            "sent": sorted(self._sent),
            "view": self.view,
            "away": self._away,
        }
        # On a full disk `--status` may be behind; the thread must not end for that.
        with suppress(OSError), replacing(self._folder.tracking) as part:
            part.write_text(json.dumps(content, indent=1))

    def _open(self) -> None:
        """Find what an earlier driver could not send, or a lost database no longer has."""
        missing = self._mirror.missing()
        ended = {trial.name for trial in self._folder.trials() if trial.outcome}
        self._sent = ended - missing
        for name in sorted(missing - self._refused):
            self._mark(name, partial(self._bring, self._folder.trial(name)))

    def _bring(self, trial: TrialFolder) -> None:
        outcome = trial.outcome
        self._mirror.bring(trial)
        if outcome:
            self._sent.add(trial.name)

    def _close(self, status: str, tags: dict[str, str]) -> None:
        self._open()
        with self._changed:
            if len(self._todo) > 1:  # those first: this becomes the last
                del self._todo[_CLOSING]
                self._mark(_CLOSING, partial(self._close, status, tags))
                return
        self._mirror.close(status, tags)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
