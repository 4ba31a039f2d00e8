"""``hybridir data prepare``: published data become a training table with a manifest beside it.

In the output folder lie ``NAME.parquet`` (or a folder ``NAME`` for LAReQA's own files),
``NAME.manifest.json``, which is written last, and ``downloads/``, which may be deleted.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from hybridir.data.pairs import Pairs, row_problems
from hybridir.data.published.catalogue import Declaration
from hybridir.data.published.convert import READERS
from hybridir.data.published.download import Gathered, Get, collect, download, fetch, sha256_of
from hybridir.errors import InputError
from hybridir.runtime.files import replacing

# Rises when the same files would give another table.
FORMAT: Final = 1
_EXAMPLES = 5


def prepare(
    declaration: Declaration,
    out: Path,
    *,
    languages: Sequence[str] | None = None,
    source: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
    get: Get = download,
) -> Path:
    """Make the training table of published data, unless it is there already.

    Rows with an empty question or passage are dropped; the manifest counts them.

    Args:
        declaration: what to prepare.
        out: folder for the result; one process at a time works in it.
        languages: codes to take; all if None.
        source: folder that holds the files as their repository lays them out; they are
            downloaded if None.
        say: told what is being done, a line at a time.
        get: fetches a file.

    Returns:
        The manifest.

    Raises:
        InputError: if languages are not there, files cannot be had, or nothing of them can be
            used. Then no output is written, and an earlier one is left alone.
    """
    wanted = _wanted(declaration, languages)
    manifest = out / f"{declaration.name}.manifest.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / f".{declaration.name}.lock"):
            _prepare(declaration, out, manifest, wanted, source, say, get)
    except OSError as error:
        where = error.filename or out
        raise InputError(
            f"{where}: {error.strerror or error}; files must be readable, and --out a folder that "
            "can be written and has room"
        ) from None
    return manifest


def _prepare(
    declaration: Declaration,
    out: Path,
    manifest: Path,
    languages: Sequence[str],
    source: Path | None,
    say: Callable[[str], None],
    get: Get,
) -> None:
    about = _about(declaration, languages)
    gathered = None if source is None else collect(declaration, languages, source)
    if _is_there(manifest, about, gathered, out):
        say(f"{manifest}: already there")
        return
    if gathered is None:
        gathered = fetch(declaration, languages, out / "downloads", say, get)
    say(f"reading {len(gathered.sha256)} file{'s' * (len(gathered.sha256) > 1)}")
    pairs = READERS[declaration.layout](gathered.files)
    good, dropped = _without_bad_rows(declaration, pairs, say)

    manifest.unlink(missing_ok=True)  # from here on it would speak of another table
    if declaration.layout == "lareqa":
        outputs = _copy(gathered, out / declaration.name)
    else:
        outputs = _write_table(good, out / f"{declaration.name}.parquet")
    content = {
        **about,
        "inputs": dict(sorted(gathered.sha256.items())),
        "rows": dict(sorted(Counter(good.language).items())),
        "dropped": dropped,
        "digest": good.digest,
        "outputs": {path.relative_to(out).as_posix(): sha256_of(path) for path in sorted(outputs)},
    }
    with replacing(manifest) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{manifest}: {len(good)} rows")


def _wanted(declaration: Declaration, languages: Sequence[str] | None) -> tuple[str, ...]:
    wanted = declaration.languages if languages is None else tuple(sorted(set(languages)))
    lacking = [code for code in wanted if code not in declaration.languages]
    if lacking or not wanted:
        raise InputError(
            f"{declaration.name}: not in {', '.join(lacking) or 'an empty list of languages'}; "
            f"languages that are there: {' '.join(declaration.languages)}"
        )
    return wanted


def _about(declaration: Declaration, languages: Sequence[str]) -> dict[str, Any]:
    """What a table is made of, as far as it is known before a file is read."""
    return {
        "format": FORMAT,
        "name": declaration.name,
        "row": declaration.row,
        "licence": declaration.licence,
        "citation": declaration.citation,
        "languages": list(languages),
        "source": [
            {"host": part.host, "repository": part.repository, "revision": part.revision}
            for part in declaration.parts
        ],
    }


def _is_there(manifest: Path, about: dict[str, Any], gathered: Gathered | None, out: Path) -> bool:
    """Whether an earlier call has made the same of the same files, and nobody changed it."""
    try:
        found = json.loads(manifest.read_text("utf-8"))
        return (
            all(found[key] == value for key, value in about.items())
            and (gathered is None or found["inputs"] == gathered.sha256)
            and all(sha256_of(out / path) == digest for path, digest in found["outputs"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _without_bad_rows(
    declaration: Declaration, pairs: Pairs, say: Callable[[str], None]
) -> tuple[Pairs, dict[str, Any]]:
    problems = dict(row_problems(pairs))
    if len(problems) == len(pairs):
        reason = next(iter(problems.values()), "there are none")
        raise InputError(f"{declaration.name}: no row can be used ({reason}); fetch it again")
    examples = [
        f"{pairs.language[row]} {pairs.question_id[row]!r}: {reason}"
        for row, reason in list(problems.items())[:_EXAMPLES]
    ]
    if problems:
        say(f"{len(problems)} of {len(pairs)} rows dropped, e.g. {examples[0]}")
    if problems:
        pairs = pairs.select(row for row in range(len(pairs)) if row not in problems)
    return pairs, {"rows": len(problems), "examples": examples}


def _write_table(pairs: Pairs, path: Path) -> list[Path]:
    # pyarrow takes .2 s to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(getattr(pairs, name), pa.large_string()) for name in pairs.columns}
    with replacing(path) as part:
        pq.write_table(pa.table(columns), part, compression="zstd")
    return [path]


def _copy(gathered: Gathered, folder: Path) -> list[Path]:
    """The files themselves; what else lies in the folder is left alone."""
    files = [path for of in gathered.files.values() for path in of["rows"]]
    copies = [folder / file.name for file in files]
    for file, copy in zip(files, copies, strict=True):
        if not (copy.exists() and copy.samefile(file)):
            with replacing(copy) as part:
                shutil.copyfile(file, part)
    return copies
