"""How to use an encoder that was made elsewhere, as its folder says.

A sentence-transformers folder names pooling, prompts and the longest text; a plain Hugging Face
folder names none of them, and the defaults of `hybridir.config.trial.EncoderConfig` hold.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hybridir.errors import InputError

_MAX_LENGTH = 512  # tokens, the most that EncoderConfig takes
_LEGACY = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_CONTENT = (".json", ".safetensors", ".txt", ".model")


def local_folder(encoder: str, revision: str | None) -> Path:
    """Find the folder of an encoder; fetch it if it is on the Hugging Face hub.

    Args:
        encoder: a folder, or a hub id.
        revision: commit that pins the hub id.

    Raises:
        InputError: if neither a folder nor a hub repository is found.
    """
    folder = Path(encoder)
    if folder.is_dir():
        if revision is not None:
            raise InputError(f"revision {revision}: {encoder} is a folder, which has none")
        return folder
    if revision is None:
        raise InputError(
            f"{encoder}: no such folder; a hub id needs its revision (--revision), the commit "
            "that pins its weights"
        )
    # Takes 0.3 s to import, and a local folder does not need it.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [f"*{suffix}" for suffix in _CONTENT]
    try:
        return Path(snapshot_download(encoder, revision=revision, allow_patterns=patterns))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{encoder} at {revision} cannot be fetched: {reason}") from None


def encoder_settings(folder: Path) -> dict[str, Any]:
    """Read pooling, prefixes and lengths from the folder of an encoder.

    Args:
        folder: a sentence-transformers folder of either layout, or a Hugging Face folder.

    Returns:
        Fields of `EncoderConfig`, ``path`` included. The folder cannot switch off normalisation:
        similarity is always the cosine.

    Raises:
        InputError: if the folder asks for a module that is not supported, so that vectors would
            differ.
    """
    settings: dict[str, Any] = {"path": folder}
    if not (folder / "modules.json").is_file():
        return settings
    modules = _read(folder / "modules.json", list)
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            f"{folder}: modules.json lists {', '.join(kinds)}; supported are Transformer, "
            "Pooling and Normalize (LaBSE's dense layer is its pooler: remove modules.json and "
            "ask for pooling pooler)"
        )
    transformer, pooling = (folder / str(module.get("path", "")) for module in modules[:2])
    if transformer.resolve() != folder.resolve():
        raise InputError(f"{folder}: its weights must lie in the folder itself, not {transformer}")
    settings |= _pooling(pooling / "config.json") | _prompts(folder, pooling / "config.json")
    length = _max_length(folder)
    return settings | {"query_length": length, "passage_length": length}


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of an encoder's files, without documents."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _CONTENT:
            name = path.relative_to(folder).as_posix()
            sha.update(f"{name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
    return sha.hexdigest()


def _pooling(path: Path) -> dict[str, str]:
    content = _read(path, dict)
    mode = content.get("pooling_mode")
    modes = mode if isinstance(mode, list) else [mode] if mode else []
    modes = modes or [name for key, name in _LEGACY.items() if content.get(key)]
    if modes not in (["mean"], ["cls"]):
        raise InputError(
            f"{path}: pooling {' and '.join(map(str, modes)) or 'not named'}; "
            "supported are mean and cls"
        )
    return {"pooling": modes[0]}


def _prompts(folder: Path, pooling: Path) -> dict[str, str]:
    path = folder / "config_sentence_transformers.json"
    prompts = _read(path, dict).get("prompts") or {} if path.is_file() else {}
    if not isinstance(prompts, dict):
        raise InputError(f"{path}: prompts={prompts!r} is not an object of texts")
    query = str(prompts.get("query", ""))
    passage = str(prompts.get("document", "") or prompts.get("passage", ""))
    if (query or passage) and not _read(pooling, dict).get("include_prompt", True):
        raise InputError(f"{pooling}: include_prompt is off, but here prompts are always pooled")
    return {"query_prefix": query, "passage_prefix": passage}


def _max_length(folder: Path) -> int:
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    ):
        path = folder / name
        length = _read(path, dict).get(key) if path.is_file() else None
        if isinstance(length, int) and length > 0:
            return min(length, _MAX_LENGTH)
    raise InputError(f"{folder}: its files do not say how long a text may be")


def _read(path: Path, kind: type[dict[str, Any]] | type[list[Any]]) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # no halves of surrogate pairs
        if "\\u0000" in json.dumps(content):
            raise ValueError("a character that no file name may have")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(content, kind):
        raise InputError(f"{path}: expected {kind.__name__}, found {type(content).__name__}")
    if isinstance(content, list) and not all(isinstance(item, dict) for item in content):
        raise InputError(f"{path}: expected a list of objects")
    return content
