"""Tables and encoders go to MLflow without a second copy where its artifacts are files here.

They are written once and never changed, only replaced, so that a hard link serves as well as a
copy. A server, and another file system, get copies.
"""

import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hybridir import names
from hybridir.runtime.files import atomic_write

TABLES = (
    names.ARTIFACT_PER_QUERY,
    names.ARTIFACT_LANGUAGE_PAIRS,
    names.ARTIFACT_TOP1_LANGUAGES,
    names.ARTIFACT_TOP_LANGUAGES,
    names.ARTIFACT_RANK_CORRELATION,
    names.ARTIFACT_READER,
)
"""Folders of a trial whose files are artifacts of its run."""


def local_folder(address: str) -> Path | None:
    """Folder of this machine that an address of artifacts names; None for a server's."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") and parts.path else None


def link_folder(source: Path, target: Path) -> None:
    """Make a folder hold the same files as another one, without their bytes if possible."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        link_file(file, target / file.relative_to(source))


def link_file(source: Path, target: Path) -> None:
    """Make a file the same as another one, without its bytes if possible."""
    if target.is_file() and target.samefile(source):
        return
    with atomic_write(target) as unfinished:
        try:
            os.link(source, unfinished)
        except OSError:  # another file system, or one without links
            shutil.copy2(source, unfinished)
