"""The per-question scores of a study in one table, from which its inference can be computed again.

It is the table that `hybridir infer` reads (`hybridir.cli.scores_table`): one row a question, cell
and trial, for every measure of the report. Several benchmarks are several studies of the file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis.study.arrays import Key
from hybridir import names
from hybridir.cli.scores_files import primary_metadata
from hybridir.cli.scores_table import TrainedAt
from hybridir.inference import Condition
from hybridir.inference.scores import Bools, Scores
from hybridir.runtime.files import atomic_write

Conditions = Mapping[Key, Mapping[Condition, Scores]]
# Columns with their smallest and largest value in each part of the file, by which readers pass
# over parts; for all columns these took half of the time of writing.
_SMALLEST = [names.STUDY, names.MEASURE, names.SETTING, names.MIXING_RATIO, names.SEED]
_LABEL = pa.dictionary(pa.int32(), pa.string())


def write_scores(
    path: Path,
    studies: Iterable[tuple[str, Conditions]],
    trained_at: TrainedAt,
    primary: Mapping[str, Sequence[Key]],
) -> None:
    """Write the scores of a study, whole or not at all.

    Args:
        path: the file.
        studies: (name, scores) of each benchmark, read one after the other.
        trained_at: parameters, which get columns of their own.
        primary: name of a study -> its primary outcomes.
    """
    with atomic_write(path) as partial:
        writer = None
        try:
            for study, conditions in studies:
                for table in _tables(study, conditions, trained_at):
                    if writer is None:
                        schema = table.schema.with_metadata(primary_metadata(primary))
                        writer = pq.ParquetWriter(
                            partial, schema, compression="zstd", write_statistics=_SMALLEST
                        )
                    writer.write_table(table.cast(schema))
        finally:
            if writer is not None:
                writer.close()


def _tables(study: str, conditions: Conditions, trained_at: TrainedAt) -> Iterator[pa.Table]:
    """Make a table per measure, setting, condition and mixing ratio."""
    for (measure, setting), of_key in conditions.items():
        for condition, scores in of_key.items():
            clusters = scores.clusters or scores.questions
            labels, cluster = np.unique(np.array(clusters, dtype=object), return_inverse=True)
            queries, pools = zip(*scores.cells, strict=True)
            for ratio, seeds in enumerate(scores.trained):
                # One ratio at a time, so that a study of many trials is not in memory twice.
                values_SCQ = scores.values[ratio, seeds]
                present_SCQ = ~np.isnan(values_SCQ)
                seed, cell, question = _numbers(present_SCQ)
                columns = {
                    names.STUDY: _constant(study, len(seed)),
                    names.MEASURE: _constant(measure, len(seed)),
                    names.SETTING: _constant(setting, len(seed)),
                    names.MIXING_RATIO: pa.array(np.full(len(seed), scores.ratios[ratio])),
                    names.SEED: pa.array(np.array(scores.seeds)[seeds][seed]),
                    names.QUESTION_ID: _coded(question, scores.questions),
                    names.CLUSTER: _coded(cluster.astype(np.int32)[question], labels.tolist()),
                    names.QUERY_LANGUAGE: _language(cell, queries),
                    names.POOL_LANGUAGE: _language(cell, pools),
                    names.VALUE: pa.array(values_SCQ[present_SCQ].astype(np.float64)),
                }
                for name, level in trained_at[condition, scores.ratios[ratio]].items():
                    columns[name] = pa.array(np.full(len(seed), level))
                yield pa.table(columns)


def _numbers(present: Bools) -> list[NDArray[np.int32]]:
    """The numbers of what is present along each axis, in order.

    They are those of `numpy.nonzero`, which takes ten times as long for them.
    """
    axes = (
        np.arange(length, dtype=np.int32).reshape([-1 if axis == at else 1 for axis in range(3)])
        for at, length in enumerate(present.shape)
    )
    return [np.broadcast_to(axis, present.shape)[present] for axis in axes]


def _constant(label: str, length: int) -> pa.DictionaryArray:
    return _coded(np.zeros(length, dtype=np.int32), [label])


def _language(cell: NDArray[np.int32], of_cells: Sequence[str]) -> pa.DictionaryArray:
    """Name a language once, since labels that occur twice are written out in every row."""
    labels, code_C = np.unique(np.array(of_cells, dtype=object), return_inverse=True)
    return _coded(code_C.astype(np.int32)[cell], labels.tolist())


def _coded(codes: NDArray[np.int32], labels: Iterable[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(labels), pa.string()))
