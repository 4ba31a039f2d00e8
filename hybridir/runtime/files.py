"""Files that are either complete or absent."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".part"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name and rename it once it is complete.

    A file is complete or absent even after a power failure; a folder needs a manifest for that.

    Args:
        path: the final path. Its parents are created, and an existing file or folder is replaced.

    Yields:
        The temporary path, beside `path` so that the rename is atomic. It does not exist yet, and
        no other process, on this machine or another, gets the same path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}{_SUFFIX}")
    try:
        yield temporary
        if temporary.is_file():
            _flush_to_disk(temporary)
        if temporary.is_dir() and path.exists():
            _remove(path)  # a folder cannot replace an existing one by a rename
        temporary.replace(path)
    finally:
        _remove(temporary)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders of killed processes, at any depth.

    Args:
        folder: folder of earlier calls of `atomic_write`; no process may be writing to it now.
    """
    for temporary in list(folder.rglob(f".*{_SUFFIX}")):
        _remove(temporary)


def _flush_to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
