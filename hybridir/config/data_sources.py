"""Settings of the training data: one data set, or a mixture of several."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from hybridir.config.base import (
    SENTENCE,
    FolderOrId,
    LanguageCodes,
    PassageText,
    StrictModel,
    unit,
)


class SyntheticConfig(StrictModel):
    """The synthetic corpus in pseudo-languages, which comes with the package."""

    languages: Annotated[int, Field(ge=2, le=5), unit("languages")] = 5
    """Number of pseudo-languages."""
    seed: Annotated[int, Field(ge=0), unit("none")] = 20
    """Seed of words, grammar and facts."""
    entities: Annotated[int, Field(ge=30), unit("entities")] = 500
    """Training entities; each has four facts with one question each."""
    distractors: Annotated[int, Field(ge=0), unit("entities")] = 0
    """Entities that only enlarge the pools of the development set, and as many those of the test
    set, by four passages a language each; both have 240 questions and their answers."""


class LareqaConfig(StrictModel):
    """A data set in the LAReQA JSON format, under `DataConfig.data_root`."""

    name: Literal["mlqa-r", "xquad-r"]
    """Folder under the data root, with one JSON file per language."""
    languages: LanguageCodes = None
    """Training languages; all languages of the data if left out."""
    passage_text: PassageText = SENTENCE
    """Passages: the sentence with the answer, or that sentence followed by its whole paragraph."""


class TableConfig(StrictModel):
    """A table in a file."""

    path: Path
    """CSV, TSV, JSONL or Parquet file, or a folder of Parquet files, with the columns
    ``question_id``, ``language``, ``question`` and ``passage``."""
    languages: LanguageCodes = None
    """Training languages; all languages of the data if left out."""
    skip_bad: bool = False
    """Skip and count unusable rows instead of stopping at them."""


class HubTableConfig(StrictModel):
    """A table on the Hugging Face hub, or a local folder of Parquet files with the same layout."""

    id: FolderOrId
    """For example ``owner/name``."""
    revision: str
    """Commit that pins the data; any word for a local folder."""
    subset: str | None = None
    """Name of the hub configuration, if the data set has several."""
    split: str = "train"
    """Split of the data set, as the hub names it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """From the names of a training table's columns to the data set's, where they differ:
    ``{question: query}``."""
    languages: LanguageCodes = None
    """Training languages; all languages of the data if left out."""
    skip_bad: bool = False
    """Skip and count unusable rows instead of stopping at them."""


class SourceConfig(StrictModel):
    """One data set of a mixture: exactly one of these."""

    lareqa: LareqaConfig | None = None
    """A published data set in LAReQA's layout."""
    table: TableConfig | None = None
    """A table of one's own."""
    hub: HubTableConfig | None = None
    """A table on the Hugging Face hub."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, ("lareqa", "table", "hub"))
        return self


class TrainDataConfig(StrictModel):
    """The training data: exactly one data set, or a mixture of several."""

    synthetic: SyntheticConfig | None = None
    """The corpus in pseudo-languages that comes with the package."""
    lareqa: LareqaConfig | None = None
    """A published data set in LAReQA's layout."""
    table: TableConfig | None = None
    """A table of one's own."""
    hub: HubTableConfig | None = None
    """A table on the Hugging Face hub."""
    mix: tuple[SourceConfig, ...] | None = None
    """Several data sets. Each batch comes from one of them, drawn in proportion to their rows
    among the data sets that can fill a batch of its kind. Equal ids in two data sets are
    unrelated."""
    questions: Literal["all", "shared"] = "all"
    """``shared`` keeps only questions in at least two languages, so that monolingual and
    cross-lingual batches draw from the same questions."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        _exactly_one(self, ("synthetic", "lareqa", "table", "hub", "mix"))
        if self.mix and len(self.mix) == 1:
            raise ValueError("mix has one data set: name two or more, or the one without mix")
        return self

    @property
    def sources(self) -> tuple[SourceConfig, ...]:
        """The data sets to read; none for the synthetic corpus."""
        if self.synthetic:
            return ()
        return self.mix or (SourceConfig(lareqa=self.lareqa, table=self.table, hub=self.hub),)

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the training data's folders under the data root."""
        return tuple(source.lareqa.name for source in self.sources if source.lareqa)


def _exactly_one(model: StrictModel, fields: tuple[str, ...]) -> None:
    sources = [name for name in fields if getattr(model, name)]
    if len(sources) != 1:
        raise ValueError(
            f"{' and '.join(sources) or 'no source'} given: "
            f"name exactly one of {', '.join(fields)}"
        )
