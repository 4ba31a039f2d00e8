"""Where a study is tracked: an address in its folder that moves with it, and is checked.

A database file is recorded relative to the study's folder, so that a working directory that is
copied or moved as a whole has its own. MLflow knows the study's folder relative to the database.
Where the two do not name each other, the study is a copy, and gets a run of its own.
"""

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from hybridir import names
from hybridir.runtime.addresses import tracking_address, without_secrets
from hybridir.runtime.files import read_json
from tune.folders import RunFolder

_SQLITE = "sqlite:///"
_REMEDY = "delete it, and --resume records the study anew"


def tracking_uri(configured: str | None) -> str:
    """Tracking URI: the study's, else MLFLOW_TRACKING_URI, else mlflow.db in this folder."""
    return tracking_address(configured, sqlite_address(Path.cwd() / "mlflow.db"))


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite address; None for a server's address."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute()


def sqlite_address(path: Path) -> str:
    """Return the address of a SQLite file."""
    return f"{_SQLITE}{path}"


class Record(BaseModel):
    """``mlflow.json``: where a study is tracked, and how far.

    Attributes:
        folder: the study's folder, absolute, when it was written; None up to version 0.2.
        uri: MLflow tracking URI; a file's is of use up to version 0.2 alone.
        database: database file, relative to the study's folder; None for a server.
        run_id: id of the study's run.
        sent: names of the trials that MLflow has in full.
        view: page below MLflow's address with the study's charts.
        away: why the server is unreachable; "" while it is not.
        closed: whether the study's runs were closed, which a killed driver does not; unknown of
            older versions, and so assumed.
    """

    folder: str | None = None
    uri: str | None = None
    database: str | None = None
    run_id: str | None = None
    sent: tuple[str, ...] = ()
    view: str = ""
    away: str = ""
    closed: bool = True


def read_record(folder: RunFolder) -> Record:
    """Read the record of a study's tracking; an empty one if it has none.

    Raises:
        InputError: if somebody has damaged it.
    """
    if not folder.tracking.is_file():
        return Record()
    record: Record = read_json(folder.tracking, Record, _REMEDY)
    return record


@dataclass(frozen=True)
class Address:
    """Where a study is tracked.

    Attributes:
        uri: MLflow tracking URI.
        run_id: id of the study's run, if it is recorded.
        sent: names of the trials that MLflow has in full, as far as is recorded.
        moved_from: folder in which the study was tracked before; "" if that is its own.
    """

    uri: str
    run_id: str | None = None
    sent: tuple[str, ...] = ()
    moved_from: str = ""

    def note(self, folder: RunFolder) -> str:
        """A line for the user about a study that was copied or moved; "" about others."""
        if not self.moved_from:
            return ""
        verb = "copied" if _is_folder(Path(self.moved_from)) else "moved or copied"
        return (
            f"note: {folder.path} was {verb} from {self.moved_from}; it is tracked by itself from "
            f"now on, in {without_secrets(self.uri)}"
        )


def address_of(folder: RunFolder, configured: str) -> Address:
    """Where a study goes on being tracked.

    Args:
        folder: its run folder.
        configured: address for a study that was not tracked before, or whose database did not
            come along.

    Raises:
        InputError: if somebody has damaged the record.
    """
    record = read_record(folder)
    here = str(folder.path.resolve())
    before = record.folder or here
    if record.database is not None:
        path = Path(os.path.normpath(folder.path.resolve() / record.database))
        uri = sqlite_address(path) if _is_folder(path.parent) else configured
    else:
        # Up to version 0.2 a record had an absolute address and no folder.
        uri = tracking_address(record.uri, configured) if record.uri else configured
        old = database_file(uri)
        if old and not _is_folder(old.parent):
            uri, before = configured, str(old.parent)
        elif old and record.run_id:
            owner = _owner(old, record.run_id)
            if owner not in (None, here):
                uri, before = configured, str(owner)
    return Address(uri, record.run_id, record.sent, "" if before == here else before)


def record_of(uri: str, folder: RunFolder) -> dict[str, str]:
    """The entries of the record that say where a study is tracked."""
    path, here = database_file(uri), folder.path.resolve()
    where = {"folder": str(here), "uri": without_secrets(uri)}
    return where | ({"database": _relative(path.resolve(), here)} if path else {})


def folder_tag(uri: str, folder: RunFolder) -> str:
    """The study's folder as MLflow knows it: relative to a database file, else absolute."""
    path, here = database_file(uri), folder.path.resolve()
    return _relative(here, path.resolve().parent) if path else str(here)


def owns(uri: str, folder: RunFolder, tag: str) -> bool:
    """Whether a run is that of a study's folder, and not of another one that it was copied from.

    Args:
        uri: MLflow tracking URI.
        folder: run folder of the study.
        tag: the run's tag, see `folder_tag`; absolute up to version 0.2.
    """
    path = database_file(uri)
    tagged = (path.resolve().parent / tag if path else Path(tag)).resolve()
    # Where a study moved together with its database, no folder is at the old place.
    return tagged == folder.path.resolve() or (path is not None and not _is_folder(tagged))


def _is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that no system takes is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _relative(path: Path, start: Path) -> str:
    return Path(os.path.relpath(path, start)).as_posix()


def _owner(database: Path, run_id: str) -> str | None:
    """Folder of the study of a run, in a database of version 0.2 or before."""
    query = "SELECT value FROM tags WHERE run_uuid = ? AND key = ?"
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(query, (run_id, names.TAG_FOLDER)).fetchone()
    except (sqlite3.Error, ValueError):  # the preflight says why
        return None
    if row is None:
        return None
    return str((database.resolve().parent / row[0]).resolve())
