"""What a trial can be told about its training data: one source, or several that are mixed."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from hybridir.config.base import SENTENCE, Model, PassageText, known_languages


class SyntheticConfig(Model):
    """The embedded corpus of pseudo-languages."""

    languages: Annotated[int, Field(ge=2, le=5)] = 5
    """Number of pseudo-languages."""
    seed: Annotated[int, Field(ge=0)] = 20
    """Decides words, grammar and facts."""
    entities: Annotated[int, Field(ge=30)] = 500
    """Training entities; each has four facts, one question each."""


class LareqaConfig(Model):
    """A data set in the LAReQA JSON format, under `DataConfig.data_root`."""

    name: Literal["mlqa-r", "xquad-r"]
    """Folder under the data root that holds one JSON file per language."""
    languages: tuple[str, ...] | None = None
    """Languages to train on; all that are there if left out."""
    passage_text: PassageText = SENTENCE
    """The sentence that holds the answer, or that and the whole paragraph behind it."""

    _languages = field_validator("languages")(known_languages)


class TableConfig(Model):
    """A table of the user's own."""

    path: Path
    """JSONL, Parquet or CSV file with the columns of `hybridir.data.readers.table.ALL_COLUMNS`."""
    languages: tuple[str, ...] | None = None
    """Languages to train on; all that are there if left out."""
    skip_bad: bool = False
    """Drop and count unusable rows instead of stopping at them."""

    _languages = field_validator("languages")(known_languages)


class HubTableConfig(Model):
    """A table on the Hugging Face hub, or a local folder of Parquet files laid out like one."""

    id: str
    """For example ``owner/name``."""
    revision: str
    """Commit that pins the data; a local folder takes any word."""
    subset: str | None = None
    """Name of the configuration, where there are several."""
    split: str = "train"
    columns: dict[str, str] = Field(default_factory=dict)
    """From names of `table.ALL_COLUMNS` to names there, where they differ."""
    languages: tuple[str, ...] | None = None
    skip_bad: bool = False

    _languages = field_validator("languages")(known_languages)


class SourceConfig(Model):
    """One data set: exactly one of these."""

    lareqa: LareqaConfig | None = None
    table: TableConfig | None = None
    hub: HubTableConfig | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, ("lareqa", "table", "hub"))
        return self


class TrainConfig(Model):
    """What is trained on: exactly one source, or a mixture of several."""

    synthetic: SyntheticConfig | None = None
    lareqa: LareqaConfig | None = None
    table: TableConfig | None = None
    hub: HubTableConfig | None = None
    mix: tuple[SourceConfig, ...] | None = None
    """Several data sets. Each batch comes from one of them, drawn in proportion to its rows among
    those that can give a batch of its kind; ids of two data sets have nothing to do with each
    other."""
    questions: Literal["all", "shared"] = "all"
    """``shared`` keeps the questions that exist in two languages or more, so that monolingual and
    cross-lingual batches draw from the same ones."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, ("synthetic", "lareqa", "table", "hub", "mix"))
        if self.mix and len(self.mix) == 1:
            raise ValueError("mix has one data set: name two or more, or that one without mix")
        return self

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The data sets that are read; none for the synthetic corpus."""
        if self.synthetic:
            return ()
        return self.mix or (SourceConfig(lareqa=self.lareqa, table=self.table, hub=self.hub),)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders under the data root that are trained on."""
        return tuple(source.lareqa.name for source in self.sources if source.lareqa)


def _exactly_one(model: Model, fields: tuple[str, ...]) -> None:
    given = [name for name in fields if getattr(model, name)]
    if len(given) != 1:
        raise ValueError(
            f"{' and '.join(given) or 'no source'} given: name exactly one of {', '.join(fields)}"
        )
