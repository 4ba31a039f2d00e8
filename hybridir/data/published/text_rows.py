"""Columns of published Parquet and TSV files as texts, a few thousand rows at a time."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hybridir.data.readers.rows import SHOWN_PROBLEMS, parquet_errors, shortened
from hybridir.errors import InputError

TextRow = tuple[str, ...]


def parquet_texts(
    paths: Sequence[Path], columns: Sequence[str], keys: Collection[str] | None = None
) -> Iterator[TextRow]:
    """Read columns of Parquet files.

    Args:
        paths: files with the same columns.
        columns: names of columns of text or numbers; ``_id|id`` takes the first name that exists.
        keys: values of the first column whose rows are read; all rows if None.

    Yields:
        The values of a row as texts, an empty one for null.

    Raises:
        InputError: if a file cannot be read, or a column is missing or of another type.
    """
    # pyarrow takes .2 s to import, and most commands need no Parquet.
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    key_set = None if keys is None else pa.array(sorted(keys), pa.string())
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            names = [_column(path, column, file.schema_arrow) for column in columns]
            for batch in file.iter_batches(columns=names):
                texts = [_as_text(batch.column(name)) for name in names]
                if key_set is not None:
                    chosen = pc.is_in(texts[0], value_set=key_set)
                    texts = [text.filter(chosen) for text in texts]
                yield from zip(*(text.to_pylist() for text in texts), strict=True)
        except InputError:
            raise
        except parquet_errors() as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: no readable Parquet file ({reason}); fetch it again"
            ) from None


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


def tsv_texts(path: Path, fields: int) -> Iterator[TextRow]:
    """Read lines of tab-separated values, without header and quotes.

    Args:
        path: UTF-8 text.
        fields: number of fields of a line.

    Raises:
        InputError: after the last line, naming the lines with another number of fields; at once if
            the file cannot be read.
    """
    problems: list[str] = []
    n_bad = 0  # all lines of 40 million may be bad: not all of their problems are kept
    try:
        # Only line feeds separate rows: a text may hold other breaks, such as U+2028.
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                row = tuple(line.rstrip("\r\n").split("\t"))
                if len(row) == fields:
                    yield row
                    continue
                n_bad += 1
                if n_bad <= SHOWN_PROBLEMS:
                    problems.append(f"line {number}: {len(row)} fields, expected {fields}")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text ({error.reason}); the file is damaged, fetch it again"
        ) from None
    if problems:
        raise InputError.collect(f"{path} cannot be used", shortened(problems, n_bad))
