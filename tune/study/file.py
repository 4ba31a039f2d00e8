"""The study file: data, encoder, space, budget, confirmation, outcomes, baselines, resources."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from hybridir import names
from hybridir.config import (
    BatchConfig,
    DataConfig,
    DataPart,
    EncoderConfig,
    EvaluationConfig,
    TrainingConfig,
    TrialConfig,
    read_yaml,
    validate,
)
from hybridir.errors import InputError
from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import CONFIRMED, Value
from tune.space.ranges import Space, check_space, grid_points
from tune.space.settings import SearchConfig
from tune.study.confirmation import SEEDS, TRIAL_SEEDS, ConfirmConfig, Repeat, repeats
from tune.study.outcome import PrimaryConfig, check_outcomes, outcomes_as_list
from tune.study.resources import ResourcesConfig

# Settings that are paths; relative ones are resolved against the working directory.
_PATHS = (
    ("data_root",),
    ("encoder", "path"),
    ("train", "table", "path"),
    ("train", "mix", "table", "path"),  # of each data set of the mixture
    ("evaluation", "reader", "path"),
)

STUDIES = Path(__file__).parents[1] / "studies"
DEMO = STUDIES / "demo.yaml"


BaselineName = Literal["untrained", "bm25", "en-en", "x-x", "x-x-mono", "x-y", "hybrid"]


class StudyConfig(DataConfig):
    """A study, as in ``tune/studies/*.yaml``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    encoder: EncoderConfig
    batch: BatchConfig = BatchConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    space: Annotated[Space, Field(default_factory=dict)]
    search: SearchConfig | None = None
    baselines: tuple[BaselineName, ...] = ()
    """Baselines that the report compares with hybrid batches, see `tune.study.baselines`: the
    untrained encoder, BM25, and the batches of LAReQA (arXiv 2004.05484)."""
    baseline_seeds: Annotated[int, Field(ge=1)] | None = None
    """Seeds of each trained baseline; by default those of the confirmation, or else 5."""
    confirm: Annotated[ConfirmConfig | None, Field(validate_default=True)] = None
    primary: Annotated[tuple[PrimaryConfig, ...], BeforeValidator(outcomes_as_list)] = (
        PrimaryConfig(),
    )
    """The outcomes by which the study is judged, declared before it runs: hybrid batches against
    each pure strategy in each of them, corrected together, are its tests. All else is
    exploratory."""
    resources: ResourcesConfig = ResourcesConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the sampler and of all trials."""
    storage: Path = Path("results")
    """Folder for all files of the study except its tracking."""
    tracking_uri: str | None = None
    """MLflow server; by default MLFLOW_TRACKING_URI, or mlflow.db in the working directory."""

    @field_validator("space")
    @classmethod
    def _legal_space(cls, value: Space) -> Space:
        check_space(value)
        return value

    # As in `DataConfig`: checks across fields belong to the later field.

    @field_validator("evaluation")
    @classmethod
    def _reader_finds_answers(
        cls, value: EvaluationConfig, info: ValidationInfo
    ) -> EvaluationConfig:
        reports = info.data.get("report_on")
        if value.reader and reports == ():
            raise ValueError("reader: needs a benchmark to read, under report_on")
        return value.check_answers(reports or ())

    @field_validator("search")
    @classmethod
    def _search_can_be_done(
        cls, value: SearchConfig | None, info: ValidationInfo
    ) -> SearchConfig | None:
        if value and info.data.get("space") == {}:
            raise ValueError("needs a space to search")
        if value and info.data.get("tune_on", names.DEV) is None:
            raise ValueError("needs tune_on: dev")
        if value and value.sampler == "grid" and "space" in info.data:
            return _on_grid(value, len(grid_points(info.data["space"])))
        return value

    @field_validator("primary")
    @classmethod
    def _outcomes_are_measured(
        cls, value: tuple[PrimaryConfig, ...], info: ValidationInfo
    ) -> tuple[PrimaryConfig, ...]:
        reported = info.data.get("report_on")
        if reported == () and value != (PrimaryConfig(),):
            raise ValueError("needs a benchmark under report_on, on which it is tested")
        benchmarks = None if reported is None else [report.name for report in reported]
        check_outcomes(value, benchmarks)
        return value

    @field_validator("confirm")
    @classmethod
    def _confirm_can_be_done(
        cls, value: ConfirmConfig | None, info: ValidationInfo
    ) -> ConfirmConfig | None:
        if "search" in info.data and info.data["search"] is None:
            if value is None and info.data.get("baselines") == ():
                raise ValueError("nothing to do: add a search, a confirm, or baselines")
        if value and {"search", "space"} <= set(info.data):
            value.check_search(info.data["search"], info.data["space"])
        return value

    @field_validator("baselines")
    @classmethod
    def _no_duplicates(cls, value: tuple[BaselineName, ...]) -> tuple[BaselineName, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a baseline is named twice")
        return value

    @field_validator("confirm")
    @classmethod
    def _one_number_of_seeds(
        cls, value: ConfirmConfig | None, info: ValidationInfo
    ) -> ConfirmConfig | None:
        if value and info.data.get("baseline_seeds") is not None:
            raise ValueError(
                "also sets the seeds of the baselines, so that they are compared seed by seed; "
                "leave baseline_seeds out"
            )
        return value

    @field_validator("confirm")
    @classmethod
    def _parts_of_all_data(
        cls, value: ConfirmConfig | None, info: ValidationInfo
    ) -> ConfirmConfig | None:
        if value and value.data_parts and info.data.get(names.DATA_PART) is not None:
            raise ValueError("data_parts divides all data; leave the study's own data_part out")
        return value

    @field_validator("resources")
    @classmethod
    def _batches_can_be_shared(
        cls, value: ResourcesConfig, info: ValidationInfo
    ) -> ResourcesConfig:
        if value.processes == 1 or not {"batch", "space", "confirm"} <= set(info.data):
            return value
        own = info.data["batch"].batch_size
        searched = info.data["space"].get(names.BATCH_SIZE)
        if searched and searched.choice is None:
            raise ValueError(
                f"processes={value.processes}: space.batch_size must be a choice of its multiples"
            )
        sizes = [own] if searched is None or searched.when else []
        sizes += searched.choice if searched else ()
        if confirm := info.data["confirm"]:
            search = info.data.get("search")
            later = confirm.values_of(names.BATCH_SIZE, own, sizes if search else None)
            sizes = [*sizes, *later] if search else list(later)
        uneven = [size for size in dict.fromkeys(sizes) if size % value.processes]
        if uneven:
            raise ValueError(
                f"processes={value.processes} cannot share batches of "
                f"{', '.join(map(str, uneven))}; make batch_size a multiple of {value.processes}"
            )
        return value

    @field_validator("confirm")
    @classmethod
    def _ratio_has_a_meaning(
        cls, value: ConfirmConfig | None, info: ValidationInfo
    ) -> ConfirmConfig | None:
        own = info.data["batch"].kind if "batch" in info.data else "hybrid"
        searched = info.data.get("space", {}).get("kind") if info.data.get("search") else None
        extremes = searched.extremes if searched else None
        kinds = set(value.values_of("kind", own, extremes)) if value else set()
        without_ratio = sorted(kinds - {"hybrid"}, key=str)
        if value and len(value.mixing_ratio) > 1 and without_ratio:
            raise ValueError(
                f"varies the mixing ratio, which {' and '.join(map(str, without_ratio))} batches "
                "do not have; list the parameters under at with kind: hybrid, or name one ratio"
            )
        return value

    @property
    def data(self) -> DataConfig:
        """The settings of training, development and reported data."""
        return DataConfig(**{name: getattr(self, name) for name in DataConfig.model_fields})

    @property
    def reports(self) -> bool:
        """Whether some trials are evaluated on the reported benchmarks."""
        return self.confirm is not None or bool(self.baselines)

    @property
    def repeats(self) -> tuple[Repeat, ...]:
        """The repeated measurements of the confirmation and the baselines."""
        if self.confirm is None:
            return repeats(self.seed, self.baseline_seeds or SEEDS, None)
        return repeats(self.seed, self.confirm.seeds, self.confirm.data_parts)

    def search_seed(self, number: int) -> int:
        """Seed of a search trial; with `SearchConfig.seeds`, that of its round over the grid."""
        if self.search is None or self.search.seeds == 1:
            return derive_seed(self.seed, f"search/{number}") % TRIAL_SEEDS
        search_round = number // (self.search.trials // self.search.seeds)
        return derive_seed(self.seed, f"search/round/{search_round}") % TRIAL_SEEDS

    def proposal(self, number: int) -> int:
        """Number of the point that a search trial measures; each round begins from 0."""
        if self.search is None or self.search.seeds == 1:
            return number
        return number % (self.search.trials // self.search.seeds)

    def trial(
        self,
        parameters: dict[str, Value],
        *,
        seed: int,
        report: bool,
        retriever: str = "trained",
        data_part: DataPart | None = None,
    ) -> TrialConfig:
        """The configuration of one trial.

        Args:
            parameters: values of searched or confirmed parameters.
            seed: seed of the trial.
            report: whether the reported benchmarks are evaluated; never for search trials.
            retriever: see `TrialConfig.retriever`.
            data_part: see `DataConfig.data_part`; None keeps the study's.
        """
        sections: dict[str, dict[str, Any]] = {
            "batch": self.batch.model_dump(),
            "training": self.training.model_dump(),
            "encoder": self.encoder.model_dump(),
        }
        for name, value in parameters.items():
            sections[CONFIRMED[name][0]][name] = value
        data = self.data.model_dump()
        if not report:
            data["report_on"] = ()
        if data_part is not None:
            data[names.DATA_PART] = data_part.model_dump()
        return TrialConfig.model_validate(
            {
                "data": data,
                "evaluation": self.evaluation,
                "retriever": retriever,
                "seed": seed,
                **sections,
            }
        )


def read_study_file(path: Path, overrides: list[str]) -> StudyConfig:
    """Read a study file.

    Args:
        path: YAML file.
        overrides: strings ``key=value`` with a dotted key and a YAML value.

    Raises:
        InputError: with all mistakes in one message.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        shipped = ", ".join(sorted(str(file) for file in STUDIES.glob("*.yaml")))
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); shipped studies: {shipped}"
        ) from None
    content = read_yaml(text, str(path))
    if not isinstance(content, dict):
        raise InputError(f"{path}: no settings; expected lines of the form 'name: value'")
    for override in overrides:
        _override(content, override)
    for keys in _PATHS:
        _make_absolute(content, keys)
    reports = content.get("report_on")
    if isinstance(reports, list):
        content["report_on"] = [dict(r) if isinstance(r, dict) else r for r in reports]
        for report in content["report_on"]:
            if isinstance(report, dict):
                for keys in (("folder",), ("table", "path"), ("table", "passages")):
                    _make_absolute(report, keys)
    return validate(StudyConfig, content, str(path))


def as_yaml(study: StudyConfig) -> str:
    """The settings as a study file, overrides included; `read_study_file` reads them back."""
    content = study.model_dump(mode="json", exclude_none=True)
    return str(yaml.safe_dump(content, sort_keys=False))


def _make_absolute(content: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Make a path absolute, for other nodes and for a resume from another directory."""
    first, *rest = keys
    inner = content.get(first)
    # Copies, since a YAML anchor may be used in several places.
    if isinstance(inner, list):
        content[first] = inner = [dict(i) if isinstance(i, dict) else i for i in inner]
    elif isinstance(inner, dict):
        content[first] = inner = dict(inner)
    elif isinstance(inner, str) and not rest:
        content[first] = str(Path(inner).absolute())
    for section in inner if isinstance(inner, list) else [inner]:
        if isinstance(section, dict) and rest:
            _make_absolute(section, tuple(rest))


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: expected key=value, such as training.pairs=6400")
    *sections, last = key.split(".")
    for section in sections:
        inner = content.get(section)
        content[section] = inner = dict(inner) if isinstance(inner, dict) else {}
        content = inner
    content[last] = read_yaml(text, f"--set {override}")


def _on_grid(search: SearchConfig, points: int) -> SearchConfig:
    """Set a grid's number of trials to that of its points with all seeds, unless fewer are set."""
    if search.warm_start:
        raise ValueError(
            "sampler: grid ignores the values of earlier trials; leave warm_start out, or choose "
            "another sampler"
        )
    trials = points * search.seeds
    if "trials" not in search.model_fields_set:
        return search.model_copy(update={"trials": trials})
    if search.seeds > 1 and search.trials != trials:
        raise ValueError(
            f"trials={search.trials}: {points} points with {search.seeds} seeds each are {trials} "
            "trials; leave trials out"
        )
    if search.trials > trials:
        raise ValueError(
            f"trials={search.trials}: the grid has {points} points; set trials to {points} or "
            "less, or leave it out"
        )
    return search
