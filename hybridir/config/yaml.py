"""Read settings from YAML and check them; one message names every mistake."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hybridir.config.trial import TrialConfig, describe_problems
from hybridir.errors import InputError

Checked = TypeVar("Checked", bound=BaseModel)


def read_yaml(text: str | bytes, source: str) -> Any:
    """Read YAML.

    Args:
        text: YAML; bytes are UTF-8.
        source: origin of the text, for messages.

    Raises:
        InputError: if the text is not YAML.
    """
    try:
        content = yaml.safe_load(text.decode() if isinstance(text, bytes) else text)
        _check_texts(content, set())
        return content
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    # PyYAML passes on Python's errors for single values, such as an impossible date or a number of
    # too many digits.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: not YAML: a value cannot be read ({reason})") from None


def validate(kind: type[Checked], content: object, source: str) -> Checked:
    """Check settings against their model.

    Args:
        kind: the model.
        content: parsed YAML, from `read_yaml`.
        source: origin of the content, for messages.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise describe_problems(source, error) from None


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


def _check_texts(content: object, seen: set[int]) -> None:
    """Raise for half a surrogate pair: an escape can name it, but no file can hold it."""
    if isinstance(content, str):
        content.encode()
    elif isinstance(content, dict | list) and id(content) not in seen:  # anchors may make cycles
        seen.add(id(content))
        for inner in content.items() if isinstance(content, dict) else content:
            for value in inner if isinstance(inner, tuple) else (inner,):
                _check_texts(value, seen)
