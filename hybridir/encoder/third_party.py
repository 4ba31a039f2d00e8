"""An encoder that was made elsewhere: its folder, and the settings that follow from it.

A folder of sentence-transformers says how vectors are made (`hybridir.encoder.folder_settings`);
a plain Hugging Face folder says little, and the defaults of
`hybridir.config.ResolvedEncoderConfig` hold.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from hybridir import names
from hybridir.config import EncoderConfig, ResolvedEncoderConfig, validate
from hybridir.config.trial import POOLER
from hybridir.encoder.folder_settings import FolderSettings, read_folder
from hybridir.errors import InputError

_CONTENT = (".json", ".safetensors", ".txt", ".model", ".bin")
_OPTIONS = {
    "pooling": "--pooling",
    "similarity": "--similarity",
    "query_prefix": "--query-prefix",
    "passage_prefix": "--passage-prefix",
}


def resolve(config: EncoderConfig) -> ResolvedEncoderConfig:
    """Fill in what a configuration leaves open with what the encoder's folder says.

    Args:
        config: its own values have precedence over the folder's.

    Returns:
        The same configuration with nothing left open.

    Raises:
        InputError: if the folder asks for something that is not supported, or is in doubt.
    """
    if isinstance(config, ResolvedEncoderConfig):
        return config
    source = foreign_folder(config)
    if source is None:
        return config.or_defaults()
    chosen = config.model_dump(exclude_none=True)
    problems = [
        f"{reason}; name one: {_OPTIONS[name]} of hybridir evaluate, encoder.{name} of a study"
        for name, reason in source.doubts.items()
        if name not in chosen
    ]
    if problems:
        raise InputError.collect(f"encoder {str(source.folder)!r}", problems)
    resolved = validate(ResolvedEncoderConfig, _own_settings(source) | chosen, "encoder")
    _check_fit(source, resolved)
    return resolved


def foreign_folder(config: EncoderConfig) -> FolderSettings | None:
    """The settings of the folder that a configuration names; None from scratch.

    Raises:
        InputError: if there is no such folder, or it asks for something that is not supported.
    """
    if config.from_scratch is not None:
        return None
    if config.hub is not None:
        return read_folder(_fetch(config.hub.id, config.hub.revision))
    assert config.path is not None, "EncoderConfig names exactly one origin"
    return read_folder(config.path)


def _own_settings(source: FolderSettings) -> dict[str, Any]:
    defaults = ResolvedEncoderConfig.model_fields
    lengths = {
        "query_length": source.query_length or defaults["query_length"].default,
        "passage_length": source.passage_length or defaults["passage_length"].default,
    }
    own = {
        "pooling": source.pooling,
        # A folder whose similarity is not supported is in doubt, and the user has named another.
        "similarity": None if "similarity" in source.doubts else source.similarity,
        "query_prefix": source.query_prompt,
        "passage_prefix": source.passage_prompt,
        **{name: min(length, source.most_tokens) for name, length in lengths.items()},
    }
    return {name: value for name, value in own.items() if value is not None}


def _check_fit(source: FolderSettings, config: ResolvedEncoderConfig) -> None:
    """Refuse what the user chose where the folder's other settings exclude it."""
    if not source.include_prompt and (config.query_prefix or config.passage_prefix):
        raise InputError(
            f"encoder {str(source.folder)!r}: include_prompt of its pooling is off, so that the "
            "tokens of a prompt would be left out of the vector, which is not supported; without "
            "prompts it can be used: --query-prefix '' --passage-prefix '' of hybridir evaluate, "
            "encoder.query_prefix and passage_prefix of a study"
        )
    if config.pooling == POOLER and any(module.kind == "Dense" for module in source.head):
        raise InputError(
            f"encoder {str(source.folder)!r}: pooling pooler, but the folder has a Dense module "
            "of its own behind its pooling; leave the pooling out, and the folder's holds"
        )


@cache
def _fetch(repository: str, revision: str) -> Path:
    return local_folder(repository, revision)


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

    patterns = [f"*{suffix}" for suffix in _CONTENT if suffix != ".bin"]
    try:
        folder = Path(snapshot_download(encoder, revision=revision, allow_patterns=patterns))
        if not any(folder.rglob("*.safetensors")):
            folder = Path(
                snapshot_download(
                    encoder,
                    revision=revision,
                    allow_patterns=[*patterns, "*pytorch_model*.bin"],
                )
            )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{encoder} at {revision} cannot be fetched: {reason}") from None
    return folder


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of an encoder's or a reader's files, without documents."""
    sha = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _CONTENT and path.name != names.READER_RECORD:
            name = path.relative_to(folder).as_posix()
            sha.update(f"{name}\n{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
    return sha.hexdigest()
