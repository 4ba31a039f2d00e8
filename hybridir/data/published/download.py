"""Files of published data: downloaded and checked, or collected from a folder.

The hub's own client downloads from the Hugging Face hub, pooch from GitHub. Both write a file
under another name until it is whole. A file of a known SHA-256 is checked whenever it is used.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Final

from hybridir import __version__
from hybridir.data.published.catalogue import Declaration, Source
from hybridir.errors import InputError

GITHUB: Final = "https://raw.githubusercontent.com"
_TIMEOUT: Final = 60.0  # s without a byte of the listing; assumption
_RETRIES: Final = 1  # of a file on GitHub; the hub's client has its own rule
_ADVICE: Final = (
    "run the command again later, or fetch the files by other means and give --from FOLDER"
)

# Kind of content ("rows", "queries", ...) -> its files, in order.
FilesByContent = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class SourceFiles:
    """The files of some languages.

    Attributes:
        files: language -> its files; those that belong to all languages are in each.
        sha256: path in the repository -> SHA-256.
    """

    files: Mapping[str, FilesByContent]
    sha256: Mapping[str, str]


def fetch(
    declaration: Declaration,
    languages: Sequence[str],
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> SourceFiles:
    """Download the files that are not in a folder yet.

    A file is downloaded again only if its SHA-256 is not the one that its source states.

    Args:
        declaration: the data.
        languages: codes of it.
        folder: gets a folder for each repository and commit.
        say: is told the address of each file before its download.

    Raises:
        InputError: if a file cannot be had or has another SHA-256; no part of it is left then.
    """
    sha256: dict[str, str] = {}
    repositories: dict[str, _Repository] = {}

    def find(source: Source, pattern: str) -> list[Path]:
        if source.repository not in repositories:
            repositories[source.repository] = _open(source)
        repository = repositories[source.repository]
        paths = sorted(path for path in repository.sha256 if _matches(path, pattern))
        if not paths:
            raise InputError(
                f"{declaration.name}: {source.repository} has no {pattern} at {source.revision}; "
                "another --revision may hold it"
            )
        store = folder / source.repository / source.revision.replace("/", "-")
        for path in paths:
            if path not in sha256:
                sha256[path] = _fetch_file(repository, path, store, say)
        return [store / path for path in paths]

    return SourceFiles(_by_language(declaration, languages, find), sha256)


def collect(declaration: Declaration, languages: Sequence[str], folder: Path) -> SourceFiles:
    """Find the files in a folder that has them under their paths in the repository.

    Raises:
        InputError: names all files that are missing, or differ from a SHA-256 of the declaration.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    sha256: dict[str, str] = {}
    problems: list[str] = []

    def find(source: Source, pattern: str) -> list[Path]:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not files:
            problems.append(f"no {pattern}")
        for file in files:
            path = file.relative_to(folder).as_posix()
            if path not in sha256:
                sha256[path] = sha256_of(file)
                expected = source.sha256.get(path)
                if expected not in (None, sha256[path]):
                    problems.append(
                        f"{path} has SHA-256 {sha256[path]}, expected {expected}; fetch it again"
                    )
        return files

    files = _by_language(declaration, languages, find)
    if problems:
        raise InputError.collect(
            f"{folder} does not hold {declaration.name} as {declaration.sources[0].repository} "
            "lays it out",
            dict.fromkeys(problems),
        )
    return SourceFiles(files, sha256)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_language(
    declaration: Declaration,
    languages: Sequence[str],
    find: Callable[[Source, str], Sequence[Path]],
) -> dict[str, FilesByContent]:
    return {
        code: {
            content: find(source, pattern.replace("{config}", source.configs[code]))
            for content, pattern in source.files.items()
        }
        for code in languages
        for source in declaration.sources
        if code in source.configs
    }


def _matches(path: str, pattern: str) -> bool:
    """Whether a path has the folder of a pattern and a name like its name."""
    (folder, _, name), (expected, _, wildcards) = path.rpartition("/"), pattern.rpartition("/")
    return folder == expected and fnmatchcase(name, wildcards)


def _fetch_file(
    repository: "_Repository", path: str, store: Path, say: Callable[[str], None]
) -> str:
    """Download a file unless it is whole already; returns its SHA-256."""
    file, expected = store / path, repository.sha256[path]
    digest = sha256_of(file) if file.is_file() else None
    if digest is None or expected not in (None, digest):
        url = repository.url(path)
        say(f"fetching {url}")
        with _one_line_errors(url):
            repository.download(path, store)
        digest = sha256_of(file)
        if expected not in (None, digest):
            file.unlink()
            raise InputError(
                f"{url}: SHA-256 {digest}, expected {expected}; what arrived was deleted. "
                f"Something on the way changed it: {_ADVICE}"
            )
    return digest


class _HubRepository:
    """A data set of the Hugging Face hub at one commit.

    Attributes:
        sha256: path -> SHA-256, or None for a small file that git holds itself.
    """

    def __init__(self, source: Source) -> None:
        # .3 s to import.
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

        # The client reads the variable only when it is imported.
        endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None
        self._hub = HfApi(endpoint, library_name="hybridir", library_version=__version__)
        self._source = source
        with _one_line_errors(f"{self._hub.endpoint}/datasets/{source.repository}"):
            try:
                # One request that fails at once; the client asks for a folder's listing six times.
                listing = self._hub.dataset_info(
                    source.repository,
                    revision=source.revision,
                    files_metadata=True,
                    timeout=_TIMEOUT,
                )
                self._commit = str(listing.sha)
                self.sha256 = {
                    str(file.rfilename): str(file.lfs.sha256) if file.lfs else None
                    for file in listing.siblings or ()
                }
            except RevisionNotFoundError:
                raise InputError(
                    f"{source.repository} has no commit or branch {source.revision}; "
                    "leave --revision out, or give another"
                ) from None
            except HfHubHTTPError:
                raise
            except (ValueError, KeyError, TypeError, AttributeError):
                raise OSError("the answer is no list of files") from None

    def url(self, path: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(
            self._source.repository,
            path,
            repo_type="dataset",
            revision=self._source.revision,
            endpoint=self._hub.endpoint,
        )

    def download(self, path: str, store: Path) -> None:
        try:
            self._hub.hf_hub_download(
                self._source.repository,
                path,
                repo_type="dataset",
                revision=self._commit,
                local_dir=store,
            )
        finally:
            # The client's notes, and unfinished files of killed processes.
            shutil.rmtree(store / ".cache", ignore_errors=True)


class _GitHubRepository:
    """Files of a repository on GitHub at one commit, those that have a declared SHA-256."""

    def __init__(self, source: Source) -> None:
        self._base = f"{GITHUB}/{source.repository}/{source.revision}/"
        self.sha256: Mapping[str, str | None] = source.sha256

    def url(self, path: str) -> str:
        return self._base + path

    def download(self, path: str, store: Path) -> None:
        # .1 s to import.
        import pooch

        pooch.get_logger().setLevel("WARNING")
        registry = {path: self.sha256[path]}
        pooch.create(store, self._base, registry=registry, retry_if_failed=_RETRIES).fetch(path)


_Repository = _HubRepository | _GitHubRepository


def _open(source: Source) -> _Repository:
    return _GitHubRepository(source) if source.host == "github" else _HubRepository(source)


@contextmanager
def _one_line_errors(address: str) -> Iterator[None]:
    """Turn a client's errors about network, server and content into one line."""
    from huggingface_hub.errors import HfHubHTTPError

    # Its HTTP client has changed its name from version to version.
    transport: type[Exception] = HfHubHTTPError.__bases__[0]
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, transport) as error:
        raise InputError(f"{address}: {_reason(error)}; {_ADVICE}") from None


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError) and error.__cause__:
        error = error.__cause__  # the hub's client has no file and names the reason beneath
    response = getattr(error, "response", None)
    if response is not None:
        status = response.status_code
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        return f"the server answered {status} {phrase}".rstrip()
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
