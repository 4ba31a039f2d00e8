"""Settings of a search: sampler, number of trials, early stopping, objective."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hybridir import names
from hybridir.config import StrictModel
from hybridir.config.base import unit
from tune.space.samplers import Sampler

# Metrics that a search may maximise: a trial's figures on development data; higher is better.
OBJECTIVES = tuple(
    names.mean_metric(names.DEV, names.AP, setting) for setting in ("mean", *names.SETTINGS)
)


class SearchConfig(StrictModel):
    """Settings of a search.

    A search optimises. Samplers propose where values are high, and schedulers stop the rest, so
    that its trials are no fair sample: effects of parameters are read from a confirmation, which
    crosses their values, or from a whole grid.
    """

    sampler: Sampler = "tpe"
    """``grid`` and ``quasi-random`` ignore the values of earlier trials; see
    `tune.space.samplers`."""
    trials: Annotated[int, Field(ge=1), unit("trials")] = 12
    """Number of trials. A grid's default is all of its points, each with all `seeds`."""
    startup_trials: Annotated[int, Field(ge=1), unit("trials")] = 5
    """Random trials before the sampler's model takes over; the population of ``nsga-ii``."""
    warm_start: str | None = None
    """An earlier run: a study's name under the same storage, or a run's folder. Its trials are
    imported with their values if these are comparable; otherwise its best parameters are measured
    first."""
    scheduler: Literal["none", "asha", "median"] = "none"
    """``asha`` stops the worse half of the trials at each rung, ``median`` those that never
    reached the median of the others' averages; see `tune.searching.stopping`."""
    first_rung: Annotated[float, Field(ge=0.01, lt=1), unit("share of the budget")] = 0.5
    """Share of the budget before which no trial is stopped. Stopping before half would favour
    small mixing ratios, which learn faster and end lower."""
    reduction: Annotated[int, Field(ge=2), unit("none")] = 2
    """``asha`` lets one in `reduction` trials pass; each rung is `reduction` times the one
    before."""
    seeds: Annotated[int, Field(ge=1), unit("seeds")] = 1
    """Training seeds of each point of a ``grid``, the same for all points. The best point is that
    with the highest mean over its seeds, among those whose seeds are all complete."""
    objective: Annotated[str | tuple[str, ...], Field(validate_default=True)] = "dev/map_mean"
    """Metric to maximise, or several for a Pareto front. The default is the mean mAP of the three
    settings."""

    @field_validator("seeds")
    @classmethod
    def _every_point_has_them(cls, value: int, info: ValidationInfo) -> int:
        sampler, scheduler = info.data.get("sampler", "grid"), info.data.get("scheduler", "none")
        problems = []
        if value > 1 and sampler != "grid":
            problems.append(f"sampler: {sampler} measures a point once; set sampler to grid")
        if value > 1 and scheduler != "none":
            problems.append(
                f"scheduler: {scheduler} would stop some seeds of a point, so that its mean "
                "would be over the others; set scheduler to none"
            )
        if problems:
            raise ValueError(f"{value} seeds of each point: {'; '.join(problems)}")
        return value

    @field_validator("objective")
    @classmethod
    def _can_be_maximised(
        cls, value: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        metrics = (value,) if isinstance(value, str) else value
        if not metrics or len(set(metrics)) < len(metrics):
            raise ValueError("name at least one metric, and none twice")
        for name in metrics:
            if not name.startswith(f"{names.DEV}/"):
                raise ValueError(
                    f"{name!r} would tune on reported data; name a metric of the development "
                    "benchmark, such as dev/map_mean"
                )
            if name not in OBJECTIVES:
                raise ValueError(f"{name!r} is not measured; legal are {', '.join(OBJECTIVES)}")
        if len(metrics) > 1 and info.data.get("seeds", 1) > 1:
            raise ValueError(
                f"{len(metrics)} metrics and several seeds cannot be combined, since a Pareto "
                "front is one of single trials; name one metric, or set seeds to 1"
            )
        scheduler = info.data.get("scheduler", "none")
        if len(metrics) > 1 and scheduler != "none":
            raise ValueError(
                f"{len(metrics)} metrics and scheduler: {scheduler} cannot be combined, since "
                "several metrics do not rank trials; name one metric, or set scheduler to none"
            )
        return value

    @property
    def idle(self) -> dict[str, str]:
        """The settings that change nothing beside the others, and why."""
        idle = {}
        if self.sampler in ("grid", "quasi-random", "random"):
            idle["startup_trials"] = f"belongs to samplers that learn, not to {self.sampler}"
        if self.scheduler == "none":
            idle["first_rung"] = "belongs to a scheduler; choose asha or median"
        if self.scheduler != "asha":
            idle["reduction"] = "belongs to scheduler: asha"
        return idle

    @property
    def objectives(self) -> tuple[str, ...]:
        """The metrics to maximise."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective
