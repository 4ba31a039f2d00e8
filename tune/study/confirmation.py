"""The confirmation: its mixing ratios, and the repeats that give its figures an interval."""

from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, field_validator

from hybridir import names
from hybridir.config import DataPart, StrictModel
from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import Value, check_name, check_value

SEEDS: Final = 5  # default number of training seeds
TRIAL_SEEDS: Final = 2**31


class Repeat(NamedTuple):
    """Seed and training data of one repeated measurement.

    Attributes:
        seed: seed of the trial; no two repeats share one.
        data_part: part of the training data; None trains on all data.
    """

    seed: int
    data_part: DataPart | None


def repeats(seed: int, seeds: int, data_parts: int | None) -> tuple[Repeat, ...]:
    """List the repeats, part of the data by part.

    Args:
        seed: seed of the study.
        seeds: number of training seeds, or of training seeds per part.
        data_parts: number of parts that the training data are divided into; None for all data.
    """
    listed = []
    for index in range(seeds * (data_parts or 1)):
        data_part = DataPart(number=index // seeds, of=data_parts) if data_parts else None
        listed.append(Repeat(derive_seed(seed, f"confirm/{index}") % TRIAL_SEEDS, data_part))
    return tuple(listed)


class ConfirmConfig(StrictModel):
    """The curve over the mixing ratio at fixed other parameters, with several seeds per ratio."""

    mixing_ratio: Annotated[tuple[float, ...], Field(min_length=1)]
    at: Literal["best"] | dict[str, Value] = "best"
    """The other parameters: values listed here, or those of the best search trial."""
    seeds: Annotated[int, Field(ge=1)] = SEEDS
    """Training seeds of each ratio; with `data_parts`, of each ratio and part."""
    data_parts: Annotated[int, Field(ge=2)] | None = None
    """Number of parts that the training data are divided into, which share no passage group
    (`hybridir.data.splits.select_data_part`). Every ratio is trained on each part, so that the
    report generalises to other data, and splits the variance into that of the data and that of
    training. Null trains on all data."""

    @field_validator("mixing_ratio")
    @classmethod
    def _legal_ratios(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for ratio in value:
            check_value(names.MIXING_RATIO, ratio)
        if len(set(value)) < len(value):
            raise ValueError("a mixing ratio is named twice")
        return value

    @field_validator("at")
    @classmethod
    def _legal_point(cls, value: str | dict[str, Value]) -> str | dict[str, Value]:
        if isinstance(value, dict):
            for name, item in value.items():
                check_name(name)
                check_value(name, item)
        return value
