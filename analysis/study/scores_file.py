"""The per-question scores of a study in one table, from which its inference can be computed again.

It is the table that `hybridir infer` reads (`hybridir.cli.scores_table`): one row a question, cell
and trial, for every measure of the report. Several benchmarks are several studies of the file.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.study.arrays import Key
from hybridir import names
from hybridir.inference import Condition
from hybridir.inference.scores import Scores
from hybridir.runtime.files import atomic_write

Conditions = Mapping[Key, Mapping[Condition, Scores]]
_LABEL = pa.dictionary(pa.int32(), pa.string())


def write_scores(path: Path, studies: Iterable[tuple[str, Conditions]]) -> None:
    """Write the scores of a study, whole or not at all.

    Args:
        path: the file.
        studies: (name, scores) of each benchmark, read one after the other.
    """
    with atomic_write(path) as partial:
        writer = None
        try:
            for study, conditions in studies:
                for table in _tables(study, conditions):
                    if writer is None:
                        writer = pq.ParquetWriter(partial, table.schema, compression="zstd")
                    writer.write_table(table.cast(writer.schema))
        finally:
            if writer is not None:
                writer.close()


def _tables(study: str, conditions: Conditions) -> Iterator[pa.Table]:
    """Make a table per measure, setting and condition."""
    for (measure, setting), of_key in conditions.items():
        for condition, scores in of_key.items():
            present = np.nonzero(~np.isnan(scores.values))
            ratio, seed, cell, question = present
            clusters = scores.clusters or scores.questions
            labels, cluster = np.unique(np.array(clusters, dtype=object), return_inverse=True)
            queries, pools = zip(*scores.cells, strict=True)
            columns = {
                names.STUDY: _constant(study, len(ratio)),
                names.MEASURE: _constant(measure, len(ratio)),
                names.SETTING: _constant(setting, len(ratio)),
                names.MIXING_RATIO: pa.array(np.array(scores.ratios)[ratio]),
                names.SEED: pa.array(np.array(scores.seeds)[seed]),
                names.QUESTION_ID: _coded(question, scores.questions),
                names.CLUSTER: _coded(cluster[question], labels.tolist()),
                names.QUERY_LANGUAGE: _coded(cell, queries),
                names.POOL_LANGUAGE: _coded(cell, pools),
                names.VALUE: pa.array(scores.values[present].astype(np.float64)),
            }
            # Parameters that `hybridir infer` knows by name, as numbers.
            for name, level in condition:
                if name in names.CONDITIONS:
                    columns[name] = pa.array(np.full(len(ratio), float(level)))
            yield pa.table(columns)


def _constant(label: str, length: int) -> pa.DictionaryArray:
    return _coded(np.zeros(length, dtype=np.int32), [label])


def _coded(codes: np.ndarray, labels: Iterable[str]) -> pa.DictionaryArray:
    codes = pa.array(codes.astype(np.int32))
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(labels), pa.string()))
