"""Benchmarks in their published folder layouts, small enough to check by hand."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, object]]

CORPUS: Rows = [
    {"_id": "p1", "title": "Nile", "text": "A river."},
    {"_id": "p2", "title": "", "text": "A lake."},
    {"_id": "p3", "title": "Alps", "text": "Mountains."},
]
QUERIES: Rows = [{"_id": "q1", "text": "Which river?"}, {"_id": "q2", "text": "Which lake?"}]
QRELS: Rows = [
    {"query-id": "q1", "corpus-id": "p1", "score": 1},
    {"query-id": "q1", "corpus-id": "p3", "score": 0},
    {"query-id": "q2", "corpus-id": "p2", "score": 2},
    {"query-id": "q2", "corpus-id": "p3", "score": 1},
]


def write_text(path: Path, text: str) -> None:
    """Write a file, gzipped if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = text.encode()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def jsonl(rows: Rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def beir(folder: Path, ending: str = "", split: str = "test", qrels: Rows = QRELS) -> Path:
    """BEIR's layout, with a query of another split."""
    of_other_split: dict[str, object] = {"_id": "q9", "text": "Of another split?", "metadata": {}}
    write_text(folder / f"corpus.jsonl{ending}", jsonl([{**p, "metadata": {}} for p in CORPUS]))
    write_text(folder / f"queries.jsonl{ending}", jsonl([*QUERIES, of_other_split]))
    lines = ["query-id\tcorpus-id\tscore"]
    lines += ["\t".join(str(row[name]) for name in QRELS[0]) for row in qrels]
    write_text(folder / "qrels" / f"{split}.tsv{ending}", "\n".join(lines) + "\n")
    return folder


def hub(folder: Path, languages: list[str], corpus_shards: int = 1) -> Path:
    """The layout of mteb/MIRACLRetrieval on the hub."""
    for code in languages:
        for kind, rows in (("corpus", CORPUS), ("queries", QUERIES), ("qrels", QRELS)):
            n_shards = corpus_shards if kind == "corpus" else 1
            inside = folder / f"{code}-{kind}"
            inside.mkdir(parents=True)
            for shard in range(n_shards):
                table = pa.Table.from_pylist(rows[shard::n_shards])
                pq.write_table(table, inside / f"dev-{shard:05d}-of-{n_shards:05d}.parquet")
    return folder


def miracl(folder: Path, languages: list[str], ending: str = ".gz") -> Path:
    """MIRACL's own layout, both repositories beside each other."""
    for code in languages:
        inside = folder / "miracl" / f"miracl-v1.0-{code}"
        topics = "".join(f"{row['_id']}\t{row['text']}\n" for row in QUERIES)
        write_text(inside / "topics" / f"topics.miracl-v1.0-{code}-dev.tsv", topics)
        qrels = "".join(
            f"{row['query-id']}\tQ0\t{row['corpus-id']}\t{row['score']}\n" for row in QRELS
        )
        write_text(inside / "qrels" / f"qrels.miracl-v1.0-{code}-dev.tsv", qrels)
        passages: Rows = [
            {"docid": row["_id"], "title": row["title"], "text": row["text"]} for row in CORPUS
        ]
        corpus = folder / "miracl-corpus" / f"miracl-corpus-v1.0-{code}"
        for number, rows in enumerate((passages[:2], passages[2:])):
            write_text(corpus / f"docs-{number}.jsonl{ending}", jsonl(rows))
    return folder
