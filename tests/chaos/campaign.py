"""Runs studies while it kills their processes, and compares each with an undisturbed one."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient

from tests.chaos.cluster import Cluster, raylets
from tests.chaos.processes import send
from tests.chaos.server import Server
from tests.chaos.strikes import Kind, Pace, Strike
from tests.chaos.studies import Study
from tests.chaos.verdict import Reference, Verdict, compare_study, read_reference
from tune.folders import RunFolder

Stage = Literal["starting", "training", "ending"]
SHARING = "sharing"
_SHARED = "shared"  # the kind of the two studies that share a database

# A study without progress for this long has hung; on a quiet machine 30 s are long.
_PATIENCE_SECONDS = 300.0
# Time for a driver that loses the head to end by itself.
_HEADLESS_SECONDS = 15.0
# A command may refuse to start, for example while the server is down, but not for ever.
_REFUSALS = 12
_POLL_SECONDS = 0.1


@dataclass
class Disturbed:
    """A study that was disturbed.

    Attributes:
        name: name of the study.
        kind: kind of the study.
        kills: target of each kill, with the stage of the study.
        drivers: number of commands that ran the study.
        seconds: wall time.
        verdict: faults of the study.
    """

    name: str
    kind: str
    kills: list[tuple[Kind, Stage]] = field(default_factory=list)
    drivers: int = 0
    seconds: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)


class Campaign:
    """A cluster and a server, and studies on them.

    Args:
        folder: folder for all files.
        kinds: kinds of studies, one after the other; `SHARING` are two that run at once and share
            a database file in place of the server.
        head_cpus: see `Cluster`.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], head_cpus: int = 0) -> None:
        self._folder = folder
        self._kinds = cycle(kinds)
        self.cluster = Cluster(folder, head_cpus)
        self.server = Server(folder)
        self._references: dict[str, Reference] = {}
        self.undisturbed: dict[str, RunFolder] = {}
        self._studies: list[Study] = []
        self._number = 0

    def run(self, strikes: Iterator[Strike], checkpoints: str = "default") -> Iterator[Disturbed]:
        """Disturb one study after the other, until all kills are done.

        Args:
            strikes: the kills.
            checkpoints: see `Study`. Figures are those of undisturbed studies with the default.
        """
        pace = Pace(strikes)
        while pace.left:
            kind = next(self._kinds)
            reference = self.reference(_SHARED if kind == SHARING else kind)
            self._number += 1
            record = Disturbed(f"chaos-{self._number:03d}", f"{kind}, {checkpoints}")
            studies = self._begin(record.name, kind, checkpoints)
            self._disturb(studies, record, pace, len(reference.outcomes))
            for study in studies:
                record.verdict.faults += self._verdict(study, reference).faults
                record.verdict.add("lost", f"{study.name} did not end", study.ended != 0)
            if not record.verdict.faults:
                for study in studies:
                    shutil.rmtree(self._folder / study.name)
            yield record

    def reference(self, kind: str) -> Reference:
        """The results of an undisturbed study of a kind, which the first call runs.

        Raises:
            RuntimeError: if the study fails even undisturbed.
        """
        if kind not in self._references:
            (study,) = self._begin(f"undisturbed-{kind}", kind, "default")
            self._disturb([study], Disturbed(study.name, kind), Pace(iter(())), 0)
            client = MlflowClient(self.server.uri)
            if study.ended != 0 or study.run is None or study.drivers > 1:
                raise RuntimeError(f"{study.name} failed:\n{study.log}")
            self._references[kind] = read_reference(study.run, study.name, client)
            self.undisturbed[kind] = study.run
            faults = self._verdict(study, self._references[kind]).faults
            if faults:
                raise RuntimeError(f"{study.name} contradicts itself: {faults}")
        return self._references[kind]

    def stop(self) -> None:
        for study in self._studies:
            study.kill()
        self.cluster.remove()
        self.server.stop()

    def _begin(self, name: str, kind: str, checkpoints: str) -> list[Study]:
        self.server.mend()
        self.cluster.mend()
        self.server.wait()
        shared = kind == SHARING
        self._studies = [
            Study(
                self._folder / own_name,
                _SHARED if shared else kind,
                {
                    **self.cluster.environment,
                    "RAY_ADDRESS": self.cluster.address,
                    "MLFLOW_TRACKING_URI": self._tracking(name) if shared else self.server.uri,
                },
                self.cluster.size,
                checkpoints,
            )
            for own_name in ([f"{name}-a", f"{name}-b"] if shared else [name])
        ]
        return self._studies

    def _tracking(self, name: str) -> str:
        """A database file that does not exist yet."""
        return f"sqlite:///{self._folder / f'{name}.db'}"

    def _disturb(
        self, studies: Sequence[Study], record: Disturbed, pace: Pace, trials: int
    ) -> None:
        """Run studies at once to their end, with restarts."""
        begin = alive = time.monotonic()
        progress = refusals = 0
        for study in studies:
            study.start()
        while any(study.ended != 0 for study in studies):
            now = time.monotonic()
            # Studies that start at once wait for each other's imports.
            if now - alive > _PATIENCE_SECONDS * len(studies) or refusals > _REFUSALS:
                break
            self.cluster.mend()
            self.server.mend()
            latest = max(study.progress() for study in studies)
            if latest > progress:
                progress, alive, refusals = latest, now, 0
            for study in studies:
                if study.ended:
                    refusals += 1
                    study.start()
            stage = _stage(studies, trials)
            strike = pace.due(progress, stage == "ending", now)
            if strike and self._hits(studies, strike):
                record.kills.append((strike.kind, stage))
                for study in studies:
                    study.log_line(f"killed: {strike.kind} ({stage})")
                pace.done(progress)
                alive, refusals = now, 0
            time.sleep(_POLL_SECONDS)
        for study in studies:
            study.kill()
        record.drivers = sum(study.drivers for study in studies)
        record.seconds = time.monotonic() - begin

    def _hits(self, studies: Sequence[Study], strike: Strike) -> bool:
        """Carry out a kill, if a target exists."""
        kills = self._possible_kills(studies, strike)
        if kills:
            kills[int(strike.which * len(kills))]()
        return bool(kills)

    def _possible_kills(
        self, studies: Sequence[Study], strike: Strike
    ) -> list[Callable[[], None]]:
        """One function for each target that the strike can hit, which kills it."""
        match strike.kind:
            case "driver":
                return [study.kill for study in studies if study.ended is None]
            case "worker":
                return [partial(send, trial, signal.SIGKILL) for trial in self.cluster.trials()]
            case "node":
                return [node.kill for node in self.cluster.nodes if raylets(node)]
            case "raylet":
                every = (raylet for node in self.cluster.nodes for raylet in raylets(node))
                return [partial(send, raylet, signal.SIGKILL) for raylet in every]
            case "head":
                return [partial(self._kill_head, studies)]
            case "server":
                kill = partial(self.server.kill, strike.outage, hangs=strike.hangs)
                return [kill] if self.server.answers else []

    def _kill_head(self, studies: Sequence[Study]) -> None:
        """Kill the head, and with it the cluster; its user starts a new one."""
        self.cluster.kill_head()
        for study in studies:
            study.wait(_HEADLESS_SECONDS)
            if study.ended != 0:
                study.kill()

    def _verdict(self, study: Study, reference: Reference) -> Verdict:
        self.server.wait()
        return compare_study(study.run, study.name, MlflowClient(study.tracking), reference)


def _stage(studies: Sequence[Study], trials: int) -> Stage:
    if trials and all(study.outcomes == trials for study in studies):
        return "ending"
    return "training" if any(study.trains for study in studies) else "starting"
