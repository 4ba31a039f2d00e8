"""Targets and times of the kills: drawn from a seed, paced by the study's progress."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Kind = Literal["driver", "worker", "node", "raylet", "head", "server"]
KINDS: tuple[Kind, ...] = get_args(Kind)

# Of 100 kills. The head takes the whole cluster with it, which is slow to restart.
_SHARES = {"driver": 30, "worker": 27, "node": 12, "raylet": 8, "head": 3, "server": 20}
# A kill after progress hits training. A kill at once hits the recovery from the previous one: a
# starting driver, a restarting trial, a server that is already down. A kill at the end hits the
# work after the last trial: tracking and the report.
Moment = Literal["at once", "progress", "end"]
_MOMENTS: tuple[Moment, ...] = get_args(Moment)
MOMENTS = (0.5, 0.42, 0.08)
_GAP_SECONDS = {"at once": (0.2, 4.0), "progress": (0.0, 3.0), "end": (0.0, 2.0)}
_OUTAGE_SECONDS = (0.0, 10.0)
_HANGING = 0.25


@dataclass(frozen=True)
class Strike:
    """One kill.

    Attributes:
        kind: target: the ``driver`` with all its descendants; one ``worker`` that runs a trial; a
            ``node`` with all its processes; its ``raylet`` alone; the ``head``, and with it the
            cluster; the MLflow ``server``.
        moment: event after the previous kill that the kill waits for: none, progress of a trial,
            or the end of the last trial.
        gap: seconds from this event to the kill.
        which: position of the target among several, as a share of their number.
        outage: seconds that the server stays down.
        hangs: whether the server stops answering for these seconds, and then dies.
    """

    kind: Kind
    moment: Moment
    gap: float
    which: float
    outage: float
    hangs: bool


def draw_strikes(seed: int, kills: int, moments: tuple[float, ...] = MOMENTS) -> Iterator[Strike]:
    """The kills of a whole campaign, which start with one of each kind in random order.

    Args:
        seed: seed of all draws.
        kills: number of kills.
        moments: probability of each `Moment`.
    """
    random = np.random.default_rng(seed)
    shares = np.array([_SHARES[kind] for kind in KINDS]) / sum(_SHARES.values())
    first = list(random.permutation(len(KINDS)))
    for number in range(kills):
        drawn = int(random.choice(len(KINDS), p=shares))
        moment = _MOMENTS[int(random.choice(len(_MOMENTS), p=moments))]
        yield Strike(
            KINDS[first[number] if number < len(first) else drawn],
            moment=moment,
            gap=float(random.uniform(*_GAP_SECONDS[moment])),
            which=float(random.random()),
            outage=float(random.uniform(*_OUTAGE_SECONDS)),
            hangs=bool(random.random() < _HANGING),
        )


class Pace:
    """Decides when the next kill is due.

    Args:
        strikes: all kills in order. Those for the end of a study are postponed until one ends.
    """

    def __init__(self, strikes: Iterator[Strike]) -> None:
        self._strikes = strikes
        self._next = next(strikes, None)
        self._late: deque[Strike] = deque()
        self._chosen: Strike | None = None
        self._at = 0.0
        self._seen = 0

    @property
    def left(self) -> bool:
        """Whether kills remain."""
        return bool(self._chosen or self._next or self._late)

    def due(self, progress: int, ending: bool, now: float) -> Strike | None:
        """The kill that is due now, or None.

        Args:
            progress: time of the study's last progress; rises with every checkpoint.
            ending: whether all trials have ended.
            now: time in seconds.
        """
        if self._chosen is None:
            self._choose(progress, ending, now)
        return self._chosen if now >= self._at else None

    def done(self, progress: int) -> None:
        """Record that the kill was carried out."""
        self._chosen, self._seen = None, progress

    def _choose(self, progress: int, ending: bool, now: float) -> None:
        while self._next and self._next.moment == "end":
            self._late.append(self._next)
            self._next = next(self._strikes, None)
        if ending and self._late:
            self._chosen = self._late.popleft()
        elif self._next and (self._next.moment == "at once" or progress > self._seen):
            self._chosen, self._next = self._next, next(self._strikes, None)
        if self._chosen:
            self._at = now + self._chosen.gap
