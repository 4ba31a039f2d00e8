"""Files that are either whole or absent."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name and rename it when it is complete.

    A file is whole or absent after a loss of power, too; a folder needs a manifest for that.

    Args:
        path: where the result shall be; its parents are created, what was there is replaced.

    Yields:
        The temporary path, beside `path` so that the rename is atomic. Nothing exists there yet,
        and no other process, on this machine or another, is given the same one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_SUFFIX}")
    try:
        yield temporary
        if temporary.is_file():
            _to_disk(temporary)
        if temporary.is_dir() and path.exists():
            _remove(path)  # a folder cannot be renamed over another
        temporary.replace(path)
    finally:
        _remove(temporary)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes had not finished writing, at any depth.

    Args:
        folder: where `replacing` was used, and no process uses it now.
    """
    for part in list(folder.rglob(f".*{_SUFFIX}")):
        _remove(part)


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
