"""Settings of a search: sampler, number of trials, early stopping, objectives."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from hybridir import names
from hybridir.config import StrictModel
from hybridir.config.base import nearest, unit
from tune.space.sampler_names import SAMPLERS, WITHOUT_MODEL, check_arguments, check_sampler

DEFAULT_OBJECTIVE: Final = names.mean_metric(names.DEV, names.AP, "mean")
# Metrics that a search may optimise: a trial's figures on development data.
OBJECTIVES: Final = (
    DEFAULT_OBJECTIVE,
    *(
        names.mean_metric(names.DEV, measure, setting)
        for measure in names.MEASURES
        for setting in names.SETTINGS
        # Answer F1 in the pool ranks encoders backwards; see `hybridir.evaluation.answer_f1`.
        if measure not in names.ANSWER_MEASURES or setting != names.MULTILINGUAL
    ),
    *(names.bias_metric(names.DEV, measure) for measure in names.BIAS_MEASURES),
)
_LOWER: Final = {names.bias_metric(names.DEV, measure) for measure in names.LOWER_IS_BETTER}


def direction(objective: str) -> Literal["maximize", "minimize"]:
    """Whether Optuna is to ``maximize`` or to ``minimize`` an objective."""
    return "minimize" if objective in _LOWER else "maximize"


def gain(objective: str, value: float) -> float:
    """An objective's value such that higher is better, and back."""
    return -value if objective in _LOWER else value


class SearchConfig(StrictModel):
    """Settings of a search.

    A search optimises. Samplers propose where values are high, and schedulers stop the rest, so
    that its trials are no fair sample: effects of parameters are read from a confirmation, which
    crosses their values, or from a whole grid.
    """

    sampler: Annotated[str, AfterValidator(check_sampler)] = "tpe"
    """``tpe``, ``gp``, ``cma-es``, ``nsga-ii``, ``random``, ``quasi-random``, ``grid``, or the
    path of a class of one's own or of the OptunaHub; see docs/searching.md."""
    sampler_arguments: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    """Arguments of a sampler that is named by its path."""
    trials: Annotated[int, Field(ge=1), unit("trials")] = 12
    """Number of trials. A grid's default is all of its points, each with all `seeds`."""
    startup_trials: Annotated[int, Field(ge=1), unit("trials")] = 5
    """Random trials before the sampler's model takes over; the population of ``nsga-ii``."""
    warm_start: str | None = None
    """An earlier run: a study's name under the same storage, or a run's folder. Its trials are
    imported with their values if these are comparable; otherwise its best parameters are measured
    first."""
    scheduler: Literal["none", "asha", "hyperband", "median"] = "none"
    """``asha`` stops the worse half of the trials at each rung, ``hyperband`` does so from another
    rung on for each share of the trials, ``median`` stops those that never reached the median of
    the others' averages; see `tune.searching.stopping`."""
    first_rung: Annotated[float, Field(ge=0.01, lt=1), unit("share of the budget")] = 0.5
    """Share of the budget before which no trial is stopped. Stopping before half would favour
    small mixing ratios, which learn faster and end lower."""
    reduction: Annotated[int, Field(ge=2), unit("none")] = 2
    """``asha`` and ``hyperband`` let one in `reduction` trials pass; each rung is `reduction`
    times the one before."""
    seeds: Annotated[int, Field(ge=1), unit("seeds")] = 1
    """Training seeds of each point of a ``grid``, the same for all points. The best point is that
    with the highest mean over its seeds, among those whose seeds are all complete."""
    objective: Annotated[str | tuple[str, ...], Field(validate_default=True)] = DEFAULT_OBJECTIVE
    """Metric to optimise, or several for a Pareto front: any figure of the development benchmark.
    The default is the mean mAP of the three settings. Distances and shares of which lower is
    better are minimised."""
    stop_by: Annotated[str | None, Field(validate_default=True)] = None
    """The objective by which a scheduler stops trials, where there are several."""

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
            if f"{names.DEV}/{name}" in OBJECTIVES:
                raise ValueError(f"{name!r} is not measured; did you mean {names.DEV}/{name}?")
            if not name.startswith(f"{names.DEV}/"):
                raise ValueError(
                    f"{name!r} would tune on reported data; name a metric of the development "
                    "benchmark, such as dev/map_mean"
                )
            if name not in OBJECTIVES:
                hint = nearest(name, OBJECTIVES) or f"; legal are {', '.join(OBJECTIVES)}"
                raise ValueError(f"{name!r} is not measured{hint}")
        if len(metrics) > 1 and info.data.get("seeds", 1) > 1:
            raise ValueError(
                f"{len(metrics)} metrics and several seeds cannot be combined, since a Pareto "
                "front is one of single trials; name one metric, or set seeds to 1"
            )
        if len(metrics) > 1 and info.data.get("sampler") == "cma-es":
            raise ValueError(
                f"{len(metrics)} metrics and sampler: cma-es cannot be combined, since it follows "
                "one; name one metric, or set sampler to nsga-ii"
            )
        return value

    @field_validator("sampler_arguments")
    @classmethod
    def _taken_by_the_sampler(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if info.data.get("sampler", SAMPLERS[0]) not in SAMPLERS:
            check_arguments(info.data["sampler"], value)
        return value

    @field_validator("stop_by")
    @classmethod
    def _ranks_trials(cls, value: str | None, info: ValidationInfo) -> str | None:
        objective, scheduler = info.data.get("objective"), info.data.get("scheduler", "none")
        if objective is None:
            return value
        metrics = (objective,) if isinstance(objective, str) else objective
        if value is not None and (len(metrics) == 1 or scheduler == "none"):
            raise ValueError("belongs to several objectives and a scheduler; leave it out")
        if value is not None and value not in metrics:
            raise ValueError(f"{value!r} is no objective; name one of {', '.join(metrics)}")
        if value is None and len(metrics) > 1 and scheduler != "none":
            raise ValueError(
                f"{len(metrics)} objectives do not rank trials for scheduler: {scheduler}; name "
                f"the one that does, such as stop_by: {metrics[0]}, or set scheduler to none"
            )
        return value

    @property
    def idle(self) -> dict[str, str]:
        """The settings that change nothing beside the others, and why."""
        idle = {}
        if self.sampler in WITHOUT_MODEL:
            idle["startup_trials"] = f"belongs to samplers that learn, not to {self.sampler}"
        if self.sampler not in SAMPLERS:
            idle["startup_trials"] = "belongs to samplers by name; use sampler_arguments"
        else:
            idle["sampler_arguments"] = "belongs to a sampler that is named by its path"
        if self.scheduler == "none":
            idle["first_rung"] = "belongs to a scheduler; choose asha, hyperband or median"
        if self.scheduler not in ("asha", "hyperband"):
            idle["reduction"] = "belongs to scheduler: asha or hyperband"
        return idle

    @property
    def objectives(self) -> tuple[str, ...]:
        """The metrics to optimise."""
        return (self.objective,) if isinstance(self.objective, str) else self.objective

    @property
    def ranked_by(self) -> str | None:
        """The objective that ranks trials which have not ended; None if several do."""
        return self.objectives[0] if len(self.objectives) == 1 else self.stop_by
