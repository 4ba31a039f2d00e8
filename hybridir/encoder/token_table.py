"""Tokenise once, then memory-map: all trials on a machine share the result.

Shapes: B texts, T tokens end to end.
"""

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

from hybridir.runtime.files import atomic_write

_logger = logging.getLogger("hybridir")

# Texts per call of the tokenizer: enough to keep it busy, few enough to bound memory.
_TEXTS_PER_CALL = 10_000


@dataclass(frozen=True)
class TokenTable:
    """Token ids of B texts, end to end.

    Attributes:
        tokens: [T] int32, memory-mapped.
        offsets: [B + 1] int64; text b is ``tokens[offsets[b]:offsets[b + 1]]``.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.int32]:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """The token ids of the texts in some rows."""
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

    One process does the work while others wait at a lock. The manifest is written last, so that
    its existence means that the preparation finished. Damaged files are made again.

    Args:
        texts: B texts.
        tokenizer: a fast Hugging Face tokenizer.
        prefix: goes before each text.
        max_length: longer texts are cut to this many tokens, special ones included.
        cache: folder of prepared data; each preparation has a folder of its own in it, named by
            the digest of everything that decides the result.
        digest: digest of the texts. Without it the digest is computed, which takes 60 times as
            long as opening the result (measured on XQuAD-R's passages).

    Returns:
        The memory-mapped tokens.
    """
    inputs = [digest or _texts_digest(texts), _tokenizer_digest(tokenizer), prefix, max_length]
    name = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
    folder = cache / f"tokens-{name[:24]}"
    table = _open(folder, len(texts))
    if table is None:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"tokens-{name[:24]}.lock"):
            table = _open(folder, len(texts))
            if table is None:
                _write(folder, texts, tokenizer, prefix, max_length, name)
                table = _open(folder, len(texts))
    assert table is not None, "written tokens can be read"
    return table


def token_ids(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, prefix: str, max_length: int
) -> list[NDArray[np.int32]]:
    """Token ids of each text, cut to `max_length` tokens with special ones."""
    rows: list[NDArray[np.int32]] = []
    for start in range(0, len(texts), _TEXTS_PER_CALL):
        prefixed = [prefix + text for text in texts[start : start + _TEXTS_PER_CALL]]
        encoded = tokenizer(prefixed, truncation=True, max_length=max_length)
        rows += [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]
    return rows


def _open(folder: Path, texts: int) -> TokenTable | None:
    """The table that an earlier call has written; None if it is missing or damaged."""
    if not (folder / "manifest.json").is_file():
        return None
    try:
        table = TokenTable(
            tokens=np.load(folder / "tokens.npy", mmap_mode="r"),
            offsets=np.load(folder / "offsets.npy"),
        )
    except Exception as error:  # a damaged header can make numpy raise any exception
        _logger.warning("%s: damaged (%s); it is prepared again", folder, type(error).__name__)
        return None
    tokens, offsets = table.tokens, table.offsets
    whole = (
        (tokens.dtype, tokens.ndim, offsets.dtype) == (np.dtype(np.int32), 1, np.dtype(np.int64))
        and offsets.shape == (texts + 1,)
        and (offsets[0], offsets[-1]) == (0, len(tokens))
        and bool((np.diff(offsets) >= 0).all())
    )
    if not whole:
        _logger.warning("%s: damaged; it is prepared again", folder)
    return table if whole else None


def _texts_digest(texts: Sequence[str]) -> str:
    sha = hashlib.sha256()
    for text in texts:
        encoded = text.encode()
        sha.update(len(encoded).to_bytes(4, "big") + encoded)
    return sha.hexdigest()


_tokenizer_digests: WeakKeyDictionary[PreTrainedTokenizerBase, str] = WeakKeyDictionary()


def _tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Digest of vocabulary and pipeline, without the truncation that a call may have set."""
    if tokenizer not in _tokenizer_digests:
        definition = json.loads(tokenizer.backend_tokenizer.to_str())
        definition.pop("truncation", None)
        definition.pop("padding", None)
        text = json.dumps(definition, sort_keys=True)
        _tokenizer_digests[tokenizer] = hashlib.sha256(text.encode()).hexdigest()
    return _tokenizer_digests[tokenizer]


def _write(
    folder: Path,
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    prefix: str,
    max_length: int,
    digest: str,
) -> None:
    rows = token_ids(texts, tokenizer, prefix, max_length)
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    tokens = np.concatenate(rows) if rows else np.empty(0, dtype=np.int32)
    with atomic_write(folder) as unfinished:
        unfinished.mkdir()
        np.save(unfinished / "tokens.npy", tokens)
        np.save(unfinished / "offsets.npy", offsets)
        manifest = {"digest": digest, "texts": len(texts), "tokens": len(tokens)}
        (unfinished / "manifest.json").write_text(json.dumps(manifest) + "\n")
