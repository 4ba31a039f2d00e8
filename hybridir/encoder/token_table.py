"""Tokenise once, then memory-map: what every trial on a machine shares."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from hybridir.runtime.files import replacing

_logger = logging.getLogger("hybridir")

# Texts given to the tokenizer at once: enough to keep it busy, little enough to bound memory.
_CHUNK = 10_000


@dataclass(frozen=True)
class TokenTable:
    """Token ids of T texts, end to end.

    Attributes:
        tokens: [sum of lengths] int32, memory-mapped.
        offsets: [T + 1] int64; text t is ``tokens[offsets[t]:offsets[t + 1]]``.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """The token ids of some texts."""
        return [self[row] for row in rows]


def prepare_tokens(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    prefix: str,
    max_length: int,
    cache: Path,
    digest: str | None = None,
) -> TokenTable:
    """Tokenise texts, or re-open the result of an earlier call with the same input.

    One process does the work while others wait at a lock; the manifest is written last, so that
    its existence means that the preparation finished. What a disk has damaged is made again.

    Args:
        texts: T texts.
        tokenizer: a fast Hugging Face tokenizer.
        prefix: put before each text.
        max_length: longer texts are cut to this many tokens, special ones included.
        cache: folder of prepared data; each preparation has a folder of its own in it, named by
            the digest of everything that decides the result.
        digest: of the texts, where it is known; to compute it takes 60 times as long as to open
            the result (measured on XQuAD-R's passages).

    Returns:
        The memory-mapped tokens.
    """
    known = [digest or _texts_digest(texts), _tokenizer_digest(tokenizer), prefix, max_length]
    name = hashlib.sha256(json.dumps(known).encode()).hexdigest()
    folder = cache / f"tokens-{name[:24]}"
    table = _opened(folder, len(texts))
    if table is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"tokens-{name[:24]}.lock"):
            table = _opened(folder, len(texts))
            if table is None:
                _write(folder, texts, tokenizer, prefix, max_length, name)
                table = _opened(folder, len(texts))
    assert table is not None, "what was written can be read"
    return table


def _opened(folder: Path, texts: int) -> TokenTable | None:
    """What an earlier call has written, or None if it is not there or damaged."""
    if not (folder / "manifest.json").is_file():
        return None
    try:
        table = TokenTable(
            tokens=np.load(folder / "tokens.npy", mmap_mode="r"),
            offsets=np.load(folder / "offsets.npy"),
        )
    except Exception as error:  # of a damaged header numpy raises nearly anything
        _logger.warning("%s: damaged (%s), prepared again", folder, type(error).__name__)
        return None
    tokens, offsets = table.tokens, table.offsets
    whole = (
        (tokens.dtype, tokens.ndim, offsets.dtype) == (np.dtype(np.int32), 1, np.dtype(np.int64))
        and offsets.shape == (texts + 1,)
        and (offsets[0], offsets[-1]) == (0, len(tokens))
        and bool((np.diff(offsets) >= 0).all())
    )
    if not whole:
        _logger.warning("%s: damaged, prepared again", folder)
    return table if whole else None


def _texts_digest(texts: Sequence[str]) -> str:
    sha = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        sha.update(len(encoded).to_bytes(4, "big") + encoded)
    return sha.hexdigest()


_of_tokenizer: WeakKeyDictionary[PreTrainedTokenizerBase, str] = WeakKeyDictionary()


def _tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Of the vocabulary and the pipeline, without the truncation that a call may have set."""
    if tokenizer not in _of_tokenizer:
        definition = json.loads(tokenizer.backend_tokenizer.to_str())
        definition.pop("truncation", None)
        definition.pop("padding", None)
        text = json.dumps(definition, sort_keys=True)
        _of_tokenizer[tokenizer] = hashlib.sha256(text.encode()).hexdigest()
    return _of_tokenizer[tokenizer]


def _write(
    folder: Path,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    prefix: str,
    max_length: int,
    digest: str,
) -> None:
    rows: list[NDArray[np.int32]] = []
    for start in range(0, len(texts), _CHUNK):
        chunk = [prefix + text for text in texts[start : start + _CHUNK]]
        encoded = tokenizer(chunk, truncation=True, max_length=max_length)
        rows += [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    tokens = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
    with replacing(folder) as part:
        part.mkdir()
        np.save(part / "tokens.npy", tokens)
        np.save(part / "offsets.npy", offsets)
        manifest = {"digest": digest, "texts": len(texts), "tokens": len(tokens)}
        (part / "manifest.json").write_text(json.dumps(manifest) + "\n")
