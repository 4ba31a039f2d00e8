"""Damage to tables: columns of Parquet files, cells of CSV and TSV files."""

import io
import random

import pyarrow as pa
import pyarrow.parquet as pq

_CELLS = (
    *("", " ", '"', '""', "'", "a,b", "a\tb", "a\r\nb", "\x00", "\u2028", "NaN", "-1", "1e999"),
    *("9" * 5000, "x" * 140_000, "\ufeff", "=1+1", "\\", "\\N", "null", "en", "xx"),
)


def parquet(content: bytes, rng: random.Random) -> bytes:
    """Write a Parquet file again with another column, type or null."""
    table = pq.read_table(io.BytesIO(content))
    at = rng.randrange(table.num_columns)
    name, column = table.column_names[at], table.column(at).combine_chunks()
    kind = rng.randrange(7)
    if kind == 0:
        table = table.remove_column(at)
    elif kind == 1:
        table = table.rename_columns(
            [f"{label}s" if label == name else label for label in table.column_names]
        )
    elif kind == 2:
        table = table.append_column(rng.choice(table.column_names), column)
    elif kind == 3:
        table = table.slice(0, 0) if rng.random() < 0.5 else pa.concat_tables([table, table])
    elif kind == 4:
        row = rng.randrange(max(1, len(column)))
        values = [None if n == row else value for n, value in enumerate(column.to_pylist())]
        table = table.set_column(at, name, pa.array(values, column.type))
    else:
        table = table.set_column(at, name, _of_other_type(column, rng))
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=rng.choice((1, 1000)))
    return file.getvalue()


def _of_other_type(column: pa.Array, rng: random.Random) -> pa.Array:
    """As many values of another type."""
    n = len(column)
    texts = [None if value is None else str(value) for value in column.to_pylist()]
    bad = [b"\xff\xfe", b"\xed\xa0\x80", b"", b"\x00"]
    return rng.choice(
        (
            lambda: pa.array(texts, pa.large_string()),
            lambda: pa.array(texts).dictionary_encode(),
            lambda: pa.array([text and text.encode() for text in texts], pa.binary()),
            # Typed as texts, but not UTF-8.
            lambda: pa.array([rng.choice(bad) for _ in texts], pa.binary()).view(pa.string()),
            lambda: pa.array([[text] for text in texts], pa.list_(pa.string())),
            lambda: pa.array([{"x": text} for text in texts], pa.struct([("x", pa.string())])),
            lambda: pa.array(range(n), pa.int64()),
            lambda: pa.array([2**63 + 1] * n, pa.uint64()),
            lambda: pa.array([float("nan")] * n, pa.float64()),
            lambda: pa.array([True] * n, pa.bool_()),
            lambda: pa.array([2**62] * n, pa.timestamp("s")),
            lambda: pa.array([2**31 - 1] * n, pa.date32()),
            lambda: pa.array([b"12345678"] * n, pa.binary(8)),
            lambda: pa.nulls(n),
            lambda: pa.array([" "] * n),
        )
    )()


def csv(content: bytes, rng: random.Random) -> bytes:
    """Change a cell of a CSV file."""
    return _cell(content, ",", rng)


def tsv(content: bytes, rng: random.Random) -> bytes:
    """Change a cell of a TSV file."""
    return _cell(content, "\t", rng)


def _cell(content: bytes, separator: str, rng: random.Random) -> bytes:
    lines = content.decode().split("\n")
    at = rng.randrange(max(1, len(lines) - 1))
    cells = lines[at].split(separator)
    cell = rng.randrange(len(cells))
    kind = rng.randrange(4)
    if kind == 0:
        del cells[cell]
    elif kind == 1:
        cells.insert(cell, rng.choice(cells))
    else:
        cells[cell] = rng.choice(_CELLS)
    lines[at] = separator.join(cells)
    return "\n".join(lines).encode()
