"""The batch plan: which pairs make up which batch, as a pure function of (seed, step).

Hybrid batching after Elmahdy, Lin and Ahmad (arXiv 2408.10536): a coin is tossed per batch.
With probability alpha the batch is monolingual; otherwise every pair in it crosses two languages.
Each step has its own counter-based generator, so that resuming costs nothing and every process
sees its share of the same global batch.

Two choices are this project's, as the paper does not state them.
Language pairs are drawn uniformly over the ordered pairs that exist.
With several data sets, a batch's data set is drawn in proportion to size among those that can fill
a batch of its kind, so that the mixing ratio holds for any data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from hybridir.batches.index import PairIndex, Rows, draw_distinct, index_pairs
from hybridir.config import BatchConfig
from hybridir.data import Pairs
from hybridir.errors import InputError
from hybridir.languages import is_english


class BatchKind(StrEnum):
    """Which languages meet in a batch."""

    MONOLINGUAL = "monolingual"
    CROSSLINGUAL = "crosslingual"
    MIXED = "x-x"


@dataclass(frozen=True)
class Batch:
    """One batch of B pairs.

    Attributes:
        step: number of the batch, from 0.
        kind: which languages meet in it.
        questions: [B] rows of the questions.
        passages: [B] rows of their passages.
        groups: [B] passage groups; pairs of one group are not negatives of each other.
    """

    step: int
    kind: BatchKind
    questions: Rows
    passages: Rows
    groups: Rows

    def shard(self, rank: int, world_size: int) -> "Batch":
        """The slice of process `rank`; the slices of all ranks, in order, make up the batch."""
        bounds = [len(self.questions) * index // world_size for index in (rank, rank + 1)]
        rows = slice(*bounds)
        return Batch(
            self.step, self.kind, self.questions[rows], self.passages[rows], self.groups[rows]
        )


class BatchPlan:
    """A sequence of hybrid batches with random access: ``plan[step]``.

    Row numbers in a batch run through all tables in order.

    Args:
        tables: training tables. Each batch comes from one of them, drawn in proportion to the
            number of rows among the tables that have rows for its kind.
        config: batch size, mixing ratio, and how coins and languages are drawn.
        pairs: budget in training pairs; the plan has ``ceil(pairs / batch_size)`` steps.
        seed: decides every draw.

    Raises:
        InputError: if a language is too small for a batch, or no table has enough cross-lingual
            pairs.

    Ten questions, each in English and in German, make six batches of four pairs:

    >>> from hybridir import BatchPlan, Pairs
    >>> from hybridir.config import BatchConfig
    >>> ids = [f"q{number}" for number in range(10)]
    >>> pairs = Pairs(
    ...     question_id=ids + ids,
    ...     passage_group=ids + ids,
    ...     language=["en"] * 10 + ["de"] * 10,
    ...     question=[f"question {name}" for name in ids] + [f"Frage {name}" for name in ids],
    ...     passage=[f"answer {name}" for name in ids] + [f"Antwort {name}" for name in ids],
    ... )
    >>> config = BatchConfig(batch_size=4, mixing_ratio=0.5)
    >>> plan = BatchPlan([pairs], config, pairs=24, seed=0)
    >>> [plan[step].kind.value for step in range(3)]
    ['crosslingual', 'monolingual', 'monolingual']
    >>> for question, passage in zip(plan[0].questions, plan[0].passages):
    ...     print(f"{pairs.question[question]:<12} {pairs.passage[passage]}")
    question q6  Antwort q6
    Frage q3     answer q3
    Frage q0     answer q0
    Frage q9     answer q9
    """

    def __init__(
        self, tables: Sequence[Pairs], config: BatchConfig, *, pairs: int, seed: int
    ) -> None:
        self.config = config
        self.batch_size = config.batch_size
        self.steps = math.ceil(pairs / config.batch_size)
        self._indices = [index_pairs(table) for table in tables]
        self._first_row = np.cumsum([0, *map(len, tables)])
        self._first_group = np.cumsum([0, *(index.n_groups for index in self._indices)])
        self._check()
        sizes = np.diff(self._first_row).astype(float)
        usable = {
            BatchKind.MONOLINGUAL: [bool(self._eligible(index).any()) for index in self._indices],
            BatchKind.CROSSLINGUAL: [len(index.cross) > 0 for index in self._indices],
            BatchKind.MIXED: [len(index.rows) > 0 for index in self._indices],
        }
        self._table_share = {kind: _normalised(sizes * can) for kind, can in usable.items()}
        exponents = {
            "uniform": 0.0,
            "proportional": 1.0,
            "temperature": config.language_exponent,
        }
        exponent = exponents[config.language_sampling]
        self._language_share = [
            _normalised(self._eligible(index) * index.sizes**exponent) for index in self._indices
        ]
        # Two keys from one seed: a seed's coins are the same for every mixing ratio and batch
        # size, which makes comparisons between them more precise.
        self._coin_key, self._draw_key = (
            child.generate_state(2, np.uint64).astype(np.uint64)
            for child in np.random.SeedSequence(seed).spawn(2)
        )
        self._offset = _generator(self._coin_key, 2**63).random()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Compute a batch from scratch; the cost depends on the batch size alone.

        Raises:
            IndexError: if the plan has no such step.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step}: the plan has steps 0 to {self.steps - 1}")
        rng = _generator(self._draw_key, step)
        kind = self.kind_of(step)
        table = rng.choice(len(self._indices), p=self._table_share[kind])
        index = self._indices[table]
        if kind is BatchKind.CROSSLINGUAL:
            drawn = self._draw_cross_lingual(rng, index)
            questions, passages = index.cross[drawn].T
            groups = index.cross_groups[drawn]
        else:
            drawn = self._draw_rows(rng, index, self._language_share[table], kind)
            questions = passages = index.rows[drawn]
            groups = index.row_groups[drawn]
        first = self._first_row[table]
        return Batch(
            step, kind, questions + first, passages + first, groups + self._first_group[table]
        )

    def drawable_pairs(self) -> tuple[Rows, Rows, Rows]:
        """Every pair of rows that a batch of some kind may have, whatever the mixing ratio.

        Returns:
            [N] rows of the questions, [N] rows of the passages and [N] passage groups, numbered
            as in `Batch`; each pair once, ordered by question and then by passage.
        """
        columns = [
            np.stack(
                [
                    np.concatenate([index.rows, index.cross[:, 0]]) + row,
                    np.concatenate([index.rows, index.cross[:, 1]]) + row,
                    np.concatenate([index.row_groups, index.cross_groups]) + group,
                ]
            )
            for index, row, group in zip(
                self._indices, self._first_row[:-1], self._first_group[:-1], strict=True
            )
        ]
        questions, passages, groups = np.concatenate(columns, axis=1)
        order = np.lexsort((passages, questions))
        return questions[order], passages[order], groups[order]

    def kind_of(self, step: int) -> BatchKind:
        """Toss the coin of one step; the batch itself is not drawn."""
        if self.config.kind == "x-x":
            return BatchKind.MIXED
        if self.config.kind == "en-en":
            return BatchKind.MONOLINGUAL
        ratio = self.config.mixing_ratio
        if self.config.coin == "bernoulli":
            monolingual = bool(_generator(self._coin_key, step).random() < ratio)
        else:
            before, after = (math.floor(self._offset + n * ratio) for n in (step, step + 1))
            monolingual = after > before
        return BatchKind.MONOLINGUAL if monolingual else BatchKind.CROSSLINGUAL

    def _draw_rows(
        self,
        rng: np.random.Generator,
        index: PairIndex,
        share: NDArray[np.float64],
        kind: BatchKind,
    ) -> Rows:
        """Draw positions in ``index.rows``, in one language or in mixed languages."""
        if kind is BatchKind.MIXED:

            def draw_mixed(n: int) -> Rows:
                language = rng.choice(len(share), size=n, p=share)
                return index.row_offsets[language] + rng.integers(index.sizes[language])

            return draw_distinct(rng, self.batch_size, draw_mixed, index.row_groups)

        rows = index.of_language(int(rng.choice(len(share), p=share)))
        groups = index.row_groups[rows]

        def draw(n: int) -> Rows:
            if len(groups) < 8 * self.batch_size:  # few rows: draw each at most once
                return rng.permutation(len(groups))
            return rng.integers(len(groups), size=n)

        return draw_distinct(rng, self.batch_size, draw, groups) + int(rows.start)

    def _draw_cross_lingual(self, rng: np.random.Generator, index: PairIndex) -> Rows:
        """Draw positions in ``index.cross``, uniformly over language pairs."""
        sizes = np.diff(index.cross_offsets)

        def draw(n: int) -> Rows:
            language_pair = rng.integers(len(sizes), size=n)
            return index.cross_offsets[language_pair] + rng.integers(sizes[language_pair])

        return draw_distinct(rng, self.batch_size, draw, index.cross_groups)

    def _eligible(self, index: PairIndex) -> NDArray[np.float64]:
        """[L] 1 for languages of monolingual batches, else 0."""
        if self.config.kind == "en-en":
            return np.array([is_english(code) for code in index.languages], dtype=float)
        return np.ones(len(index.languages))

    def _check(self) -> None:
        if not self._first_row[-1]:
            raise InputError("the batches cannot be made: there are no training pairs")
        kind, ratio = self.config.kind, self.config.mixing_ratio
        problems = []
        monolingual = any(self._eligible(index).any() for index in self._indices)
        if kind == "en-en" and not monolingual:
            problems.append("kind=en-en, but no training pair is in English")
        elif kind == "hybrid" and ratio > 0 and not monolingual:
            problems.append(
                f"mixing_ratio={ratio} asks for monolingual batches, but every "
                "training pair has its passage in another language; set mixing_ratio to 0, or add "
                "data with passages in the language of their questions"
            )
        # Tables without cross-lingual pairs are skipped, as long as another table has some.
        cross = [len(index.cross) for index in self._indices]
        smallest = min((n for n in cross if n), default=0)
        for number, index in enumerate(self._indices, start=1):
            prefix = f"data set {number}: " if len(self._indices) > 1 else ""
            problems += [f"{prefix}{problem}" for problem in self._too_small(index)]
        if kind == "hybrid" and ratio < 1 and smallest < self.batch_size:
            problems.append(
                f"mixing_ratio={ratio} asks for cross-lingual batches of "
                f"{self.batch_size}, but the training data have {smallest} cross-lingual pairs "
                "(same question id in two languages, or a passage in another); set mixing_ratio "
                "to 1, lower batch_size or add translations"
            )
        if problems:
            raise InputError.collect("the batches cannot be made", problems)

    def _too_small(self, index: PairIndex) -> list[str]:
        """Problems of one table: languages, or rows altogether, with fewer rows than a batch."""
        kind, ratio = self.config.kind, self.config.mixing_ratio
        problems = []
        if kind == "en-en" or (kind == "hybrid" and ratio > 0):
            problems += [
                f"batch_size={self.batch_size}, but {language!r} has only {size} training "
                f"pairs; choose {size} or less, or leave {language!r} out"
                for language, size, eligible in zip(
                    index.languages, index.sizes, self._eligible(index), strict=True
                )
                if eligible and size < self.batch_size
            ]
        used = len(index.rows) > 0 or not any(len(table.rows) for table in self._indices)
        if kind == "x-x" and used and len(index.rows) < self.batch_size:
            problems.append(
                f"batch_size={self.batch_size}, but there are only {len(index.rows)} "
                "training pairs in one language each"
            )
        return problems


def check_shards(batch_size: int, world_size: int) -> None:
    """Refuse batches that processes cannot share evenly: unequal shards would weigh the same.

    Raises:
        InputError: if the batch size is not divisible by the number of processes.
    """
    if batch_size % world_size:
        raise InputError(
            f"batch_size={batch_size} cannot be shared by {world_size} processes; choose a "
            f"multiple of {world_size}, such as {-(-batch_size // world_size) * world_size}"
        )


def _generator(key: NDArray[np.uint64], counter: int) -> np.random.Generator:
    """The generator of one step: Philox is counter-based, so no state is replayed.

    The step is the counter's highest word, which leaves 2**192 numbers for each step.
    """
    words = np.array([0, 0, 0, counter], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=words))


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum()
    return weights / total if total else weights
