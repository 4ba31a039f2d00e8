"""Files of published data: downloaded, resumed and checked, or collected from a folder."""

import hashlib
import http.client
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hybridir import __version__
from hybridir.data.published.catalogue import Declaration, Part
from hybridir.errors import InputError

GITHUB: Final = "https://raw.githubusercontent.com"
# The variable is that of the hub's own client.
_HUB: Final = "HF_ENDPOINT"
_TIMEOUT: Final = 60.0  # s without a byte; assumption
_CHUNK: Final = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")

# What a server or a cable can do to a transfer; HTTPException and URLError are not all OSErrors.
_CUT = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Remote:
    """A file in a repository.

    Attributes:
        path: in the repository.
        url: where its content is.
        sha256: of its content, if anybody says it.
    """

    path: str
    url: str
    sha256: str | None


def remote_files(part: Part, folder: str) -> list[Remote]:
    """Tell which files are in one folder of a repository, sorted by path.

    On GitHub these are the files that the part has a SHA-256 of; the hub is asked.

    Raises:
        InputError: if the hub does not answer, or knows no such folder at that commit.
    """
    if part.host == "github":
        return [
            Remote(path, f"{GITHUB}/{part.repository}/{part.revision}/{path}", digest)
            for path, digest in sorted(part.sha256.items())
            if path.rpartition("/")[0] == folder
        ]
    hub = os.environ.get(_HUB, "https://huggingface.co").rstrip("/")
    revision = quote(part.revision, safe="")
    url = f"{hub}/api/datasets/{part.repository}/tree/{revision}/{quote(folder)}"
    try:
        with _open(url) as answer:
            entries = json.load(answer)
        return [
            Remote(
                entry["path"],
                f"{hub}/datasets/{part.repository}/resolve/{revision}/{quote(entry['path'])}",
                (entry.get("lfs") or {}).get("oid"),
            )
            for entry in sorted(entries, key=lambda entry: entry["path"])
            # Names decide where files are written, so only those of this very folder are taken.
            if entry["type"] == "file" and entry["path"].rpartition("/")[0] == folder
        ]
    except _CUT as error:
        raise InputError(f"{url}: {_reason(error)}; {_ADVICE}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{url}: the answer is no list of files; {_ADVICE}") from None


_ADVICE = "run the command again later, or fetch the files by other means and give --from FOLDER"


Progress = Callable[[int, int | None], None]


def download(remote: Remote, path: Path, progress: Progress = lambda arrived, total: None) -> str:
    """Fetch a file, going on where an earlier call was cut off.

    What has arrived lies beside `path`, with ``.partial`` appended, until it is whole. A transfer
    that breaks off is taken up again at once as long as each turn brings something.

    Args:
        remote: what to fetch.
        path: where it shall be; its parents are created.
        progress: told how many bytes are here, and how many there are if the server says.

    Returns:
        SHA-256 of the content.

    Raises:
        InputError: if it cannot be had, or its content is not what `remote` says; then nothing
            of it is left. What merely broke off is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    done = False
    while not done:
        before = _size(partial)
        try:
            done = _append(remote.url, partial, progress)
        except _CUT as error:
            if _size(partial) <= before:
                raise InputError(
                    f"{remote.url}: {_reason(error)}; {_size(partial)} bytes are kept, {_ADVICE}"
                ) from None
    found = sha256_of(partial)
    if remote.sha256 not in (None, found):
        partial.unlink()
        raise InputError(
            f"{remote.url}: SHA-256 {found}, expected {remote.sha256}; what arrived was deleted. "
            f"Something on the way changed it: {_ADVICE}"
        )
    partial.replace(path)
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _append(url: str, partial: Path, progress: Progress) -> bool:
    """Fetch what is missing; returns whether it is whole, raises where the server fails."""
    start = _size(partial)
    try:
        answer = _open(url, {"Range": f"bytes={start}-"} if start else {})
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not start:
            raise
        # Nothing lies behind what is here: either this is all, or it is something else.
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(start):
            return True
        partial.unlink()
        return False
    with answer:
        start, total = _extent(answer, start)
        with partial.open("r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            progress(start, total)
            while chunk := answer.read1(_CHUNK):
                file.write(chunk)
                file.flush()  # a process that is killed keeps what it was told to have arrived
                progress(file.tell(), total)
    size = _size(partial)
    if total is not None and size < total:
        raise http.client.IncompleteRead(b"", total - size)
    return True


def _open(url: str, headers: Mapping[str, str] | None = None) -> Any:
    agent = {"User-Agent": f"hybridir/{__version__}"}
    request = urllib.request.Request(url, headers={**agent, **(headers or {})})
    return urllib.request.urlopen(request, timeout=_TIMEOUT)


def _extent(answer: Any, wanted: int) -> tuple[int, int | None]:
    """Where the answer's first byte belongs, and how many the whole file has."""
    if answer.status == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if not found or int(found[1]) != wanted:
            raise http.client.HTTPException("the server sent another part than was asked for")
        return wanted, int(found[2])
    length = answer.headers.get("Content-Length")
    return 0, int(length) if length else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection was cut off"
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__


# How a file is fetched; returns its SHA-256.
Get = Callable[[Remote, Path], str]
# What a language's files hold -> these files, in order.
Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class Gathered:
    """The files of some languages.

    Attributes:
        files: language -> its files; those that belong to all languages are in each.
        sha256: path in the repository -> SHA-256.
    """

    files: Mapping[str, Files]
    sha256: Mapping[str, str]


def fetch(
    declaration: Declaration,
    languages: Sequence[str],
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
    get: Get = download,
) -> Gathered:
    """Download what is not there yet.

    A file that is whole is not fetched again, as long as it has the SHA-256 that its source says.

    Args:
        declaration: what is wanted.
        languages: codes of it.
        folder: where files go, in a folder for each repository and commit.
        say: told of every file before it is fetched.
        get: fetches it.

    Raises:
        InputError: if a file cannot be had or is not what it should be.
    """
    listing = cache(lambda number, inner: remote_files(declaration.parts[number], inner))
    sha256: dict[str, str] = {}

    def find(part: Part, pattern: str) -> list[Path]:
        inner, _, name = pattern.rpartition("/")
        number = declaration.parts.index(part)
        remote = [
            file
            for file in listing(number, inner)
            if fnmatchcase(file.path.rpartition("/")[2], name)
        ]
        if not remote:
            raise InputError(
                f"{declaration.name}: {part.repository} has no {pattern} at {part.revision}; "
                "another --revision may hold it"
            )
        target = folder / part.repository / part.revision.replace("/", "-")
        return [_fetched(file, target / file.path, sha256, say, get) for file in remote]

    return Gathered(_by_language(declaration, languages, find), sha256)


def collect(declaration: Declaration, languages: Sequence[str], source: Path) -> Gathered:
    """Find the files in a folder that has them under their paths in the repository.

    Raises:
        InputError: names all files that are missing, or differ from a SHA-256 of the declaration.
    """
    if not source.is_dir():
        raise InputError(f"{source}: there is no such folder")
    sha256: dict[str, str] = {}
    problems: list[str] = []

    def find(part: Part, pattern: str) -> list[Path]:
        inner, _, name = pattern.rpartition("/")
        here = sorted(path for path in (source / inner).glob(name) if path.is_file())
        if not here:
            problems.append(f"no {pattern}")
        for path in here:
            key = path.relative_to(source).as_posix()
            if key not in sha256:
                sha256[key] = sha256_of(path)
                expected = part.sha256.get(key)
                if expected not in (None, sha256[key]):
                    problems.append(
                        f"{key} has SHA-256 {sha256[key]}, expected {expected}; fetch it again"
                    )
        return here

    files = _by_language(declaration, languages, find)
    if problems:
        raise InputError.collect(
            f"{source} does not hold {declaration.name} as {declaration.parts[0].repository} "
            "lays it out",
            dict.fromkeys(problems),
        )
    return Gathered(files, sha256)


def _by_language(
    declaration: Declaration,
    languages: Sequence[str],
    find: Callable[[Part, str], Sequence[Path]],
) -> dict[str, Files]:
    return {
        code: {
            holds: find(part, pattern.replace("{config}", part.configs[code]))
            for holds, pattern in part.files.items()
        }
        for code in languages
        for part in declaration.parts
        if code in part.configs
    }


def _fetched(
    remote: Remote, path: Path, sha256: dict[str, str], say: Callable[[str], None], get: Get
) -> Path:
    if remote.path not in sha256:
        there = sha256_of(path) if path.is_file() else None
        if there is None or remote.sha256 not in (None, there):
            say(f"fetching {remote.url}")
            there = get(remote, path)
        sha256[remote.path] = there
    return path
