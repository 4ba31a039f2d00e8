"""Files that are either complete or absent, and checks before and after they are written."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hybridir.errors import InputError, mend

_SUFFIX = ".part"
# Settings and outcome of a trial take some kilobytes, weights and tables far more.
_ROOM_BYTES = 2**16


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


def check_folder(role: str, folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before any work; makes nothing.

    Args:
        role: option or setting that names the folder, for the message.
        folder: it need not exist, nor need its parents.

    Raises:
        InputError: with the part of the path that is in the way.
    """
    existing = folder.absolute()
    while not _is_there(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise InputError(
            f"{role} {str(folder)!r}: {str(existing)!r} is not a folder; choose another one"
        )
    if problem := refusal(existing):
        raise InputError(f"{role} {str(folder)!r}: {problem}")


def check_file(role: str, file: Path) -> None:
    """Refuse a file that cannot be written, before any work; see `check_folder`.

    Raises:
        InputError: with what is in the way.
    """
    check_folder(f"{role} {str(file)!r}: its folder", file.absolute().parent)
    if file.is_dir():
        raise InputError(f"{role} {str(file)!r}: is a folder; name a file, such as {file / 'a'}")


def refusal(path: Path) -> str:
    """Return why an existing file or folder cannot be written to, and what mends it; "" if it can.

    Permissions, locks of the file system and read-only mounts are seen, for root as well; a full
    disk is not. Nothing is written.
    """
    folder = path.is_dir()
    if os.access(path, os.W_OK | (os.X_OK if folder else 0)):
        return ""
    try:  # for the system's reason, which the question does not give
        if folder:
            tempfile.TemporaryFile(dir=path).close()
        else:
            os.close(os.open(path, os.O_WRONLY))
    except OSError as error:
        return f"{path}: {error.strerror}; {mend(error, path)}"
    return ""


def has_no_room(folder: Path) -> bool:
    """Whether so little room is left in an existing folder that nothing of a trial fits."""
    space = os.statvfs(folder)
    files_run_out = space.f_files > 0 and space.f_favail == 0
    return files_run_out or space.f_bavail * space.f_frsize < _ROOM_BYTES


def read_json(path: Path, kind: Any, remedy: str) -> Any:
    """Read a JSON file that this program wrote.

    Args:
        path: the file.
        kind: type of its content, such as ``dict[str, float]``.
        remedy: what to do if somebody has damaged it.

    Raises:
        InputError: if the file cannot be read, or holds something else.
    """
    from pydantic import (  # .1 s, which a command's help need not spend
        TypeAdapter,
        ValidationError,
    )

    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise InputError(f"{path}: is damaged ({reason}); {remedy}") from None


def _is_there(path: Path) -> bool:
    """Whether anything is at a path; below a file or an unreadable folder nothing is."""
    try:
        path.lstat()
    except OSError:
        return path == path.parent
    return True


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
