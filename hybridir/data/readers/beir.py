"""Retrieval benchmarks in a local folder: BEIR's layout, MIRACL's own, and MIRACL's on the hub.

Three layouts are told apart by the content of the folder:

- BEIR (Thakur et al. 2021, arXiv 2104.08663, https://github.com/beir-cellar/beir):
  ``corpus.jsonl`` (``_id``, ``title``, ``text``), ``queries.jsonl`` (``_id``, ``text``) and
  ``qrels/<split>.tsv`` with the header ``query-id corpus-id score``; one language.
- ``mteb/MIRACLRetrieval`` and ``mteb/MIRACLRetrievalHardNegatives`` of the Hugging Face hub:
  ``<language>-corpus/<split>-00000-of-00001.parquet`` and the same under ``<language>-queries``
  and ``<language>-qrels``, with the columns of BEIR. The names are those of revision 332a9ac of
  the second; a download keeps them.
- MIRACL's own files (Zhang et al. 2023, arXiv 2210.09984, https://github.com/project-miracl/miracl):
  ``topics.miracl-v1.0-<language>-<split>.tsv`` (id, query) and
  ``qrels.miracl-v1.0-<language>-<split>.tsv`` (query id, Q0, passage id, relevance) without
  headers, anywhere below the folder, and the passages (``docid``, ``title``, ``text``) in
  ``miracl-corpus-v1.0-<language>/*.jsonl``.

JSONL and TSV files may be gzipped. Queries of different languages are no translations of each
other, so every query is a question of its own. All texts are held in memory.
"""

import re
from collections.abc import Callable
from glob import escape
from pathlib import Path

from hybridir.data.benchmark import Benchmark, build_benchmark
from hybridir.data.readers.qrels import LanguageFiles, read_language
from hybridir.errors import InputError
from hybridir.languages import LanguageSetting, check_languages, code_problem

_CORPUS = "-corpus"
_TOPICS = "topics.miracl-v1.0-"
_MIRACL_CORPUS = "miracl-corpus-v1.0-"
_READABLE = re.compile(r"\.(jsonl|tsv)(\.gz)?$")  # no unfinished download
_LAYOUTS = (
    "corpus.jsonl (BEIR), <language>-corpus/ (MIRACL on the hub) or "
    f"{_TOPICS}<language>-<split>.tsv (MIRACL's own)"
)


def load_beir_benchmark(
    name: str,
    folder: Path,
    split: str,
    language: str | None = None,
    languages: LanguageSetting | None = None,
    skip_bad: bool = False,
) -> Benchmark:
    """Load a benchmark of queries, passages and relevance judgements.

    A passage is its title and its text with a space between them. Where several languages are
    loaded together, all ids get the code of their language in front (``sw-123#0``), so that they
    stay unique.

    Args:
        name: names the scores.
        folder: has one of the layouts above.
        split: of the judgements, for example ``dev`` or ``test``.
        language: the language of a folder in BEIR's layout.
        languages: those to load of the other layouts, see `hybridir.languages.LanguageSetting`;
            all in the folder if None. Ids keep the codes of the folder.
        skip_bad: leave bad rows out and log them, instead of stopping at them.

    Returns:
        The benchmark; each language has a pool of its own.

    Raises:
        InputError: if files or languages are missing, or rows cannot be used; names all problems
            of one file in one message.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    all_files = _find(folder, split, language, languages)

    def unique(code: str, key: str) -> str:
        return f"{code}-{key}" if len(all_files) > 1 else key

    queries: list[tuple[str, str, str]] = []
    passages: list[tuple[str, str, str]] = []
    relevant: dict[str, set[str]] = {}
    for shown, files in all_files:
        code, data = files.language, read_language(files, skip_bad)
        queries += ((unique(code, key), shown, text) for key, text in data.queries.items())
        passages += ((unique(code, key), shown, text) for key, text in data.passages.items())
        for query, keys in data.relevant.items():
            relevant[unique(code, query)] = {unique(code, key) for key in keys}
    return build_benchmark(name, queries, passages, relevant)


def _find(
    folder: Path, split: str, language: str | None, languages: LanguageSetting | None
) -> list[tuple[str, LanguageFiles]]:
    """Find each language and its files by the layout of the folder."""
    if _plain_or_gzipped(folder / "corpus.jsonl"):
        if language is None or languages is not None:
            raise InputError(
                f"{folder}: its files are in one language, and do not say in which; name it "
                "with language: CODE, and no languages"
            )
        check_languages([language], str(folder))
        return [(language, _beir(folder, split, language))]
    if language is not None:
        raise InputError(
            f"{folder}: there is no corpus.jsonl in it, so it is not in BEIR's layout; "
            f"choose languages: [{language}] in a folder with {_LAYOUTS}"
        )
    layouts: tuple[tuple[set[str], Callable[[Path, str, str], LanguageFiles]], ...] = (
        (_hub_languages(folder), _hub),
        (_miracl_languages(folder, split), _miracl),
    )
    available, files_of = next((layout for layout in layouts if layout[0]), layouts[0])
    if not available:
        raise InputError(f"{folder}: found no {_LAYOUTS} for split {split!r} in it")
    choice = check_languages(languages, str(folder))
    if problems := [problem for problem in map(code_problem, sorted(available)) if problem]:
        raise InputError.collect(f"{folder}: names of its files hold the language", problems)
    names = choice.names(sorted(available), str(folder))
    chosen = choice.keep(names.values(), str(folder))
    return [
        (shown, files_of(folder, split, code)) for code, shown in names.items() if shown in chosen
    ]


def _beir(folder: Path, split: str, language: str) -> LanguageFiles:
    corpus, queries, qrels = (
        _plain_or_gzipped(folder / name)
        for name in ("corpus.jsonl", "queries.jsonl", f"qrels/{split}.tsv")
    )
    if not queries:
        raise InputError(f"{folder}: there is no queries.jsonl beside corpus.jsonl")
    if not qrels:
        names = sorted(path.name for path in folder.glob("qrels/*"))
        raise InputError(
            f"{folder}: there is no qrels/{split}.tsv; there are {' '.join(names) or 'none'}"
        )
    return LanguageFiles(language, corpus, queries, qrels)


def _hub_languages(folder: Path) -> set[str]:
    codes = {path.name.removesuffix(_CORPUS) for path in folder.glob(f"*{_CORPUS}")}
    return {code for code in codes if (folder / f"{code}-queries").is_dir()}


def _hub(folder: Path, split: str, language: str) -> LanguageFiles:
    def shards(kind: str) -> tuple[Path, ...]:
        inside = folder / f"{language}-{kind}"
        paths = sorted(inside.glob(f"{escape(split)}-*.parquet"))
        if not paths:
            names = " ".join(sorted(path.name for path in inside.glob("*.parquet"))) or "none"
            raise InputError(
                f"{inside}: there is no Parquet file of split {split!r}; there are {names}"
            )
        total = re.search(r"-of-(\d+)\.parquet$", paths[0].name)
        if total and len(paths) != int(total[1]):
            raise InputError(f"{inside}: {len(paths)} of {int(total[1])} files of {split!r}")
        return tuple(paths)

    return LanguageFiles(language, shards("corpus"), shards("queries"), shards("qrels"))


def _miracl_languages(folder: Path, split: str) -> set[str]:
    named = re.compile(re.escape(_TOPICS) + r"([^-]+)-" + re.escape(split) + r"\.tsv(\.gz)?")
    matches = (named.fullmatch(path.name) for path in folder.rglob(f"{_TOPICS}*"))
    return {match[1] for match in matches if match}


def _miracl(folder: Path, split: str, language: str) -> LanguageFiles:
    def below(pattern: str) -> tuple[Path, ...]:
        files = (path for path in folder.rglob(pattern) if _READABLE.search(path.name))
        paths = sorted(files, key=lambda path: (len(path.name), path))
        parents = ", ".join(sorted({str(path.parent) for path in paths}))
        if len({path.parent for path in paths}) != 1:
            problem = f"in several folders: {parents}" if parents else "not there"
            raise InputError(f"{folder}: {pattern} is {problem}")
        return tuple(paths)

    return LanguageFiles(
        language,
        corpus=below(f"{_MIRACL_CORPUS}{language}/*.jsonl*"),
        queries=below(f"{_TOPICS}{language}-{escape(split)}.tsv*"),
        qrels=below(f"qrels.miracl-v1.0-{language}-{escape(split)}.tsv*"),
        one_split=True,
        trec=True,
    )


def _plain_or_gzipped(path: Path) -> tuple[Path, ...]:
    candidates = (path, path.with_name(f"{path.name}.gz"))
    files = tuple(file for file in candidates if file.is_file())
    if len(files) > 1:
        raise InputError(f"{files[0]} and {files[1].name} are both there; keep one of them")
    return files
