"""Small copies of the published data, with the columns, types and paths of the real ones."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hybridir.data.published.catalogue import (
    MKQA,
    MMARCO,
    MR_TYDI,
    SQUAD,
    SWIM_IR,
    SWIM_IR_CROSS,
    XQUAD_R,
    Declaration,
)

ANSWERS = pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))])


def parquet(path: Path, rows: list[dict[str, Any]], **types: pa.DataType) -> None:
    """Write rows; columns without a type hold strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def lines(path: Path, *records: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(record) + "\n" for record in records), "utf-8")


def squad(root: Path) -> None:
    """Two paragraphs with two questions each; German lacks the last one."""

    def rows(language: str, count: int) -> list[dict[str, Any]]:
        return [
            {
                "id": f"56be{number}",
                "context": f"{language} paragraph {number // 2}. Ü",
                "question": f"{language} question {number}?",
                "answers": {"text": [language], "answer_start": [0]},
            }
            for number in range(count)
        ]

    parquet(root / "de/xquad_xtreme-translate_train.parquet", rows("de", 3), answers=ANSWERS)
    parquet(root / "zh/xquad_xtreme-translate_train.parquet", rows("zh", 4), answers=ANSWERS)
    english = [{"title": "t", **row} for row in rows("en", 4)]
    parquet(root / "plain_text/train-00000-of-00001.parquet", english, answers=ANSWERS)


def mmarco(root: Path) -> None:
    """Question 3 has passages 30 and 31, question 4 passage 31; question 5 passage 50."""
    triples = [("3", "30", "7"), ("3", "31", "7"), ("3", "30", "8"), ("4", "31", "7")]
    lines(root / "data/triples.train.ids.small.tsv", *triples, ("5", "50", "9"))
    for name in ("german", "english"):
        queries = [(str(key), f"{name} query {key}") for key in (2, 3, 4, 5)]
        passages = [(str(key), f"{name} passage {key}") for key in (7, 8, 9, 30, 31, 50)]
        lines(root / f"data/google/queries/train/{name}_queries.train.tsv", *queries)
        lines(root / f"data/google/collections/{name}_collection.tsv", *passages)


def mteb(root: Path, names: tuple[str, ...], key: str) -> None:
    """MTEB's layout: passages 11#0 and 10#0 answer question 1, 11#0 question 2, 12#0 none."""
    for name in names:
        parquet(
            root / f"{name}-queries/train-00000-of-00001.parquet",
            [{key: number, "text": f"{name} question {number}"} for number in "123"],
        )
        qrels = [("1", "11#0", 1), ("1", "10#0", 1), ("2", "11#0", 1), ("2", "12#0", 0)]
        parquet(
            root / f"{name}-qrels/train-00000-of-00001.parquet",
            [{"query-id": q, "corpus-id": p, "score": score} for q, p, score in qrels],
            score=pa.int64(),
        )
        for shard, keys in enumerate((["10#0", "11#0"], ["12#0"])):
            parquet(
                root / f"{name}-corpus/train-0000{shard}-of-00002.parquet",
                [
                    {key: number, "title": f"Title {number}", "text": f"{name} text {number}"}
                    for number in keys
                ],
            )


def swim_ir(root: Path, passages: str | None = None) -> None:
    """Two questions on one passage and a third on another; passages are in the questions' language
    or in `passages`.
    """
    for code in ("de", "yo"):
        parquet(
            root / f"{code}/train-00000-of-00001.parquet",
            [
                {
                    "_id": str(number),
                    "lang": "Language",
                    "code": code,
                    "query": f"{code} query {number}",
                    "title": f"Title {number // 2}",
                    "text": f"{passages or code} text {number // 2}",
                }
                for number in range(3)
            ],
        )


def xquad_r(root: Path) -> None:
    """One paragraph of two sentences; the files have another SHA-256 than the published ones."""
    for code in ("de", "en"):
        context = f"{code} Ann. Bob."
        answer = {"text": "Bob", "answer_start": 8}
        question = {"id": "q", "question": f"{code} who?", "answers": [answer]}
        paragraph = {"context": context, "sentence_breaks": [[0, 7], [8, 12]], "qas": [question]}
        path = root / f"xquad-r/{code}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        article = {"title": f"Ann_{code}", "paragraphs": [paragraph]}
        path.write_text(json.dumps({"data": [article]}), "utf-8")


# Name of a miniature -> its declaration and its languages.
MINIATURES: dict[str, tuple[Declaration, tuple[str, ...]]] = {
    "squad": (SQUAD, ("de", "en", "zh")),
    "mmarco": (MMARCO, ("de", "en")),
    "mr-tydi": (MR_TYDI, ("ar", "te")),
    "mkqa": (MKQA, ("ko", "zh")),
    "swim-ir": (SWIM_IR, ("de", "yo")),
    "swim-ir-cross": (SWIM_IR_CROSS, ("de", "yo")),
}


def write(name: str, root: Path) -> tuple[Declaration, tuple[str, ...]]:
    """Write one of `MINIATURES` under `root`, laid out as its repositories are."""
    if name == "squad":
        squad(root)
    elif name == "mmarco":
        mmarco(root)
    elif name == "mr-tydi":
        mteb(root, ("arabic", "telugu"), "_id")
    elif name == "mkqa":
        mteb(root, ("ko", "zh_cn"), "id")
    elif name == "swim-ir":
        swim_ir(root)
    elif name == "swim-ir-cross":
        swim_ir(root, "en")
    return MINIATURES[name]


def checked_xquad_r(root: Path) -> Declaration:
    """Write the miniature of XQuAD-R; returns a declaration with the SHA-256 of its files."""
    xquad_r(root)
    names = ["xquad-r/de.json", "xquad-r/en.json"]
    source = dataclasses.replace(
        XQUAD_R.sources[0],
        configs={"de": "de", "en": "en"},
        sha256={name: sha256((root / name).read_bytes()) for name in names},
    )
    return dataclasses.replace(XQUAD_R, sources=(source,))


def contents(folder: Path) -> dict[str, bytes]:
    """All files but locks, which stay behind empty."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
