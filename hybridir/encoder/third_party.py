"""What the folder of an encoder that was made elsewhere says about its use.

A sentence-transformers folder names pooling, prompts and the longest text; a plain Hugging Face
folder names none of them, and the defaults of `hybridir.config.trial.EncoderConfig` hold.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from hybridir.errors import InputError

_LONGEST = 512  # tokens, the most that EncoderConfig takes
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
    """Find an encoder, and fetch it if it is on the Hugging Face hub.

    Args:
        encoder: a folder, or a hub id.
        revision: commit that pins the hub id.

    Raises:
        InputError: if there is no such folder, and nothing to fetch.
    """
    folder = Path(encoder)
    if folder.is_dir():
        if revision is not None:
            raise InputError(f"--revision {revision}: {encoder} is a folder, which has none")
        return folder
    if revision is None:
        raise InputError(
            f"{encoder}: there is no such folder; a hub id needs --revision, the commit that pins "
            "its weights"
        )
    # .3 s to import, which a folder need not spend.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [f"*{suffix}" for suffix in _CONTENT]
    try:
        return Path(snapshot_download(encoder, revision=revision, allow_patterns=wanted))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{encoder} at {revision} cannot be fetched: {reason}") from None


def encoder_settings(folder: Path) -> dict[str, Any]:
    """Read what a folder asks for.

    Args:
        folder: of sentence-transformers, old or new layout, or of Hugging Face.

    Returns:
        Fields of `EncoderConfig`, ``path`` included. Vectors are normalised whatever the folder
        says, so that similarity is the cosine.

    Raises:
        InputError: if the folder asks for something that would give other vectors here.
    """
    found: dict[str, Any] = {"path": folder}
    if not (folder / "modules.json").is_file():
        return found
    modules = _read(folder / "modules.json", list)
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise InputError(
            f"{folder}: modules.json lists {', '.join(kinds)}; what can be used is Transformer, "
            "Pooling and Normalize (LaBSE's dense layer is its pooler: remove modules.json and "
            "ask for pooling pooler)"
        )
    transformer, pooling = (folder / str(module.get("path", "")) for module in modules[:2])
    if transformer.resolve() != folder.resolve():
        raise InputError(f"{folder}: its weights must lie in the folder itself, not {transformer}")
    found |= _pooling(pooling / "config.json") | _prompts(folder, pooling / "config.json")
    longest = _longest(folder)
    return found | {"query_length": longest, "passage_length": longest}


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of an encoder's files, documents apart."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _CONTENT:
            name = path.relative_to(folder).as_posix()
            sha.update(f"{name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while part := file.read(1 << 20):
                    sha.update(part)
    return sha.hexdigest()


def _pooling(path: Path) -> dict[str, str]:
    content = _read(path, dict)
    asked = content.get("pooling_mode")
    modes = asked if isinstance(asked, list) else [asked] if asked else []
    modes = modes or [mode for key, mode in _LEGACY.items() if content.get(key)]
    if modes not in (["mean"], ["cls"]):
        raise InputError(
            f"{path}: pooling {' and '.join(map(str, modes)) or 'by nothing'}; "
            "what can be used is mean or cls"
        )
    return {"pooling": modes[0]}


def _prompts(folder: Path, pooling: Path) -> dict[str, str]:
    path = folder / "config_sentence_transformers.json"
    prompts = _read(path, dict).get("prompts") or {} if path.is_file() else {}
    if not isinstance(prompts, dict):
        raise InputError(f"{path}: prompts={prompts!r} is no object of texts")
    query = str(prompts.get("query", ""))
    passage = str(prompts.get("document", "") or prompts.get("passage", ""))
    if (query or passage) and not _read(pooling, dict).get("include_prompt", True):
        raise InputError(f"{pooling}: include_prompt is off, but here prompts are pooled as well")
    return {"query_prefix": query, "passage_prefix": passage}


def _longest(folder: Path) -> int:
    for name, key in (
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
    ):
        path = folder / name
        given = _read(path, dict).get(key) if path.is_file() else None
        if isinstance(given, int) and given > 0:
            return min(given, _LONGEST)
    raise InputError(f"{folder}: nothing in it says how long a text may be")


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
