"""Damage to a file: to its bytes, or to their meaning.

Every choice comes from the generator that is passed on, so that a case can be repeated.
"""

import gzip
import io
import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

import torch
import yaml

from tests.fuzz import columns, trees

Content = bytes
_ODD: tuple[Any, ...] = (
    *(None, -1, "x", [], {}, float("nan"), torch.zeros(2), torch.zeros(2, 2, dtype=torch.int64)),
)
Damage = Callable[[Content, random.Random], Content]

# Where a reader of texts may stumble.
_SPECIAL = (
    *(b"\xef\xbb\xbf", b"\x00", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\xa8"),
    *(b"\r", b"\n\n", b"\t", b'"', b"\\ud800", b"\\", b"NaN", b"-Infinity", b"1e999", b"{", b"]"),
    *(b"9" * 5000, b"[" * 3000, b'{"a":' * 3000, b"x" * 200_000),
)
# Where a reader of YAML may.
_YAML = (
    *("a: &a [*a]\n", "space: &s {a: *s}\n", "? [1, 2]\n: 3\n", "1: 2\n", "null: 3\n"),
    *("name: !!python/object/apply:os.getcwd []\n", "name: !!binary x\n", "seed: 2020-01-01\n"),
    *("seed: 1_000\n", "seed: .nan\n", "seed: 0x7f\n", "seed: 1:30\n", "name: no\n", "---\n"),
    *("<<: [1]\n", "name: !!set {a, b}\n", "name: *unknown\n", "%YAML 9.9\n", "name: |\n"),
)


def damaged(name: str, content: Content, splices: list[Content], rng: random.Random) -> Content:
    """Damage a file once to three times.

    Args:
        name: of the file; its ending chooses a damage that knows the format.
        content: of the file.
        splices: content of the other files of the same input.
        rng: decides everything.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        damage = _BY_ENDING.get(name.rpartition(".")[2])
        if damage is not None and rng.random() < 0.6:
            try:
                content = damage(content, rng)
                continue
            except Exception:  # of any type: an earlier damage has left no such format
                pass
        content = _bytes(content, splices, rng)
    return content


def _bytes(content: Content, splices: list[Content], rng: random.Random) -> Content:
    body = bytearray(content)
    at, to = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    kind = rng.randrange(9)
    if kind == 0:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            if body:
                body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del body[at:]
    elif kind == 2:
        del body[at:to]
    elif kind == 3:
        body[at:at] = body[at:to]
    elif kind == 4:
        body[at:at] = rng.choice(_SPECIAL)
    elif kind == 5:
        body[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
    elif kind == 6:
        body = bytearray() if rng.random() < 0.2 else body[at:]
    elif kind == 7:
        splice = rng.choice(splices) if splices else content
        body[at:to] = splice[rng.randrange(len(splice) + 1) :]
    else:
        lines = body.split(b"\n")
        first, second = (rng.randrange(len(lines)) for _ in range(2))
        lines[first], lines[second] = lines[second], lines[first]
        if rng.random() < 0.5:
            del lines[first]
        body = bytearray(b"\n".join(lines))
    return bytes(body)


def _json(content: Content, rng: random.Random) -> Content:
    return trees.dumped(trees.changed(json.loads(content), rng))


def _jsonl(content: Content, rng: random.Random) -> Content:
    lines = content.split(b"\n")
    at = rng.randrange(max(1, len(lines) - 1))
    lines[at] = _json(lines[at], rng)
    return b"\n".join(lines)


def _yaml(content: Content, rng: random.Random) -> Content:
    if rng.random() < 0.3:
        lines = content.decode().splitlines(keepends=True)
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(_YAML))
        return "".join(lines).encode()
    # JSON is nearly YAML; the differences are cases of their own.
    return trees.dumped(trees.changed(yaml.safe_load(content), rng))


def _gzip(content: Content, rng: random.Random) -> Content:
    return gzip.compress(_bytes(gzip.decompress(content), [], rng), mtime=0)


def _npy(content: Content, rng: random.Random) -> Content:
    """Change type or shape in the header of the array."""
    wrong = rng.choice((b"'|O'", b"'<f8'", b"'<U9'", b"'<i2'", b"'>i4'", b"'<M8[s]'", b"[]"))
    numbers = rng.choice((b"(0,)", b"(99999999,)", b"()", b"(-1,)", b"(2, 3)", b"(1.5,)"))
    if rng.random() < 0.5:
        return re.sub(rb"'[<>|][a-z]\d+'", wrong, content, count=1)
    return re.sub(rb"\(\d*,?\)", numbers, content, count=1)


def _safetensors(content: Content, rng: random.Random) -> Content:
    """Change the header, which is JSON with its length before it."""
    (length,) = struct.unpack("<Q", content[:8])
    header = trees.dumped(trees.changed(json.loads(content[8 : 8 + length]), rng))
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _torch(content: Content, rng: random.Random) -> Content:
    """Change one entry of a checkpoint to another value that is safe to load."""
    state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    inner: Any = state
    key = rng.choice(list(inner))
    while isinstance(inner[key], dict) and inner[key] and rng.random() < 0.6:
        inner = inner[key]
        key = rng.choice(list(inner))
    if rng.random() < 0.3:
        del inner[key]
    else:
        inner[key] = rng.choice(_ODD)
    file = io.BytesIO()
    torch.save(rng.choice((None, [], "x")) if rng.random() < 0.05 else state, file)
    return file.getvalue()


_BY_ENDING: dict[str, Damage] = {
    "json": _json,
    "jsonl": _jsonl,
    "yaml": _yaml,
    "gz": _gzip,
    "npy": _npy,
    "safetensors": _safetensors,
    "pt": _torch,
    "parquet": columns.parquet,
    "csv": columns.csv,
    "tsv": columns.tsv,
}
