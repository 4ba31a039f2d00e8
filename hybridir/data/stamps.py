"""Whether files are still what they were when they were read."""

from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[str, int, int]


def stamps(paths: Iterable[Path]) -> tuple[Stamp, ...]:
    """Name, time of the last change in ns, and size of every file.

    Args:
        paths: files, or folders whose files all count. What is not there has no stamp.

    Returns:
        One stamp a file, in order of their names; equal as long as nobody has written.
    """
    found = []
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                found.append((str(file), status.st_mtime_ns, status.st_size))
    return tuple(sorted(found))
