"""The study file as it was recorded, as far as the report reads it.

It is the only reading of that file. Its own models are lenient on purpose: a study of an older
version, or an edited one, must still give a report. They ignore fields that the report does not
need, and a field that is missing or illegal counts as not recorded. The strict models of
`hybridir.config` and `tune.study.file` belong to the program that ran the study: they refuse what
another version wrote, and fill in defaults of today that the recorded study may not have had.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from hybridir import names
from hybridir.config import read_yaml
from hybridir.errors import InputError

_DEFAULT_OBJECTIVE = names.mean_metric(names.DEV, names.AP, "mean")


def _none_if_illegal(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


_Value = TypeVar("_Value")
_Recorded = Annotated[_Value | None, WrapValidator(_none_if_illegal)]
"""A value, or None where the file does not hold a legal one."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class RecordedSource(_Section):
    """A data set or an encoder: by name, by path, or by its id on the Hugging Face hub."""

    name: _Recorded[str] = None
    path: _Recorded[str] = None
    id: _Recorded[str] = None
    languages: _Recorded[tuple[str, ...]] = None


class RecordedData(_Section):
    """The training data: one source, or a mixture of several."""

    synthetic: _Recorded[RecordedSource] = None
    lareqa: _Recorded[RecordedSource] = None
    table: _Recorded[RecordedSource] = None
    hub: _Recorded[RecordedSource] = None
    mix: _Recorded[tuple["RecordedData", ...]] = None

    @property
    def languages(self) -> frozenset[str] | None:
        """Languages of all data sets; None unless each of them names its languages."""
        sources = [
            source
            for data in self.mix or (self,)
            for source in (data.lareqa, data.table, data.hub)
            if source is not None
        ]
        if not sources or not all(source.languages for source in sources):
            return None
        return frozenset(code for source in sources for code in source.languages or ())


class RecordedEncoder(_Section):
    """The encoder: from the hub, from a folder, or new."""

    hub: _Recorded[RecordedSource] = None
    path: _Recorded[str] = None
    from_scratch: _Recorded[dict[str, Any]] = None


class RecordedTraining(_Section):
    """The budget of a trial."""

    pairs: _Recorded[int] = None


class RecordedRange(_Section):
    """The values of a searched parameter; set where they were drawn evenly in the logarithm."""

    loguniform: _Recorded[tuple[float, float]] = None


class RecordedSearch(_Section):
    """The search: its objectives, its sampler and its scheduler."""

    objective: _Recorded[Annotated[tuple[str, ...], BeforeValidator(_as_list)]] = None
    sampler: _Recorded[str] = None
    scheduler: _Recorded[str] = None


class RecordedEvaluation(_Section):
    """The evaluation: whether a reader's F1 was measured."""

    reader: _Recorded[dict[str, Any]] = None


class RecordedOutcome(_Section):
    """A primary outcome: a measure in a setting, of one benchmark or of all."""

    measure: _Recorded[str] = None
    setting: _Recorded[str] = None
    benchmark: _Recorded[str] = None


class RecordedStudy(_Section):
    """A study file.

    Attributes:
        written: the content as it was written, for tables that show it; the rest is read from it.
    """

    written: Mapping[Any, Any] = Field(default_factory=dict)
    encoder: Annotated[RecordedEncoder, BeforeValidator(_as_mapping)] = RecordedEncoder()
    train: Annotated[RecordedData, BeforeValidator(_as_mapping)] = RecordedData()
    training: Annotated[RecordedTraining, BeforeValidator(_as_mapping)] = RecordedTraining()
    space: Annotated[
        dict[str, Annotated[RecordedRange, BeforeValidator(_as_mapping)]],
        BeforeValidator(_as_mapping),
    ] = Field(default_factory=dict)
    search: Annotated[RecordedSearch, BeforeValidator(_as_mapping)] = RecordedSearch()
    evaluation: Annotated[RecordedEvaluation, BeforeValidator(_as_mapping)] = RecordedEvaluation()
    baselines: _Recorded[tuple[str, ...]] = None
    primary: _Recorded[tuple[RecordedOutcome, ...]] = None

    def primary_of(self, benchmark: str) -> list[tuple[str, str]]:
        """List the primary outcomes on a benchmark: (measure, setting), as columns are named.

        A study that declares none has mAP in the multilingual setting.
        """
        outcomes = self.primary or (_DEFAULT_PRIMARY,)
        return [
            (_MEASURES.get(outcome.measure, outcome.measure), outcome.setting)
            for outcome in outcomes
            if outcome.measure and outcome.setting and outcome.benchmark in (None, benchmark)
        ]

    def is_searched(self, parameter: str) -> bool:
        """Whether the search drew a parameter, by its short or dotted name."""
        return parameter in self._searched

    def is_logarithmic(self, parameter: str) -> bool:
        """Whether the search drew a parameter, by its short or dotted name, in the logarithm."""
        values = self._searched.get(parameter)
        return values is not None and values.loguniform is not None

    @property
    def _searched(self) -> dict[str, RecordedRange]:
        """The searched ranges under their dotted and their short names."""
        short = {name.partition(".")[2]: values for name, values in self.space.items()}
        return short | self.space

    @property
    def objectives(self) -> tuple[str, ...]:
        """The metrics that the search optimised."""
        return self.search.objective or (_DEFAULT_OBJECTIVE,)

    @property
    def objective(self) -> str:
        """The first of `objectives`."""
        return self.objectives[0]


_DEFAULT_PRIMARY = RecordedOutcome(measure="map", setting=names.MULTILINGUAL)
_MEASURES = {mean: name for name, mean in names.MEAN_NAMES.items()} | {"f1": names.SET_F1}


@lru_cache(maxsize=16)
def read_settings(text: str) -> RecordedStudy:
    """Read a study file.

    Args:
        text: its text; "" if none was recorded.

    Returns:
        Its settings; all of them unknown if the text is not a YAML mapping.
    """
    try:
        content = read_yaml(text, "the recorded study file")
    except InputError:
        content = None
    content = _as_mapping(content)
    return RecordedStudy.model_validate({**content, "written": content})
