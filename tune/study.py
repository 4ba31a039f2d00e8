"""What a study file may say: data, encoder, search space, budget, confirmation, resources."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from hybridir import names
from hybridir.config import (
    BatchConfig,
    DataConfig,
    EncoderConfig,
    EvaluationConfig,
    Model,
    TrainingConfig,
    TrialConfig,
    describe_problems,
)
from hybridir.errors import InputError

STUDIES = Path(__file__).parent / "studies"
DEMO = STUDIES / "demo.yaml"

Value = float | int | str

# Where a searched parameter lives in a trial's configuration.
PARAMETERS: dict[str, tuple[str, type[Model]]] = {
    names.MIXING_RATIO: ("batch", BatchConfig),
    names.BATCH_SIZE: ("batch", BatchConfig),
    names.TEMPERATURE: ("training", TrainingConfig),
    "learning_rate": ("training", TrainingConfig),
    "weight_decay": ("training", TrainingConfig),
    "warmup": ("training", TrainingConfig),
    "dropout": ("encoder", EncoderConfig),
}


# What a search may maximise: the development figures that a trial reports, higher is better.
OBJECTIVES = tuple(
    names.mean_metric(names.DEV, names.AP, setting) for setting in ("mean", *names.SETTINGS)
)


class Range(Model):
    """The values that one parameter may take: exactly one of the fields."""

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    integer: tuple[int, int] | None = None
    choice: tuple[Value, ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = self.model_dump(exclude_none=True)
        if len(given) != 1:
            raise ValueError("name exactly one of uniform, loguniform, integer, choice")
        ((kind, values),) = given.items()
        if not values:
            raise ValueError("choice: name at least one value")
        if kind != "choice" and not values[0] < values[1]:
            raise ValueError(f"{kind}: the first value must lie below the second, not {values}")
        if kind == "loguniform" and values[0] <= 0:
            raise ValueError(f"loguniform: values must be positive, not {values}")
        return self

    @property
    def extremes(self) -> tuple[Value, ...]:
        """The values whose legality implies that of all."""
        return next(iter(self.model_dump(exclude_none=True).values()))

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


class SearchConfig(Model):
    """How the space is searched."""

    sampler: Literal["tpe", "gp", "random", "quasi-random"] = "tpe"
    trials: Annotated[int, Field(ge=1)] = 12
    startup_trials: Annotated[int, Field(ge=1)] = 5
    """Random trials before the sampler's model takes over."""
    scheduler: Literal["none", "asha"] = "none"
    """``asha`` stops the worse half of the trials at half the budget. Earlier stops would favour
    small mixing ratios, which learn faster and end lower."""
    objective: str = "dev/map_mean"
    """Metric to maximise. The default is the mean mAP of the three settings."""

    @field_validator("objective")
    @classmethod
    def _not_reported(cls, value: str) -> str:
        if not value.startswith(f"{names.DEV}/"):
            raise ValueError(
                f"{value!r} would tune on what is reported; name a metric of the development "
                "benchmark, such as dev/map_mean"
            )
        if value not in OBJECTIVES:
            raise ValueError(f"{value!r} is not measured; legal are {', '.join(OBJECTIVES)}")
        return value


class ConfirmConfig(Model):
    """The curve over the mixing ratio, at fixed other parameters, with several seeds each."""

    mixing_ratio: Annotated[tuple[float, ...], Field(min_length=1)]
    at: Literal["best"] | dict[str, Value] = "best"
    """The other parameters: those of the best search trial, or given here."""
    seeds: Annotated[int, Field(ge=1)] = 5

    @field_validator("mixing_ratio")
    @classmethod
    def _legal_ratios(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        for ratio in value:
            _check_value(names.MIXING_RATIO, ratio)
        if len(set(value)) < len(value):
            raise ValueError("a mixing ratio is named twice")
        return value

    @field_validator("at")
    @classmethod
    def _legal_point(cls, value: str | dict[str, Value]) -> str | dict[str, Value]:
        if isinstance(value, dict):
            for name, item in value.items():
                _check_name(name)
                _check_value(name, item)
        return value


class ResourcesConfig(Model):
    """What each trial gets from Ray, and what the study expects of the cluster."""

    cpu: Annotated[int, Field(ge=1)] = 1
    """CPUs, and threads, of each process of a trial."""
    gpu: Annotated[float, Field(ge=0)] = 0
    """GPUs of each process of a trial; a share such as 0.5 lets two trials use one."""
    processes: Annotated[int, Field(ge=1)] = 1
    """Processes of a trial, which share each batch and see each other's passages as negatives."""
    nodes: Annotated[int, Field(ge=1)] = 1
    """Nodes that must have joined before the first trial."""
    wait_minutes: Annotated[float, Field(ge=0)] = 15
    """How long they are waited for. 15: a cloud's GPU node took 5 to 10 minutes (assumption)."""
    max_failures: Annotated[int, Field(ge=0)] = 3
    """Times in a row that a trial may be cut off without getting further, before it is given
    up."""
    hourly_price: Annotated[float, Field(ge=0)] | None = None
    """Price of one trial's resources per hour, for ``--plan``; any currency."""

    @field_validator("processes")
    @classmethod
    def _whole_gpus(cls, value: int, info: ValidationInfo) -> int:
        gpu = info.data.get("gpu", 0)
        if value > 1 and gpu != int(gpu):
            raise ValueError(f"processes that share a GPU (gpu={gpu:g}) only wait for each other")
        return value


class StudyConfig(DataConfig):
    """A study, as in ``tune/studies/*.yaml``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    encoder: EncoderConfig
    batch: BatchConfig = BatchConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    space: Annotated[dict[str, Range], Field(default_factory=dict)]
    search: SearchConfig | None = None
    confirm: Annotated[ConfirmConfig | None, Field(validate_default=True)] = None
    resources: ResourcesConfig = ResourcesConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the sampler and of all trials."""
    storage: Path = Path("results")
    """Folder for everything that the study writes but its tracking."""
    tracking_uri: str | None = None
    """MLflow server; by default MLFLOW_TRACKING_URI, or mlflow.db in the working directory."""

    @field_validator("space")
    @classmethod
    def _legal_space(cls, value: dict[str, Range]) -> dict[str, Range]:
        for name, values in value.items():
            _check_name(name)
            for item in values.extremes:
                _check_value(name, item)
        return value

    # As in `DataConfig`: checks across fields belong to the later field.

    @field_validator("search")
    @classmethod
    def _search_can_be_done(
        cls, value: SearchConfig | None, info: ValidationInfo
    ) -> SearchConfig | None:
        if value and info.data.get("space") == {}:
            raise ValueError("needs a space to search")
        if value and info.data.get("tune_on", names.DEV) is None:
            raise ValueError("needs tune_on: dev")
        return value

    @field_validator("confirm")
    @classmethod
    def _confirm_can_be_done(
        cls, value: ConfirmConfig | None, info: ValidationInfo
    ) -> ConfirmConfig | None:
        if "search" in info.data and info.data["search"] is None:
            if value is None:
                raise ValueError("nothing to do: give a search, a confirm, or both")
            if value.at == "best":
                raise ValueError(
                    "at: best needs a search; without one give the parameters, "
                    "for example at: {temperature: 0.05, batch_size: 32}"
                )
        return value

    @property
    def data(self) -> DataConfig:
        """The part that says what is trained, tuned and reported on."""
        return DataConfig(**{name: getattr(self, name) for name in DataConfig.model_fields})

    def trial(self, parameters: dict[str, Value], *, seed: int, report: bool) -> TrialConfig:
        """The configuration of one trial.

        Args:
            parameters: values of searched or confirmed parameters.
            seed: the trial's.
            report: whether the reported benchmarks are evaluated; search trials never do.
        """
        sections: dict[str, dict[str, Any]] = {
            "batch": self.batch.model_dump(),
            "training": self.training.model_dump(),
            "encoder": self.encoder.model_dump(),
        }
        for name, value in parameters.items():
            sections[PARAMETERS[name][0]][name] = value
        data = self.data.model_dump()
        if not report:
            data["report_on"] = ()
        return TrialConfig.model_validate(
            {"data": data, "evaluation": self.evaluation, "seed": seed, **sections}
        )


def load_study(path: Path, overrides: list[str]) -> StudyConfig:
    """Read a study file.

    Args:
        path: YAML file.
        overrides: ``key=value`` each; the key is dotted, the value is YAML.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        shipped = ", ".join(sorted(str(file) for file in STUDIES.glob("*.yaml")))
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); studies that ship are {shipped}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected settings, one 'name: value' a line; the file has none")
    for override in overrides:
        _override(content, override)
    try:
        return StudyConfig.model_validate(content)
    except ValidationError as error:
        raise describe_problems(str(path), error) from None


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: expected key=value, such as training.pairs=6400")
    *sections, last = key.split(".")
    for section in sections:
        inner = content.get(section)
        content[section] = inner = dict(inner) if isinstance(inner, dict) else {}
        content = inner
    try:
        content[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"--set {override}: {text!r} is not a YAML value") from None


def _check_name(name: str) -> None:
    if name not in PARAMETERS:
        raise ValueError(f"{name}: there is no such parameter; legal are {', '.join(PARAMETERS)}")


def _check_value(name: str, value: Value) -> None:
    field = PARAMETERS[name][1].model_fields[name]
    try:
        legal: Any = Annotated[field.annotation, *field.metadata]
        TypeAdapter(legal).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"{name}={value}: {error.errors()[0]['msg'].lower()}") from None
