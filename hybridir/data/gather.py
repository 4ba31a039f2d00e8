"""From a declaration to files at hand: downloaded, or found in a folder of the same layout."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from hybridir.data.declaration import Declaration, Part
from hybridir.data.download import Remote, download, remote_files, sha256_of
from hybridir.errors import InputError

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
