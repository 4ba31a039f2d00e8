"""What a study says while it runs: one line per event, and a bar on a terminal."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hybridir import names
from tune.folders import Outcome, TrialFolder

_SHORT = {names.MIXING_RATIO: "alpha", names.TEMPERATURE: "tau", names.BATCH_SIZE: "batch"}


class Narrator:
    """Tells the events of a study.

    Args:
        console: where to.
        clock: seconds, monotonic.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self._clock = clock
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._done = 0
        self._total = 0
        self._start = clock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line, as it is."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def phase(self, name: str, trials: int, what: str) -> None:
        """Announce a phase of the study.

        Args:
            name: of the phase.
            trials: number of trials that it will run.
            what: what they are for.
        """
        self.say(f"{name}: {trials} trials; {what}")
        for task in self._progress.task_ids:
            self._progress.remove_task(task)
        self._progress.add_task(name, total=trials)
        self._done, self._total, self._start = 0, trials, self._clock()

    def trial_ended(self, trial: TrialFolder, parameters: str, outcome: Outcome) -> None:
        """Tell how a trial ended, and when the phase may end."""
        self._done += 1
        for task in self._progress.task_ids:
            self._progress.advance(task)
        left = (self._clock() - self._start) / self._done * (self._total - self._done)
        eta = f", about {duration(left)} left" if self._done < self._total else ""
        figures = headline(outcome)
        self.say(
            f"  {trial.name:<17} {outcome.state:<8} {parameters}  {figures}"
            f"  ({self._done}/{self._total}{eta})"
        )


def headline(outcome: Outcome) -> str:
    """The figures of a trial that fit on a line; of a failure, the last line of its reason."""
    if outcome.state == names.FAIL:
        return outcome.reason.strip().splitlines()[-1] if outcome.reason else "no reason is known"
    maps = {
        key.removesuffix("/map_mean"): value
        for key, value in outcome.metrics.items()
        if key.endswith("/map_mean")
    }
    return "mean mAP " + ", ".join(f"{name} {value:.3f}" for name, value in maps.items())


def describe(parameters: dict[str, float | int | str]) -> str:
    """Parameters on a line: ``alpha=0.50 tau=0.05 batch=64``."""
    return " ".join(
        f"{_SHORT.get(name, name)}={value:.3g}"
        if isinstance(value, float)
        else f"{_SHORT.get(name, name)}={value}"
        for name, value in parameters.items()
    )


def duration(seconds: float) -> str:
    """A time span for people.

    >>> duration(50), duration(600), duration(10_000)
    ('50 s', '10 min', '2.8 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
