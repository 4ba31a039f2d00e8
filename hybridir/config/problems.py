"""Mistakes of settings in words of the settings, one line each."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ValidationError

from hybridir.config.base import IN_WORDS, SettingError, legal_names, nearest, no_text
from hybridir.errors import InputError

Problem = Mapping[str, Any]
_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "settings, 'name: value' each",
    "model_type": "settings, 'name: value' each",
    "model_attributes_type": "settings, 'name: value' each",
}
# Steps of a path that are branches of a union, in pydantic's words, such as "literal['best']".
_BRANCHES = {"bool", "int", "float", "str", "constrained-int", "constrained-float"}


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Say what pydantic's errors are in words of the settings.

    Args:
        error: pydantic's error.
        model: the settings that were checked.

    Returns:
        One line per mistake: field, value, and the legal values.
    """
    items = error.errors(include_url=False)
    paths = [_path(item) for item in items]
    problems: list[str] = []
    for path, group in groupby(zip(paths, items, strict=True), key=lambda pair: pair[0]):
        of_path = [item for _, item in group]
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in paths)
        kinds = [_expected(item) for item in of_path]
        if deeper and all(kinds):
            continue  # another branch of the union fits better, and says what is wrong within
        if len(of_path) > 1 and all(kinds):
            *most, last = dict.fromkeys(kind for kind in kinds if kind)
            legal = f"{', '.join(most)} or {last}" if most else last
            problems.append(f"{'.'.join(path)}={of_path[0]['input']!r}: should be {legal}")
        else:
            problems += [line for item in of_path for line in _lines(item, path, model)]
    return list(dict.fromkeys(problems))


def _path(item: Problem) -> list[str]:
    """The settings that lead to a mistake."""
    steps = [str(key) for key in item["loc"]]
    return [step for step in steps if "[" not in step and step not in _BRANCHES]


def _expected(item: Problem) -> str | None:
    """What a branch of a union takes; None for a mistake of another kind."""
    if item["type"] == "literal_error":
        return str(item["ctx"]["expected"])
    if item["type"] == "greater_than_equal":
        return f"at least {item['ctx']['ge']}"
    return _EXPECTED.get(item["type"])


def _lines(item: Problem, path: list[str], model: type[BaseModel]) -> Iterator[str]:
    """Describe a mistake."""
    cause = item.get("ctx", {}).get("error")
    field, value = ".".join(path), item["input"]
    message = item["msg"].removeprefix("Value error, ")
    if isinstance(cause, SettingError):
        for name, text in cause.problems:
            yield f"{'.'.join([*path[:-1], name])}: {text}"
    elif item["type"] == "extra_forbidden":
        names = legal_names(model, path)
        hint = nearest(path[-1], names) or f"; legal are {', '.join(names)}"
        yield f"{field}: there is no such setting{hint if names else ''}"
    elif item["type"] == "missing":
        yield f"{field}: is needed"
    elif item["type"] == "value_error":
        yield f"{field}: {message}" if field else message
    elif item["type"] == "string_pattern_mismatch":
        yield f"{field}={value!r}: {IN_WORDS[item['ctx']['pattern']]}"
    elif item["type"] == "path_type":
        yield f"{field}={value!r}: is no path"
    elif item["type"] == "string_type":
        yield f"{field}: {no_text(value) or message}"
    elif not field:
        yield "no settings; expected lines of the form 'name: value'"
    elif item["type"] in ("model_type", "dict_type", "model_attributes_type"):
        yield f"{field}={value!r}: should be {_EXPECTED[item['type']]}"
    else:
        yield f"{field}={value!r}: {message[0].lower()}{message[1:]}"


def describe_problems(heading: str, problems: Sequence[str]) -> InputError:
    """Put all mistakes of settings into one message.

    Args:
        heading: source of the settings, for example ``"study.yaml"``.
        problems: a line for each mistake.

    Returns:
        An error with one line per mistake.
    """
    if len(problems) > 1:
        heading = f"{heading} has {len(problems)} problems"
    return InputError.collect(heading, problems)
