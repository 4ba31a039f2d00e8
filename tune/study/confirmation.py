"""The confirmation: a design of mixing ratios and other parameters, and its repeats."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from hybridir import names
from hybridir.config import DataPart, StrictModel
from hybridir.config.base import UNIT, unit
from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import (
    SHORT,
    Value,
    check_name,
    check_value,
    check_values,
    known_names,
    same_ratio,
)
from tune.space.ranges import Space
from tune.space.settings import SearchConfig

SEEDS: Final = 5  # default number of training seeds
TRIAL_SEEDS: Final = 2**31
BEST: Final = "best"
BEST_PER_RATIO: Final = "best_per_ratio"
_RATIO: Final = names.MIXING_RATIO


class Repeat(NamedTuple):
    """Seed and training data of one repeated measurement.

    Attributes:
        number: number of the repeat, from 0, which is in the names of its trials.
        seed: seed of the trial; no two repeats share one.
        data_part: part of the training data; None trains on all data.
    """

    number: int
    seed: int
    data_part: DataPart | None


def repeats(
    seed: int, seeds: int, data_parts: int | None, first_seed: int = 0
) -> tuple[Repeat, ...]:
    """List the repeats, part of the data by part.

    Args:
        seed: seed of the study.
        seeds: number of training seeds, or of training seeds per part.
        data_parts: number of parts that the training data are divided into; None for all data.
        first_seed: number of the first training seed, 0 with parts of the data.
    """
    listed = []
    for number in range(first_seed, first_seed + seeds * (data_parts or 1)):
        data_part = DataPart(number=number // seeds, of=data_parts) if data_parts else None
        trial_seed = derive_seed(seed, f"confirm/{number}") % TRIAL_SEEDS
        listed.append(Repeat(number, trial_seed, data_part))
    return tuple(listed)


def _listed(value: object) -> object:
    """Read a value alone as a list of one."""
    return (value,) if isinstance(value, (bool, int, float, str)) else value


Levels = Annotated[
    tuple[Value, ...] | None,
    BeforeValidator(_listed, json_schema_input_type=tuple[Value, ...] | Value | None),
    Field(
        description="Values of this setting, crossed with all others; null leaves it to `at`.",
        json_schema_extra={UNIT: "that of the setting"},
    ),
]


def _named(point: object) -> object:
    """Give the settings of a point their names, and refuse several values of one."""
    if not isinstance(point, dict):
        return point
    named = known_names(point)
    for name, value in named.items():
        if isinstance(value, (list, tuple, dict)):
            raise ValueError(
                f"{name} has one value here, not {value}; several are listed as confirm.{name}, "
                "which crosses them with the ratios"
            )
    return named


At: TypeAlias = str | dict[str, Value] | tuple[dict[str, Value], ...]


class ConfirmConfig(StrictModel):
    """A crossed design: every mixing ratio with every value of every parameter listed beside it.

    Each of these conditions is trained with the same seeds, and evaluated on what is reported. So
    the curve over the ratio is known at each value of the others, and so is how much they change
    it. Several values of `pairs` give the curve at several budgets, the study's
    `training.pairs` not among them unless it is listed.
    """

    mixing_ratio: Annotated[
        tuple[float, ...],
        BeforeValidator(_listed, json_schema_input_type=tuple[float, ...] | float),
        unit("probability"),
    ]
    """The mixing ratios of the curve."""
    temperature: Levels = None
    batch_size: Levels = None
    pairs: Levels = None
    learning_rate: Levels = None
    weight_decay: Levels = None
    warmup: Levels = None
    symmetric: Levels = None
    dropout: Levels = None
    kind: Levels = None
    coin: Levels = None
    language_sampling: Levels = None
    language_exponent: Levels = None
    at: Annotated[
        Literal["best", "best_per_ratio"] | dict[str, Value] | tuple[dict[str, Value], ...],
        unit("that of the setting"),
    ] = BEST
    """The parameters that are not listed above. ``best`` takes those of the best search trial;
    ``best_per_ratio`` gives each ratio the values that development data prefer for it, by the mean
    over `SearchConfig.seeds`. A mapping fixes them for all ratios; a list has a mapping for each
    ratio, with its `mixing_ratio`. What remains has the study's own value."""
    seeds: Annotated[int, Field(ge=1), unit("seeds")] = SEEDS
    """Training seeds of each condition; with `data_parts`, of each condition and part."""
    first_seed: Annotated[int, Field(ge=0), unit("seeds")] = 0
    """Number of the first training seed, from 0. A later run with ``first_seed: 3`` adds seeds to
    an earlier one of three; ``analysis/report.py NAME@run-001,run-002`` reports both runs as one
    study."""
    data_parts: Annotated[int, Field(ge=2), unit("parts")] | None = None
    """Number of parts that the training data are divided into, which share no passage group
    (`hybridir.data.splits.select_data_part`). Every condition is trained on each part, so that the
    report generalises to other data, and splits the variance into that of the data and that of
    training. Null trains on all data."""

    @model_validator(mode="before")
    @classmethod
    def _short_names(cls, content: Any) -> Any:
        return known_names(content) if isinstance(content, dict) else content

    @field_validator(*SHORT)
    @classmethod
    def _legal_levels(
        cls, value: tuple[Value, ...] | None, info: ValidationInfo
    ) -> tuple[Value, ...] | None:
        if value is None:
            return None
        name = info.field_name or ""
        levels = check_values(name, value)
        if not levels:
            raise ValueError("name at least one value, or leave the parameter out")
        # As in the names of trials, so that no two conditions share a folder.
        texts = {f"{item:g}" if name == _RATIO else names.level_text(item) for item in levels}
        if len(texts) < len(levels):
            raise ValueError(f"a value is named twice in {list(levels)}")
        return levels

    @field_validator("at", mode="before")
    @classmethod
    def _known_names(cls, value: object) -> object:
        if isinstance(value, (list, tuple)):
            return tuple(map(_named, value))
        return _named(value)

    @field_validator("at")
    @classmethod
    def _legal_point(cls, value: At, info: ValidationInfo) -> At:
        if isinstance(value, str):
            return value
        for name in {name for point in _points(value) for name in point}:
            check_name(name)
            own_ratio = name == _RATIO and isinstance(value, tuple)
            if info.data.get(name) is not None and not own_ratio:
                raise ValueError(f"{name} is listed in confirm, too; name it once")
        points = [_checked(point) for point in _points(value)]
        if isinstance(value, dict):
            return points[0]
        _check_ratios(points, info.data.get(_RATIO))
        return tuple(points)

    @property
    def points(self) -> list[dict[str, Value]]:
        """What `at` fixes, without the ratio: a point for all ratios, one each, or none."""
        listed = [] if isinstance(self.at, str) else _points(self.at)
        return [{name: item for name, item in p.items() if name != _RATIO} for p in listed]

    def point(self, ratio: float) -> dict[str, Value] | None:
        """What `at` fixes for a ratio of the design; None if the search tells it."""
        if not isinstance(self.at, tuple):
            return self.points[0] if self.points else None
        own = next(p for p in self.at if same_ratio(float(p[_RATIO]), ratio))
        return {name: item for name, item in own.items() if name != _RATIO}

    @property
    def per_ratio(self) -> bool:
        """Whether each ratio has parameters of its own."""
        return self.at == BEST_PER_RATIO or isinstance(self.at, tuple)

    @property
    def levels(self) -> dict[str, tuple[Value, ...]]:
        """The values of each parameter that is listed beside the mixing ratio."""
        listed = {name: getattr(self, name) for name in SHORT if name != _RATIO}
        return {name: values for name, values in listed.items() if values is not None}

    @property
    def varied(self) -> tuple[str, ...]:
        """The parameters beside the mixing ratio that have several values."""
        return tuple(name for name, values in self.levels.items() if len(values) > 1)

    @property
    def first(self) -> dict[str, Value]:
        """The first value of each parameter that is listed beside the mixing ratio."""
        return {name: values[0] for name, values in self.levels.items()}

    @property
    def design(self) -> list[dict[str, Value]]:
        """All conditions: values of the listed parameters and, varying fastest, of the ratio."""
        axes = {**self.levels, _RATIO: self.mixing_ratio}
        return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]

    def trial_name(self, condition: Mapping[str, Value], repeat: int) -> str:
        """Name of the trial of a condition of `design`.

        Args:
            condition: values of the listed parameters.
            repeat: number of the repeated measurement, from 0.
        """
        varied = {name: condition[name] for name in self.varied}
        return names.confirmed_trial(float(condition[_RATIO]), varied, repeat)

    def values_of(
        self, name: str, own: Value, searched: Sequence[Value] | None
    ) -> tuple[Value, ...]:
        """The values that a parameter may have in the confirmation.

        Args:
            name: name of the parameter.
            own: the study's own value.
            searched: values that the search may choose; None if it is not searched.
        """
        if name in self.levels:
            return self.levels[name]
        if self.points:
            return tuple(dict.fromkeys(point.get(name, own) for point in self.points))
        return (own,) if searched is None else tuple(searched)

    def check_search(self, search: SearchConfig | None, space: Space) -> None:
        """Refuse a confirmation at the best parameters of a search that cannot tell them.

        Args:
            search: the study's search; None if it has none.
            space: the study's space.

        Raises:
            ValueError: with every reason, and the remedy.
        """
        if search is None and self.at == BEST and not self.levels:
            raise ValueError(
                "at: best needs a search; without one list the parameters, "
                "such as at: {temperature: 0.05, batch_size: 32}"
            )
        if self.at == BEST_PER_RATIO and (problems := self._unknown_ratios(search, space)):
            raise ValueError(f"at: best_per_ratio needs {'; '.join(problems)}")

    def _unknown_ratios(self, search: SearchConfig | None, space: Space) -> list[str]:
        """Why a search does not tell the best parameters of each ratio."""
        if search is None:
            return [
                "a search: search: {sampler: grid, seeds: 2}, and a space with "
                f"mixing_ratio: {{choice: {list(self.mixing_ratio)}}}"
            ]
        problems = []
        if search.sampler != "grid":
            problems.append(
                f"search.sampler: grid, not {search.sampler}, which tries some ratios more than "
                "others"
            )
        if search.seeds < 2:
            problems.append(
                "search.seeds: 2 or more, since the best of several values by one seed each is "
                "the best by luck as well"
            )
        searched = space[_RATIO].grid if _RATIO in space else ()
        if searched is None:
            return problems  # the grid itself is refused
        lacking = [ratio for ratio in self.mixing_ratio if not _is_in(ratio, searched)]
        if lacking:
            problems.append(
                f"the mixing ratios {_shown(lacking)} in the search; "
                f"set space.mixing_ratio to {{choice: {list(self.mixing_ratio)}}}, or confirm "
                "ratios of the search alone"
            )
        return problems


def _points(at: dict[str, Value] | tuple[dict[str, Value], ...]) -> list[dict[str, Value]]:
    return [at] if isinstance(at, dict) else list(at)


def _checked(point: dict[str, Value]) -> dict[str, Value]:
    """Check the values of a point; a message names the mixing ratio of one in a list."""
    try:
        return {name: check_value(name, item) for name, item in point.items()}
    except ValueError as error:
        where = f"{_RATIO} {point[_RATIO]}: " if _RATIO in point else ""
        raise ValueError(f"{where}{error}") from None


def _check_ratios(points: Sequence[dict[str, Value]], ratios: Sequence[float] | None) -> None:
    """Refuse a list of points that is not one for each ratio.

    Args:
        points: the points, with their ratios.
        ratios: the ratios of the design; None if they are refused already.
    """
    if any(_RATIO not in point for point in points):
        raise ValueError(
            "each point of a list belongs to a ratio; begin it with mixing_ratio, such as "
            "at: [{mixing_ratio: 0.5, temperature: 0.05}]"
        )
    named = [float(point[_RATIO]) for point in points]
    if any(_is_in(ratio, named[:index]) for index, ratio in enumerate(named)):
        raise ValueError(f"a mixing ratio is named twice in {named}")
    if ratios is None:
        return
    if lacking := [ratio for ratio in ratios if not _is_in(ratio, named)]:
        raise ValueError(f"has no point for mixing ratio {_shown(lacking)}; add one for each")
    if beside := [ratio for ratio in named if not _is_in(ratio, ratios)]:
        raise ValueError(
            f"has a point for mixing ratio {_shown(beside)}, which confirm does not train; add it "
            "to confirm.mixing_ratio, or leave the point out"
        )


def _shown(ratios: Sequence[float]) -> str:
    return ", ".join(f"{ratio:g}" for ratio in ratios)


def _is_in(ratio: float, values: Sequence[Value]) -> bool:
    return any(isinstance(v, (int, float)) and same_ratio(ratio, v) for v in values)
