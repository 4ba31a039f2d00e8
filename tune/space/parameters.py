"""The settings of a trial that a search or a confirmation may vary, and their legal values."""

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from hybridir import names
from hybridir.config import BatchConfig, EncoderConfig, StrictModel, TrainingConfig, TrialConfig
from hybridir.config.base import refuse_words

Value = bool | int | float | str

_SHORT = {names.MIXING_RATIO: "alpha", names.TEMPERATURE: "tau", names.BATCH_SIZE: "batch"}

# Searched parameter -> its section in a trial's configuration.
PARAMETERS: dict[str, tuple[str, type[StrictModel]]] = {
    names.MIXING_RATIO: ("batch", BatchConfig),
    names.BATCH_SIZE: ("batch", BatchConfig),
    names.TEMPERATURE: ("training", TrainingConfig),
    "learning_rate": ("training", TrainingConfig),
    "weight_decay": ("training", TrainingConfig),
    "warmup": ("training", TrainingConfig),
    "symmetric": ("training", TrainingConfig),
    "dropout": ("encoder", EncoderConfig),
    "kind": ("batch", BatchConfig),
    "coin": ("batch", BatchConfig),
    "language_sampling": ("batch", BatchConfig),
    "language_exponent": ("batch", BatchConfig),
}

# Parameter that a confirmation may vary -> its section. A search compares trials at one budget.
CONFIRMED: dict[str, tuple[str, type[StrictModel]]] = {
    **PARAMETERS,
    names.PAIRS: ("training", TrainingConfig),
}


def check_name(name: str, legal: Iterable[str] = PARAMETERS) -> None:
    """Refuse an unknown parameter.

    Args:
        name: name of the parameter.
        legal: `PARAMETERS`, or `CONFIRMED`.

    Raises:
        ValueError: with the legal names.
    """
    if name not in legal:
        raise ValueError(f"{name}: no such parameter; legal are {', '.join(legal)}")


def check_value(name: str, value: Value) -> Value:
    """Refuse an illegal value of a parameter.

    Returns:
        The value in the parameter's own type: a temperature of 1 is 1.0.

    Raises:
        ValueError: with the legal values.
    """
    field = CONFIRMED[name][1].model_fields[name]
    refuse_words(value, field.annotation)
    try:
        legal: Any = Annotated[field.annotation, Field(), *field.metadata]
        checked: Value = TypeAdapter(legal).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}={value}: {error.errors()[0]['msg'].lower()}") from None
    return checked


def condition_levels(condition: str) -> dict[str, str]:
    """The values in the name of a confirmed trial, by parameter, as `names.level_text` has them.

    >>> condition_levels("temperature0.02-pairs2048")
    {'temperature': '0.02', 'pairs': '2048'}
    """
    return {
        name: level.removeprefix(name)
        for level in condition.split("-")
        for name in CONFIRMED
        if level.startswith(name)
    }


def same_ratio(a: float, b: float) -> bool:
    """Whether two mixing ratios are equal but for rounding, as .3 and the third of ten steps."""
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def settings_of(config: TrialConfig) -> dict[str, Value]:
    """A trial's values of all `CONFIRMED` parameters, varied or not."""
    return {
        name: getattr(getattr(config, section), name) for name, (section, _) in CONFIRMED.items()
    }


def describe(parameters: Mapping[str, Value]) -> str:
    """Parameters on one line: ``alpha=0.5 tau=0.05 batch=64``."""
    return " ".join(
        f"{_SHORT.get(name, name)}={value:.3g}"
        if isinstance(value, float)
        else f"{_SHORT.get(name, name)}={value}"
        for name, value in parameters.items()
    )
