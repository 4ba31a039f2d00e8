"""Save an encoder so that sentence-transformers loads it and computes the same vectors."""

import json
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from hybridir.config import EncoderConfig
from hybridir.encoder.bi_encoder import BiEncoder
from hybridir.runtime.files import atomic_write

_MODULES = ("Transformer", "Pooling", "Normalize")
_FOLDERS = ("", "1_Pooling", "2_Normalize")


def save_encoder(
    encoder: BiEncoder, tokenizer: PreTrainedTokenizerBase, config: EncoderConfig, folder: Path
) -> None:
    """Save an encoder as a sentence-transformers folder with safetensors weights.

    Args:
        encoder: the encoder.
        tokenizer: its tokenizer.
        config: pooling, prefixes and lengths. sentence-transformers has no module for the pooling
            ``pooler``: the folder then is a plain Hugging Face one, which transformers loads. For
            the other poolings it knows one length, the longer one: there it reads on where a text
            was cut at the shorter one here.
        folder: destination; it is whole or absent.
    """
    with atomic_write(folder) as unfinished:
        encoder.backbone.save_pretrained(unfinished)
        tokenizer.save_pretrained(unfinished)
        if config.pooling == "pooler":
            return
        modules = [
            {
                "idx": index,
                "name": str(index),
                "path": path,
                "type": f"sentence_transformers.models.{module}",
            }
            for index, (module, path) in enumerate(zip(_MODULES, _FOLDERS, strict=True))
        ]
        _write_json(unfinished / "modules.json", modules)
        longest = max(config.query_length, config.passage_length)
        _write_json(unfinished / "sentence_bert_config.json", {"max_seq_length": longest})
        pooling = {
            "word_embedding_dimension": encoder.dimension,
            "pooling_mode_cls_token": config.pooling == "cls",
            "pooling_mode_mean_tokens": config.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        }
        _write_json(unfinished / "1_Pooling" / "config.json", pooling)
        (unfinished / "2_Normalize").mkdir()
        prompts = {"query": config.query_prefix, "document": config.passage_prefix}
        _write_json(
            unfinished / "config_sentence_transformers.json",
            {"prompts": prompts, "default_prompt_name": None, "similarity_fn_name": "cosine"},
        )
        (unfinished / "README.md").write_text(
            _CARD.format(longest=longest, pooling=config.pooling)
        )


_CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
A multilingual bi-encoder for retrieval, trained with hybridir.

Use `encode_query` for questions and `encode_document` for passages; vectors are L2-normalised, so
that the dot product is the cosine. Pooling: {pooling}. Longest text: {longest} tokens.
"""


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")
