"""Keeps what was laid out of a trial's table in a file, for the next report.

The file carries a stamp of the table that it was made from. One that is stale, damaged or of
another version of the program counts as not there, and is replaced.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from analysis.study.arrays import KEYS, NEEDED, Key, LaidOut, lay_out
from analysis.study.mlflow import Study
from hybridir.runtime.files import replacing

_FIELD = b"hybridir"
_VERSION = 2  # raise it when `lay_out` gives other values, or the file another form


def laid_out(study: Study, run_id: str, benchmark: str) -> Mapping[Key, LaidOut] | None:
    """Lay a trial's table out, or read what was kept of it.

    Args:
        study: the study; its `kept` says where.
        run_id: the trial's run.
        benchmark: what it was scored on.

    Returns:
        What `lay_out` gives; None if the trial recorded no table.
    """
    stamp = study.stamp(run_id, benchmark)
    if stamp is None:
        return None
    path = study.kept / f"{run_id}-{benchmark}.arrow" if study.kept else None
    known = read_kept(path, stamp) if path else None
    if known is not None:
        return known
    table = study.per_query(run_id, benchmark, NEEDED)
    if table is None:
        return None
    found = lay_out(table)
    if path:
        write_kept(path, stamp, found)
    return found


def read_kept(path: Path, stamp: str) -> dict[Key, LaidOut] | None:
    """Read what `write_kept` wrote.

    Args:
        path: the file.
        stamp: of the table as it is now.

    Returns:
        What was laid out; None if it is not there, not whole, or of another table.
    """
    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
        described = json.loads(table.schema.metadata[_FIELD])
        if described["stamp"] != _versioned(stamp):
            return None
        columns = table.drop_columns("values").to_pydict() | {"values": table["values"]}
        return {
            (measure, setting): LaidOut(
                tuple((query, pool) for query, pool in described["cells"][index]),
                tuple(described["questions"][which]),
                np.asarray(values.values).reshape(-1, len(described["questions"][which])).copy(),
            )
            for index, (measure, setting, which, values) in enumerate(
                zip(*(columns[name] for name in table.column_names), strict=True)
            )
        }
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, IndexError):
        return None


def write_kept(path: Path, stamp: str, found: Mapping[Key, LaidOut]) -> None:
    """Write what was laid out of one table.

    Args:
        path: the file; its folder is made, an older file is replaced.
        stamp: changes whenever the table does.
        found: what `analysis.study.arrays.lay_out` returned.
    """
    questions = list(dict.fromkeys(entry.questions for entry in found.values()))
    described = {
        "stamp": _versioned(stamp),
        "cells": [entry.cells for entry in found.values()],
        "questions": questions,
    }
    table = pa.table(
        {
            "measure": [measure for measure, _ in found],
            "setting": [setting for _, setting in found],
            "questions": [questions.index(entry.questions) for entry in found.values()],
            "values": pa.LargeListArray.from_arrays(
                np.cumsum([0, *(entry.values.size for entry in found.values())]),
                np.concatenate([entry.values.ravel() for entry in found.values()]),
            ),
        }
    ).replace_schema_metadata({_FIELD: json.dumps(described)})
    with replacing(path) as part, pa.OSFile(str(part), "wb") as file:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)


def _versioned(stamp: str) -> str:
    return f"{_VERSION}, {json.dumps(KEYS)}, {stamp}"
