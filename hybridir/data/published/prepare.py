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
from hybridir.data.published.download import SourceFiles, collect, fetch, sha256_of
from hybridir.errors import InputError
from hybridir.languages import check_languages
from hybridir.runtime.files import atomic_write

# Rises when the same files would give another table.
FORMAT: Final = 1
_EXAMPLES = 5


def prepare(
    declaration: Declaration,
    out: Path,
    *,
    languages: Sequence[str] | None = None,
    from_folder: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make the training table of published data, unless an earlier call made the same.

    Rows with an empty question or passage are dropped; the manifest counts them.

    Args:
        declaration: the data.
        out: folder for the result; one process at a time works in it.
        languages: codes to take; all if None.
        from_folder: holds the files as their repository lays them out; they are downloaded if
            None.
        say: is told the progress, a line at a time.

    Returns:
        The manifest.

    Raises:
        InputError: if a language is unknown, files cannot be had, or no row of them can be used.
            Then no output is written, and an earlier one is left alone.
    """
    codes = _checked_languages(declaration, languages)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / f".{declaration.name}.lock"):
            return _prepare(declaration, out, codes, from_folder, say)
    except OSError as error:
        path = error.filename or out
        raise InputError(
            f"{path}: {error.strerror or error}; files must be readable, and --out a folder that "
            "can be written and has room"
        ) from None


def _checked_languages(
    declaration: Declaration, languages: Sequence[str] | None
) -> tuple[str, ...]:
    choice = check_languages(languages, declaration.name)
    return tuple(choice.keep(declaration.languages, declaration.name))


def _prepare(
    declaration: Declaration,
    out: Path,
    languages: Sequence[str],
    from_folder: Path | None,
    say: Callable[[str], None],
) -> Path:
    manifest = out / f"{declaration.name}.manifest.json"
    heading = _heading(declaration, languages)
    sources = None if from_folder is None else collect(declaration, languages, from_folder)
    if _is_up_to_date(manifest, heading, sources, out):
        say(f"{manifest}: already there")
        return manifest
    if sources is None:
        sources = fetch(declaration, languages, out / "downloads", say)
    say(f"reading {len(sources.sha256)} file{'s' * (len(sources.sha256) > 1)}")
    pairs = READERS[declaration.layout](sources.files)
    pairs, dropped = _without_bad_rows(declaration, pairs, say)

    manifest.unlink(missing_ok=True)  # from here on it would describe another table
    if declaration.layout == "lareqa":
        outputs = _copy(sources, out / declaration.name)
    else:
        outputs = _write_table(pairs, out / f"{declaration.name}.parquet")
    content = {
        **heading,
        "inputs": dict(sorted(sources.sha256.items())),
        "rows": dict(sorted(Counter(pairs.language).items())),
        "dropped": dropped,
        "digest": pairs.digest,
        "outputs": {path.relative_to(out).as_posix(): sha256_of(path) for path in sorted(outputs)},
    }
    with atomic_write(manifest) as temporary:
        temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    say(f"{manifest}: {len(pairs)} rows")
    return manifest


def _heading(declaration: Declaration, languages: Sequence[str]) -> dict[str, Any]:
    """The part of a manifest that is known before any file is read."""
    return {
        "format": FORMAT,
        "name": declaration.name,
        "row": declaration.row,
        "licence": declaration.licence,
        "citation": declaration.citation,
        "languages": list(languages),
        "source": [
            {"host": source.host, "repository": source.repository, "revision": source.revision}
            for source in declaration.sources
        ],
    }


def _is_up_to_date(
    manifest: Path, heading: dict[str, Any], sources: SourceFiles | None, out: Path
) -> bool:
    """Whether an earlier call made the same of the same files, and nobody changed its outputs."""
    try:
        content = json.loads(manifest.read_text("utf-8"))
        return (
            all(content[key] == value for key, value in heading.items())
            and (sources is None or content["inputs"] == sources.sha256)
            and all(sha256_of(out / path) == digest for path, digest in content["outputs"].items())
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
        pairs = pairs.select(row for row in range(len(pairs)) if row not in problems)
    return pairs, {"rows": len(problems), "examples": examples}


def _write_table(pairs: Pairs, path: Path) -> list[Path]:
    # pyarrow takes .2 s to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(getattr(pairs, name), pa.large_string()) for name in pairs.columns}
    with atomic_write(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")
    return [path]


def _copy(sources: SourceFiles, folder: Path) -> list[Path]:
    """Copy the files themselves; other files of the folder are left alone."""
    files = [path for of_language in sources.files.values() for path in of_language["rows"]]
    copies = [folder / file.name for file in files]
    for file, copy in zip(files, copies, strict=True):
        if not (copy.exists() and copy.samefile(file)):
            with atomic_write(copy) as temporary:
                shutil.copyfile(file, temporary)
    return copies
