"""Which settings of a trial a search may vary, and what values they can have."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from hybridir import names
from hybridir.config import BatchConfig, EncoderConfig, TrainingConfig, TrialConfig
from hybridir.config.trial import Model

Value = bool | int | float | str

_SHORT = {names.MIXING_RATIO: "alpha", names.TEMPERATURE: "tau", names.BATCH_SIZE: "batch"}

# Where a searched parameter lives in a trial's configuration.
PARAMETERS: dict[str, tuple[str, type[Model]]] = {
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
    """Refuse a parameter that there is not.

    Raises:
        ValueError: with the legal ones.
    """
    if name not in PARAMETERS:
        raise ValueError(f"{name}: there is no such parameter; legal are {', '.join(PARAMETERS)}")


def check_value(name: str, value: Value) -> None:
    """Refuse a value that a parameter cannot have.

    Raises:
        ValueError: with what is legal.
    """
    field = PARAMETERS[name][1].model_fields[name]
    try:
        legal: Any = Annotated[field.annotation, Field(), *field.metadata]
        TypeAdapter(legal).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}={value}: {error.errors()[0]['msg'].lower()}") from None


def settings_of(config: TrialConfig) -> dict[str, Value]:
    """All parameters of a trial that can be searched, whether they were or not."""
    return {name: getattr(getattr(config, where), name) for name, (where, _) in PARAMETERS.items()}


def describe(parameters: Mapping[str, Value]) -> str:
    """Parameters on a line: ``alpha=0.50 tau=0.05 batch=64``."""
    return " ".join(
        f"{_SHORT.get(name, name)}={value:.3g}"
        if isinstance(value, float)
        else f"{_SHORT.get(name, name)}={value}"
        for name, value in parameters.items()
    )
