"""The batches of a plan for any data loader of torch: a data set of pairs, and a batch sampler.

A batch of a plan takes its questions and its passages from different rows, where a data loader
knows numbers of one data set alone. So the data set has a row for every pair of rows that a batch
may have: three numbers each, and texts once.

Shapes: B pairs of a batch, N pairs of rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from numbers import Integral

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hybridir.batches import Batch, BatchPlan
from hybridir.batches.index import Rows
from hybridir.batches.plan import check_shards
from hybridir.config import BatchConfig
from hybridir.data import Pairs
from hybridir.errors import InputError

QUESTION, PASSAGE = "question", "passage"
GROUP = "label"
"""Column of passage groups, under the name by which collators pass numbers on to a loss."""


class HybridBatches:
    """A plan of hybrid batches, and the data set whose rows it names.

    Args:
        tables: a training table, or several, as for `BatchPlan`.
        config: batch size over all processes, mixing ratio, and how coins and languages are drawn.
        pairs: budget in training pairs; ``ceil(pairs / batch_size)`` batches.
        seed: decides every draw.

    Attributes:
        plan: the batches; `hybridir.training.train` draws the same ones.
        dataset: a row for each pair of rows that a batch may have, with the columns ``question``,
            ``passage`` and ``label``, the number of its passage group.

    Raises:
        InputError: if a table is no `Pairs`, a number is none or too low, or the batches cannot be
            made, see `BatchPlan`.

    Torch's own data loader, with the batches 2 to 5 of a plan:

    >>> from torch.utils.data import DataLoader
    >>> from hybridir.config import BatchConfig
    >>> from hybridir.data.synthetic.corpus import synthetic_corpus
    >>> from hybridir.integrations.hybrid_batches import HybridBatches
    >>> table = synthetic_corpus(languages=2, seed=20, entities=20).train
    >>> config = BatchConfig(mixing_ratio=0.5, batch_size=4)
    >>> batches = HybridBatches(table, config, pairs=24, seed=0)
    >>> loader = DataLoader(batches.dataset, batch_sampler=batches.sampler(start=2))
    >>> len(loader)
    4
    >>> batch = next(iter(loader))
    >>> batch["question"] == [table.question[row] for row in batches.plan[2].questions]
    True
    >>> batch["label"].tolist() == batches.plan[2].groups.tolist()
    True
    """

    def __init__(
        self, tables: Pairs | Sequence[Pairs], config: BatchConfig, *, pairs: int, seed: int
    ) -> None:
        tables = _checked(tables)
        _check_number("pairs", pairs, least=1)
        _check_number("seed", seed, least=0)
        self.plan = BatchPlan(tables, config, pairs=pairs, seed=seed)
        self.seed = seed
        self._tables = tables
        questions, passages, groups = self.plan.drawable_pairs()
        self._n_rows = sum(map(len, tables))
        self._keys_N = questions * self._n_rows + passages  # ascending
        numbers = {
            QUESTION: pa.array(questions.astype(np.int32)),
            PASSAGE: pa.array(passages.astype(np.int32)),
            GROUP: pa.array(groups),
        }
        self.dataset = Dataset(pa.table(numbers))
        self.dataset.set_transform(_Texts(tables))

    @property
    def description(self) -> dict[str, object]:
        """Everything that decides which batch comes at which step."""
        tables = [table.digest for table in self._tables]
        return {**self.plan.config.model_dump(mode="json"), "seed": self.seed, "tables": tables}

    def rows_of(self, batch: Batch) -> Rows:
        """[B] rows of `dataset` that make up a batch of the plan."""
        keys = batch.questions * self._n_rows + batch.passages
        rows: Rows = np.searchsorted(self._keys_N, keys)
        return rows

    def sampler(
        self, *, world_size: int = 1, rank: int | None = None, start: int = 0
    ) -> "PlanSampler":
        """A batch sampler for `torch.utils.data.DataLoader`.

        Args:
            world_size: number of processes that share each batch.
            rank: the process whose slices are yielded. None yields the slices of all processes,
                one after the other, as ``accelerate.Accelerator.prepare`` deals them out.
            start: first step of the plan; a later one continues a training.

        Raises:
            InputError: if the processes cannot share a batch evenly, or there is no such process
                or step.
        """
        _check_number("world_size", world_size, least=1)
        check_shards(self.plan.batch_size, world_size)
        if rank is not None and not 0 <= rank < world_size:
            raise InputError(f"rank={rank}: {world_size} processes have ranks below {world_size}")
        if not 0 <= start <= len(self.plan):
            raise InputError(f"start={start}: the plan has steps 0 to {len(self.plan) - 1}")
        return PlanSampler(self, world_size, range(world_size) if rank is None else [rank], start)


def _check_number(name: str, value: object, *, least: int) -> None:
    """Refuse what is no whole number; without a seed a resumed training would draw anew."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name}={value!r}: expected a whole number, {least} or more")


class PlanSampler:
    """Yields the rows of a plan's batches, in slices; `HybridBatches.sampler` makes one.

    Each iteration begins anew. Every slice is full, so that dropping the last one changes nothing.

    Args:
        batches: the plan and its data set.
        world_size: number of slices of a batch.
        ranks: the slices to yield.
        start: first step.
    """

    drop_last = True

    def __init__(
        self, batches: HybridBatches, world_size: int, ranks: Sequence[int], start: int
    ) -> None:
        self.batches = batches
        self.batch_size = batches.plan.batch_size // world_size
        self._world_size, self._ranks, self._start = world_size, ranks, start

    def __len__(self) -> int:
        return (len(self.batches.plan) - self._start) * len(self._ranks)

    def __iter__(self) -> Iterator[list[int]]:
        plan = self.batches.plan
        for step in range(self._start, len(plan)):
            batch = plan[step]
            for rank in self._ranks:
                slice_ = batch.shard(rank, self._world_size)
                yield self.batches.rows_of(slice_).tolist()


def _checked(tables: Pairs | Sequence[Pairs]) -> list[Pairs]:
    several = list(tables) if isinstance(tables, (list, tuple)) else [tables]
    pairs = [table for table in several if isinstance(table, Pairs)]
    if len(pairs) < len(several):
        others = [type(table).__name__ for table in several if not isinstance(table, Pairs)]
        raise InputError(
            f"tables: {', '.join(others)} given; legal are hybridir.Pairs, one or several: "
            "hybridir.data.readers.table.load_table reads them from a file, such as one that "
            "to_parquet of a data frame or data set has written"
        )
    return pairs


class _Texts:
    """Turns the numbers of rows into texts, when rows of the data set are read."""

    def __init__(self, tables: Sequence[Pairs]) -> None:
        self._texts: dict[str, Sequence[str]] = {
            QUESTION: _joined([table.question for table in tables]),
            PASSAGE: _joined([table.passage for table in tables]),
        }

    def __call__(self, columns: Mapping[str, list[int]]) -> dict[str, Sequence[str | int]]:
        return {
            name: [self._texts[name][row] for row in values] if name in self._texts else values
            for name, values in columns.items()
        }


def _joined(columns: Sequence[Sequence[str]]) -> Sequence[str]:
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))
