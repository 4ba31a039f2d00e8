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
        kinds: kinds of studies, one after the other.
        head_cpus: see `Cluster`.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], head_cpus: int = 0) -> None:
        self._folder = folder
        self._kinds = kinds
        self.cluster = Cluster(folder, head_cpus)
        self.server = Server(folder)
        self._references: dict[str, Reference] = {}
        self.undisturbed: dict[str, RunFolder] = {}
        self._study: Study | None = None

    def run(self, strikes: Iterator[Strike]) -> Iterator[Disturbed]:
        """Disturb one study after the other, until all kills are done."""
        pace = Pace(strikes)
        for number, kind in enumerate(cycle(self._kinds), start=1):
            if not pace.left:
                return
            reference = self.reference(kind)
            record = Disturbed(f"chaos-{number:03d}", kind)
            study = self._begin(record.name, kind)
            self._disturb(study, record, pace, len(reference.outcomes))
            record.verdict = self._verdict(study, reference)
            record.verdict.add("lost", f"{study.name} did not end", study.ended != 0)
            if not record.verdict.faults:
                shutil.rmtree(self._folder / study.name)
            yield record

    def reference(self, kind: str) -> Reference:
        """The results of an undisturbed study of a kind, which the first call runs.

        Raises:
            RuntimeError: if the study fails even undisturbed.
        """
        if kind not in self._references:
            study = self._begin(f"undisturbed-{kind}", kind)
            self._disturb(study, Disturbed(study.name, kind), Pace(iter(())), 0)
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
        if self._study:
            self._study.kill()
        self.cluster.remove()
        self.server.stop()

    def _begin(self, name: str, kind: str) -> Study:
        self.server.mend()
        self.cluster.mend()
        self.server.wait()
        environment = {
            **self.cluster.environment,
            "RAY_ADDRESS": self.cluster.address,
            "MLFLOW_TRACKING_URI": self.server.uri,
        }
        self._study = Study(self._folder / name, kind, environment, self.cluster.size)
        return self._study

    def _disturb(self, study: Study, record: Disturbed, pace: Pace, trials: int) -> None:
        """Run a study to its end, with restarts."""
        begin = alive = time.monotonic()
        progress = refusals = 0
        study.start()
        while study.ended != 0:
            now = time.monotonic()
            if now - alive > _PATIENCE_SECONDS or refusals > _REFUSALS:
                break
            self.cluster.mend()
            self.server.mend()
            if study.progress() > progress:
                progress, alive, refusals = study.progress(), now, 0
            if study.ended is not None:
                refusals += 1
                study.start()
            stage = _stage(study, trials)
            strike = pace.due(progress, stage == "ending", now)
            if strike and self._hits(study, strike):
                record.kills.append((strike.kind, stage))
                study.log_line(f"killed: {strike.kind} ({stage})")
                pace.done(study.progress())
                alive, refusals = now, 0
            time.sleep(_POLL_SECONDS)
        study.kill()
        record.drivers = study.drivers
        record.seconds = time.monotonic() - begin

    def _hits(self, study: Study, strike: Strike) -> bool:
        """Carry out a kill, if a target exists."""
        kills = self._possible_kills(study, strike)
        if kills:
            kills[int(strike.which * len(kills))]()
        return bool(kills)

    def _possible_kills(self, study: Study, strike: Strike) -> list[Callable[[], None]]:
        """One function for each target that the strike can hit, which kills it."""
        match strike.kind:
            case "driver":
                return [study.kill] if study.ended is None else []
            case "worker":
                return [partial(send, trial, signal.SIGKILL) for trial in self.cluster.trials()]
            case "node":
                return [node.kill for node in self.cluster.nodes if raylets(node)]
            case "raylet":
                every = (raylet for node in self.cluster.nodes for raylet in raylets(node))
                return [partial(send, raylet, signal.SIGKILL) for raylet in every]
            case "head":
                return [partial(self._kill_head, study)]
            case "server":
                kill = partial(self.server.kill, strike.outage, hangs=strike.hangs)
                return [kill] if self.server.answers else []

    def _kill_head(self, study: Study) -> None:
        """Kill the head, and with it the cluster; its user starts a new one."""
        self.cluster.kill_head()
        study.wait(_HEADLESS_SECONDS)
        study.kill()

    def _verdict(self, study: Study, reference: Reference) -> Verdict:
        self.server.wait()
        return compare_study(study.run, study.name, MlflowClient(self.server.uri), reference)


def _stage(study: Study, trials: int) -> Stage:
    if trials and study.outcomes == trials:
        return "ending"
    return "training" if study.trains else "starting"
