"""Output of a running study: one line per event, and on a terminal a live table of trials."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hybridir import names
from tune.folders import Outcome, TrialFolder
from tune.space.settings import gain
from tune.view.progress import Running, running_trials


@dataclass
class _Shown:
    """A running trial, its parameters, its start by the narrator's clock, and its last figures."""

    trial: TrialFolder
    parameters: str
    started: float
    reached: str = ""


class Narrator:
    """Prints the events of a study.

    Args:
        console: the console to print to.
        clock: monotonic time in seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._phase = ""
        self._running: dict[str, _Shown] = {}
        self._durations: list[float] = []
        self._at_once = 1
        self._states: Counter[str] = Counter()
        self._total = 0
        self._objective = ""
        self._best: tuple[float, str] | None = None
        self._start = clock()
        self._live = Live(
            console=console, get_renderable=self.progress, refresh_per_second=1, transient=True
        )

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the table away; from any thread, and any number of times."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line without markup or wrapping."""
        self.console.print(text, soft_wrap=True)

    def phase(
        self,
        name: str,
        trials: int,
        description: str,
        objective: str = "",
        best: tuple[float, str] | None = None,
        total: int = 0,
    ) -> None:
        """Announce a phase of the study.

        Args:
            name: name of the phase.
            trials: number of trials that will run.
            description: purpose of the trials.
            objective: metric that ranks the trials; empty if the phase has no best trial.
            best: value and name of the best trial of an earlier driver.
            total: number of trials of the whole phase, of which an earlier driver ran some.
        """
        counted = f"{trials} trial{'' if trials == 1 else 's'}"
        if trials < total:
            counted = f"{trials} of {total} trials {'is' if trials == 1 else 'are'} left"
        self.say(f"{name}: {counted}; {description}")
        self._phase, self._total, self._start = name, trials, self._clock()
        self._states.clear()
        self._durations.clear()
        self._at_once = 1
        self._objective, self._best = objective, best

    def trial_started(self, trial: TrialFolder, parameters: str = "") -> None:
        """Add a trial to the table of running trials."""
        self._running[trial.name] = _Shown(trial, parameters, self._clock())
        self._at_once = max(self._at_once, len(self._running))

    def trial_reported(self, trial: TrialFolder, figures: Mapping[str, float]) -> None:
        """Show what a running trial has reached, if its figures have a mean mAP."""
        if trial.name in self._running and (line := _maps(figures)):
            self._running[trial.name].reached = line

    def trial_interrupted(self, trial: TrialFolder, reason: str) -> None:
        """Report that a trial will continue from its checkpoint."""
        self._running.pop(trial.name, None)
        self.say(f"  {trial.name:<17} interrupted: {reason}; it continues from its checkpoint")

    def trial_began_again(self, trial: TrialFolder) -> None:
        """Report that a trial could not continue, so that it took longer than it might have."""
        self.say(
            f"  {trial.name:<17} trained from the start: its checkpoint is damaged, or of other "
            "settings; the figures are those of a training without a stop"
        )

    def trial_ended(self, trial: TrialFolder, parameters: str, outcome: Outcome) -> None:
        """Report how a trial ended, and the time that the phase may still take."""
        shown = self._running.pop(trial.name, None)
        self._durations.append(self._clock() - (shown.started if shown else self._start))
        self._states[outcome.state] += 1
        self._compare(trial.name, outcome)
        done = self._states.total()
        self.say(
            f"  {trial.name:<17} {outcome.state:<8} {parameters}  {outcome_line(outcome)}"
            f"  ({done}/{self._total}{self._left()})"
        )

    def progress(self) -> Group:
        """Number of trials by state, and a table of the running ones."""
        done, states = self._states.total(), list(self._states.items())
        counts = ", ".join(f"{number} {state}" for state, number in states)
        title = f"  {self._phase}: {done} of {self._total} trials"
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        for trial in self._progressing():
            rate, shown = trial.pairs_per_second, self._running[trial.name]
            table.add_row(
                trial.name,
                shown.parameters,
                f"step {trial.step} of {trial.steps}" if trial.steps else "starting",
                f"{trial.share:.0%}",
                shown.reached,
                "" if math.isnan(rate) else f"{rate:.0f} pairs/s",
                trial.host,
            )
        line = f"{title}{f' ({counts})' if counts else ''}{self._left()}{self._best_so_far()}"
        return Group(Text(line), table)

    def _compare(self, name: str, outcome: Outcome) -> None:
        """Remember the best trial with the whole budget, the earliest of equals."""
        if outcome.state != names.COMPLETE or self._objective not in outcome.metrics:
            return
        score = gain(self._objective, outcome.metrics[self._objective])
        if math.isfinite(score) and (self._best is None or score > self._best[0]):
            self._best = (score, name)

    def _best_so_far(self) -> str:
        if self._best is None:
            return ""
        score, name = self._best
        return f"; best so far {name}: {self._objective} {gain(self._objective, score):.3f}"

    def _left(self) -> str:
        """Time left: what the trials that ended took, for those that run or wait.

        As many run side by side as did at most so far in this phase.
        """
        done = self._states.total()
        if not 0 < done < self._total:
            return ""
        trials = self._total - done - sum(trial.share for trial in self._progressing())
        seconds = fmean(self._durations) * trials / self._at_once
        return f", about {duration(seconds)} left"

    def _progressing(self) -> list[Running]:
        return running_trials([shown.trial for shown in self._running.values()], time.time())


def outcome_line(outcome: Outcome) -> str:
    """A trial's mean mAPs on one line; for a failed trial, the last line of its reason."""
    if outcome.state == names.FAIL:
        return outcome.reason.strip().splitlines()[-1] if outcome.reason else "unknown reason"
    return _maps(outcome.metrics)


def _maps(figures: Mapping[str, float]) -> str:
    """The mean mAPs among figures: ``mean mAP dev 0.250, xquad-r 0.500``."""
    maps = {
        key.removesuffix("/map_mean"): value
        for key, value in figures.items()
        if key.endswith("/map_mean")
    }
    listed = ", ".join(f"{name} {value:.3f}" for name, value in maps.items())
    return f"mean mAP {listed}" if listed else ""


def time_span(low: float, high: float) -> str:
    """A time between two ends.

    >>> time_span(100, 250), time_span(110, 125)
    ('2 min to 4 min', 'about 2 min')
    """
    ends = list(dict.fromkeys((duration(low), duration(high))))
    return " to ".join(ends) if ends[1:] else f"about {ends[0]}"


def duration(seconds: float) -> str:
    """A time span in readable units.

    >>> duration(50), duration(600), duration(10_000)
    ('50 s', '10 min', '2.8 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
