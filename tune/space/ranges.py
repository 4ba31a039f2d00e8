"""What a search may vary: ranges, and the conditions under which a parameter exists at all."""

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Self

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial
from pydantic import Field, field_validator, model_validator

from hybridir.config.trial import Model
from tune.space.parameters import Value, check_name, check_value

_KINDS = ("uniform", "loguniform", "integer", "choice")


class Range(Model):
    """The values that one parameter may take: exactly one of the first four fields."""

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    integer: tuple[int, int] | None = None
    choice: tuple[Value, ...] | None = None
    points: Annotated[int, Field(ge=2)] | None = None
    """Number of values on a grid, ends included, evenly spaced (``loguniform``: in the logarithm).
    Other samplers take the whole range."""
    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    """The parameter exists only where each of these others has the value, or one of the values,
    named here: ``when: {kind: hybrid}``. Elsewhere the study's own setting holds."""

    @field_validator("when", mode="before")
    @classmethod
    def _values_alone(cls, value: object) -> object:
        """Let ``{kind: hybrid}`` stand for ``{kind: [hybrid]}``."""
        if isinstance(value, dict):
            return {k: v if isinstance(v, (list, tuple)) else (v,) for k, v in value.items()}
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of uniform, loguniform, integer, choice")
        (kind,) = given
        values = self.extremes
        if not values:
            raise ValueError("choice: name at least one value")
        if kind == "choice":
            if len(set(map(repr, values))) < len(values):
                raise ValueError(f"choice: a value is named twice in {list(values)}")
            if self.points:
                raise ValueError("points: a choice names its values itself")
            return self
        low, high = getattr(self, kind)
        if not low < high:
            raise ValueError(f"{kind}: the first value must lie below the second, not {values}")
        if kind == "loguniform" and low <= 0:
            raise ValueError(f"loguniform: values must be positive, not {values}")
        if kind == "integer" and self.points and self.points > high - low + 1:
            raise ValueError(f"points={self.points}: integer {values} has {high - low + 1} values")
        return self

    @property
    def extremes(self) -> tuple[Value, ...]:
        """The values whose legality implies that of all."""
        given: tuple[Value, ...] = next(
            values for kind in _KINDS if (values := getattr(self, kind)) is not None
        )
        return given

    @property
    def distribution(self) -> BaseDistribution:
        """The same in Optuna's words."""
        if self.uniform:
            return FloatDistribution(*self.uniform)
        if self.loguniform:
            return FloatDistribution(*self.loguniform, log=True)
        if self.integer:
            return IntDistribution(*self.integer)
        assert self.choice is not None, "exactly one kind is given"
        return CategoricalDistribution(self.choice)

    @property
    def grid(self) -> tuple[Value, ...] | None:
        """The values on a grid, or None where their number is not known."""
        if self.choice:
            return self.choice
        if self.points is None:
            return None
        if self.integer:
            return tuple(int(value) for value in np.linspace(*self.integer, self.points).round())
        if self.loguniform:
            return tuple(np.geomspace(*self.loguniform, self.points).tolist())
        assert self.uniform is not None, "exactly one kind is given"
        return tuple(np.linspace(*self.uniform, self.points).tolist())

    def holds(self, others: Mapping[str, Value]) -> bool:
        """Whether the parameter exists beside these values of the others."""
        return all(
            name in others and any(_same(others[name], value) for value in values)
            for name, values in self.when.items()
        )


Space = dict[str, Range]


def check_space(space: Space) -> None:
    """Refuse what can never be proposed.

    Raises:
        ValueError: if a parameter or a value is illegal, or a condition is circular or can never
            be met.
    """
    for name, values in space.items():
        check_name(name)
        for item in values.extremes:
            check_value(name, item)
        for other, wanted in values.when.items():
            if other not in space:
                raise ValueError(f"{name}.when: {other} is not searched, so that it never varies")
            for value in wanted:
                _check_can_be(f"{name}.when: {other}={value}", space[other], value)
    try:
        in_order(space)
    except CycleError as error:
        raise ValueError(f"when: conditions in a circle: {' -> '.join(error.args[1])}") from None
    unmet = space.keys() - {name for point in _assignments(_outlines(space)) for name in point}
    if unmet:
        raise ValueError(f"{', '.join(sorted(unmet))}.when: these conditions never hold together")


def in_order(space: Space) -> list[str]:
    """Parameters, each after those that its condition names, else as they stand in the file."""
    return list(TopologicalSorter({name: space[name].when for name in space}).static_order())


def propose(trial: Trial, space: Space) -> dict[str, Value]:
    """Let Optuna propose the parameters that exist, one after the other."""
    found: dict[str, Value] = {}
    for name in in_order(space):
        values = space[name]
        if not values.holds(found):
            continue
        if values.choice:
            found[name] = _not_none(trial.suggest_categorical(name, values.choice))
        elif values.integer:
            found[name] = trial.suggest_int(name, *values.integer)
        elif values.loguniform:
            found[name] = trial.suggest_float(name, *values.loguniform, log=True)
        else:
            assert values.uniform is not None, "exactly one kind is given"
            found[name] = trial.suggest_float(name, *values.uniform)
    return found


def existing(values: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """Of a trial's settings, the searched parameters that exist beside the others.

    Args:
        values: of all parameters of the space, or more.
        space: what is searched.
    """
    found: dict[str, Value] = {}
    for name in in_order(space):
        if name in values and space[name].holds(found):
            found[name] = values[name]
    return found


def contains(space: Space, parameters: Mapping[str, Value]) -> bool:
    """Whether a search of the space could have proposed exactly these parameters."""
    return inside(space, parameters) == dict(parameters) and all(
        name in parameters for name in space if space[name].holds(parameters)
    )


def inside(space: Space, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Of some parameters, those that the space has and could have proposed."""
    return {
        name: value
        for name, value in existing(parameters, space).items()
        if _in_range(space[name], value)
    }


def digest(space: Space) -> str:
    """A number for the space, the same for the same ranges and conditions in the same order."""
    content = [(name, space[name].model_dump(mode="json")) for name in space]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def grid_points(space: Space) -> list[dict[str, Value]]:
    """Every point of the grid once; a parameter that does not exist multiplies nothing.

    Raises:
        ValueError: if the number of values of a parameter is not known.
    """
    open_ended = [name for name in space if space[name].grid is None]
    if open_ended:
        raise ValueError(
            f"a grid needs the number of values of {', '.join(open_ended)}: give points beside "
            "the range, such as {uniform: [0, 1], points: 5}, or a choice"
        )
    return list(
        _assignments({name: (space[name], space[name].grid or ()) for name in in_order(space)})
    )


def corners(space: Space, of: Sequence[str]) -> Iterator[dict[str, Value]]:
    """Every combination of the extremes of some parameters, and of those that they depend on."""
    order, kept = in_order(space), set(of)
    for name in reversed(order):
        if name in kept:
            kept |= space[name].when.keys()
    return _assignments({n: (space[n], space[n].extremes) for n in order if n in kept})


def _assignments(
    values: Mapping[str, tuple[Range, Sequence[Value]]],
) -> Iterator[dict[str, Value]]:
    """Every combination of values in which each parameter's condition holds, in file order."""
    partial: list[dict[str, Value]] = [{}]
    for name, (given, choices) in values.items():
        partial = list(
            itertools.chain.from_iterable(
                [{**point, name: value} for value in choices] if given.holds(point) else [point]
                for point in partial
            )
        )
    yield from partial


def _outlines(space: Space) -> dict[str, tuple[Range, Sequence[Value]]]:
    """The values that conditions tell apart: those that they name, and one for all others."""
    found: dict[str, tuple[Range, Sequence[Value]]] = {}
    for name in in_order(space):
        wanted = [v for other in space.values() for v in other.when.get(name, ())]
        others = [v for v in space[name].extremes if not any(_same(v, w) for w in wanted)]
        distinct = {repr(value): value for value in wanted}
        found[name] = (space[name], [*distinct.values(), *others[:1]])
    return found


def _check_can_be(what: str, given: Range, value: Value) -> None:
    if given.uniform or given.loguniform:
        raise ValueError(f"{what}: a range hits no value exactly; use a choice or an integer")
    if not _in_range(given, value):
        raise ValueError(f"{what}: can never be; its values are {list(given.extremes)}")


def _in_range(given: Range, value: Value) -> bool:
    if given.choice:
        return any(_same(value, choice) for choice in given.choice)
    if isinstance(value, (str, bool)) or (given.integer and not isinstance(value, int)):
        return False
    low, high = given.extremes
    assert not isinstance(low, str) and not isinstance(high, str), "ranges are numbers"
    return low <= value <= high


def _not_none(value: Value | None) -> Value:
    assert value is not None, "no choice is None"
    return value


def _same(a: Value, b: Value) -> bool:
    """Equality, but `True` is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)
