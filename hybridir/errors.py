"""The two errors that end work early: a user's mistake, and a trial that cannot go on."""

import errno
import os
import pwd
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

_Error = TypeVar("_Error", bound=BaseException)

INTERRUPTED = 130
"""Exit code of a command that was asked to stop."""


class InputError(ValueError):
    """The user's input cannot be used; the message names the input, and how to correct it.

    Command lines print the message without a traceback and exit with code 2.
    """

    @classmethod
    def collect(cls, heading: str, problems: Iterable[str]) -> "InputError":
        """Join problems into one message, so that the user can correct all of them at once.

        A single problem stays on one line.

        Args:
            heading: the source of the problems, for example ``"study.yaml has 3 problems"``.
            problems: one sentence each.

        Returns:
            The error to raise.
        """
        lines = list(problems)
        if len(lines) == 1:
            return cls(f"{heading}: {lines[0]}")
        return cls("\n".join([f"{heading}:", *(f"  - {line}" for line in lines)]))

    @classmethod
    def of_file(cls, error: OSError) -> "InputError":
        """Name the file or folder that the system refused.

        Raises:
            OSError: the error itself, if it names no file, and so is no matter of one.
        """
        if error.filename is None:
            if is_full(error):  # a file that is open has no name for the system
                return cls(
                    f"{error.strerror}: df -h and df -i show on which; free some, and repeat"
                )
            raise error
        return cls(f"{error.filename}: {error.strerror}; {mend(error, Path(error.filename))}")


class ChangedDataError(InputError):
    """Data are no longer those that the work began with; it can go on once they are put back."""


class TrialError(RuntimeError):
    """A trial stopped for a reason of its own, such as a loss that is not finite.

    The study records the reason and continues with its other trials.
    """


# What SQLite, safetensors, and PyTorch, which has no other word for it, say of a full disk.
_FULL = (
    *("database or disk is full", "No space left on device", "Disk quota exceeded"),
    *("iostream error", "PytorchStreamWriter failed writing"),
)


def is_full(error: BaseException) -> bool:
    """Whether an error, or one that it was raised from, says that a disk or a quota is full."""
    return any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        or any(sign in str(cause) for sign in _FULL)
        for cause in _causes(error)
    )


def cause_of(error: BaseException, kind: type[_Error]) -> _Error | None:
    """The first error of a kind among an error and those that it was raised from."""
    return next((cause for cause in _causes(error) if isinstance(cause, kind)), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def mend(error: OSError, path: Path) -> str:
    """Return the command that mends why a file or folder could not be written, or the advice.

    Args:
        error: the system's refusal.
        path: the file or folder; of one that does not exist its nearest parent decides.
    """
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    name = shlex.quote(str(path))
    another = "or choose another path"
    if error.errno == errno.EROFS:
        return (
            f"its file system is mounted read-only: mount -o remount,rw {_mount_point(path)} (as "
            f"root), {another}"
        )
    if error.errno == errno.EPERM:
        return f"it may be immutable: chattr -i {name} (as root), {another}"
    if error.errno == errno.EACCES:
        owner = path.stat().st_uid
        if owner == os.geteuid():
            return f"it is write-protected: chmod u+rw{'x' * path.is_dir()} {name}, {another}"
        return f"it belongs to user {_user(owner)}: ask for the right to write, {another}"
    if error.errno == errno.EDQUOT:
        return f"your share of the disk is used up (quota -s): free some space, {another}"
    if error.errno == errno.ENOSPC:
        space = os.statvfs(path)
        short = "space" if space.f_bavail * space.f_frsize < 2**20 else "files (df -i)"
        return f"{_mount_point(path)} has no {short} left: free some, {another}"
    return "choose another path, or change its permissions"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _mount_point(path: Path) -> str:
    """Folder, or file, at which the file system of a path is mounted."""
    import psutil  # type: ignore[import-untyped]  # errors are loaded by every command

    path = path.resolve()
    # Not by `Path.is_mount`, which misses a mount of another folder of the same disk.
    mounts = {Path(disk.mountpoint) for disk in psutil.disk_partitions(all=True)}
    # A chroot has no mount of its own root.
    return shlex.quote(str(next((at for at in (path, *path.parents) if at in mounts), "/")))
