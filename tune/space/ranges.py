"""The search space: ranges, and the conditions under which a parameter exists."""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, field_validator, model_validator

from hybridir.config import StrictModel
from hybridir.config.base import unit
from tune.space.parameters import (
    CHOICES_ALONE,
    Value,
    check_name,
    check_value,
    check_values,
    known_names,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

_OWN = unit("that of the setting")
_ROUNDING = 1e-12
_KINDS = ("uniform", "loguniform", "integer", "choice")


class Range(StrictModel):
    """The values that one parameter may take: exactly one of the first four fields."""

    uniform: Annotated[tuple[float, float] | None, _OWN] = None
    """Lowest and highest value; all between are equally likely."""
    loguniform: Annotated[tuple[float, float] | None, _OWN] = None
    """Lowest and highest value; all are equally likely in the logarithm."""
    integer: Annotated[tuple[int, int] | None, _OWN] = None
    """Lowest and highest whole number, both included."""
    choice: Annotated[tuple[Value, ...] | None, _OWN] = None
    """These values and no others."""
    points: Annotated[int, Field(ge=2), unit("values")] | None = None
    """Number of values on a grid, ends included, evenly spaced (``loguniform``: in the logarithm).
    Other samplers take the whole range."""
    when: dict[str, tuple[Value, ...]] = Field(default_factory=dict)
    """Condition: the parameter exists only if each parameter named here has the value, or one of
    the values, listed: ``when: {kind: hybrid}``. Otherwise the study's own setting holds."""

    @field_validator(
        "when", mode="before", json_schema_input_type=dict[str, Value | tuple[Value, ...]]
    )
    @classmethod
    def _as_tuples(cls, value: object) -> object:
        """Read ``{kind: hybrid}`` as ``{kind: [hybrid]}``."""
        if isinstance(value, dict):
            return {
                k: v if isinstance(v, (list, tuple)) else (v,)
                for k, v in known_names(value).items()
            }
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError("name exactly one of uniform, loguniform, integer, choice")
        (kind,) = kinds
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
        """The ends of the range, or all choices: if they are legal, so is every value."""
        extremes: tuple[Value, ...] = next(
            values for kind in _KINDS if (values := getattr(self, kind)) is not None
        )
        return extremes

    @property
    def distribution(self) -> "BaseDistribution":
        """The range as a distribution of Optuna."""
        from optuna.distributions import (  # .3 s, which --status need not spend
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

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
        """The values on a grid; None if their number is not known."""
        if self.choice:
            return self.choice
        if self.points is None:
            return None
        import numpy as np  # .2 s, which a file without points need not spend

        if self.integer:
            return tuple(int(value) for value in np.linspace(*self.integer, self.points).round())
        if self.loguniform:
            return tuple(np.geomspace(*self.loguniform, self.points).tolist())
        assert self.uniform is not None, "exactly one kind is given"
        return tuple(np.linspace(*self.uniform, self.points).tolist())

    def exists_beside(self, point: Mapping[str, Value]) -> bool:
        """Whether the parameter's condition holds at these values of other parameters."""
        return all(
            name in point and any(_same(point[name], value) for value in values)
            for name, values in self.when.items()
        )


Space = dict[str, Range]


def is_range(content: object) -> bool:
    """Whether a file's content has the form of a range, legal or not."""
    return isinstance(content, Mapping) and content.keys() <= Range.model_fields.keys()


def check_space(space: Space) -> None:
    """Refuse parameters and conditions that can never be proposed.

    Raises:
        ValueError: if a parameter or a value is illegal, or a condition is circular or can never
            be met.
    """
    problems = []
    for name, values in space.items():
        try:
            check_name(name)
            if name in CHOICES_ALONE and values.choice is None:
                raise ValueError(f"{name}: not every value divides the others; use a choice")
            check_values(name, values.extremes)
            _check_between(name, values)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    for name, values in space.items():
        for condition, required in values.when.items():
            if condition not in space:
                raise ValueError(f"{name}.when: {condition} is not searched, so it never varies")
            for value in required:
                _check_reachable(f"{name}.when: {condition}={value}", space[condition], value)
    try:
        in_order(space)
    except CycleError as error:
        raise ValueError(f"when: circular conditions: {' -> '.join(error.args[1])}") from None
    unmet = space.keys() - {name for point in _assignments(_outlines(space)) for name in point}
    if unmet:
        raise ValueError(f"{', '.join(sorted(unmet))}.when: these conditions never hold together")


def _check_between(name: str, values: Range) -> None:
    """Refuse a range of numbers for a setting that takes whole ones alone."""
    ends = values.uniform or values.loguniform
    if ends is None:
        return
    try:
        check_value(name, ends[0] + (ends[1] - ends[0]) / math.e)
    except ValueError:
        whole = [math.ceil(ends[0]), math.floor(ends[1])]
        raise ValueError(
            f"{name} takes whole numbers; write integer: {whole}, or choice with a list"
        ) from None


def in_order(space: Space) -> list[str]:
    """Parameters in file order, but each after those that its condition names."""
    return list(TopologicalSorter({name: space[name].when for name in space}).static_order())


def propose(trial: "Trial", space: Space) -> dict[str, Value]:
    """Let Optuna propose the parameters that exist, one by one."""
    point: dict[str, Value] = {}
    for name in in_order(space):
        values = space[name]
        if not values.exists_beside(point):
            continue
        if values.choice:
            point[name] = _not_none(trial.suggest_categorical(name, values.choice))
        elif values.integer:
            point[name] = trial.suggest_int(name, *values.integer)
        elif values.loguniform:
            point[name] = trial.suggest_float(name, *values.loguniform, log=True)
        else:
            assert values.uniform is not None, "exactly one kind is given"
            point[name] = trial.suggest_float(name, *values.uniform)
    return point


def active_parameters(values: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """The searched parameters among a trial's settings whose conditions hold.

    Args:
        values: values of all parameters of the space, or more.
        space: the search space.
    """
    active: dict[str, Value] = {}
    for name in in_order(space):
        if name in values and space[name].exists_beside(active):
            active[name] = values[name]
    return active


def contains(space: Space, parameters: Mapping[str, Value]) -> bool:
    """Whether a search of the space could have proposed exactly these parameters."""
    return restrict(parameters, space) == dict(parameters) and all(
        name in parameters for name in space if space[name].exists_beside(parameters)
    )


def restrict(parameters: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """The parameters with values that a search of the space could have proposed."""
    return {
        name: value
        for name, value in active_parameters(parameters, space).items()
        if _in_range(space[name], value)
    }


def space_digest(space: Space) -> str:
    """Digest of the ranges and conditions, in their order."""
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
    """Every combination of the extremes of some parameters and of those that they depend on."""
    order, included = in_order(space), set(of)
    for name in reversed(order):
        if name in included:
            included |= space[name].when.keys()
    return _assignments({n: (space[n], space[n].extremes) for n in order if n in included})


def _assignments(
    values: Mapping[str, tuple[Range, Sequence[Value]]],
) -> Iterator[dict[str, Value]]:
    """Every combination of values in which each parameter's condition holds, in file order."""
    partial: list[dict[str, Value]] = [{}]
    for name, (values_of_name, choices) in values.items():
        partial = list(
            itertools.chain.from_iterable(
                [{**point, name: value} for value in choices]
                if values_of_name.exists_beside(point)
                else [point]
                for point in partial
            )
        )
    yield from partial


def _outlines(space: Space) -> dict[str, tuple[Range, Sequence[Value]]]:
    """Values that conditions distinguish: those that they name, and one that they do not."""
    outlines: dict[str, tuple[Range, Sequence[Value]]] = {}
    for name in in_order(space):
        required = [v for values in space.values() for v in values.when.get(name, ())]
        unnamed = [v for v in space[name].extremes if not any(_same(v, r) for r in required)]
        distinct = {repr(value): value for value in required}
        outlines[name] = (space[name], [*distinct.values(), *unnamed[:1]])
    return outlines


def _check_reachable(condition: str, values: Range, value: Value) -> None:
    if values.uniform or values.loguniform:
        raise ValueError(f"{condition}: a range hits no value exactly; use a choice or an integer")
    if not _in_range(values, value):
        raise ValueError(f"{condition}: never occurs; its values are {list(values.extremes)}")


def _in_range(values: Range, value: Value) -> bool:
    if values.choice:
        return any(_same(value, choice) for choice in values.choice)
    if isinstance(value, (str, bool)) or (values.integer and not isinstance(value, int)):
        return False
    low, high = values.extremes
    assert not isinstance(low, str) and not isinstance(high, str), "ranges are numbers"
    if low <= value <= high:
        return True
    # The exponential of an end's logarithm may lie beyond it by a rounding.
    return values.loguniform is not None and any(
        math.isclose(value, end, rel_tol=_ROUNDING) for end in (low, high)
    )


def _not_none(value: Value | None) -> Value:
    assert value is not None, "no choice is None"
    return value


def _same(a: Value, b: Value) -> bool:
    """Equality for which `True` is not 1."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)
