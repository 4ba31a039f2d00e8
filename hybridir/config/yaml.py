"""Settings that a person wrote in YAML, checked; every mistake is one message."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hybridir.config.trial import TrialConfig, describe_problems
from hybridir.errors import InputError

Checked = TypeVar("Checked", bound=BaseModel)


def read_yaml(text: str | bytes, where: str) -> Any:
    """Read YAML.

    Args:
        text: UTF-8, if bytes.
        where: it is from, for messages.

    Raises:
        InputError: if it is no YAML.
    """
    try:
        content = yaml.safe_load(text.decode() if isinstance(text, bytes) else text)
        _check_texts(content, set())
        return content
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    # PyYAML passes on what Python says of a value: a date without a day, a number without end.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{where}: not YAML: a value cannot be read ({reason})") from None


def validate(kind: type[Checked], content: object, where: str) -> Checked:
    """Check settings against their model.

    Args:
        kind: the model.
        content: what `read_yaml` gave.
        where: it is from, for messages.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise describe_problems(where, error) from None


def _check_texts(content: object, seen: set[int]) -> None:
    """Raise if an escape names half of a surrogate pair, which no file or terminal can hold."""
    if isinstance(content, str):
        content.encode()
    elif isinstance(content, dict | list) and id(content) not in seen:  # anchors may make circles
        seen.add(id(content))
        for inner in content.items() if isinstance(content, dict) else content:
            for each in inner if isinstance(inner, tuple) else (inner,):
                _check_texts(each, seen)


def read_trial(path: Path) -> TrialConfig:
    """Read one trial's settings.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return validate(TrialConfig, read_yaml(text, str(path)), str(path))
