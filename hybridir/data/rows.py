"""Rows of published files as tuples of texts: Parquet and tab-separated values."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hybridir.errors import InputError

# A broken file repeats one mistake many times; this many are enough to see which.
_SHOWN_PROBLEMS = 20

Record = tuple[str, ...]


def parquet_records(
    paths: Sequence[Path],
    columns: Sequence[str],
    wanted: Collection[str] | None = None,
) -> Iterator[Record]:
    """Read columns of Parquet files, a few thousand rows at a time.

    Args:
        paths: files with the same columns.
        columns: their names; ``_id|id`` takes the first of these that is there. They hold text or
            numbers.
        wanted: values of the first column; other rows are passed over, before they cost anything.

    Yields:
        The values of a row as texts, an empty one for null.

    Raises:
        InputError: if a file cannot be read or a column is missing or holds anything else.
    """
    # pyarrow takes .2 s to import, and most commands need no Parquet.
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    keys = None if wanted is None else pa.array(sorted(wanted), pa.string())
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            names = [_column(path, column, file.schema_arrow) for column in columns]
            for batch in file.iter_batches(columns=names):
                texts = [_as_text(batch.column(name)) for name in names]
                if keys is not None:
                    chosen = pc.is_in(texts[0], value_set=keys)
                    texts = [text.filter(chosen) for text in texts]
                yield from zip(*(text.to_pylist() for text in texts), strict=True)
        except InputError:
            raise
        # What pyarrow raises for damaged files is not always its own kind of error.
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: no readable Parquet file ({reason}); fetch it again"
            ) from None


def tsv_records(path: Path, fields: int) -> Iterator[Record]:
    """Read lines of tab-separated values, without header and quotes.

    Args:
        path: UTF-8 text.
        fields: how many each line has.

    Raises:
        InputError: after the last line, naming the lines that have another number of fields; at
            once if the file cannot be read.
    """
    problems = []
    bad = 0
    try:
        # Only line feeds separate records: a text may hold other breaks, such as U+2028.
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                record = tuple(line.rstrip("\r\n").split("\t"))
                if len(record) == fields:
                    yield record
                else:
                    bad += 1
                    if bad <= _SHOWN_PROBLEMS:
                        problems.append(f"line {number}: {len(record)} fields, expected {fields}")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.reason}); the file is damaged, fetch it again"
        ) from None
    if problems:
        if bad > _SHOWN_PROBLEMS:
            problems.append(f"and {bad - _SHOWN_PROBLEMS} more")
        raise InputError.collect(f"{path} cannot be used", problems)


def _column(path: Path, column: str, schema: Any) -> str:
    for name in column.split("|"):
        if name in schema.names:
            if schema.names.count(name) > 1:
                raise InputError(f"{path}: column {name} is there more than once")
            return name
    raise InputError(
        f"{path}: no column {column.replace('|', ' or ')}; found {', '.join(schema.names)}"
    )


def _as_text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = values.type
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
    ):
        raise ValueError(f"a column holds {kind}, expected text or numbers")
    return pc.fill_null(pc.cast(values, pa.string()), "")
