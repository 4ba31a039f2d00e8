"""The confirmation: which ratios are measured, and how often, so that figures have an interval."""

from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, field_validator

from hybridir import names
from hybridir.config import DataPart
from hybridir.config.trial import Model
from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import Value, check_name, check_value

SEEDS: Final = 5  # of what is measured repeatedly, unless the study says otherwise
TRIAL_SEEDS: Final = 2**31


class Repeat(NamedTuple):
    """What is different when the same is measured once more.

    Attributes:
        seed: of the trial; no two repeats share one.
        data_part: what is learnt from; None learns from all data.
    """

    seed: int
    data_part: DataPart | None


def repeats(seed: int, seeds: int, data_parts: int | None) -> tuple[Repeat, ...]:
    """List the repeats, part of the data by part.

    Args:
        seed: the study's.
        seeds: number of training seeds, for each part where there are parts.
        data_parts: number of parts that the data are dealt into; None for all data.
    """
    found = []
    for index in range(seeds * (data_parts or 1)):
        part = DataPart(number=index // seeds, of=data_parts) if data_parts else None
        found.append(Repeat(derive_seed(seed, f"confirm/{index}") % TRIAL_SEEDS, part))
    return tuple(found)


class ConfirmConfig(Model):
    """The curve over the mixing ratio, at fixed other parameters, with several seeds each."""

    mixing_ratio: Annotated[tuple[float, ...], Field(min_length=1)]
    at: Literal["best"] | dict[str, Value] = "best"
    """The other parameters: those of the best search trial, or given here."""
    seeds: Annotated[int, Field(ge=1)] = SEEDS
    """Training seeds of each ratio; of each ratio and part, where there are `data_parts`."""
    data_parts: Annotated[int, Field(ge=2)] | None = None
    """Number of parts that the training data are dealt into, without a passage group in common
    (`hybridir.data.pairs.part_of_groups`). Every ratio is trained on each part, so that the report
    speaks of other data as well, and splits the variance into that of the data and that of
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
