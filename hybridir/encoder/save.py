"""Save an encoder so that sentence-transformers loads it and computes the same vectors."""

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig, ResolvedEncoderConfig
from hybridir.config.trial import POOLER
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.encoder.folder_settings import (
    LEGACY_POOLINGS,
    MODEL_FILE,
    MODULES_FILE,
    TRANSFORMER_FILES,
)
from hybridir.encoder.head import Head, Normalize
from hybridir.encoder.third_party import resolve
from hybridir.encoder.tokenizers import lowers_case
from hybridir.runtime.files import atomic_write


def save_encoder(
    encoder: BiEncoder, tokenizer: PreTrainedTokenizerBase, config: EncoderConfig, folder: Path
) -> None:
    """Save an encoder as a sentence-transformers folder with safetensors weights.

    Args:
        encoder: the encoder.
        tokenizer: its tokenizer.
        config: pooling, similarity, prefixes and lengths. sentence-transformers has no module for
            the pooling ``pooler``: the folder then is a plain Hugging Face one, which transformers
            loads. Lengths of queries and passages that differ need its version 6.
        folder: destination; it is whole or absent.
    """
    settings = resolve(config)
    with atomic_write(folder) as unfinished:
        encoder.backbone.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if settings.pooling == POOLER:
            return
        head = encoder.head
        if settings.similarity == "cosine":
            head = Head(*head, Normalize())
        modules = [("Transformer", ""), ("Pooling", "1_Pooling"), *head.save(unfinished, first=2)]
        entries = [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for index, (kind, path) in enumerate(modules)
        ]
        _write_json(unfinished / MODULES_FILE, entries)
        _write_json(unfinished / TRANSFORMER_FILES[0], _transformer(settings, tokenizer))
        _write_json(unfinished / "1_Pooling" / "config.json", _pooling(settings, encoder))
        prompts = {"query": settings.query_prefix, "document": settings.passage_prefix}
        _write_json(
            unfinished / MODEL_FILE,
            {
                "prompts": prompts,
                "default_prompt_name": None,
                "similarity_fn_name": settings.similarity,
            },
        )
        (unfinished / "README.md").write_text(_card(settings))


def _transformer(
    settings: ResolvedEncoderConfig, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    longest = max(settings.query_length, settings.passage_length)
    content: dict[str, Any] = {"max_seq_length": longest}
    lengths = {"query": settings.query_length, "document": settings.passage_length}
    content |= {f"{role}_length": n for role, n in lengths.items() if n < longest}
    if lowers_case(tokenizer):
        content["do_lower_case"] = True
    return content


def _pooling(settings: ResolvedEncoderConfig, encoder: BiEncoder) -> dict[str, Any]:
    modes = settings.pooling.split("+")
    width = {"word_embedding_dimension": encoder.width}
    keys = {key: mode in modes for key, mode in LEGACY_POOLINGS.items()}
    if modes == [mode for mode in LEGACY_POOLINGS.values() if mode in modes]:
        return width | keys  # which every version reads
    return width | {"pooling_mode": modes}


def _card(settings: ResolvedEncoderConfig) -> str:
    comparison = (
        "vectors are L2-normalised, so that the dot product is the cosine"
        if settings.similarity == "cosine"
        else "the similarity is the dot product of vectors that are not normalised"
    )
    return _CARD.format(
        comparison=comparison,
        pooling=settings.pooling,
        longest=max(settings.query_length, settings.passage_length),
    )


_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
A multilingual bi-encoder for retrieval, trained with hybridir.

Use `encode_query` for questions and `encode_document` for passages; {comparison}.
Pooling: {pooling}. Longest text: {longest} tokens.
"""


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
