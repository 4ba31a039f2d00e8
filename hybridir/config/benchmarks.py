"""The benchmarks of a trial: known ones by name, any other by its folder or its table."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from hybridir import names
from hybridir.config.base import (
    NAME_PATTERN,
    PART_PATTERN,
    SENTENCE,
    LanguageCode,
    LanguageCodes,
    PassageText,
    StrictModel,
    check_file_name,
)

# Benchmarks that need no folder setting: the first is synthetic, the others are in the data root.
KNOWN_BENCHMARKS = ("synthetic-test", "xquad-r", "mlqa-r")
# Benchmarks of questions with answers in a paragraph.
WITH_ANSWERS = ("xquad-r", "mlqa-r")
# Settings of benchmarks in a folder.
OF_FOLDERS = ("split", "language", "parallel", "rules", "ignore_identical_ids")
# First words of metrics that belong to no benchmark.
_RESERVED = (
    *(names.DEV, names.FIDELITY, "train", "evaluation", "memory", "study"),
    *(names.CURVE, names.CURVE_OF_FIRST_SEED),
)


class BenchmarkTableConfig(StrictModel):
    """A benchmark in a table of the user's own."""

    path: Path
    """File with the columns of a training table: questions, and the passages that answer them."""
    passages: Path | None = None
    """File with more passages of the pools: ``language``, ``passage`` and, if some of them answer
    questions, ``passage_group``."""


class BenchmarkConfig(StrictModel):
    """A benchmark that a trial reports on; no trial is tuned on it."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    """``synthetic-test``, ``xquad-r`` or ``mlqa-r``; with a folder or a table, any other name."""
    languages: LanguageCodes = None
    """Languages of queries and pools; all languages of the benchmark if left out."""
    passage_text: PassageText = SENTENCE
    """Passages of xquad-r and mlqa-r: each sentence (as in LAReQA's pools), or each sentence with
    its whole paragraph behind it (as XTREME-R feeds the encoder)."""
    folder: Path | None = None
    """Folder of a benchmark in a layout that `hybridir.data.readers.beir` reads."""
    table: BenchmarkTableConfig | None = None
    """The benchmark's questions and passages; see `hybridir.data.readers.table_benchmark`."""
    split: Annotated[str, Field(pattern=PART_PATTERN)] | None = None
    """Split of the folder's qrels; ``test`` if left out."""
    language: LanguageCode | None = None
    """Language of a folder whose files are in one language and do not name it."""
    skip_bad: bool = False
    """Skip and log unusable records of the folder or table instead of stopping at them."""
    parallel: bool | Literal["questions"] = False
    """Whether equal ids in several languages of the folder are translations, of questions and of
    passages; ``questions`` if only those of questions are."""
    rules: Literal["published", "in_pool"] = "published"
    """``published``: as trec_eval and BEIR count, relevant passages that are not in the corpus,
    grades, queries without a relevant passage and texts without a character included;
    ``in_pool``: without them."""
    ignore_identical_ids: bool | None = None
    """Whether a query must not find the passage that has its own id, as in BEIR's code; if left
    out, yes by published rules, and no in_pool."""

    @field_validator("name")
    @classmethod
    def _names_files(cls, value: str) -> str:
        return check_file_name(value, _RESERVED)

    @model_validator(mode="after")
    def _known_or_in_a_folder_or_table(self) -> Self:
        if self.passage_text != SENTENCE and self.name not in KNOWN_BENCHMARKS[1:]:
            raise ValueError(f"{self.name}: passage_text belongs to xquad-r and mlqa-r")
        choices = ", ".join(map(repr, KNOWN_BENCHMARKS[:-1])) + f" or {KNOWN_BENCHMARKS[-1]!r}"
        source = self.folder or (self.table and self.table.path)
        fields = type(self).model_fields
        extra = [name for name in OF_FOLDERS if getattr(self, name) != fields[name].default]
        if self.folder and self.table:
            raise ValueError(f"{self.name}: give its folder or its table, not both")
        if source is None and self.name not in KNOWN_BENCHMARKS:
            raise ValueError(
                f"name={self.name!r}: input should be {choices}; any other benchmark needs its "
                "folder, folder: PATH, or its table, table: {path: FILE}"
            )
        if extra and not self.folder:
            settings = " and ".join(extra)
            raise ValueError(f"{self.name}: only a benchmark in a folder has {settings}")
        if self.skip_bad and source is None:
            raise ValueError(f"{self.name}: only a folder or a table has skip_bad")
        if source and self.name.lower() in KNOWN_BENCHMARKS:
            raise ValueError(
                f"name={self.name!r} is reserved; give the benchmark in {source} another name"
            )
        if self.language and self.languages:
            raise ValueError(
                f"{self.name}: give language: CODE or languages: [CODE, CODE], not both"
            )
        return self

    @property
    def has_answers(self) -> bool:
        """Whether a reader can be asked its questions."""
        return self.name in WITH_ANSWERS

    def paths(self, data_root: Path | None) -> tuple[Path, ...]:
        """The benchmark's folder or files; none of the synthetic one, or without a data root."""
        if self.table:
            return (self.table.path, *([self.table.passages] if self.table.passages else []))
        if self.folder:
            return (self.folder,)
        if self.name == KNOWN_BENCHMARKS[0] or data_root is None:
            return ()
        return (data_root / self.name,)
