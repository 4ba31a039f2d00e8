"""Files that are either whole or absent."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name and rename it when it is complete.

    Args:
        path: where the result shall be; its parents are created, what was there is replaced.

    Yields:
        The temporary path, beside `path` so that the rename is atomic. Nothing exists there yet.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.exists():
            _remove(path)  # a folder cannot be renamed over another
        temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
