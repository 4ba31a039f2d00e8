"""Readers of users' files: data sets, tables, benchmarks, study files."""

import dataclasses
import gzip
import json
import shutil
from functools import partial
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hybridir.config import read_data
from hybridir.data.benchmark import Benchmark
from hybridir.data.pairs import Pairs, row_problems
from hybridir.data.published.catalogue import XQUAD_R
from hybridir.data.published.prepare import prepare
from hybridir.data.readers.beir import FolderRules, load_beir_benchmark
from hybridir.data.readers.hub import load_hub_table
from hybridir.data.readers.lareqa import (
    load_lareqa_benchmark,
    load_lareqa_pairs,
    load_lareqa_reading,
)
from hybridir.data.readers.table import load_table
from hybridir.data.readers.table_benchmark import load_table_benchmark
from tests.fuzz.loader import Loader, Unfinished
from tests.support import layouts, miniatures
from tune.study.file import STUDIES, read_study_file

PUBLISHED = FolderRules()
ROWS = [
    {
        "question_id": f"q{number}",
        "passage_group": f"g{number}",
        "cluster": f"c{number // 2}",
        "language": code,
        "question": f"Who is {number} in {code}? é",
        "passage": f"It is {number}, said\n{code}.",
    }
    for number in range(3)
    for code in ("de", "en")
]


def _table_jsonl(folder: Path) -> None:
    layouts.write_text(folder / "table.jsonl", layouts.jsonl([dict(row) for row in ROWS]))


def _table_csv(folder: Path) -> None:
    lines = [",".join(ROWS[0])]
    lines += [",".join(f'"{value}"' for value in row.values()) for row in ROWS]
    layouts.write_text(folder / "table.csv", "\n".join(lines) + "\n")


def _table_text(name: str, folder: Path) -> None:
    """The table as a text file with the ending, the separator and the encoding of its name."""
    separator = "\t" if ".tsv" in name else ";"
    lines = [separator.join(ROWS[0])]
    lines += [separator.join(_escaped(value) for value in row.values()) for row in ROWS]
    text = "\n".join(lines) + "\n"
    raw = text.encode("utf-16" if name.startswith("utf-16") else "utf-8")
    (folder / name).write_bytes(
        gzip.compress(raw, mtime=0) if name.lower().endswith(".gz") else raw
    )


def _escaped(text: str) -> str:
    return '"' + text.replace("said", '\\"said\\"') + '"'


def _table_json(folder: Path) -> None:
    (folder / "table.json").write_text(json.dumps(ROWS), "utf-8")


def _benchmark(folder: Path) -> None:
    """A table with two passages of each question, and further passages beside it."""
    second = [{**row, "passage": f"Also {row['question_id']}."} for row in ROWS]
    layouts.write_text(folder / "table.jsonl", layouts.jsonl([dict(row) for row in ROWS + second]))
    lines = ["language\tpassage\tpassage_group", "fr\tUn.\tg1", "de\tZwei.\t"]
    layouts.write_text(folder / "passages.tsv", "\n".join(lines) + "\n")


def _load_benchmark(folder: Path, out: Path) -> None:
    files = folder / "table.jsonl", folder / "passages.tsv"
    _check_benchmark(load_table_benchmark("small", *files))
    _check_pairs(load_table(files[0]))


def _table_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), folder / "table.parquet")


def _load_table(folder: Path, out: Path) -> None:
    (path,) = folder.iterdir()
    _check_pairs(load_table(path))


def _check_pairs(pairs: Pairs) -> None:
    if not len(pairs) or row_problems(pairs) or len(pairs.digest) != 64:
        raise Unfinished("a table with bad rows")
    rows = zip(pairs.question_id, pairs.language, pairs.passage_languages, pairs.passage,
               strict=True)  # fmt: skip
    if len(set(rows)) < len(pairs):
        raise Unfinished("a row that is there twice")
    if pairs.cluster is not None:
        named = set(zip(pairs.question_id, pairs.cluster, strict=True))
        if len(named) > len(set(pairs.question_id)):
            raise Unfinished("a question in two clusters")


def _load_hub(folder: Path, out: Path) -> None:
    import datasets

    datasets.config.HF_DATASETS_CACHE = out / "datasets"
    try:
        _check_pairs(load_hub_table(str(folder), "main", None, "train", {}, None, False))
    finally:
        shutil.rmtree(out / "datasets", ignore_errors=True)  # the cache of `datasets`


def _lareqa(folder: Path) -> None:
    miniatures.xquad_r(folder)


def _load_lareqa(folder: Path, out: Path) -> None:
    inner = folder / "xquad-r"
    benchmark = load_lareqa_benchmark("small", inner)
    _check_benchmark(benchmark)
    _check_pairs(load_lareqa_pairs(inner))
    reading = load_lareqa_reading(inner)
    if set(reading.paragraphs) != set(benchmark.passage_ids):
        raise Unfinished("paragraphs of other passages")


def _check_benchmark(benchmark: Benchmark) -> None:
    absent = set(benchmark.judgements.absent_queries.tolist())
    offsets = pairwise(benchmark.relevant_offsets.tolist())
    relevant = all(low < high or query in absent for query, (low, high) in enumerate(offsets))
    if not relevant or not benchmark.queries or len(benchmark.digest) != 64:
        raise Unfinished("a query without a relevant passage")


def _load_beir(
    split: str, language: str | None, folder: Path, out: Path, rules: FolderRules = PUBLISHED
) -> None:
    _check_benchmark(load_beir_benchmark("small", folder, split, language, rules=rules))


def _nanobeir(folder: Path) -> None:
    """As the hub has it: Parquet alone, and judgements without grades."""
    for kind, rows in (
        ("corpus", layouts.CORPUS),
        ("queries", layouts.QUERIES),
        ("qrels", [{key: row[key] for key in ("query-id", "corpus-id")} for row in layouts.QRELS]),
    ):
        (folder / kind).mkdir()
        path = folder / kind / "train-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)


def _published(folder: Path) -> None:
    """What published folders have: blanks, four columns, numbers, nulls, missing documents."""
    corpus: layouts.Rows = [
        {"id": 1, "title": None, "text": "A river."},
        {"id": 2, "title": "Lakes", "text": None},
        {"id": 3, "contents": ""},
    ]
    layouts.write_text(folder / "corpus.jsonl", layouts.jsonl([*corpus, corpus[1]]))
    layouts.write_text(folder / "queries.tsv", "1\tWhich river?\nq2\tWhich\tlake?\nq3\tWho?\n")
    qrels = "1 0 2 1\n1 0 1 -1\nq2\tQ0\t2\t3\t\nq2 0 9 1\nq3 0 1 0\n"
    layouts.write_text(folder / "qrels" / "test.trec", qrels)


def _prepare(name: str, folder: Path, out: Path) -> None:
    if name == "xquad-r":
        # Without checksums, so that the reader itself sees the damage.
        source = dataclasses.replace(XQUAD_R.sources[0], sha256={}, host="hub")
        declaration = dataclasses.replace(XQUAD_R, sources=(source,))
        languages: tuple[str, ...] = ("de", "en")
    else:
        declaration, languages = miniatures.MINIATURES[name]
    manifest = prepare(declaration, out, languages=languages, from_folder=folder)
    content = json.loads(manifest.read_text("utf-8"))
    written = miniatures.contents(out)
    del written[manifest.name]
    if {key: miniatures.sha256(body) for key, body in written.items()} != content["outputs"]:
        raise Unfinished("an output that its manifest does not describe")
    table = out / f"{declaration.name}.parquet"
    if table.exists() and load_table(table).digest != content["digest"]:
        raise Unfinished("a table that its manifest does not describe")


def _study(folder: Path, name: str) -> None:
    """A shipped study, with the paths that its user has to name."""
    content = yaml.safe_load((STUDIES / name).read_text("utf-8"))
    content.setdefault("data_root", "data")
    if not content["encoder"].keys() & {"path", "hub", "from_scratch"}:
        content["encoder"]["path"] = "model"
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def _load_study(folder: Path, out: Path) -> None:
    read_study_file(folder / "study.yaml", [])


def _load_study_data(folder: Path, out: Path) -> None:
    read_data(folder / "study.yaml")


OUTSIDE: tuple[Loader, ...] = (
    Loader("data of a study", partial(_study, name="minilm_ratio.yaml"), _load_study_data),
    Loader("LAReQA", _lareqa, _load_lareqa, weight=12),
    Loader("table, JSONL", _table_jsonl, _load_table, weight=8),
    Loader("table, CSV", _table_csv, _load_table, weight=8),
    *(
        Loader(f"table, {name}", partial(_table_text, name), _load_table, weight=4)
        for name in ("table.tsv", "table.csv.gz", "table.TSV.GZ", "utf-16.csv")
    ),
    Loader("table, JSON", _table_json, _load_table, weight=2),
    Loader("benchmark in tables", _benchmark, _load_benchmark, weight=6),
    Loader("table, Parquet", _table_parquet, _load_table, weight=8),
    Loader("table on the hub", _table_parquet, _load_hub),
    Loader("BEIR", layouts.beir, partial(_load_beir, "test", "en"), weight=8),
    Loader("BEIR, gzipped", partial(layouts.beir, ending=".gz"),
           partial(_load_beir, "test", "en"), weight=3),
    Loader("BEIR, NanoBEIR", _nanobeir, partial(_load_beir, "train", "en"), weight=4),
    Loader("BEIR, other forms", _published, partial(_load_beir, "test", "en"), weight=6),
    Loader("BEIR, in the pool", _published, partial(
        _load_beir, "test", "en", rules=FolderRules("in_pool", skip_bad=True)), weight=3),
    Loader("MIRACL, parallel", partial(layouts.miracl, languages=["sw", "yo"], ending=""),
           partial(_load_beir, "dev", None, rules=FolderRules(parallel=True)), weight=4),
    Loader("MIRACL", partial(layouts.miracl, languages=["sw"], ending=""),
           partial(_load_beir, "dev", None), weight=5),
    Loader("MIRACL on the hub", partial(layouts.hub, languages=["sw"]),
           partial(_load_beir, "dev", None), weight=6),
    *(
        Loader(f"prepare {name}", partial(miniatures.write, name), partial(_prepare, name), weight)
        for name, weight in zip(miniatures.MINIATURES, (3, 3, 3, 2, 2, 2), strict=True)
    ),
    Loader("prepare xquad-r", miniatures.xquad_r, partial(_prepare, "xquad-r"), weight=3),
    *(
        Loader(f"study {path.stem}", partial(_study, name=path.name), _load_study, weight=2)
        for path in sorted(STUDIES.glob("*.yaml"))
    ),
)  # fmt: skip
