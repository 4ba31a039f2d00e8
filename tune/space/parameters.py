"""The settings of a trial that a search or a confirmation may vary, and their legal values.

A parameter is a setting of `batch`, `training` or `encoder` under its dotted name, such as
``encoder.pooling``. The common ones have a short name as well, by which they are known everywhere:
``learning_rate`` is ``training.learning_rate``.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Final, get_args

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hybridir import names
from hybridir.config import BatchConfig, EncoderConfig, TrainingConfig, TrialConfig
from hybridir.config.base import nearest, refuse_words

Value = bool | int | float | str

_LETTERS = {names.MIXING_RATIO: "alpha", names.TEMPERATURE: "tau", names.BATCH_SIZE: "batch"}
_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "batch": BatchConfig,
    "training": TrainingConfig,
    "encoder": EncoderConfig,
}

# Short name -> dotted name.
SHORT: Final = {
    **{
        name: f"batch.{name}"
        for name in (
            *(names.MIXING_RATIO, names.BATCH_SIZE),
            *("kind", "coin", "language_sampling", "language_exponent"),
        )
    },
    **{
        name: f"training.{name}"
        for name in (
            *(names.TEMPERATURE, names.PAIRS),
            *("learning_rate", "weight_decay", "warmup", "symmetric"),
        )
    },
    "dropout": "encoder.dropout",
}
_LONG: Final = {dotted: short for short, dotted in SHORT.items()}

# Settings that a search cannot vary, by the beginning of their dotted name, with the reason.
_MEASURES = "changes what is measured, so that its trials could not be compared"
_REFUSED: Final = {
    "evaluation": _MEASURES,
    "dev_share": _MEASURES,
    "tune_on": _MEASURES,
    "report_on": _MEASURES,
    "train": "changes the development data as well, so that its trials could not be compared",
    "data_part": "is varied by confirm.data_parts",
    "seed": "is varied by search.seeds and confirm.seeds",
    "encoder.hub": "is another encoder, which is a study of its own; compare their reports",
    "encoder.path": "is another encoder, which is a study of its own; compare their reports",
    "training.checkpoint": "changes no figure",
    "training.chunk_tokens": "changes no figure",
    "training.betas": "has two values; a search varies single ones",
}
# Parameters by which a trial takes longer and more memory: the plan takes the largest values.
DEAR: Final = (
    *(names.PAIRS, "symmetric", "encoder.query_length", "encoder.passage_length"),
    *(
        f"encoder.from_scratch.{name}"
        for name in ("layers", "hidden_size", "intermediate_size", "vocabulary")
    ),
)
# Two settings of which one must divide the other: only listed values can be checked.
CHOICES_ALONE: Final = ("encoder.from_scratch.hidden_size", "encoder.from_scratch.heads")


def full_name(name: str) -> str:
    """The dotted name of a parameter.

    >>> full_name("temperature"), full_name("encoder.pooling")
    ('training.temperature', 'encoder.pooling')
    """
    return SHORT.get(name, name)


def known_name(name: str) -> str:
    """The name by which a parameter is known: the short one if it has one.

    >>> known_name("training.learning_rate"), known_name("encoder.pooling")
    ('learning_rate', 'encoder.pooling')
    """
    return _LONG.get(name, name)


def known_names(content: Mapping[str, Any]) -> dict[str, Any]:
    """Call parameters by the names by which they are known, and open the sections that hold some.

    Args:
        content: by name; a section such as ``encoder`` may hold parameters of its own.

    Raises:
        ValueError: if a parameter is named twice, by its short and its dotted name.

    >>> known_names({"encoder": {"pooling": 1}, "training.warmup": 2})
    {'encoder.pooling': 1, 'warmup': 2}
    """
    known: dict[str, Any] = {}
    for name, value in _opened(content).items():
        if known_name(name) in known:
            raise ValueError(f"{known_name(name)} is {full_name(name)}; name it once")
        known[known_name(name)] = value
    return known


def check_name(name: str) -> None:
    """Refuse a parameter that cannot be varied.

    Args:
        name: the name by which it is known.

    Raises:
        ValueError: with the reason, or with the legal names.
    """
    dotted = full_name(name)
    if reason := _refusal(dotted):
        raise ValueError(f"{name}: {reason}; leave it out")
    if dotted not in _fields():
        near = nearest(name, (*searchable(), *SHORT.values()))
        hint = near or f"; legal are {', '.join(searchable())}"
        raise ValueError(f"{name}: no such parameter{hint}")


def check_names(parameters: Iterable[str]) -> None:
    """Refuse parameters that cannot be varied, all in one message.

    Raises:
        ValueError: with the reason of each.
    """
    problems = []
    for name in parameters:
        try:
            check_name(name)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))


def searchable() -> tuple[str, ...]:
    """The names of all parameters: the short ones first."""
    return (*SHORT, *(name for name in _fields() if name not in _LONG))


def check_value(name: str, value: Value) -> Value:
    """Refuse an illegal value of a parameter.

    Returns:
        The value in the parameter's own type: a temperature of 1 is 1.0.

    Raises:
        ValueError: with the legal values.
    """
    field = _fields()[full_name(name)]
    refuse_words(value, field.annotation)
    try:
        legal: Any = Annotated[field.annotation, Field(), *field.metadata]
        checked: Value = TypeAdapter(legal).validate_python(value)
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"{name}={value}: {message[0].lower()}{message[1:]}") from None
    return checked


def check_values(name: str, values: Iterable[Value]) -> tuple[Value, ...]:
    """Refuse illegal values of a parameter, all in one message.

    Returns:
        The values in the parameter's own type.

    Raises:
        ValueError: with what is illegal about each.
    """
    checked, problems = [], []
    for value in values:
        try:
            checked.append(check_value(name, value))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(checked)


def with_values(config: Mapping[str, Any], parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Set parameters in the settings of a trial.

    Args:
        config: sections of settings, as plain mappings.
        parameters: values by name.

    Raises:
        ValueError: if a parameter belongs to a section that the settings lack.
    """
    changed = dict(config)
    for name, value in parameters.items():
        *sections, last = full_name(name).split(".")
        inner = changed
        for depth, section in enumerate(sections):
            if inner.get(section) is None:
                missing = ".".join(sections[: depth + 1])
                raise ValueError(
                    f"{name}: the study has no {missing}; set it, or leave {name} out"
                )
            inner[section] = dict(inner[section])
            inner = inner[section]
        inner[last] = value
    return changed


def condition_levels(condition: str) -> dict[str, str]:
    """The values in the name of a confirmed trial, by parameter, as `names.level_text` has them.

    >>> condition_levels("temperature0.02-pairs2048")
    {'temperature': '0.02', 'pairs': '2048'}
    """
    return {
        name: level.removeprefix(name)
        for level in condition.split("-")
        for name in SHORT
        if level.startswith(name)
    }


def same_ratio(a: float, b: float) -> bool:
    """Whether two mixing ratios are equal but for rounding, as .3 and the third of ten steps."""
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def settings_of(config: TrialConfig, others: Collection[str] = ()) -> dict[str, Value]:
    """A trial's values of all parameters with a short name, varied or not, and of others.

    Args:
        config: settings of the trial.
        others: names of more parameters; one that has no value is left out.
    """
    values = {}
    for name in dict.fromkeys((*SHORT, *others)):
        value: Any = config
        for key in full_name(name).split("."):
            value = getattr(value, key, None)
        if value is not None:
            values[name] = value
    return values


def describe(parameters: Mapping[str, Value]) -> str:
    """Parameters on one line: ``alpha=0.5 tau=0.05 batch=64 pooling=cls``."""
    return " ".join(
        f"{_LETTERS.get(name, name.rpartition('.')[2])}="
        f"{format(value, '.3g') if isinstance(value, float) else value}"
        for name, value in parameters.items()
    )


def _opened(content: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """The parameters in nested sections, by their dotted names."""
    opened: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{before}{key}"
        is_section = name in (*_SECTIONS, "data", "evaluation") or any(
            field.startswith(f"{name}.") for field in _fields()
        )
        if is_section and isinstance(value, Mapping):
            opened |= _opened(value, f"{name}.")
        else:
            opened[name] = value
    return opened


@cache
def _fields() -> dict[str, FieldInfo]:
    """Every single setting of the three sections, by its dotted name."""
    fields: dict[str, FieldInfo] = {}

    def add(model: type[BaseModel], before: str) -> None:
        for name, field in model.model_fields.items():
            kinds = (field.annotation, *get_args(field.annotation))
            models = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
            if models:
                add(models[0], f"{before}.{name}")
            elif not _refusal(f"{before}.{name}"):
                fields[f"{before}.{name}"] = field

    for section, model in _SECTIONS.items():
        add(model, section)
    return fields


def _refusal(dotted: str) -> str:
    """Why a setting cannot be varied; empty if it can."""
    dotted = dotted.removeprefix("data.")  # they stand at the top of a study's file
    return next(
        (
            reason
            for beginning, reason in _REFUSED.items()
            if dotted == beginning or dotted.startswith((f"{beginning}.", f"{beginning}_"))
        ),
        "",
    )
