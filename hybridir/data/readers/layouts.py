"""Which files of a folder hold the passages, queries and judgements of each language.

Layouts are told apart by the content of the folder:

- BEIR (Thakur et al. 2021, arXiv 2104.08663, https://github.com/beir-cellar/beir): ``corpus``,
  ``queries`` and ``qrels/<split>``; as files, or as folders of Parquet files as the hub has them
  (``BeIR/``, ``mteb/``, NanoBEIR); one language;
- folders in that layout, named by their languages;
- ``<language>-corpus``, ``<language>-queries`` and ``<language>-qrels``, as in
  ``mteb/MIRACLRetrieval`` and ``mteb/MIRACLRetrievalHardNegatives`` on the hub (names of revision
  332a9ac of the second; a download keeps them), or ``corpus-<language>``;
- MIRACL's own files (Zhang et al. 2023, arXiv 2210.09984, https://github.com/project-miracl/miracl):
  ``topics.miracl-v1.0-<language>-<split>.tsv`` and ``qrels.miracl-v1.0-<language>-<split>.tsv``
  without headers, anywhere below the folder, and the passages in
  ``miracl-corpus-v1.0-<language>/*.jsonl``.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from glob import escape
from itertools import groupby
from pathlib import Path
from typing import Final

from hybridir.data.readers.judged import LanguageFiles
from hybridir.data.readers.rows import shortened
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting, check_languages, code_problem

_TOPICS = "topics.miracl-v1.0-"
_QRELS = "qrels.miracl-v1.0-"
_MIRACL_CORPUS = "miracl-corpus-v1.0-"
# Names of the files of BEIR's layout; the others are those of ir_datasets, Pyserini and MS MARCO.
_CORPUS: Final = ("corpus", "collection", "docs")
_QUERIES: Final = ("queries.{}", "queries-{}", "topics.{}", "topic.{}", "queries", "topics")
# Endings in the order of preference in messages; any of them with .gz but Parquet.
_TEXTS: Final = (".jsonl", ".parquet", ".tsv")
_JUDGED: Final = (".tsv", ".txt", ".trec", ".qrels", ".csv", ".jsonl", ".parquet", "")
_LAYOUTS = (
    "corpus.jsonl (BEIR), <language>/corpus.jsonl, <language>-corpus/ (MIRACL on the hub) or "
    f"{_TOPICS}<language>-<split>.tsv (MIRACL's own)"
)
_SHARD = re.compile(r"-(\d+)-of-(\d+)$")


def find_files(
    folder: Path, split: str, language: str | None, languages: LanguageSetting | None
) -> list[tuple[str, LanguageFiles]]:
    """Find each language and its files by the layout of a folder.

    Args:
        folder: has one of the layouts above.
        split: of the judgements, for example ``dev`` or ``test``.
        language: the language of a folder in BEIR's layout.
        languages: those to load of the other layouts, see `hybridir.languages.LanguageSetting`;
            all in the folder if None.

    Raises:
        InputError: if files or languages are missing.
    """
    if not folder.is_dir():
        if folder.is_file():
            raise InputError(
                f"{folder}: is a file; give its folder, of an archive the unpacked one"
            )
        raise InputError(f"{folder}: there is no such folder")
    if _has_corpus(folder):
        if language is None or languages is not None:
            raise InputError(
                f"{folder}: its files are in one language, and do not say in which; name it "
                "with language: CODE, and no languages"
            )
        check_languages([language], str(folder))
        return [(language, _beir(folder, split, language))]
    inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and _has_corpus(path))
    present = " ".join(shortened(sorted(path.name for path in folder.iterdir()))) or "nothing"
    if language is not None:
        hint = f"choose one of its folders ({' '.join(inside)}), or " if inside else ""
        raise InputError(
            f"{folder}: there is no corpus.jsonl in it, so it is not in BEIR's layout; "
            f"{hint}choose languages: [{language}] in a folder with {_LAYOUTS}; there is {present}"
        )
    layouts: tuple[tuple[Iterable[str], Callable[[str], LanguageFiles]], ...] = (
        (inside, lambda code: _beir(folder / code, split, code)),
        (_hub_languages(folder), lambda code: _hub(folder, split, code)),
        (_miracl_languages(folder, split), lambda code: _miracl(folder, split, code)),
    )
    available, files_of = next((layout for layout in layouts if layout[0]), layouts[0])
    if not available:
        raise InputError(
            f"{folder}: found no {_LAYOUTS} for split {split!r} in it; there is {present}"
        )
    choice = check_languages(languages, str(folder))
    if problems := [problem for problem in map(code_problem, sorted(available)) if problem]:
        raise InputError.collect(f"{folder}: names of its files hold the language", problems)
    names = choice.names(sorted(available), str(folder))
    chosen = choice.keep(names.values(), str(folder))
    return [(shown, files_of(code)) for code, shown in names.items() if shown in chosen]


def _has_corpus(folder: Path) -> bool:
    return any(_named(folder, name, _TEXTS) or (folder / name).is_dir() for name in _CORPUS)


def _beir(folder: Path, split: str, language: str) -> LanguageFiles:
    queries = [name.format(split) for name in _QUERIES]
    if not (asked := _texts(folder, split, queries)):
        raise InputError(f"{folder}: there is no queries.jsonl beside corpus.jsonl")
    _refuse_candidates(folder / "top_ranked")
    corpus = _texts(folder, split, _CORPUS)
    return LanguageFiles(language, corpus, asked, _beir_qrels(folder, split))


def _texts(folder: Path, split: str, names: Sequence[str]) -> tuple[Path, ...]:
    """Files of texts, under the first name that is there."""
    for name in names:
        if files := _one(_named(folder, name, _TEXTS)):
            return files
        if (folder / name).is_dir():
            return _of_split(folder / name, split, name)
    return ()


def _refuse_candidates(inside: Path) -> None:
    if inside.is_dir():
        raise InputError(
            f"{inside}: queries of this folder choose among listed passages, and here every query "
            "ranks all passages of its pool; move top_ranked away to do so"
        )


def _beir_qrels(folder: Path, split: str) -> tuple[Path, ...]:
    """Judgements of a split: in qrels/, in data/ or default/ as in MTEB, or beside the texts."""
    inside = folder / "qrels"
    for name in (f"qrels/{split}", f"qrels.{split}", f"qrels-{split}", split, f"{split}.qrels"):
        at = folder / name
        if files := _one(_named(at.parent, at.name, _JUDGED)):
            return files
    for place in (inside, folder / "default", folder / "data"):
        if shards := _shards(place).get(split):
            return _complete(place, shards)
    splits = sorted({*_shards(inside), *_shards(folder / "default"), *_shards(folder / "data")})
    names = sorted(path.name for path in inside.iterdir()) if inside.is_dir() else []
    advice = f"; choose split: {splits[0]}" if splits else ""
    raise InputError(
        f"{folder}: there is no qrels/{split}.tsv; there are {' '.join(names) or 'none'}{advice}"
    )


def _hub_languages(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    return {
        code
        for name in names
        for code in (name.removesuffix("-corpus"), name.removeprefix("corpus-"))
        if code != name and {f"{code}-queries", f"queries-{code}"} & names
    }


def _hub(folder: Path, split: str, language: str) -> LanguageFiles:
    def files(kind: str) -> tuple[Path, ...]:
        names = (f"{language}-{kind}", f"{kind}-{language}")
        inside = next((folder / name for name in names if (folder / name).is_dir()), None)
        if inside is None:
            raise InputError(f"{folder}: there is no {names[0]} beside {language}-corpus")
        return _of_split(inside, split, kind)

    _refuse_candidates(folder / f"{language}-top_ranked")
    return LanguageFiles(language, files("corpus"), files("queries"), files("qrels"))


def _of_split(inside: Path, split: str, kind: str) -> tuple[Path, ...]:
    """Files of a split in a folder; passages and queries may be of one split, or of all."""
    shards = _shards(inside)
    names = [split, kind] if kind != "qrels" else [split]
    chosen = next((name for name in names if name in shards), None)
    if chosen is None and len(shards) == 1 and kind != "qrels":
        (chosen,) = shards
    if chosen is None:
        available = " ".join(shards) or "none"
        raise InputError(
            f"{inside}: there is no file of split {split!r}; splits that are there: {available}"
        )
    return _complete(inside, shards[chosen])


def _shards(inside: Path) -> dict[str, list[Path]]:
    """Files of texts or judgements of a folder, by their split."""
    if not inside.is_dir():
        return {}
    endings = _JUDGED[:-1] if "qrels" in inside.name else _TEXTS
    paths = [path for path in sorted(inside.iterdir()) if _stem(path, endings) is not None]

    def split(path: Path) -> str:
        stem = _stem(path, endings) or ""
        # Files of one split may be numbered alone (``0000.parquet``, ``docs-0.jsonl``).
        return re.sub(r"[-_]?\d+$", "", _SHARD.sub("", stem)) or inside.name

    return {name: list(files) for name, files in groupby(sorted(paths, key=split), key=split)}


def _stem(path: Path, endings: Sequence[str] = _JUDGED[:-1]) -> str | None:
    """The name of a file without its ending; None for files with another one."""
    name = path.name.lower().removesuffix(".gz")
    ending = next((ending for ending in endings if name.endswith(ending)), None)
    return path.name[: len(name) - len(ending)] if ending and path.is_file() else None


def _complete(inside: Path, paths: Sequence[Path]) -> tuple[Path, ...]:
    match = _SHARD.search(_stem(paths[0]) or "")
    if match and len(paths) != int(match[2]):
        split = (_stem(paths[0]) or "")[: match.start()]
        raise InputError(
            f"{inside}: {len(paths)} of {int(match[2])} files of {split!r}; fetch the others"
        )
    return tuple(sorted(paths, key=lambda path: (len(path.name), path)))


def _miracl_languages(folder: Path, split: str) -> set[str]:
    named = re.compile(re.escape(_TOPICS) + "(.+)-" + re.escape(split) + r"\.tsv(\.gz)?")
    matches = (named.fullmatch(path.name) for path in folder.rglob(f"{_TOPICS}*"))
    return {match[1] for match in matches if match}


def _miracl(folder: Path, split: str, language: str) -> LanguageFiles:
    def below(pattern: str) -> tuple[Path, ...]:
        # No unfinished download.
        files = (path for path in folder.rglob(pattern) if _stem(path) is not None)
        paths = sorted(files, key=lambda path: (len(path.name), path))
        parents = ", ".join(sorted({str(path.parent) for path in paths}))
        if len({path.parent for path in paths}) != 1:
            problem = f"in several folders: {parents}" if parents else "not there"
            raise InputError(f"{folder}: {pattern} is {problem}")
        return tuple(paths)

    code = escape(language)
    return LanguageFiles(
        language,
        corpus=below(f"{_MIRACL_CORPUS}{code}/*.jsonl*"),
        queries=_one(below(f"{_TOPICS}{code}-{escape(split)}.tsv*")),
        qrels=_one(below(f"{_QRELS}{code}-{escape(split)}.tsv*")),
    )


def _named(folder: Path, name: str, endings: Sequence[str]) -> list[Path]:
    """Files of a name with one of some endings, in any case, plain or gzipped."""
    if not folder.is_dir():
        return []
    names = {f"{name}{ending}{packed}".lower() for ending in endings for packed in ("", ".gz")}
    return sorted(path for path in folder.iterdir() if path.name.lower() in names)


def _one(paths: Sequence[Path]) -> tuple[Path, ...]:
    files = tuple(path for path in paths if path.is_file())
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1].name} are both there; keep one of them")
    return files
