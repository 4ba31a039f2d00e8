"""A cache of the trials' arrays in files, so that the next report need not read the tables again.

A file carries a stamp of the table that it was made from. A file that is stale, damaged or of
another version of the program counts as missing and is replaced.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.study.arrays import COLUMNS, KEYS, Key, ScoreArray, to_arrays
from analysis.study.mlflow import Study
from hybridir import names
from hybridir.runtime.files import atomic_write

_FIELD = b"hybridir"
_ROW = [names.SETTING, names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.QUESTION_ID]
_VERSION = 3  # raise it when `to_arrays` gives other values, or the file another form


def trial_arrays(study: Study, run_id: str, benchmark: str) -> Mapping[Key, ScoreArray] | None:
    """Read a trial's arrays from the cache, else from its per-query table.

    Args:
        study: the study, with its cache folder.
        run_id: the trial's run.
        benchmark: name of the benchmark.

    Returns:
        The arrays; None if the trial recorded no table.
    """
    stamp = study.stamp(run_id, benchmark)
    if stamp is None:
        return None
    path = study.cache_folder / f"{run_id}-{benchmark}.arrow" if study.cache_folder else None
    cached = read_arrays(path, stamp) if path else None
    if cached is not None:
        return cached
    table = study.per_query(run_id, benchmark, COLUMNS)
    if table is None:
        return None
    answers = study.reader_answers(run_id, benchmark, [*_ROW, names.READER_F1])
    if answers is not None:
        table = table.merge(answers, how="left", on=_ROW)
    arrays = to_arrays(table)
    if path:
        write_arrays(path, stamp, arrays)
    return arrays


def read_arrays(path: Path, stamp: str) -> dict[Key, ScoreArray] | None:
    """Read a file of `write_arrays`.

    Args:
        path: the file.
        stamp: stamp of the table as it is now.

    Returns:
        The arrays; None if the file is missing, damaged, or of another table.
    """
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        described = json.loads(table.schema.metadata[_FIELD])
        if described["stamp"] != _versioned(stamp):
            return None
        # Measures share them, so that comparing them with another trial's takes one comparison.
        question_sets = list(map(tuple, described["questions"]))
        cluster_sets = list(map(tuple, described["clusters"]))
        columns = table.drop_columns("values").to_pydict() | {"values": table["values"]}
        return {
            (measure, setting): ScoreArray(
                tuple((query, pool) for query, pool in described["cells"][index]),
                question_sets[number],
                cluster_sets[number],
                np.asarray(values.values).reshape(-1, len(question_sets[number])).copy(),
            )
            for index, (measure, setting, number, values) in enumerate(
                zip(*(columns[name] for name in table.column_names), strict=True)
            )
        }
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, IndexError):
        return None


def write_arrays(path: Path, stamp: str, arrays: Mapping[Key, ScoreArray]) -> None:
    """Write the arrays of one table.

    Args:
        path: the file; its folder is created, an older file is replaced.
        stamp: a text that changes whenever the table does.
        arrays: arrays of `analysis.study.arrays.to_arrays`.
    """
    clusters = {array.questions: array.clusters for array in arrays.values()}
    questions = list(clusters)
    described = {
        "stamp": _versioned(stamp),
        "cells": [array.cells for array in arrays.values()],
        "questions": questions,
        "clusters": list(clusters.values()),
    }
    table = pa.table(
        {
            "measure": [measure for measure, _ in arrays],
            "setting": [setting for _, setting in arrays],
            "questions": [questions.index(array.questions) for array in arrays.values()],
            "values": pa.LargeListArray.from_arrays(
                np.cumsum([0, *(array.values.size for array in arrays.values())]),
                np.concatenate([array.values.ravel() for array in arrays.values()]),
            ),
        }
    ).replace_schema_metadata({_FIELD: json.dumps(described)})
    with atomic_write(path) as temporary, pa.OSFile(str(temporary), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)


def _versioned(stamp: str) -> str:
    return f"{_VERSION}, {json.dumps(KEYS)}, {stamp}"
