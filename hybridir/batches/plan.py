"""The batch plan: which pairs make up which batch, as a pure function of (seed, step).

Hybrid batching after Elmahdy, Lin and Ahmad (arXiv 2408.10536): a coin is tossed per batch; with
probability alpha the batch is monolingual, otherwise every pair in it crosses two languages. Any
step is computed by itself from a counter-based generator, so that resuming costs nothing and every
process sees its part of the same global batch.

Not published there, and chosen here: language pairs are drawn uniformly over the ordered pairs
that exist; several data sets are drawn in proportion to their size, among those that can give a
batch of the kind that the coin asks for, so that the ratio holds whatever each of them has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hybridir.batches.index import Pools, Rows, build_pools, draw_distinct
from hybridir.data import Pairs
from hybridir.errors import InputError


class BatchKind(StrEnum):
    """What languages meet in a batch."""

    MONOLINGUAL = "monolingual"
    CROSSLINGUAL = "crosslingual"
    MIXED = "x-x"


@dataclass(frozen=True)
class Batch:
    """One batch, B pairs.

    Attributes:
        step: number of the batch, from 0.
        kind: what languages meet in it.
        questions: [B] rows whose questions are asked.
        passages: [B] rows whose passages answer them.
        groups: [B] passage groups; equal ones are not negatives of each other.
    """

    step: int
    kind: BatchKind
    questions: Rows
    passages: Rows
    groups: Rows

    def part(self, rank: int, world_size: int) -> "Batch":
        """The slice of process `rank`; the slices of all ranks make up the batch, in order."""
        bounds = [len(self.questions) * index // world_size for index in (rank, rank + 1)]
        rows = slice(*bounds)
        return Batch(
            self.step, self.kind, self.questions[rows], self.passages[rows], self.groups[rows]
        )


class BatchPlan:
    """A sequence of hybrid batches with random access: ``plan[step]``.

    Args:
        tables: training tables; a batch comes from one of them, drawn in proportion to its rows
            among those that have what its kind needs (cross-lingual pairs, or English). Row
            numbers in a batch run through all tables in order.
        batch_size: B, pairs per batch over all processes.
        mixing_ratio: alpha, probability that a batch is monolingual.
        pairs: budget in training pairs; the plan has ``ceil(pairs / batch_size)`` steps.
        seed: decides everything that is drawn.
        kind: ``hybrid``, or a baseline: ``x-x`` (pairs in one language each, languages mixed) or
            ``en-en`` (monolingual English).
        coin: ``bernoulli`` (independent, as published) or ``stratified`` (the number of
            monolingual batches among the first n is alpha * n, give or take one).
        language_sampling: how the language of a monolingual batch is drawn.
        language_exponent: exponent on the sizes for ``temperature`` sampling.

    Raises:
        InputError: if a language is too small for a batch, or no table has the cross-lingual
            pairs that are asked for.
    """

    def __init__(
        self,
        tables: Sequence[Pairs],
        *,
        batch_size: int,
        mixing_ratio: float,
        pairs: int,
        seed: int,
        kind: Literal["hybrid", "x-x", "en-en"] = "hybrid",
        coin: Literal["bernoulli", "stratified"] = "bernoulli",
        language_sampling: Literal["uniform", "proportional", "temperature"] = "uniform",
        language_exponent: float = 0.3,
    ) -> None:
        self.batch_size = batch_size
        self.mixing_ratio = mixing_ratio
        self.steps = math.ceil(pairs / batch_size)
        self._kind = kind
        self._coin = coin
        self._pools = [build_pools(table) for table in tables]
        self._first_row = np.cumsum([0, *map(len, tables)])
        self._first_group = np.cumsum([0, *(pools.n_groups for pools in self._pools)])
        self._check()
        sizes = np.diff(self._first_row).astype(float)
        usable = {
            BatchKind.MONOLINGUAL: [bool(self._eligible(pools).any()) for pools in self._pools],
            BatchKind.CROSSLINGUAL: [len(pools.cross) > 0 for pools in self._pools],
            BatchKind.MIXED: [len(pools.rows) > 0 for pools in self._pools],
        }
        self._table_share = {kind: _normalised(sizes * can) for kind, can in usable.items()}
        exponent = {"uniform": 0.0, "proportional": 1.0, "temperature": language_exponent}
        self._language_share = [
            _normalised(self._eligible(pools) * pools.sizes ** exponent[language_sampling])
            for pools in self._pools
        ]
        # Two keys from one seed: the coins of a seed are the same for every mixing ratio and batch
        # size, which makes comparisons between them sharper.
        self._coin_key, self._draw_key = (
            child.generate_state(2, np.uint64).astype(np.uint64)
            for child in np.random.SeedSequence(seed).spawn(2)
        )
        self._phase = _generator(self._coin_key, 2**63).random()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Compute a batch from scratch, at a cost that grows with its size only.

        Raises:
            IndexError: if the plan has no such step.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step}: the plan has steps 0 to {self.steps - 1}")
        rng = _generator(self._draw_key, step)
        kind = self.kind_of(step)
        table = rng.choice(len(self._pools), p=self._table_share[kind])
        pools = self._pools[table]
        if kind is BatchKind.CROSSLINGUAL:
            drawn = self._draw_cross_lingual(rng, pools)
            questions, passages = pools.cross[drawn].T
            groups = pools.cross_groups[drawn]
        else:
            drawn = self._draw_rows(rng, pools, self._language_share[table], kind)
            questions = passages = pools.rows[drawn]
            groups = pools.row_groups[drawn]
        first = self._first_row[table]
        return Batch(
            step, kind, questions + first, passages + first, groups + self._first_group[table]
        )

    def kind_of(self, step: int) -> BatchKind:
        """Toss the coin of one step; the batch itself is not drawn."""
        if self._kind == "x-x":
            return BatchKind.MIXED
        if self._kind == "en-en":
            return BatchKind.MONOLINGUAL
        if self._coin == "bernoulli":
            monolingual = bool(_generator(self._coin_key, step).random() < self.mixing_ratio)
        else:
            before, after = (
                math.floor(self._phase + count * self.mixing_ratio) for count in (step, step + 1)
            )
            monolingual = after > before
        return BatchKind.MONOLINGUAL if monolingual else BatchKind.CROSSLINGUAL

    def _draw_rows(
        self, rng: np.random.Generator, pools: Pools, share: NDArray[np.float64], kind: BatchKind
    ) -> Rows:
        """Draw positions in ``pools.rows``, all of one language or of languages mixed."""
        if kind is BatchKind.MIXED:

            def draw_mixed(n: int) -> Rows:
                language = rng.choice(len(share), size=n, p=share)
                return pools.row_offsets[language] + rng.integers(pools.sizes[language])

            return draw_distinct(rng, self.batch_size, draw_mixed, pools.row_groups)

        where = pools.of_language(int(rng.choice(len(share), p=share)))
        groups = pools.row_groups[where]

        def draw(n: int) -> Rows:
            if len(groups) < 8 * self.batch_size:  # few rows: none is drawn twice
                return rng.permutation(len(groups))
            return rng.integers(len(groups), size=n)

        return draw_distinct(rng, self.batch_size, draw, groups) + int(where.start)

    def _draw_cross_lingual(self, rng: np.random.Generator, pools: Pools) -> Rows:
        """Draw positions in ``pools.cross``, language pairs uniformly."""
        sizes = np.diff(pools.cross_offsets)

        def draw(n: int) -> Rows:
            language_pair = rng.integers(len(sizes), size=n)
            return pools.cross_offsets[language_pair] + rng.integers(sizes[language_pair])

        return draw_distinct(rng, self.batch_size, draw, pools.cross_groups)

    def _eligible(self, pools: Pools) -> NDArray[np.float64]:
        """[L] one for languages that monolingual batches may be in."""
        if self._kind == "en-en":
            return np.array([language == "en" for language in pools.languages], dtype=float)
        return np.ones(len(pools.languages))

    def _check(self) -> None:
        if not self._first_row[-1]:
            raise InputError("the batches cannot be made: there are no training pairs")
        problems = []
        monolingual = any(self._eligible(pools).any() for pools in self._pools)
        if self._kind == "en-en" and not monolingual:
            problems.append("kind=en-en, but no training pair is in English")
        elif self._kind == "hybrid" and self.mixing_ratio > 0 and not monolingual:
            problems.append(
                f"mixing_ratio={self.mixing_ratio} asks for monolingual batches, but every "
                "training pair has its passage in another language; set mixing_ratio to 0, or add "
                "data with passages in the language of their questions"
            )
        # One that has no such pair at all is passed over, as long as another has some.
        cross = [len(pools.cross) for pools in self._pools]
        needed = [count for count in cross if count] or [0]
        for number, pools in enumerate(self._pools, start=1):
            where = f"data set {number}: " if len(self._pools) > 1 else ""
            problems += [f"{where}{problem}" for problem in self._small(pools)]
        if self._kind == "hybrid" and self.mixing_ratio < 1 and min(needed) < self.batch_size:
            problems.append(
                f"mixing_ratio={self.mixing_ratio} asks for cross-lingual batches of "
                f"{self.batch_size}, but the training data have {min(needed)} cross-lingual pairs "
                "(same question id in two languages, or a passage in another); set mixing_ratio "
                "to 1, lower batch_size or add translations"
            )
        if problems:
            raise InputError.collect("the batches cannot be made", problems)

    def _small(self, pools: Pools) -> list[str]:
        """What of one table is smaller than a batch."""
        problems = []
        if self._kind == "en-en" or (self._kind == "hybrid" and self.mixing_ratio > 0):
            problems += [
                f"batch_size={self.batch_size}, but {language!r} has only {size} training "
                f"pairs; choose {size} or less, or leave {language!r} out"
                for language, size, wanted in zip(
                    pools.languages, pools.sizes, self._eligible(pools), strict=True
                )
                if wanted and size < self.batch_size
            ]
        some = len(pools.rows) > 0 or not any(len(each.rows) for each in self._pools)
        if self._kind == "x-x" and some and len(pools.rows) < self.batch_size:
            problems.append(
                f"batch_size={self.batch_size}, but there are only {len(pools.rows)} "
                "training pairs in one language each"
            )
        return problems


def check_parts(batch_size: int, processes: int) -> None:
    """Refuse batches that cannot be dealt out evenly: parts of different sizes would weigh alike.

    Raises:
        InputError: if the batch size is not divisible by the number of processes.
    """
    if batch_size % processes:
        raise InputError(
            f"batch_size={batch_size} cannot be shared by {processes} processes; choose a "
            f"multiple of {processes}, such as {-(-batch_size // processes) * processes}"
        )


def _generator(key: NDArray[np.uint64], counter: int) -> np.random.Generator:
    """A generator of its own for one step: Philox is counter-based, so no state is replayed.

    The step goes into the counter's highest word, which leaves 2**192 numbers to each step.
    """
    words = np.array([0, 0, 0, counter], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=words))


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    return weights / total if total else weights
