"""Whether the data and the weights of a trial are still those that were read before."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from hybridir.config import DataConfig, EncoderConfig, EvaluationConfig, TrialConfig
from hybridir.data.identity import changed_data, data_digests
from hybridir.errors import ChangedDataError, InputError

_READ: Final = {".json", ".safetensors", ".bin", ".model", ".txt"}
# Beginnings of names that a training or a publication leaves beside weights; what is not among
# them is refused rather than missed.
_UNREAD: Final = (
    *(".", "__", "README", "LICENSE", "all_results", "checkpoint-", "eval_", "onnx", "openvino"),
    *("train_", "trainer_", "training_"),
)


def weight_folders(encoder: EncoderConfig, evaluation: EvaluationConfig) -> list[Path]:
    """The folders of weights that a trial reads; weights on the hub are pinned by their commit."""
    reader = evaluation.reader
    return [path for path in (encoder.path, reader and reader.path) if path]


def input_digests(data: DataConfig, weights: Iterable[Path]) -> dict[str, str]:
    """Digest of each data set and each folder of weights, by its name.

    Args:
        data: the data.
        weights: folders in the form of Hugging Face or sentence-transformers.

    Raises:
        InputError: if they cannot be read.
    """
    return data_digests(data) | {_named(folder): _digest(folder) for folder in weights}


def changed_inputs(
    data: DataConfig, weights: Iterable[Path], recorded: Mapping[str, str]
) -> list[str]:
    """Name the data sets and the weights that are not as they were.

    Args:
        data: the data, or some of those that were recorded.
        weights: folders of weights.
        recorded: what `input_digests` returned before.

    Returns:
        What has changed, and where it is; empty if all is the same, or was not recorded.

    Raises:
        InputError: if they cannot be read.
    """
    known = [folder for folder in weights if _named(folder) in recorded]
    changed = [_named(folder) for folder in known if recorded[_named(folder)] != _digest(folder)]
    return changed_data(data, recorded) + changed


def check_inputs(config: TrialConfig, recorded: Mapping[str, str]) -> None:
    """Refuse data and weights that have changed since, or cannot be read any more.

    Raises:
        ChangedDataError: with each of them.
    """
    try:
        folders = weight_folders(config.encoder, config.evaluation)
        changed = changed_inputs(config.data, folders, recorded)
    except InputError as error:
        raise ChangedDataError(f"data cannot be read any more: {error}; put them back") from None
    if changed:
        reason = f"{'; '.join(changed)}: changed since the study began"
        raise ChangedDataError(f"{reason}; put the files back")


def _named(folder: Path) -> str:
    return f"weights, {folder}"


def _digest(folder: Path) -> str:
    """Digest of the files that may be read, those of modules such as ``1_Pooling`` included."""
    sha = hashlib.sha256()
    try:
        for path in sorted(_files(folder)):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            sha.update(path.relative_to(folder).as_posix().encode() + b"\0" + digest)
    except OSError as error:
        raise InputError(
            f"weights, {folder}: {error.strerror}; they stay where they were when the study began"
        ) from None
    return sha.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(_UNREAD):
            continue
        if path.is_dir():  # through links as well
            yield from _files(path)
        elif path.suffix in _READ and path.is_file():
            yield path
