"""The tokenizer of pretrained weights."""

from pathlib import Path

from tokenizers.normalizers import Lowercase, Normalizer, Sequence
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from hybridir.encoder.folder_settings import FolderSettings
from hybridir.errors import InputError

# Without one of these transformers would make up a tokenizer that knows no word.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model"),
    *("sentencepiece.model", "spm.model", "tokenizer.model", "bpe.codes"),
)


def load_pretrained_tokenizer(source: FolderSettings) -> PreTrainedTokenizerBase:
    """Load the tokenizer of an encoder's folder; one without ``tokenizer.json`` is converted.

    Args:
        source: the folder.

    Raises:
        InputError: if there is none, or it cannot be used.
    """
    check_files(source.folder, source.weights)
    shown = str(source.weights)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.weights, local_files_only=True)
        probe = tokenizer("a text", truncation=True, max_length=8)
    # A damaged file can make transformers raise any exception, and tokenizers panic, a base one.
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"encoder {shown!r}: its tokenizer cannot be loaded: {reason}; {_REMEDY}"
        ) from None
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise InputError(
            f"encoder {shown!r}: its tokenizer must be a fast one with a padding token; {_REMEDY}"
        )
    assert isinstance(tokenizer, PreTrainedTokenizerBase)
    if source.lower_case and not lowers_case(tokenizer):
        _lower_case(tokenizer)
    if any(probe.get("token_type_ids", ())):
        raise InputError(
            f"encoder {shown!r}: its tokenizer marks the tokens of one text by different types, "
            "which is not supported; choose an encoder of another family"
        )
    return tokenizer


_REMEDY = (
    "the folder needs tokenizer.json, which a machine with the package sentencepiece writes: "
    'AutoTokenizer.from_pretrained("FOLDER").save_pretrained("FOLDER")'
)


def check_files(folder: Path, weights: Path) -> None:
    """Refuse a folder that lacks its configuration or its vocabulary.

    Raises:
        InputError: if files are missing; the message names them.
    """
    missing = [] if (weights / "config.json").is_file() else ["config.json"]
    if not any((weights / name).is_file() for name in _VOCABULARIES):
        missing.append("tokenizer.json")
    if missing:
        raise InputError(
            f"encoder.path={str(folder)!r}: this is no Hugging Face encoder "
            f"({' and '.join(missing)} missing)"
        )


def lowers_case(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a step of its own turns texts into lower case before all others."""
    steps = _steps(tokenizer.backend_tokenizer.normalizer)
    return any(isinstance(step, Lowercase) for step in steps)


def _lower_case(tokenizer: PreTrainedTokenizerBase) -> None:
    """Add that step, as sentence-transformers does for ``do_lower_case``."""
    backend = tokenizer.backend_tokenizer
    backend.normalizer = Sequence([Lowercase(), *_steps(backend.normalizer)])


def _steps(normalizer: Normalizer | None) -> list[Normalizer]:
    if isinstance(normalizer, Sequence):
        return [*normalizer]  # type: ignore[misc]  # its stub has no iterator
    return [] if normalizer is None else [normalizer]
