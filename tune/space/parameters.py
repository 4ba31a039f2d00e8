"""The settings of a trial that a search may vary, and their legal values."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from hybridir import names
from hybridir.config import BatchConfig, EncoderConfig, StrictModel, TrainingConfig, TrialConfig

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


def check_name(name: str) -> None:
    """Refuse an unknown parameter.

    Raises:
        ValueError: with the legal names.
    """
    if name not in PARAMETERS:
        raise ValueError(f"{name}: no such parameter; legal are {', '.join(PARAMETERS)}")


def check_value(name: str, value: Value) -> None:
    """Refuse an illegal value of a parameter.

    Raises:
        ValueError: with the legal values.
    """
    field = PARAMETERS[name][1].model_fields[name]
    try:
        legal: Any = Annotated[field.annotation, Field(), *field.metadata]
        TypeAdapter(legal).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}={value}: {error.errors()[0]['msg'].lower()}") from None


def settings_of(config: TrialConfig) -> dict[str, Value]:
    """A trial's values of all `PARAMETERS`, searched or not."""
    return {
        name: getattr(getattr(config, section), name) for name, (section, _) in PARAMETERS.items()
    }


def describe(parameters: Mapping[str, Value]) -> str:
    """Parameters on one line: ``alpha=0.5 tau=0.05 batch=64``."""
    return " ".join(
        f"{_SHORT.get(name, name)}={value:.3g}"
        if isinstance(value, float)
        else f"{_SHORT.get(name, name)}={value}"
        for name, value in parameters.items()
    )
