"""Read settings from YAML and check them; one message names the mistakes of a file."""

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from hybridir.config.problems import describe_problems, problems_of
from hybridir.config.trial import (
    DataConfig,
    TrialConfig,
    idle_settings,
    idle_share,
)
from hybridir.errors import InputError

# Of YAML 1.1: octal numbers, and numbers to base 60.
_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
Checked = TypeVar("Checked", bound=BaseModel)
Settings = dict[str, Any]


def read_yaml(text: str | bytes, source: str, traps: list[str] | None = None) -> Any:
    """Read YAML.

    Args:
        text: YAML; bytes are UTF-8.
        source: origin of the text, for messages.
        traps: is told the keys that are there twice and the numbers that are read as others, to
            report them with other mistakes. Without it they are an error.

    Raises:
        InputError: if the text is not YAML, or has traps that `traps` is not told.
    """
    problems: list[str] = []
    try:
        loader = yaml.SafeLoader(text.decode() if isinstance(text, bytes) else text)
        try:
            node = loader.get_single_node()
            problems += _traps(node, set())
            content = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
        _check_texts(content, set())
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    # PyYAML passes on Python's errors for single values, such as an impossible date or a number of
    # too many digits.
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: not YAML: a value cannot be read ({reason})") from None
    if traps is not None:
        traps += problems
    elif problems:
        raise describe_problems(source, problems)
    return content


def validate(
    kind: type[Checked],
    content: object,
    source: str,
    *,
    problems: list[str] | None = None,
    folder: Path | None = None,
) -> Checked:
    """Check settings against their model.

    Args:
        kind: the model.
        content: parsed YAML, from `read_yaml`.
        source: origin of the content, for messages.
        problems: mistakes that are known already, and are named beside those of the settings.
        folder: relative paths are taken from there; None leaves them.

    Raises:
        InputError: with all mistakes in one message. A check that compares settings waits until
            each of them is legal by itself.
    """
    problems = list(problems or [])
    try:
        checked = kind.model_validate(content, context={"folder": folder} if folder else None)
    except ValidationError as error:
        problems += problems_of(error, kind)
    if problems:
        raise describe_problems(source, problems)
    return checked


def read_settings(
    kind: type[Checked],
    path: Path,
    *,
    hint: str = "",
    example: str = "",
    change: Callable[[Settings], list[str]] = lambda content: [],
    folder: Path | None = None,
) -> Checked:
    """Read settings from a file.

    Args:
        kind: the model.
        path: YAML file.
        hint: added to the message where the file cannot be read.
        example: added where it holds no settings, such as a page of text.
        change: changes the content before it is checked; returns what is wrong with the changes.
        folder: see `validate`.

    Raises:
        InputError: with all mistakes of the file in one message; see `validate`.
    """
    content, problems = _content(path, hint, example)
    problems += change(content)
    return validate(kind, content, str(path), problems=problems, folder=folder)


def read_trial(path: Path) -> TrialConfig:
    """Read one trial's settings.

    Raises:
        InputError: with all mistakes in one message; see `validate`.
    """
    content, problems = _content(path)
    if _is_study(content):
        raise InputError(
            f"{path}: is a study's file, whose settings of data stand at the top; run it with "
            f"python tune/run_sweep.py {shlex.quote(str(path))} in a checkout. "
            "hybridir config --trial prints the file of one trial"
        )
    config = validate(TrialConfig, content, str(path), problems=problems)
    batch = config.batch
    idle = batch.named(idle_settings({batch.kind}, {batch.language_sampling}), "batch")
    idle += idle_share(config.data.tune_on, config.data.dev_share)
    if idle:
        raise describe_problems(str(path), [f"{name}: {problem}" for name, problem in idle])
    return config


def read_data(path: Path) -> tuple[DataConfig, bool]:
    """Read the settings of the data from a trial's file, or from a study's.

    Returns:
        The settings, and whether the file is a study's, of which nothing else was checked.

    Raises:
        InputError: with all mistakes in one message; see `validate`.
    """
    hint = "; hybridir config --trial prints a trial's file, which names tables of data"
    content, problems = _content(path, example=hint)
    if not _is_study(content):
        return read_trial(path).data, False
    data = {name: content[name] for name in DataConfig.model_fields if name in content}
    return validate(DataConfig, data, str(path), problems=problems), True


def _content(path: Path, hint: str = "", example: str = "") -> tuple[Settings, list[str]]:
    """The content of a file, and the mistakes that `read_yaml` tells."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}){hint}") from None
    problems: list[str] = []
    try:
        content = read_yaml(text, str(path), problems)
    except InputError as error:
        raise InputError(f"{error}{example}") from None
    if not isinstance(content, dict):
        expected = "no settings; expected lines of the form 'name: value'"
        raise InputError(f"{path}: {expected}{example}")
    return content, problems


def _is_study(content: Settings) -> bool:
    """Whether the settings of the data stand at the top, as in a study's file."""
    return "train" in content and "data" not in content


def _traps(node: yaml.Node | None, seen: set[int]) -> Iterator[str]:
    """Describe what YAML takes without a word, and reads otherwise than its author meant.

    These are keys of a mapping, nested ones too, that are there more than once, and numbers to
    other bases than ten: 010 is 8, and 1:30 is 90.
    """
    if node is None or id(node) in seen:  # an anchor is read once
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        if is_number and _OTHER_BASE.fullmatch(node.value):
            shown = f"{node.value} (line {node.start_mark.line + 1})"
            yield f"{shown}: is another number in YAML; write it out, or quote it"
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _traps(inner, seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[tuple[str, str], yaml.Node] = {}
        for key, value in node.value:
            before = first.setdefault((key.tag, str(key.value)), key)
            if isinstance(key, yaml.ScalarNode) and before is not key:
                lines = sorted({before.start_mark.line + 1, key.start_mark.line + 1})
                where = f"line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}"
                yield f"{key.value}: is there twice ({where}); keep one"
            yield from _traps(key, seen)
            yield from _traps(value, seen)


def _check_texts(content: object, seen: set[int]) -> None:
    """Raise for half a surrogate pair: an escape can name it, but no file can hold it."""
    if isinstance(content, str):
        content.encode()
    elif isinstance(content, dict | list) and id(content) not in seen:  # anchors may make cycles
        seen.add(id(content))
        for inner in content.items() if isinstance(content, dict) else content:
            for value in inner if isinstance(inner, tuple) else (inner,):
                _check_texts(value, seen)
