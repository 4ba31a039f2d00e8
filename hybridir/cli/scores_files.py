"""The files of a table of scores: their columns, what is wrong with them, and their outcomes.

The columns are described in `hybridir.cli.scores_table`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype, union_categoricals

from hybridir import names
from hybridir.errors import InputError
from hybridir.runtime.files import atomic_write

REQUIRED: Final = (
    *(names.MIXING_RATIO, names.SEED, names.QUESTION_ID, names.SETTING),
    *(names.QUERY_LANGUAGE, names.POOL_LANGUAGE, names.VALUE),
)
OPTIONAL: Final = (names.CLUSTER, names.MEASURE, names.STUDY, *names.CONDITIONS)
N_QUESTIONS: Final = "n_questions"
BY_CLUSTER: Final = (
    *(names.MIXING_RATIO, names.SEED, names.CLUSTER, N_QUESTIONS, names.SETTING, names.VALUE),
)
_LABELS: Final = (
    *(names.QUESTION_ID, names.CLUSTER, names.SETTING, names.QUERY_LANGUAGE),
    *(names.POOL_LANGUAGE, names.MEASURE, names.STUDY),
)
_INDEPENDENT = (
    "questions count as independent, and intervals are too narrow where several were drawn "
    "together, such as those of an article"
)

Key = tuple[str, str]
"""(measure, setting)."""

PRIMARY_KEY: Final = b"hybridir.primary"
"""Key of the metadata of a Parquet file that hold the primary outcomes."""
FAMILY_KEY: Final = b"hybridir.family"
"""Key of the metadata that hold the studies that each study is tested with."""


def primary_metadata(
    primary: Mapping[str, Sequence[Key]], family: Mapping[str, Sequence[str]] | None = None
) -> dict[bytes, bytes]:
    """The metadata of a Parquet file that tell the primary outcomes.

    Args:
        primary: name of a study -> its primary outcomes.
        family: name of a study -> the studies that are tested together with it; None for all that
            `primary` names, as the benchmarks of a report are.
    """
    together = family or dict.fromkeys(primary, sorted(primary))
    return {
        PRIMARY_KEY: json.dumps({name: list(keys) for name, keys in primary.items()}).encode(),
        FAMILY_KEY: json.dumps({name: list(together[name]) for name in primary}).encode(),
    }


def write_by_cluster(
    path: Path,
    tables: Iterable[pd.DataFrame],
    primary: Mapping[str, Sequence[Key]],
    family: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write tables of `scores_table.by_cluster_table`, a study each, whole or not at all.

    Args:
        path: the Parquet file.
        tables: the tables.
        primary: name of a study -> its primary outcomes.
        family: see `primary_metadata`.
    """
    table = pa.Table.from_pandas(pd.concat(tables, ignore_index=True), preserve_index=False)
    metadata = {**(table.schema.metadata or {}), **primary_metadata(primary, family)}
    with atomic_write(path) as partial:
        pq.write_table(table.replace_schema_metadata(metadata), partial, compression="zstd")


class ScoreRows(NamedTuple):
    """The rows of a file, or of several.

    Attributes:
        rows: the columns that count, checked; of a table by cluster each cluster is a question.
        notes: what the files lack, a sentence each.
        unused: a clause on columns that do not count; may be empty.
        primary: study -> its primary outcomes, of studies that declare them.
        family: study -> all studies that are tested together, likewise: those of one report.
    """

    rows: pd.DataFrame
    notes: tuple[str, ...]
    unused: str
    primary: Mapping[str, tuple[Key, ...]]
    family: Mapping[str, tuple[str, ...]]


def read_files(paths: Sequence[Path], limits: tuple[float, float] | None) -> ScoreRows:
    """Read the rows of all files as those of one table.

    Args:
        paths: Parquet files; or CSV files, by their ending.
        limits: lowest and highest possible value; None takes those of known measures.

    Raises:
        InputError: if a file, a column or a value cannot be used, or the files do not belong
            together.
    """
    parts = [_read(path) for path in paths]
    for part, path in zip(parts, paths, strict=True):
        _check(part.rows, path, limits)
    return ScoreRows(
        _joined([part.rows for part in parts], paths),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        "; ".join(dict.fromkeys(part.unused for part in parts if part.unused)),
        _primary(parts, paths),
        {name: studies for part in parts for name, studies in part.family.items()},
    )


def _read(path: Path) -> ScoreRows:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the file in it")
    is_csv = path.name.endswith((".csv", ".csv.gz"))
    columns = [*REQUIRED, *OPTIONAL]
    metadata: dict[bytes, bytes] = {}
    try:
        if is_csv:
            table = _read_csv(path)
        else:
            table = pd.read_parquet(path)
            metadata = pq.read_schema(path).metadata or {}
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty") from None
    except (OSError, ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise InputError(
            f"{path}: cannot be read as {'CSV' if is_csv else 'Parquet'} ({error}); write the "
            "table with pandas' to_parquet, or as a .csv file"
        ) from None
    others = [str(name) for name in table if name not in (*columns, N_QUESTIONS)]
    unused = f"columns that are not used: {', '.join(others)}" if others else ""
    notes = [f"{unused}; known are {', '.join(columns)}"] if others else []
    if N_QUESTIONS in table and names.QUESTION_ID not in table:
        if (table[N_QUESTIONS] == 1).all():
            notes.append(f"each cluster has one question: {_INDEPENDENT}")
        return ScoreRows(_read_by_cluster(table, path), tuple(notes), unused, *_declared(metadata))
    missing = [name for name in REQUIRED if name not in table]
    if missing:
        raise InputError(
            f"{path}: the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} "
            f"{'are' if len(missing) > 1 else 'is'} missing; expected are {', '.join(REQUIRED)}, "
            f"and optionally {', '.join(OPTIONAL)}; the table has {', '.join(map(str, table))}"
        )
    if table.empty:
        raise InputError(f"{path}: the table has no row")
    table = pd.DataFrame(table[[name for name in columns if name in table]])
    if names.CLUSTER not in table:
        table[names.CLUSTER] = table[names.QUESTION_ID]
        notes.append(f"without a column cluster {_INDEPENDENT}")
    return ScoreRows(_labelled(table, path), tuple(notes), unused, *_declared(metadata))


def _read_csv(path: Path) -> pd.DataFrame:
    """Read CSV with commas, or with the semicolons and decimal commas of other languages."""
    # The language Namibian Ndonga has the code "na", and a question may be called "NA".
    options: dict[str, Any] = {
        "dtype": dict.fromkeys(_LABELS, "str"),
        "keep_default_na": False,
        "na_values": {names.VALUE: ""},
    }
    header = pd.read_csv(path, nrows=0).columns
    separator = ";" if len(header) == 1 and ";" in header[0] else ","
    table: pd.DataFrame = pd.read_csv(path, sep=separator, **options)
    numbers = [name for name in (names.MIXING_RATIO, names.VALUE) if name in table]
    if separator == ";" and not all(map(is_numeric_dtype, (table[name] for name in numbers))):
        table = pd.read_csv(path, sep=separator, decimal=",", **options)
    return table


def _declared(
    metadata: Mapping[bytes, bytes],
) -> tuple[dict[str, tuple[Key, ...]], dict[str, tuple[str, ...]]]:
    """The primary outcomes of each study, and the studies that it is tested with."""
    stored = json.loads(metadata.get(PRIMARY_KEY, b"{}"))
    primary = {name: tuple((m, s) for m, s in keys) for name, keys in stored.items()}
    family = json.loads(metadata.get(FAMILY_KEY, b"{}")) or dict.fromkeys(stored, sorted(stored))
    return primary, {name: tuple(studies) for name, studies in family.items()}


def _primary(parts: Sequence[ScoreRows], paths: Sequence[Path]) -> dict[str, tuple[Key, ...]]:
    """The primary outcomes of each study, which all files that declare them have to share."""
    primary: dict[str, tuple[Key, ...]] = {}
    for part, path in zip(parts, paths, strict=True):
        for name, keys in part.primary.items():
            if primary.setdefault(name, keys) != keys:
                here, there = (", ".join(map(" ".join, of)) for of in (keys, primary[name]))
                raise InputError(
                    f"{path}: study {name} declares the primary outcomes {here}, another file "
                    f"{there}; give their studies different names"
                )
    return primary


def _joined(tables: Sequence[pd.DataFrame], paths: Sequence[Path]) -> pd.DataFrame:
    """Put the rows of several files into one table."""
    first = tables[0]
    if len(tables) == 1:
        return first
    for table, path in zip(tables, paths, strict=True):
        if differing := sorted(map(str, set(table) ^ set(first))):
            raise InputError(
                f"{path}: {', '.join(differing)} {'is' if len(differing) == 1 else 'are'} in this "
                f"file or in {paths[0]} alone; tables that are read together have the same columns"
            )
    labels = {name: union_categoricals([table[name] for table in tables]) for name in _LABELS}
    numbers = pd.concat([table.drop(columns=list(_LABELS)) for table in tables], ignore_index=True)
    joined = numbers.assign(**labels)
    if N_QUESTIONS in joined:
        cluster = [names.STUDY, names.MEASURE, names.SETTING, names.CLUSTER]
        counts = joined.groupby(cluster, observed=True)[N_QUESTIONS].nunique().reset_index()
        uneven = counts.loc[counts[N_QUESTIONS] > 1, names.CLUSTER].tolist()
        if uneven:
            raise InputError(
                f"{' and '.join(map(str, paths))}: they count different questions in cluster "
                f"{uneven[0]}; the trials of a study are scored on the same questions"
            )
    return joined


def _read_by_cluster(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Make each cluster a question of its own, and each setting a cell."""
    missing = [name for name in BY_CLUSTER if name not in table]
    if missing:
        raise InputError(
            f"{path}: a table with {N_QUESTIONS} is one by cluster, and lacks "
            f"{', '.join(missing)}; write it with hybridir infer SCORES --by-cluster FILE"
        )
    table = pd.DataFrame(table[[name for name in (*BY_CLUSTER, *OPTIONAL) if name in table]])
    table = table.loc[:, ~table.columns.duplicated()]
    cell = dict.fromkeys((names.QUERY_LANGUAGE, names.POOL_LANGUAGE), names.ALL_LANGUAGES)
    return _labelled(table.assign(**{names.QUESTION_ID: table[names.CLUSTER]}, **cell), path)


def _labelled(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Fill optional labels, and make all of them categories."""
    if names.MEASURE not in table:
        table[names.MEASURE] = names.VALUE
    if names.STUDY not in table:
        table[names.STUDY] = path.name.partition(".")[0]
    for name in _LABELS:
        empty = table[name].isna()
        if empty.any():
            raise InputError(f"{path}: {_rows(empty)} without {name}; fill the column")
        if not isinstance(table[name].dtype, pd.CategoricalDtype):
            table[name] = table[name].astype("category")
    return table


def _check(table: pd.DataFrame, path: Path, limits: tuple[float, float] | None) -> None:
    problems = []
    numbers = [names.MIXING_RATIO, names.SEED, names.VALUE]
    numbers += [name for name in (*names.CONDITIONS, N_QUESTIONS) if name in table]
    for name in numbers:
        given: Any = table[name]
        column: Any = pd.to_numeric(given, errors="coerce").to_numpy(np.float64)
        if name == names.MIXING_RATIO:
            column = column.round(6)
        elif name in names.CONDITIONS:
            codes, values = pd.factorize(column)
            column = np.array([*(float(f"{value:.7g}") for value in values), np.nan])[codes]
        table[name] = column
        bad = ~np.isfinite(column)
        if bad.any():
            first = int(bad.argmax())
            problems.append(
                f"{name}: {_rows(bad)} without a finite number, the first is row {first} with "
                f"{str(given.iloc[first])!r}; a number with a decimal point is expected"
            )
    if problems:
        raise InputError.collect(f"{path} cannot be used", problems)
    if not table[names.MIXING_RATIO].between(0, 1).all():
        problems.append(f"{names.MIXING_RATIO}: must lie between 0 and 1")
    if (table[names.SEED] % 1).any():
        problems.append(f"{names.SEED}: must be a whole number")
    for measure, values in table.groupby(names.MEASURE, observed=True)[names.VALUE]:
        low, high = limits or limits_of(str(measure))
        outside = values[(values < low) | (values > high)]
        if len(outside) and N_QUESTIONS not in table:
            problems.append(
                f"{len(outside)} values of {measure} lie outside [{low:g}, {high:g}], such as "
                f"{outside.iloc[0]:g}; name the range of the measure with --range LOW,HIGH"
            )
    if problems:
        raise InputError.collect(f"{path} cannot be used", problems)


def limits_of(measure: str) -> tuple[float, float]:
    """Look up the limits of a measure's values; infinite for one that hybridir does not know.

    >>> limits_of("map"), limits_of("my measure")
    ((0.0, 1.0), (-inf, inf))
    """
    means = {mean: name for name, mean in names.MEAN_NAMES.items()}
    measure = means.get(measure, measure)
    known = (*names.MEASURES, *names.READER_MEASURES, *names.BIAS_MEASURES)
    return names.bounds_of(measure) if measure in known else (-np.inf, np.inf)


def _rows(flags: "pd.Series[bool] | NDArray[np.bool_]") -> str:
    count = int(flags.sum())
    return "1 row is" if count == 1 else f"{count} rows are"
