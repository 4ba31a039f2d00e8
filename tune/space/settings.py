"""What a study may say about its search: sampler, number of trials, early stops, objective."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hybridir import names
from hybridir.config.trial import Model
from tune.space.samplers import Sampler

# What a search may maximise: the development figures that a trial reports, higher is better.
OBJECTIVES = tuple(
    names.mean_metric(names.DEV, names.AP, setting) for setting in ("mean", *names.SETTINGS)
)


class SearchConfig(Model):
    """How the space is searched."""

    sampler: Sampler = "tpe"
    """``grid`` and ``quasi-random`` propose the same whatever came out; see
    `tune.space.samplers`."""
    trials: Annotated[int, Field(ge=1)] = 12
    """Number of trials. A grid's default is all of its points."""
    startup_trials: Annotated[int, Field(ge=1)] = 5
    """Random trials before the sampler's model takes over; the population of ``nsga-ii``."""
    warm_start: str | None = None
    """An earlier run: a study's name under the same storage, or a run's folder. Its trials are
    taken as they are where that is sound, else its best parameters are measured first."""
    scheduler: Literal["none", "asha", "median"] = "none"
    """``asha`` stops the worse half of the trials at each rung, ``median`` those that never came
    up to the average of the others; see `tune.searching.stopping`."""
    first_rung: Annotated[float, Field(ge=0.01, lt=1)] = 0.5
    """Share of the budget before which no trial is stopped. Earlier stops than at half would
    favour small mixing ratios, which learn faster and end lower."""
    reduction: Annotated[int, Field(ge=2)] = 2
    """``asha`` lets one of so many trials pass, and its next rung lies so many times later."""
    objective: Annotated[str | tuple[str, ...], Field(validate_default=True)] = "dev/map_mean"
    """Metric to maximise, or several, which give a Pareto front. The default is the mean mAP of
    the three settings."""

    @field_validator("objective")
    @classmethod
    def _can_be_maximised(
        cls, value: str | tuple[str, ...], info: ValidationInfo
    ) -> str | tuple[str, ...]:
        given = (value,) if isinstance(value, str) else value
        if not given or len(set(given)) < len(given):
            raise ValueError("name at least one metric, and none twice")
        for name in given:
            if not name.startswith(f"{names.DEV}/"):
                raise ValueError(
                    f"{name!r} would tune on what is reported; name a metric of the development "
                    "benchmark, such as dev/map_mean"
                )
            if name not in OBJECTIVES:
                raise ValueError(f"{name!r} is not measured; legal are {', '.join(OBJECTIVES)}")
        scheduler = info.data.get("scheduler", "none")
        if len(given) > 1 and scheduler != "none":
            raise ValueError(
                f"{len(given)} metrics and scheduler: {scheduler} do not go together, since which "
                "of two trials lags is open; name one metric, or set scheduler to none"
            )
        return value

    @property
    def objectives(self) -> tuple[str, ...]:
        """The metrics to maximise, one or several."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective
