"""Text files in their encoding, compressed or not."""

import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybridir.errors import InputError

GZIP = ".gz"
# First bytes of files that are not what their ending says, and what to do.
_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or ZIP archive; save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "compressed; put .gz behind its name",
    b"PAR1": "a Parquet file; let its name end with .parquet",
}


def _binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if path.name.lower().endswith(GZIP) else path.open("rb")


@contextmanager
def opened_text(path: Path, newline: str = "") -> Iterator[io.TextIOWrapper]:
    """Open a text file in its encoding.

    Raises:
        InputError: if it is no text file.
    """
    with _binary(path) as file:
        head = file.peek(4)[:4]
        for start, remedy in _FOREIGN.items():
            if head.startswith(start):
                raise InputError(f"{path}: the file is {remedy}")
        with io.TextIOWrapper(file, encoding=_encoding(head), newline=newline) as text:
            yield text


def _encoding(head: bytes) -> str:
    """The encoding of a text that begins with a mark or a plain letter."""
    if head in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "utf-32"
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if len(head) > 1 and (head[0] == 0) != (head[1] == 0):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def first_undecodable_line(path: Path) -> int:
    """The first line of a file that is not UTF-8, from 1."""
    with _binary(path) as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode()
            except UnicodeDecodeError:
                return line
    raise AssertionError(f"{path} is UTF-8 after all")
