"""The study file: data, encoder, space, budget, confirmation, outcomes, baselines, resources."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from hybridir import names
from hybridir.config import (
    BatchConfig,
    DataConfig,
    DataPart,
    EncoderConfig,
    EvaluationConfig,
    TrainingConfig,
    TrialConfig,
    read_settings,
    read_yaml,
)
from hybridir.config.base import NAME_PATTERN, SettingError, check_file_name, expand_home, unit
from hybridir.config.problems import problems_of
from hybridir.config.trial import idle_settings, idle_share
from hybridir.errors import InputError
from hybridir.runtime.addresses import REMEDY, has_secret
from hybridir.runtime.seeds import derive_seed
from tune.space.parameters import DEAR, Value, check_names, known_names, with_values
from tune.space.ranges import Space, check_space, corners, grid_points, is_range
from tune.space.settings import SearchConfig
from tune.study.confirmation import SEEDS, TRIAL_SEEDS, ConfirmConfig, Repeat, repeats
from tune.study.outcome import PrimaryConfig, check_outcomes, outcomes_as_list
from tune.study.resources import ResourcesConfig

STUDIES = Path(__file__).parents[1] / "studies"
DEMO = STUDIES / "demo.yaml"
PUT_BACK = "it was written when the run began: put it back; MLflow has it among the artifacts"
"""The remedy for a run's own study file."""
_CACHE = "cache"  # beside the studies in their storage

BaselineName = Literal["untrained", "bm25", "en-en", "x-x", "x-x-mono", "x-y", "hybrid"]


class StudyConfig(DataConfig):
    """A study, as in ``tune/studies/*.yaml``."""

    stays_relative = ("storage",)
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """Names the study's folder and its run; at most 100 letters."""
    encoder: EncoderConfig
    """The encoder that every trial begins with."""
    batch: BatchConfig = BatchConfig()
    """Batches of every trial, where neither search nor confirmation says otherwise."""
    training: TrainingConfig = TrainingConfig()
    """Loss, optimizer and budget of every trial, where neither search nor confirmation says
    otherwise."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Memory of the evaluation, and a reader of answers."""
    space: Annotated[Space, Field(default_factory=dict)]
    """The search space: a range for each searched setting."""
    search: SearchConfig | None = None
    """The search; null goes straight to the confirmation."""
    baselines: tuple[BaselineName, ...] = ()
    """Baselines that the report compares with hybrid batches, see `tune.study.baselines`: the
    untrained encoder, BM25, and the batches of LAReQA (arXiv 2004.05484)."""
    baseline_seeds: Annotated[int, Field(ge=1), unit("seeds")] | None = None
    """Seeds of each trained baseline; by default those of the confirmation, or else 5."""
    confirm: Annotated[ConfirmConfig | None, Field(validate_default=True)] = None
    """The confirmation, from which the curve over the mixing ratio comes; null stops at the
    search."""
    primary: Annotated[
        tuple[PrimaryConfig, ...],
        BeforeValidator(
            outcomes_as_list, json_schema_input_type=tuple[PrimaryConfig, ...] | PrimaryConfig
        ),
    ] = (PrimaryConfig(),)
    """The outcomes by which the study is judged, declared before it runs: hybrid batches against
    each pure strategy in each of them, corrected together, are its tests. All else is
    exploratory."""
    resources: ResourcesConfig = ResourcesConfig()
    """What each trial takes, and the nodes that are waited for."""
    seed: Annotated[int, Field(ge=0), unit("none")] = 0
    """Seed of the sampler and of all trials."""
    storage: Annotated[Path, Field(validate_default=True)] = Path("results")
    """Folder for all files of the study except its tracking."""
    tracking_uri: str | None = None
    """MLflow server; by default MLFLOW_TRACKING_URI, or mlflow.db in the working directory."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, value: str) -> str:
        return check_file_name(value, (_CACHE,))

    @field_validator("tracking_uri")
    @classmethod
    def _no_secret(cls, value: str | None) -> str | None:
        if value and has_secret(value):
            raise ValueError(
                f"has a user, a password or a query with a secret, and this file is recorded; "
                f"{REMEDY}"
            )
        return str(expand_home(value)) if value and value.startswith("~") else value

    @field_validator("encoder", "evaluation")
    @classmethod
    def _pinned(cls, value: EncoderConfig | EvaluationConfig) -> EncoderConfig | EvaluationConfig:
        if isinstance(value, EvaluationConfig):
            hub, field = value.reader and value.reader.hub, "evaluation.reader.hub.revision"
        else:
            hub, field = value.hub, "encoder.hub.revision"
        if hub and hub.unpinned:
            raise SettingError((field, hub.unpinned))
        return value

    @field_validator("space", mode="before")
    @classmethod
    def _known_names(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        known = known_names(value)
        # Those that name no range, whose mistake would be told in words of a range.
        check_names(name for name, inner in known.items() if not is_range(inner))
        return known

    @field_validator("space")
    @classmethod
    def _legal_space(cls, value: Space, info: ValidationInfo) -> Space:
        check_space(value)
        if "encoder" in info.data:
            _check_encoders(value, info.data["encoder"])
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
        problems = []
        if value and info.data.get("space") == {}:
            problems.append("needs a space to search")
        if value and info.data.get("tune_on", names.DEV) is None:
            problems.append("needs tune_on: dev")
        if problems:
            raise SettingError(*(("search", problem) for problem in problems))
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
        problems = list(_confirm_problems(value, info.data))
        if problems:
            raise SettingError(*(("confirm", problem) for problem in problems))
        return value

    @field_validator("baselines")
    @classmethod
    def _no_duplicates(cls, value: tuple[BaselineName, ...]) -> tuple[BaselineName, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a baseline is named twice")
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

    # On the last field with a default, so that it is told beside the mistakes of all others.
    @field_validator("storage")
    @classmethod
    def _settings_have_an_effect(cls, value: Path, info: ValidationInfo) -> Path:
        sections = {"batch", "space", "search", "baselines", "confirm"}
        problems = _idle(**info.data) if sections <= set(info.data) else []
        if {"tune_on", "dev_share"} <= set(info.data):
            problems += idle_share(info.data["tune_on"], info.data["dev_share"])
        if problems:
            raise SettingError(*problems)
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
        confirm = self.confirm
        return repeats(self.seed, confirm.seeds, confirm.data_parts, confirm.first_seed)

    @property
    def dearest(self) -> dict[str, Value]:
        """The searched values by which a trial takes longest, as far as settings tell."""
        if self.search is None:
            return {}
        return {name: max(self.space[name].extremes) for name in DEAR if name in self.space}

    @property
    def _development_figures(self) -> tuple[str, ...]:
        """Figures that trials measure beside those that all have: the objectives."""
        objectives = self.search.objectives if self.search else ()
        return tuple(dict.fromkeys((*self.evaluation.development_figures, *objectives)))

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
        sections = with_values(
            {
                "batch": self.batch.model_dump(),
                "training": self.training.model_dump(),
                "encoder": self.encoder.model_dump(),
            },
            parameters,
        )
        data = self.data.model_dump()
        if not report:
            data["report_on"] = ()
        if data_part is not None:
            data[names.DATA_PART] = data_part.model_dump()
        return TrialConfig.model_validate(
            {
                "data": data,
                "evaluation": self.evaluation.model_copy(
                    update={"development_figures": self._development_figures}
                ),
                "retriever": retriever,
                "seed": seed,
                **sections,
            }
        )


def _check_encoders(space: Space, encoder: EncoderConfig) -> None:
    """Refuse parameters of encoders that cannot be: each may be legal, and not all together."""
    searched = [name for name in space if name.startswith("encoder.")]
    for point in corners(space, searched):
        inner = {name: value for name, value in point.items() if name in searched}
        changed = with_values({"encoder": encoder.model_dump()}, inner)
        try:
            EncoderConfig.model_validate(changed["encoder"])
        except ValidationError as error:
            raise ValueError("; ".join(problems_of(error, EncoderConfig))) from None


def read_study_file(path: Path, overrides: list[str], remedy: str = "") -> StudyConfig:
    """Read a study file.

    Args:
        path: YAML file.
        overrides: strings ``key=value`` with a dotted key and a YAML value.
        remedy: what to do about a file that is none; "" points to those to begin with.

    Raises:
        InputError: with the mistakes of the file and of the overrides in one message; see
            `hybridir.config.yaml.validate`.
    """
    shipped = ", ".join(map(_short, sorted(STUDIES.rglob("*.yaml"))))
    return read_settings(
        StudyConfig,
        path,
        hint=f"; shipped studies: {shipped}",
        example=f"; {remedy or f'{_short(STUDIES)} has files of studies to begin with'}",
        change=lambda content: _override_all(content, overrides),
        # Paths hold on other nodes, and for a resume from another directory.
        folder=Path.cwd(),
    )


def _short(path: Path) -> str:
    """The shorter of a path from here and the whole one."""
    return min(os.path.relpath(path), str(path), key=len)


def as_yaml(study: StudyConfig) -> str:
    """The settings as a study file, overrides included; `read_study_file` reads them back."""
    content = study.model_dump(mode="json", exclude_none=True)
    if study.tune_on is None:  # the only null that is no default
        content["tune_on"] = None
    return str(yaml.safe_dump(content, sort_keys=False))


def _override_all(content: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Set the overrides; returns what is wrong with them."""
    problems = []
    keys = [override.partition("=")[0] for override in overrides]
    for key, count in Counter(keys).items():
        if count > 1:
            problems.append(f"--set {key}: is there {count} times; keep one")
    for number, key in enumerate(keys):
        if lost := [earlier for earlier in keys[:number] if earlier.startswith(f"{key}.")]:
            problems.append(f"--set {key}: replaces {lost[0]}, set before it; put it first")
    for override in overrides:
        try:
            _override(content, override)
        except InputError as error:
            problems.append(str(error))
    return problems


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"--set {override}: expected key=value, such as training.pairs=6400")
    *sections, last = key.split(".")
    for section in sections:
        inner = content.get(section)
        if inner is not None and not isinstance(inner, dict):
            kind = "a list" if isinstance(inner, list) else "one value"
            raise InputError(
                f"--set {override}: {section} is {kind}, {inner!r}, which can only be set whole: "
                f"--set '{section}=...'"
            )
        content[section] = inner = dict(inner or {})
        content = inner
    content[last] = read_yaml(text, f"--set {override}")


def _confirm_problems(confirm: ConfirmConfig | None, others: Mapping[str, Any]) -> Iterator[str]:
    """What a confirmation cannot do beside the other settings, those that are legal."""
    if confirm is None:
        if others.get("search", ()) is None and others.get("baselines") == ():
            yield "nothing to do: add a search, a confirm, or baselines"
        return
    if {"search", "space"} <= set(others):
        try:
            confirm.check_search(others["search"], others["space"])
        except ValueError as error:
            yield str(error)
    if others.get("baseline_seeds") is not None:
        yield (
            "also sets the seeds of the baselines, so that they are compared seed by seed; "
            "leave baseline_seeds out"
        )
    if confirm.data_parts and others.get(names.DATA_PART) is not None:
        yield "data_parts divides all data; leave the study's own data_part out"
    if confirm.data_parts and confirm.first_seed:
        yield "first_seed counts seeds of all data; leave it out, or leave data_parts out"
    own = others["batch"].kind if "batch" in others else "hybrid"
    searched = others.get("space", {}).get("kind") if others.get("search") else None
    kinds = set(confirm.values_of("kind", own, searched.extremes if searched else None))
    without_ratio = sorted(kinds - {"hybrid"}, key=str)
    if len(confirm.mixing_ratio) > 1 and without_ratio:
        yield (
            f"varies the mixing ratio, which {' and '.join(map(str, without_ratio))} batches "
            "do not have; list the parameters under at with kind: hybrid, or name one ratio"
        )


def _idle(
    *,
    batch: BatchConfig,
    space: Space,
    search: SearchConfig | None,
    confirm: ConfirmConfig | None,
    baselines: Sequence[BaselineName],
    baseline_seeds: int | None = None,
    **others: object,
) -> list[tuple[str, str]]:
    """Settings and values that are named and have no effect beside the others, with the reason."""
    problems = []
    if space and search is None:
        problems.append(("space", "belongs to a search; add search, or leave it out (space: {})"))
    if baseline_seeds and not baselines:
        problems.append(("baseline_seeds", "belongs to baselines; add some, or leave it out"))
    problems += search.named(search.idle, "search") if search else []
    listed: dict[str, Any] = dict(confirm.levels) if confirm else {}
    points = confirm.points if confirm else []
    fixed = {name for point in points for name in point}

    def possible(name: str) -> set[Value]:
        searched = space[name].extremes if name in space else ()
        others = [point[name] for point in points if name in point]
        return {getattr(batch, name), *searched, *listed.get(name, ()), *others}

    kinds = possible("kind") | {names.BASELINE_KINDS.get(name, batch.kind) for name in baselines}
    idle = idle_settings(kinds, possible("language_sampling"))
    problems += batch.named(idle, "batch")
    for section, named in (("space", space), ("confirm", listed), ("confirm.at", fixed)):
        problems += [
            (f"{section}.{name}", f"has no effect: it {idle[name]}")
            for name in idle
            if name in named
        ]
    return problems


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
